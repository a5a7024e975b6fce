"""``chat`` on a whole terminal: people at screens, against a real daemon."""

from __future__ import annotations

import asyncio
import json
import operator
import re
from functools import partial
from typing import Any
from unittest.mock import AsyncMock, patch

from PIL import Image
from rich.cells import cell_len
from textual.events import AppBlur, AppFocus, Paste

from chatd.client.codec import LOBBY, ConversationRef
from chatd.client.composer import Composer
from chatd.client.lists import MemberList
from chatd.client.memory import MAX_ENTRIES_OF_SHOWN_CONVERSATION
from chatd.client.scrollback import MIN_NICK_CONTRAST_RATIO, Scrollback
from chatd.json_wire import objects
from tests.support.client_daemon import Person, ScreenTestCase

SAID = re.compile(r"\bm(\d+)\b")


def numbers(person: Person) -> list[int]:
    """The numbers of the messages ``m1``, ``m2`` … that are on the screen."""
    return [int(number) for number in SAID.findall("\n".join(person.view))]


def has_moved_on(shown: list[int], before: int) -> bool:
    """Whether the screen begins behind the message ``before``, and is full without a gap."""
    return shown[0] > before and shown == list(range(shown[0], shown[0] + 21))


class Arriving(ScreenTestCase):
    """The door, and the rooms."""

    def test_the_nick_is_asked_for_until_it_will_do(self) -> None:
        """With the daemon's own words for why it won't."""

        async def story() -> None:
            async with self.at_screen("alice"), self.at_screen() as bob:
                await bob.sees("Who are you?")
                await bob.sees("F1 help  Ctrl-C leave")
                await bob.presses("f1")
                await bob.sees("Keys", "Esc: back to the chat")
                await bob.presses("f1", "f2", "ctrl+n", *"alice", "enter")
                await bob.sees("nick in use: alice; choose another nick", "Who are you?")
                await bob.presses(*["backspace"] * 5, *"bob", "enter")
                await bob.sees("Join a room", "Esc back to the chat")
                await bob.presses("escape")
                await bob.sees("Hello bob", "● alice", "● bob")

        self.play(story)

    def test_rooms_are_joined_or_created(self) -> None:
        """From the list that comes first, and again with F2."""

        async def story() -> None:
            async with self.at_screen("alice") as alice, self.at_screen("bob") as bob:
                await alice.presses("f2")
                await alice.sees("Join a room")
                await alice.presses("tab", *"wob", "enter")
                await alice.sees("alice created wob (public)", "alice ★")
                await alice.types("/topic wob the weather")
                await alice.sees("wob · the weather")
                await bob.presses("f2")
                await bob.sees("wob  1: the weather")
                await bob.presses("down", "enter")
                await bob.sees("bob joined wob", "● alice ★", "● bob", "wob · the weather")
                await bob.presses("f2")
                await bob.sees("wob  2, member: the weather")
                await bob.presses("enter")
                await bob.until(lambda: bob.lines[0].startswith(" lobby "))

        self.play(story)

    def test_one_begins_where_one_was(self) -> None:
        """After the list of rooms of the first time; in the lobby if one was put out of there meanwhile."""
        owner = self.text("owner")
        owner.says("cg;wob").hears_until(b"ACK cg wob 1 1\n")

        async def story() -> None:
            async with self.at_screen("alice") as alice:
                await alice.types("/join wob", "hello", "s;owner;psst")
                await alice.sees("You said: hello")
            async with self.at_screen("alice") as alice:
                await alice.fanouts("at once\r")
                await alice.sees("You said: hello", "You said: at once", "Welcome back alice !")
                await alice.sees("alice joined wob")
                shown = [
                    entry.log_id for entry in alice.app.memory.shown_conversation.entries if entry.log_id
                ]
                self.assertEqual(shown, sorted(shown))
                self.assertNotIn("Join a room", alice.screen)
                await alice.until(lambda: alice.lines[0].startswith(" wob "))
            owner.says("kick;wob;alice").hears_until(b"ACK kick ")
            async with self.at_screen("alice", size=(60, 15)) as alice:
                await alice.until(lambda: alice.lines[0].startswith(" lobby "))
                owner.says("PRV alice psst")
                await alice.sees("unread: @owner 1", "message to lobby")
                await alice.presses("f4")
                await alice.sees("● owner ")
                await alice.presses("escape")
                await alice.until(lambda: "● owner" not in alice.screen)
                await alice.presses("ctrl+n")
                await alice.sees("message to @owner")
                await alice.until(lambda: "unread" not in alice.screen)

        self.play(story)

    def test_a_list_that_comes_in_several_answers(self) -> None:
        """Is one list: a daemon cuts what is over 256 KiB."""
        rooms = [f"room{number:03}" for number in range(600)]
        for first in range(0, 600, 100):  # as many as one user may own
            owner = self.daemon.connect("json")
            self.addCleanup(owner.close)
            owner.asks(action="client-hello", from_=f"owner{first}")
            for room in rooms[first : first + 100]:
                owner.asks(action="cgroup", group=room).asks(
                    action="topic", group=room, topic="x" * 512, ref=room
                )
            owner.object(ref=rooms[first + 99])
        self.assertTrue(owner.asks(action="groups", ref="all").object(ref="all")["more"])

        async def story() -> None:
            async with self.at_screen("alice") as alice:
                self.assertEqual(sorted(alice.app.memory.group_names), rooms)
                await alice.presses("f2")
                await alice.sees("room000")
                await alice.presses("end")
                await alice.sees("room599")

        self.play(story)

    def test_nobody_is_let_in_without_a_connection(self) -> None:
        """It ends, and says why."""
        port = self.daemon.port("json")
        self.daemon.kill()

        async def story() -> None:
            async with self.at_screen(port=port) as alice:
                await alice.presses(*"alice", "enter")
                await alice.until(lambda: alice.app._exit)
                self.assertRegex(str(alice.app.failure), "no connection to .*: Connection refused")

        self.play(story)


class Talking(ScreenTestCase):
    """Two people, and what each sees of the other."""

    def test_a_session(self) -> None:
        """The lobby, a private word, a group; what is elsewhere is counted; kicked, and back again."""

        async def story() -> None:
            async with self.at_screen("alice") as alice, self.at_screen("bob") as bob:
                await alice.sees("bob joined the chat", "● bob")
                await alice.types("hello", "s;bob;psst")
                await alice.sees("You said: hello", "@bob")
                await bob.sees("alice said: hello", "@alice 1")
                await bob.presses("ctrl+n")
                await bob.sees("alice said: psst", "@alice · ", "● alice")
                await bob.types("what?")
                await alice.sees("@bob 1")
                await alice.types("/create wob", "in here", "//help is a word")
                await alice.sees("You said: in here", "You said: /help is a word")
                await bob.types("/join WOB")
                await bob.sees("alice said: in here", "bob joined wob")
                await alice.types("/kick wob bob too loud")
                await alice.until(lambda: "● bob" not in alice.screen)
                await bob.sees("alice kicked bob out of wob (too")
                await bob.sees("you are no longer in wob: /join wob, or /leave")
                await bob.types("but")
                await bob.sees("You said: but (not sent: you are not a member of wob: join it")
                self.assertEqual(" ".join(bob.screen.split()).count("not a"), 1, "the reason is there once")
                await bob.types("/leave")
                await bob.sees("wob stays in the list, because")
                await bob.until(lambda: bob.lines[0].startswith(" lobby "))
                await bob.types("/join wob", "sorry")
                await alice.sees("bob said: sorry", "● bob")
                self.assertIn("message to wob", bob.screen)
                await bob.types("/leave")
                await bob.until(lambda: bob.lines[0].startswith(" lobby "))
                await bob.sees("bob left wob")

        self.play(story)

    def test_who_leaves_and_comes_back(self) -> None:
        """Missed messages are there, and counted."""

        async def story() -> None:
            async with self.at_screen("alice") as alice:
                await alice.types("/create wob")
                async with self.at_screen("bob") as bob:
                    await bob.types("/join wob", "/quit")
                    await bob.until(lambda: bob.app._exit)
                await alice.sees("○ bob")
                await alice.types("one", "two", "s;bob;psst")
                await alice.sees("You said: two", "@bob")
                async with self.at_screen("bob") as bob:
                    await bob.sees("Welcome back bob !", "@alice 1", "── new messages ──")
                    await bob.sees("alice said: one", "alice said: two")
                    await alice.sees("● bob")

        self.play(story)

    def test_pages_with_what_was_seen_and_a_list_of_the_rest(self) -> None:
        """Conversations are there from the start: filled, counted, and read on when one goes there."""
        at = "2026-11-21T10:00:00Z"

        def item(id: int, nick: str) -> dict[str, Any]:
            return {"id": id, "seq": id, "ts": at, "from": nick, "msg": f"m{id}", "kind": "message"}

        def page(*items: dict[str, Any], **fields: Any) -> dict[str, Any]:
            return {"action": "server-history", "messages": items, **fields}

        user = {"id": 1, "nick": "alice", "colour": "#112233"}
        hello = {
            "from": "server",
            "action": "server-hello",
            "msg": "Welcome back alice !",
            "user": user,
            "cursor": 9,
        }
        hello |= {"seen": 6, "returning": True}
        rest = [{"kind": "group", "name": "den", "last": 9, "unread": 2}]
        welcome = (
            page(item(2, "bob"), seen=6),
            page(
                item(5, "alice"), item(6, "bob"), item(7, "bob"), item(8, "alice"), seen=6, **{"with": "bob"}
            ),
            page(item(4, "carol"), group="wob", seen=6, more=True),
            {"action": "server-conversations", "conversations": rest, "more": True},
        )
        answers: dict[str, dict[str, Any]] = {
            "client-list-clients": {"action": "server-list-clients", "clients": ["alice"]},
            "groups": {"action": "server-groups", "groups": []},
            "members": {"action": "server-error", "code": "not_member", "msg": "x"},
            "client-quit": {"action": "server-quit"},
        }
        asked_for: list[dict[str, Any]] = []

        async def daemon(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while line := await reader.readline():
                asked = json.loads(line)
                if asked["action"] == "history" and "group" in asked:
                    asked_for.append(asked)
                    answer = page(item(3, "carol"), ref=asked["ref"], group=asked["group"])
                elif asked["action"] == "history":  # the lobby's, asked for when it was empty yet
                    answer = page(item(2, "bob"), ref=asked["ref"])
                else:
                    answer = {**answers.get(asked["action"], hello), "ref": asked["ref"]}
                unasked = welcome if asked["ref"] == "hello" else ()
                writer.write(b"".join(json.dumps(said).encode() + b"\n" for said in (answer, *unasked)))
            writer.close()

        async def story() -> None:
            server = await asyncio.start_server(daemon, "127.0.0.1", 0)
            async with self.at_screen("alice", port=server.sockets[0].getsockname()[1]) as alice:
                await alice.sees("Welcome back alice !", "@bob 1", "den 2", "there is more behind these 1")
                self.assertIn(" wob ", alice.screen)
                self.assertNotIn("wob 1", alice.screen)
                alice.app.switch_conversation(ConversationRef("direct", "bob"))
                await alice.sees("You said: m5", "bob said: m6", "bob said: m7", "You said: m8")
                alice.app.switch_conversation(ConversationRef("group", "wob"))
                await alice.sees("carol said: m3", "carol said: m4")
                alice.app.switch_conversation(ConversationRef("group", "den"))
                await alice.sees("carol said: m3")
                await alice.types("/quit")
                await alice.until(lambda: alice.app._exit)
            server.close()

        self.play(story)
        self.assertEqual(
            [(one["group"], one.get("before"), one["limit"]) for one in asked_for],
            # The first looks for mentions, the second has the events beside the messages of the welcome.
            [("den", None, 500), ("wob", None, 100), ("wob", 4, 100), ("den", None, 100)],
        )

    def test_what_makes_no_sense(self) -> None:
        """Says so, and what was typed can be mended."""

        async def story() -> None:
            async with self.at_screen("alice") as alice:
                await alice.types("/fly")
                await alice.sees("unknown command: /fly")
                self.assertEqual(alice.app.query_one(Composer).text, "/fly")
                await alice.types("s;nobody;x")
                await alice.sees("unknown user: nobody")
                await alice.types("/who", "/help")
                await alice.sees("Keys")
                await alice.presses("pagedown")
                await alice.sees("/image photo.png")

        self.play(story)

    def test_what_others_say_steers_nothing(self) -> None:
        """Control characters are shown; wide and combining characters take the cells that they need."""

        async def story() -> None:
            async with self.at_screen("alice") as alice:
                mallory = self.daemon.connect("json")
                self.addCleanup(mallory.close)
                mallory.asks(action="client-hello", from_="mallory")
                for msg in (
                    "\x1b[2J\x07bad\x9b0m",
                    "漢字" * 40,
                    "e\u0301a\u0308 👩 x",
                    "[red]markup[/]",
                    "a\tb",
                ):
                    mallory.asks(action="client-broadcast", msg=msg)
                await alice.sees("\N{REPLACEMENT CHARACTER}[2J\N{REPLACEMENT CHARACTER}bad", "[red]markup[/]")
                await alice.sees("a       b", "漢字", "e\u0301a\u0308 👩 x")
                self.assertNotRegex(alice.screen.replace("\n", ""), "[\x00-\x1f\x7f-\x9f]")
                self.assertEqual({cell_len(line) for line in alice.lines}, {80})

        self.play(story)

    def test_a_small_terminal_and_one_without_colours(self) -> None:
        """The lists go where there is no room for them."""

        async def story() -> None:
            async with self.at_screen("alice", size=(40, 10)) as alice:
                await alice.types("hello " * 10)
                await alice.sees("You said: hello hello")
                self.assertNotIn("● alice", alice.screen)
                with self.subTest("colours"):
                    strips = alice.app.screen._compositor.render_strips()
                    colours = {
                        segment.style.color.name
                        for strip in strips
                        for segment in strip
                        if segment.style is not None and segment.style.color is not None
                    }
                    self.assertTrue(all(name[1:3] == name[3:5] == name[5:7] for name in colours), colours)

        with patch.dict("os.environ", NO_COLOR="1"):
            self.play(story)

    def test_everything_can_be_read_on_dark_and_on_light(self) -> None:
        """Messages, announcements, answers, troubles, nicks and times, and what was found."""

        async def story() -> None:
            async with self.at_screen("alice") as alice, self.at_screen("bob") as bob:
                await alice.types("hello", "/who", "s;nobody;x")
                await alice.sees("connected: ", "unknown user: ")
                alice.app.post_message(AppBlur())
                await alice.until(lambda: not alice.app.app_focus)
                await bob.types("me too, alice")
                await alice.sees("── new messages ──", "bob said: me too, alice", "lobby 1 @1")
                alice.app.post_message(AppFocus())
                await alice.presses("ctrl+f", *"hello", "enter")
                await alice.until(lambda: alice.found == "hello")
                await bob.types("/create wob", "/leave", "s;alice;psst")
                await alice.sees("@bob 1")
                for dark in (True, False):
                    await alice.until(lambda dark=dark: alice.app.current_theme.dark is dark)  # type: ignore[misc]
                    for keys, text in (
                        ((), "@bob 1"),
                        (("escape",), "message to lobby"),
                        (tuple("/ki"), "/ki"),
                        (("f1",), "Ctrl-K"),
                        (("escape", "ctrl+k"), "go to: room"),
                        (("escape", "f2"), "new room: NAME"),
                        (("down",), "new room: NAME"),
                        (("escape", "f4", "down"), "F1 help"),
                        (("ctrl+f",), "hello"),
                    ):
                        await alice.presses(*keys)
                        await alice.sees(text)
                        await alice.until(
                            lambda: min(alice.contrasts.values()) >= MIN_NICK_CONTRAST_RATIO,
                            sorted(alice.contrasts.items(), key=lambda pair: pair[1])[:3],
                        )
                    await alice.presses("escape", *["backspace"] * 3, "f5")

        self.play(story)

    def test_everything_can_be_read_without_colours(self) -> None:
        with patch.dict("os.environ", NO_COLOR="1"):
            self.test_everything_can_be_read_on_dark_and_on_light()

    def test_without_colours_what_matters_is_marked_otherwise(self) -> None:
        """Own messages, mentions, unread messages, the current room and what is chosen or selected."""

        async def story() -> None:
            async with self.at_screen("alice", size=(80, 15)) as alice, self.at_screen("bob") as bob:
                await alice.types("hello bob", "/create wob")
                await bob.types("alice, you too", "/react 1 +1", "s;alice;psst")
                await alice.sees("lobby 1 @1", "@bob 1")
                marks = alice.marks
                await alice.until(lambda: alice.marks["wob"] == {"bold", "reverse"}, "the current room")
                self.assertEqual(marks["lobby"], {"bold"})
                self.assertEqual(marks["1 @1"], {"bold", "underline"})
                alice.app.switch_conversation(LOBBY)
                await alice.sees("alice, you too", "[+1 1]")
                marks = alice.marks
                await alice.until(lambda: alice.marks["lobby"] == {"bold", "reverse"}, "the current room")
                self.assertEqual(marks["bob"], {"bold"})
                self.assertEqual(marks["alice"], {"bold", "underline"})
                self.assertEqual(marks["[+1 1]"], {"italic"})

        with patch.dict("os.environ", NO_COLOR="1"):
            self.play(story)


class Small(ScreenTestCase):
    """Terminals of a few lines."""

    def test_the_door_and_the_rooms_on_five_lines(self) -> None:
        """What is asked, what may be chosen and where one types can be seen, each by each."""
        owner = self.text("owner")
        for number in range(9):
            owner.says(f"cg;room{number}").hears_until(f"ACK cg room{number} {number + 1} 1\n".encode())

        async def story() -> None:
            async with self.at_screen(size=(20, 5)) as alice:
                await alice.sees("Who are you?")
                await alice.presses(*"owner", "enter")
                await alice.sees("nick in use:", "owner; choose")
                await alice.until(lambda: alice.lines[-1].strip() == "owner")
                await alice.presses(*["backspace"] * 5, *"alice", "enter")
                await alice.sees("Join a room", "lobby", "room0  1", "new room: NAME")
                await alice.presses(*["down"] * 7)
                await alice.sees("room6  1")
                await alice.presses("tab", *"den")
                await alice.until(lambda: alice.lines[-1].strip() == "den")
                await alice.presses("shift+tab", "enter")
                await alice.sees("room6 · alice")

        self.play(story)

    def test_what_one_types_can_be_seen_as_long_as_there_is_a_line(self) -> None:
        """And all of it is there again when there is room again."""

        async def story() -> None:
            async with self.at_screen("alice") as alice:
                await alice.presses(*"one", "ctrl+j", *"two", "ctrl+j", *"three")
                await alice.sees("one", "two", "three")
                last = "three"
                for number, size in enumerate(((20, 5), (10, 3), (10, 2), (10, 1), (4, 1))):
                    await alice.pilot.resize_terminal(*size)
                    await alice.sees(last)
                    last = str(number)
                    await alice.presses("space", last)
                    await alice.sees(last)
                await alice.pilot.resize_terminal(10, 1)
                await alice.presses("ctrl+f", *"sought")
                await alice.sees("sought")
                await alice.presses("escape")
                await alice.sees("3 4")
                await alice.pilot.resize_terminal(1, 1)
                await alice.presses("f2", "escape", "x", "enter")
                await alice.pilot.resize_terminal(80, 24)
                await alice.sees("● alice", "You said: one", "three 0 1 2 3 4x", "F1 help")

        self.play(story)

    def test_keys_where_there_is_no_room_to_obey_them(self) -> None:
        """Do nothing, and what they do is done again when there is."""
        self.text("owner").says("cg;wob").hears_until(b"ACK cg wob 1 1\n")

        async def story() -> None:
            async with self.at_screen("alice") as alice:
                for size in ((1, 1), (2, 9), (3, 3), (4, 1), (5, 2), (200, 1)):
                    await alice.pilot.resize_terminal(*size)
                    await alice.presses(
                        "f2", "down", "pageup", "pagedown", "home", "end", "tab", "pageup", "escape"
                    )
                    await alice.presses(
                        "f4", "down", "end", "home", "up", "pageup", "escape", "ctrl+f", "x", "escape"
                    )
                await alice.pilot.resize_terminal(80, 24)
                await alice.presses("f2")
                await alice.sees("wob  1")
                await alice.presses("pagedown", "enter")
                await alice.sees("alice joined wob")

        self.play(story)

    def test_what_changes_behind_the_rooms(self) -> None:
        """The chat behind fits the terminal as it is, not as it was when they came up."""

        async def story() -> None:
            async with self.at_screen("alice", size=(40, 5)) as alice:
                await alice.presses("f2")
                await alice.sees("Join a room")
                await alice.pilot.resize_terminal(80, 24)
                await alice.presses("escape")
                await alice.sees("● alice", "F1 help")
                await alice.presses("f2")
                await alice.sees("Join a room")
                await alice.pilot.resize_terminal(40, 5)
                await alice.presses("escape")
                await alice.until(lambda: "● alice" not in alice.screen and "F1 help" not in alice.screen)

        self.play(story)


class Typing(ScreenTestCase):
    """The composer."""

    def test_what_is_pasted_is_one_message(self) -> None:
        """However many lines it has."""

        async def story() -> None:
            async with self.at_screen("alice") as alice:
                alice.app.query_one(Composer).post_message(Paste("one\r\ntwo\rthree\x1b[2J\n"))
                await alice.sees("two")
                await alice.presses("enter")
                await alice.sees("You said: one")
                self.assertEqual(self.stored(), ["one\ntwo\nthree\N{REPLACEMENT CHARACTER}[2J"])

        self.play(story)

    def test_completion_and_history(self) -> None:
        """Tab goes round what fits, Up brings back what was typed."""

        async def story() -> None:
            async with self.at_screen("alice") as alice, self.at_screen("bob"):
                composer = alice.app.query_one(Composer)

                def text() -> str:
                    return composer.text

                await alice.sees("● bob")
                await alice.presses(*"/cr", "tab")
                self.assertEqual(text(), "/create ")
                await alice.sees("/create group [visibility]: create a group")
                await alice.presses(*"wob", "enter")
                await alice.sees("alice created wob")
                await alice.presses(*"/ki", "tab", "w", "tab", "b", "tab", *"out", "enter")
                await alice.sees("bob is not a member of wob")
                await alice.presses("up")
                self.assertEqual(text(), "/kick wob bob out")
                await alice.presses("up", "up", "down", "down", "down")
                self.assertEqual(text(), "")
                await alice.presses(*"/top", "tab")
                self.assertEqual(text(), "/topic ")
                await alice.presses(*["backspace"] * 7, *"one", "ctrl+j", *"two", "enter")
                await alice.sees("You said: one", "two")

        self.play(story)

    def test_the_group_on_the_screen_is_implied(self) -> None:
        """Tab offers its members; nobody is kicked out of another group, whose name comes first."""
        self.text("owner").says("cg;den").hears_until(b"ACK cg den 1 1\n")

        async def story() -> None:
            async with self.at_screen("alice") as alice, self.at_screen("bob") as bob:
                await alice.types("/create den2", "/create wob")
                await bob.types("/join den2", "/join wob")
                await alice.sees("wob", "● bob")
                await alice.presses(*"/kick ", "tab")
                self.assertEqual(alice.app.query_one(Composer).text, "/kick bob ")
                await alice.sees("bob  owner  wob  den  den2")
                await alice.presses(*"too loud", "enter")
                await bob.sees("alice kicked bob out of wob (too")
                await bob.until(lambda: bob.app.memory.here.name == "wob")
                await alice.types("/topic the weather", "/me waves", "/invite bob")
                await alice.sees("wob · the weather", "* alice waves", "alice invited bob to wob")
                await alice.types("/msg bob psst", "and this")
                await alice.until(lambda: alice.lines[0].startswith(" @bob "))
                await alice.sees("You said: psst", "You said: and this")
                await alice.types("/join wob", "/msg nobody hello", "here still")
                await alice.sees("unknown user: nobody")
                await alice.until(lambda: alice.lines[0].startswith(" wob "))
                await alice.types("/query bob")
                await alice.until(lambda: alice.lines[0].startswith(" @bob "))

        self.play(story)

    def test_completion_of_rooms_that_one_is_not_in(self) -> None:
        """They were listed."""
        self.text("owner").says("cg;wob").hears_until(b"ACK cg wob 1 1\n")

        async def story() -> None:
            async with self.at_screen("alice") as alice:
                await alice.presses(*"/join w", "tab")
                self.assertEqual(alice.app.query_one(Composer).text, "/join wob")

        self.play(story)


class Choosing(ScreenTestCase):
    """The lists beside the conversation."""

    def test_with_the_mouse(self) -> None:
        """A click goes there, the wheel scrolls; what is typed is written wherever one clicks."""

        async def story() -> None:
            async with self.at_screen("alice") as alice, self.at_screen("bob") as bob:
                await alice.types("/create wob", "one", "two", *("..." for _ in range(25)))
                await alice.sees("● alice ★")
                await alice.clicks(3, 1)
                await alice.until(lambda: alice.lines[0].startswith(" lobby "))
                await alice.sees("● bob")
                await alice.clicks(70, 2)
                await alice.until(lambda: alice.lines[0].startswith(" @bob "))
                await alice.clicks(3, 2)
                await alice.until(lambda: alice.lines[0].startswith(" wob "))
                for number, place in enumerate(((3, 20), (70, 20), (40, 15), (40, 0), (40, 23), (1, 22)), 1):
                    await alice.clicks(*place)
                    await alice.presses("x")
                    self.assertEqual(alice.app.query_one(Composer).text, "x" * number, place)
                self.assertNotIn("said: one", alice.screen)
                await alice.fanouts("\x1b[<64;40;10M" * 10)
                await alice.sees("You said: one")
                await alice.fanouts("\x1b[<65;40;10M" * 10)
                await alice.until(lambda: "said: one" not in alice.screen)
                await bob.presses("f2")
                await bob.sees("wob  1")
                await bob.clicks(20, 12)
                await bob.sees("bob joined wob")

        self.play(story)

    def test_what_is_chosen_stays_chosen_whoever_comes(self) -> None:
        """However far that moves it."""

        async def story() -> None:
            async with self.at_screen("alice") as alice, self.at_screen("bob"):
                await alice.sees("● bob")
                await alice.presses("f4", "end")
                self.text("aaron")
                await alice.sees("● aaron")
                await alice.presses("enter")
                await alice.until(lambda: alice.lines[0].startswith(" @bob "))

        self.play(story)

    def test_the_one_that_was_chosen_it_is(self) -> None:
        """Not the one that stands there when the choice is heard of."""

        async def story() -> None:
            async with self.at_screen("alice") as alice, self.at_screen("bob"):
                await alice.sees("● bob")
                people = alice.app.query_one(MemberList)
                people.highlighted = 1
                people.action_select()
                alice.app.memory.online.add("aaron")
                people.draw()
                await alice.until(lambda: alice.lines[0].startswith(" @bob "))

        self.play(story)

    def test_a_crowd_is_listed_once(self) -> None:
        """Not once for everyone who comes: each list has all of them, and the next who came meanwhile."""
        owner = self.text("owner")
        owner.says("cg;wob").hears_until(b"ACK cg wob 1 1\n")

        async def story() -> None:
            async with self.at_screen("alice") as alice:
                app = alice.app
                await alice.types("/join wob")
                await alice.sees("● owner ★")
                came = objects.GroupEvent(
                    event="joined",
                    actor="bob",
                    ts=objects.Timestamp("2026-11-21T10:00:00Z"),
                    id=10**9,
                    group="wob",
                )
                with patch.object(app, "_ask", wraps=app._ask) as asked:
                    for _ in range(50):
                        app.news_received(came)
                        await asyncio.sleep(0)
                    self.text("carol").says("j;wob")
                    app.news_received(came)
                    await alice.sees("● carol")
                    self.assertLessEqual(asked.call_count, 3)

        self.play(story)


class AllAtOnce(ScreenTestCase):
    """Keys that come faster than they can be obeyed."""

    def test_each_line_is_a_message_and_corrections_correct(self) -> None:
        """In the order in which they were typed; what is not finished waits."""

        async def story() -> None:
            async with self.at_screen("alice") as alice:
                await alice.fanouts("hellp\x7fo\rtwi\x7f\x1b[Doo\x1b[3~\r\x1b[200~three\n\x1b[201~\rfour")
                await alice.sees("You said: three")
                self.assertEqual(self.stored(), ["hello", "too", "three"])
                self.assertEqual(alice.app.query_one(Composer).text, "four")

        self.play(story)

    def test_questions_are_answered_once(self) -> None:
        """However often one says so: Enter at the door and in a room, a double click, Escape."""
        self.text("owner").says("cg;wob").hears_until(b"ACK cg wob 1 1\n")

        async def story() -> None:
            async with self.at_screen() as alice:
                await alice.sees("Who are you?")
                await alice.fanouts("alice\r\r\r")
                await alice.sees("Join a room")
                await alice.fanouts("\x1b[27u" * 3)
                await alice.until(lambda: "Join a room" not in alice.screen)
                for typed in ("\r" * 3, "\x1b[B" + "\r" * 3, "\x1b[<0;20;13M\x1b[<0;20;13m" * 2):
                    await alice.presses("f2")
                    await alice.sees("Join a room")
                    await alice.fanouts(typed)
                    await alice.until(lambda: "Join a room" not in alice.screen)
                await alice.types("hello")
                await alice.sees("alice joined wob", "You said: hello")

        self.play(story)

    def test_what_is_searched_is_not_said(self) -> None:
        """The key that turns to the search has the next letter go there, the one that turns back, too."""

        async def story() -> None:
            async with self.at_screen("alice") as alice:
                await alice.types("hello", "world")
                await alice.sees("You said: world")
                await alice.fanouts("\x06hell\r")
                await alice.until(lambda: alice.found == "hello")
                await alice.fanouts("\x1b[13~\x1b[27u")
                await alice.fanouts("so\r")
                await alice.sees("You said: so")
                self.assertEqual(self.stored(), ["hello", "world", "so"])

        self.play(story)

    def test_everything_is_said_where_one_was(self) -> None:
        """Or was on one's way to, whatever happens meanwhile; what can't be said there is said nowhere."""

        async def story() -> None:
            async with self.at_screen("alice") as alice, self.at_screen("bob") as bob:
                await alice.fanouts("/create wob\rone\r/leave\rtwo\r/join nowhere\rthree\r")
                await alice.sees("unknown group: nowhere")
                await alice.types("/join wob", "s;bob;psst")
                await bob.sees("@alice 1")
                await alice.until(lambda: alice.lines[0].startswith(" wob "))
                await alice.fanouts("/who\rfour\r\x0efive\r\x10six\r")
                await alice.sees("You said: six")
                self.assertEqual(self.stored(), ["two"])
                wob = alice.app.memory.conversation(ConversationRef("group", "wob"))
                self.assertEqual([e.text for e in wob.entries if e.nick], ["one", "four", "six"])
                bobs = alice.app.memory.conversation(ConversationRef("direct", "bob"))
                self.assertEqual([e.text for e in bobs.entries if e.nick], ["psst", "five"])

        self.play(story)

    def test_goodbye_comes_last(self) -> None:
        """What was said before it is said."""

        async def story() -> None:
            async with self.at_screen("alice") as alice:
                await alice.fanouts("/who\rone\rtwo\r/quit\r")
                await alice.until(lambda: alice.app._exit)
                self.assertEqual(alice.app.unsent_at_exit, 0)
                self.assertEqual(self.stored(), ["one", "two"])

        self.play(story)


class Lasting(ScreenTestCase):
    """Connections that break."""

    def test_the_daemon_killed_under_somebody_who_types(self) -> None:
        """It is said at once; what was typed meanwhile is said once; both sides' histories are equal."""
        port = self.daemon.port("json")

        async def story() -> None:
            async with self.at_screen("alice") as alice, self.at_screen("bob") as bob:
                await alice.types(*(f"m{number}" for number in range(10)))
                await bob.sees("alice said: m9")
                await asyncio.to_thread(self.daemon.kill)
                await alice.sees("connection lost", "no connection")
                await alice.types(*(f"m{number}" for number in range(10, 15)))
                await alice.sees("5 waiting")
                again = partial(self.start, "--listen=text=tcp:0", f"--listen=json=tcp:{port}")
                self.daemon = await asyncio.to_thread(again)
                await alice.sees("connected again", "You said: m14")
                await bob.sees("connected again", "alice said: m14")
                for person in (alice, bob):
                    said = [
                        entry.text for entry in person.app.memory.shown_conversation.entries if entry.nick
                    ]
                    self.assertEqual(said, [f"m{number}" for number in range(15)])
                await alice.until(lambda: "waiting" not in alice.screen)
                self.assertEqual(self.stored(), [f"m{number}" for number in range(15)])

        self.play(story)

    def test_ten_minutes_without_a_daemon(self) -> None:
        """End nothing, whatever else answers there: it is tried again for as long as the client runs."""
        port = self.daemon.port("json")

        async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 503 Service Unavailable\r\n\r\n")
            writer.close()

        async def story() -> None:
            loop = asyncio.get_running_loop()
            real, passed = loop.time, 0.0
            with patch.object(loop, "time", lambda: real() + passed):
                async with self.at_screen("alice") as alice:
                    await asyncio.to_thread(self.daemon.kill)
                    await alice.sees("no connection")
                    await alice.types("are you there?")
                    await alice.sees("You said: are you there? (waiting)")
                    server = await asyncio.start_server(proxy, "127.0.0.1", port)
                    for _ in range(40):  # a quarter of a minute each, more than its longest pause
                        passed += 15.0
                        await asyncio.sleep(0.005)
                    server.close()
                    self.assertFalse(alice.app._exit)
                    again = partial(self.start, "--listen=text=tcp:0", f"--listen=json=tcp:{port}")
                    self.daemon = await asyncio.to_thread(again)
                    passed += 15.0
                    await alice.sees("connected again", "You said: are you there?")
                    await alice.until(lambda: "waiting" not in alice.screen)
                    self.assertEqual(self.stored(), ["are you there?"])

        self.play(story)

    def test_leaving_while_there_is_no_connection(self) -> None:
        """Asks once, then goes at once; what was typed in vain is counted."""

        async def story() -> None:
            async with self.at_screen("alice") as alice:
                await asyncio.to_thread(self.daemon.kill)
                await alice.sees("no connection")
                await alice.types("hello?", "/who")
                await alice.presses("ctrl+c")
                await alice.sees("messages for the next start to send:")
                self.assertFalse(alice.app._exit)
                await alice.presses("ctrl+c")
                await alice.until(lambda: alice.app._exit)
                self.assertEqual((alice.app.unsent_at_exit, alice.app.failure), (1, None))

        self.play(story)


class LongAgo(ScreenTestCase):
    """History that is longer than any screen."""

    def write(self, count: int) -> None:
        """Have so many messages in the lobby, all different."""
        writer = self.daemon.connect("json")
        writer.asks(action="client-hello", from_="writer")
        for number in range(count):
            writer.asks(action="client-broadcast", msg=f"m{number}", ref=number)
        writer.object(ref=count - 1)
        writer.asks(action="client-quit").hears_rest()
        writer.close()

    def test_ten_thousand_messages_are_a_window_of_them(self) -> None:
        """Up to the first and down to the last, without a gap, and never more than a window in memory."""
        self.write(10_000)

        async def story() -> None:
            async with self.at_screen("alice") as alice:
                await alice.sees("m9999")
                conversation = alice.app.memory.shown_conversation
                scrollback = alice.app.query_one(Scrollback)
                while conversation.oldest_id and conversation.oldest_id > 8_000:
                    before = conversation.oldest_id
                    scrollback.scroll_home(animate=False)
                    await alice.until(lambda before=before: conversation.oldest_id != before)  # type: ignore[misc]
                    await alice.until(lambda: scrollback.scroll_offset.y > 0)
                    self.assertLessEqual(len(conversation.entries), MAX_ENTRIES_OF_SHOWN_CONVERSATION)
                self.assertTrue(conversation.has_newer)
                seen = [int(entry.text[1:]) for entry in conversation.entries if entry.nick]
                self.assertEqual(seen, list(range(seen[0], seen[0] + len(seen))))
                await alice.until(lambda: len(numbers(alice)) == 21)
                shown = numbers(alice)
                self.assertEqual(shown, list(range(shown[0], shown[0] + 21)))
                self.assertGreater(shown[0], seen[0])
                await alice.presses("ctrl+home")
                await alice.until(lambda: numbers(alice)[:1] == [0])
                await alice.presses("pagedown")
                while (at := numbers(alice)[0]) < 260:
                    await alice.presses("pagedown")
                    await alice.until(lambda at=at: has_moved_on(numbers(alice), at))  # type: ignore[misc]
                await alice.presses("ctrl+end")
                await alice.until(lambda: numbers(alice)[-1:] == [9_999])
                await alice.types("here")
                await alice.sees("You said: here")

        self.play(story)

    def test_what_comes_while_one_reads_further_back(self) -> None:
        """Stays where it belongs, is counted, and moves nothing."""
        self.write(300)

        async def story() -> None:
            async with self.at_screen("alice") as alice, self.at_screen("bob") as bob:
                await alice.presses("ctrl+home")
                await alice.until(lambda: numbers(alice)[:1] == [0])
                await bob.types("news")
                await alice.sees("lobby 1")
                self.assertEqual(numbers(alice)[0], 0)
                await alice.presses("ctrl+end")
                await alice.sees("bob said: news")
                await alice.until(lambda: "lobby 1" not in alice.screen)
                await alice.presses("pageup")
                before = numbers(alice)
                await bob.types("more news")
                await alice.sees("lobby 1")
                self.assertEqual(alice.app.memory.shown_conversation.entries[-1].text, "more news")
                self.assertEqual(numbers(alice), before)
                await alice.presses("pagedown", "pagedown")
                await alice.sees("bob said: more news")
                await alice.until(lambda: "lobby 1" not in alice.screen)

        self.play(story)

    def test_help_while_one_reads_further_back(self) -> None:
        """Moves nothing, nor does finding another place and not going there."""
        self.write(100)
        self.text("dora")

        async def story() -> None:
            async with self.at_screen("alice") as alice:
                await alice.sees("m99")
                await alice.presses("pageup", *"half a line")
                before = numbers(alice)
                self.assertLess(before[-1], 99)
                await alice.presses("f1")
                await alice.sees("The examples are for the lobby.", "Ctrl-K")
                await alice.presses("pagedown", "pagedown")
                await alice.presses("pagedown")
                await alice.sees("/kick wob dora too loud")
                await alice.presses("f1")
                await alice.until(lambda: numbers(alice) == before)
                await alice.presses("ctrl+k", *"xyzzy", "enter")
                await alice.sees("xyzzy")
                await alice.presses("escape")
                await alice.until(lambda: numbers(alice) == before)
                self.assertEqual(alice.app.query_one(Composer).text, "half a line")
                await alice.presses("ctrl+k", *"kick")
                await alice.sees("/kick  group nick [reason]")
                await alice.presses("enter", "x")
                self.assertEqual(alice.app.query_one(Composer).text, "/kick x")
                await alice.presses("ctrl+k", *"@dor", "enter")
                await alice.until(lambda: alice.lines[0].startswith(" @dora "))

        self.play(story)

    def test_what_could_not_be_read_may_be_asked_for_again(self) -> None:
        """By the key that asks for it; not by itself, for ever."""
        self.write(300)

        async def story() -> None:
            async with self.at_screen("alice") as alice:
                await alice.sees("m299")
                conversation = alice.app.memory.shown_conversation
                before = conversation.oldest_id
                with patch.object(alice.app.history, "read_page", AsyncMock(return_value=None)) as refused:
                    alice.app.query_one(Scrollback).scroll_home(animate=False)
                    await alice.until(lambda: not conversation.has_older)
                    await alice.pilot.pause()
                    refused.assert_called_once()
                self.assertEqual(conversation.oldest_id, before)
                await alice.presses("pageup")
                await alice.until(lambda: conversation.oldest_id != before)

        self.play(story)

    def test_what_may_not_be_read_on(self) -> None:
        """Is let go: a part of it without its end would hide a gap, and be asked for for ever."""
        owner = self.text("owner")
        owner.says("cg;wob").hears_until(b"ACK cg wob 1 1\n")
        for number in range(300):
            owner.says(f"bg;wob;m{number}")
        owner.says("WHO").hears_until(b"END WHO 1\n")

        async def story() -> None:
            async with self.at_screen("alice") as alice:
                await alice.types("/join wob")
                await alice.sees("alice joined wob")
                await alice.presses("ctrl+home")
                await alice.until(lambda: numbers(alice)[:1] == [0])
                conversation = alice.app.memory.shown_conversation
                self.assertTrue(conversation.has_newer)
                owner.says("kick;wob;alice").hears_until(b"ACK kick ")
                alice.app.query_one(Scrollback).scroll_end(animate=False)
                await alice.until(lambda: not conversation.has_newer)
                self.assertEqual(numbers(alice), [])
                await alice.sees("you are not a member of wob: join it")

        self.play(story)

    def test_the_end_is_followed_whatever_room_there_is_for_it(self) -> None:
        """Bars come and go, the window shrinks and grows: who reads the end goes on reading the end."""
        self.write(100)

        async def story() -> None:
            async with self.at_screen("alice") as alice, self.at_screen("bob") as bob:
                await alice.presses("ctrl+f")
                await alice.sees("search, Enter")
                await bob.types("one")
                await alice.sees("bob said: one")
                await alice.presses("escape")
                await alice.until(lambda: "search, Enter" not in alice.screen)
                await bob.types("two")
                await alice.sees("bob said: two")
                for number, size in enumerate(((40, 10), (80, 24), (120, 40))):
                    await alice.pilot.resize_terminal(*size)
                    await bob.types(f"size {number}")
                    await alice.sees(f"bob said: size {number}")

        self.play(story)

    def test_only_another_width_breaks_lines_anew(self) -> None:
        """A bar that comes or goes changes the height alone, and a thousand messages take their time."""
        self.write(100)

        async def story() -> None:
            async with self.at_screen("alice") as alice:
                await alice.sees("m99")
                scrollback = alice.app.query_one(Scrollback)
                before = [strip for _, strip in scrollback._lines]
                await alice.presses("ctrl+f")
                await alice.sees("search, Enter")
                self.assertTrue(all(map(operator.is_, before, (strip for _, strip in scrollback._lines))))
                await alice.pilot.resize_terminal(70, 24)
                await alice.until(lambda: scrollback._lines[0][1] is not before[0])

        self.play(story)

    def test_searching(self) -> None:
        """Goes back through what is in memory, then page by page through what is not."""
        self.write(3_000)

        async def story() -> None:
            async with self.at_screen("alice") as alice:
                await alice.sees("m2999")
                await alice.presses("ctrl+f", *"m299", "enter")
                for number in (*range(2_999, 2_989, -1), 299):
                    await alice.until(lambda number=number: alice.found == f"m{number}")  # type: ignore[misc]
                    await alice.until(lambda number=number: number in numbers(alice))  # type: ignore[misc]
                    await alice.presses("enter")
                await alice.sees("nothing further back", "11/11")
                self.assertTrue(alice.app.memory.shown_conversation.has_newer)
                await alice.presses("down")
                await alice.until(lambda: alice.found == "m2990")
                await alice.sees("10/11")
                await alice.presses("shift+f3")
                await alice.until(lambda: alice.found == "m2991")
                await alice.presses("f3", "f3")
                await alice.until(lambda: alice.found == "m299")
                await alice.presses("x", "enter")
                await alice.sees("no match")
                await alice.presses("escape", "ctrl+end")
                await alice.until(lambda: 2_999 in numbers(alice))

        self.play(story)


class Kinds(ScreenTestCase):
    """What one does, and what programs say."""

    def test_they_are_seen_and_deleted(self) -> None:
        async def story() -> None:
            async with self.at_screen("alice") as alice, self.at_screen("bob") as bob:
                await alice.sees("bob joined the chat")
                await alice.types("/me waves at bob")
                for person in (alice, bob):
                    await person.sees("* alice waves at bob")
                with self.daemon.connect("json") as robot:
                    robot.asks(action="client-hello", from_="robot")
                    robot.asks(action="client-broadcast", msg="it is done", kind="notice")
                    await bob.sees("-robot- it is done")
                kinds = [entry.kind for entry in bob.app.memory.shown_conversation.entries if entry.nick]
                self.assertEqual(kinds, ["action", "notice"])

        self.play(story)


class Changes(ScreenTestCase):
    """Edits, answers, reactions, and who types."""

    def test_they_are_seen_in_their_places(self) -> None:
        async def story() -> None:
            async with self.at_screen("alice") as alice, self.at_screen("bob") as bob:
                await alice.sees("bob joined the chat")
                await alice.presses(*"helo")
                await bob.until(lambda: "alice is typing…" in bob.lines[0])
                await alice.presses("enter")
                await bob.sees("alice said: helo")
                await bob.until(lambda: "typing" not in bob.lines[0])
                await alice.types("/edit hello")
                for person, label in ((alice, "You"), (bob, "alice")):
                    await person.sees(f"{label} said: hello (edited)")
                await bob.types("/reply hi there")
                await bob.sees("You said: > alice hello (edited) hi there")
                await alice.sees("bob said: > alice hello (edited) hi there")
                await alice.types("/react +1")
                await bob.types("/react 1 ok")
                for person in (alice, bob):
                    await person.sees("[+1 1]", "[ok 1]")
                await alice.types("/delete 1")
                await bob.sees("You said: > alice (deleted) hi there")
                await alice.types("/unreact +1")
                await bob.until(lambda: "+1" not in bob.screen)
                await alice.types("oops")
                await bob.sees("alice said: oops")
                await bob.types("/edit 8 mine")
                await bob.sees("only its author may edit")

        self.play(story)


class Looks(ScreenTestCase):
    """How messages are arranged, and copied."""

    def test_columns_code_links_and_the_clipboard(self) -> None:
        """A nick stands once in front of a run; what is selected is copied; a file is one message."""
        (self.folder / "notes.txt").write_text("one\ntwo\n")

        async def story() -> None:
            long = "w" * 32
            async with self.at_screen("alice", size=(100, 24)) as alice, self.at_screen(long) as other:
                with self.daemon.connect("json") as robot:
                    robot.asks(action="client-hello", from_="bob")
                    for msg in ("first", "see https://a.b/c", "like:\n```py\nif x:\n\treturn\n```\n`done`"):
                        robot.asks(action="client-broadcast", msg=msg)
                    await alice.sees("bob said: first", "bob said: see https://a.b/c")
                await alice.sees("done")
                lines = [line.rstrip() for line in alice.view if line.strip()]
                first = next(at for at, line in enumerate(lines) if line.endswith(" bob first"))
                indent = lines[first].index("first")
                wanted = ("see https://a.b/c", "like:", "if x:", "        return", "done")
                self.assertEqual(lines[first + 1 : first + 6], [f"{' ' * indent}{text}" for text in wanted])
                links = {
                    segment.style.link
                    for strip in alice.app.screen._compositor.render_strips()
                    for segment in strip
                    if segment.style is not None and segment.style.link
                }
                self.assertEqual(links, {"https://a.b/c"})
                painted = {
                    segment.text.strip(): segment.style
                    for strip in alice.app.screen._compositor.render_strips()
                    for segment in strip
                    if segment.style is not None
                }
                self.assertEqual(painted["if x:"].bgcolor, painted["done"].bgcolor)
                self.assertNotEqual(painted["if x:"].bgcolor, painted["first"].bgcolor)
                self.assertTrue(painted["bob joined the chat"].italic and painted["bob"].bold)
                self.assertNotEqual(painted["bob joined the chat"].color, painted["first"].color)
                await other.types("I have a long nick")
                await alice.sees(f" {long} ", f"{long} said: I have a long nick")
                await alice.types("/copy")
                await alice.sees("18 characters")
                self.assertEqual(alice.app.clipboard, "I have a long nick")
                await alice.types("/copy 2")
                like = "bob: like:\n```py\nif x:\n\treturn\n```\n`done`"
                await alice.until(lambda: alice.app.clipboard == f"{like}\n{long}: I have a long nick")
                row = next(at for at, line in enumerate(alice.lines) if "see https" in line)
                column = alice.lines[row].index("see https")
                await alice.pilot.mouse_down(offset=(column + 4, row))
                await alice.pilot.hover(offset=(column + 16, row))
                await alice.pilot.mouse_up(offset=(column + 17, row))
                await alice.until(lambda: alice.app.clipboard == "https://a.b/c")
                await alice.sees("13 characters")
                await alice.presses("ctrl+c")
                self.assertEqual((alice.app._exit, alice.app.screen.get_selected_text()), (False, None))
                await alice.types(f"/paste {self.folder / 'notes.txt'}", "/paste /dev/zero", "/copy x")
                await other.sees("alice said: one two")
                await alice.sees("can't send /dev/zero: it is no file", "usage: /copy [number]")
                self.assertEqual(self.stored()[-1], "one\ntwo")

        self.play(story)


class Images(ScreenTestCase):
    """Pictures as characters."""

    def picture(self) -> str:
        """A white picture, four times as wide as high."""
        path = str(self.folder / "photo.png")
        Image.new("RGB", (200, 50), "white").save(path)
        return path

    def test_an_image_is_seen_by_others(self) -> None:
        """As characters, made smaller on a narrow screen; one's own screen shows the picture."""
        path = self.picture()

        async def story() -> None:
            async with (
                self.at_screen("alice") as alice,
                self.at_screen("bob") as bob,
                self.at_screen("carol", size=(64, 24)) as carol,
            ):
                await alice.types(f"/image {path}")
                await alice.sees("\N{UPPER HALF BLOCK}" * 44, "others see it as characters")
                for person, width, height in ((bob, 44, 4), (carol, 28, 3)):
                    await person.sees("Q" * width)
                    drawn = [line for line in person.lines if "QQ" in line]
                    self.assertEqual({line.count("Q") for line in drawn}, {width})
                    self.assertEqual(len(drawn), height)
                self.assertEqual(bob.app.memory.shown_conversation.entries[-1].kind, "image")
                await alice.types("/image nowhere.png")
                await alice.sees("can't send nowhere.png: No such file")

        self.play(story)


class InFrench(ScreenTestCase):
    """By the locale."""

    language = "fr"

    def test_help_and_refusals(self) -> None:
        """The client's and the daemon's."""

        async def story() -> None:
            async with self.at_screen("alice") as alice:
                await alice.presses("f1")
                await alice.sees("Touches")
                await alice.presses("pagedown")
                await alice.sees("changer une image")
                await alice.presses("escape")
                await alice.types("/fly")
                await alice.sees("commande inconnue : /fly")
                await alice.types("s;bob;hello")
                await alice.sees("utilisateur inconnu : ")

        self.play(story)

    def test_a_nick_that_is_none(self) -> None:
        """Is asked for again, and why."""

        async def story() -> None:
            async with self.at_screen() as somebody:
                await somebody.sees("Qui êtes-vous ?")
                await somebody.presses(*"Server", "enter")
                await somebody.sees("Server n'est pas un pseudo valide")

        self.play(story)
