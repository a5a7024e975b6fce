"""The client with servers that are no chatd: any client works with any server."""

from __future__ import annotations

import asyncio
import json
import re
from datetime import UTC, datetime
from typing import Any
from unittest.mock import Mock

from twisted.trial.unittest import SynchronousTestCase

from chatd.client import codec, coursework_session
from chatd.client.chatd_session import ResumePoint
from chatd.client.connection import Address, Connection
from chatd.client.coursework import (
    MAX_NOTICE_CHARACTERS,
    CourseworkCodec,
    parse_hello_reply,
    parse_object,
    placeholder_welcome,
)
from chatd.client.pending import PendingRequests
from chatd.client.render import render_answer
from chatd.core import commands as c
from chatd.core.commands import COMMANDS
from chatd.json_wire import objects
from tests.client.test_line_mode import Person
from tests.client.test_reconnecting_client import Ear
from tests.support.chat_process import ChatTestCase
from tests.support.client_daemon import ScreenTestCase
from tests.support.coursework_server import CourseServer
from tests.support.daemon_and_programs import Program
from tests.support.daemon_process import PATIENCE

REMARK = (
    "this server is no chatd: it confirms nothing, so what is written counts as sent, and what is said while"
    " there is no connection is missed"
)


class Requests(SynchronousTestCase):
    """What is asked, in the seeds' words."""

    def test_each_has_the_fields_of_the_seeds(self) -> None:
        course = CourseworkCodec("alice")
        for command, asked in (
            (c.SendToLobby("hi", "image"), {"from": "alice", "msg": "hi", "action": "client-broadcast"}),
            (c.SendToUser("bob", "hi"), {"from": "alice", "to": "bob", "msg": "hi", "action": "client-send"}),
            (c.ListClients(skip=3), {"from": "alice", "action": "client-list-clients"}),
            (c.Quit(), {"from": "alice", "action": "client-quit"}),
            (c.CreateGroup("wob"), {"sender": "alice", "group": "wob", "action": "cgroupe"}),
            (
                c.CreateGroup("wob", "private"),
                {"sender": "alice", "group": "wob", "type": "private", "action": "cgroupe"},
            ),
            (
                c.SendToGroup("wob", "hi"),
                {"sender": "alice", "group": "wob", "msg": "hi", "action": "gbroadcast"},
            ),
            (c.ListGroupMessages("wob", 5), {"sender": "alice", "group": "wob", "action": "msgs"}),
            (c.ListGroups(), {"sender": "alice", "name": "alice", "action": "groups"}),
            (
                c.Kick("wob", "bob"),
                {"sender": "alice", "group": "wob", "dest": "bob", "reason": "", "action": "kick"},
            ),
        ):
            request = course.encode_request(command)
            assert request is not None
            self.assertEqual(json.loads(request), asked)
            self.assertFalse(request.endswith(b"\n"))

    def test_what_the_seeds_do_not_have_is_not_asked(self) -> None:
        """Some close the connection for it."""
        for command in (c.ReadHistory(), c.SetTopic("wob", "x"), c.Promote("wob", "bob"), c.Hello("alice")):
            self.assertIsNone(CourseworkCodec("alice").encode_request(command))


class Answers(SynchronousTestCase):
    """What such servers say."""

    def setUp(self) -> None:
        """Be alice."""
        self.course = CourseworkCodec("alice")

    def heard(self, **said: Any) -> Any:
        """What it is; ``from`` may be spelt ``from_``."""
        found = parse_object(json.dumps({key.rstrip("_"): value for key, value in said.items()}).encode())
        assert found is not None
        understood = self.course.decode(found)
        return None if understood is None else understood[1]

    def lines(self, **said: Any) -> list[str]:
        """The same as it is shown."""
        return render_answer(self.heard(**said), "alice")

    def test_messages_are_numbered_and_dated(self) -> None:
        before = datetime.now(UTC)
        first = self.heard(action="server-broadcast", from_="bob", msg="one")
        second = self.heard(action="send", sender="bob", dest="alice", message="two")
        third = self.heard(
            action="client-broadcast", from_="bob", msg="three", kind="image", id="x", seq=None
        )
        fourth = self.heard(action="server-gbroadcast", sender="bob", groupe="wob", msg="four")
        self.assertEqual([said.id for said in (first, second, third, fourth)], [1, 2, 3, 4])
        self.assertTrue(before <= first.ts.as_datetime <= datetime.now(UTC))
        self.assertEqual((first.kind, first.colour, third.kind), ("message", "", "image"))
        self.assertEqual(
            codec.conversation_of_message(second, "alice"), codec.ConversationRef("direct", "bob")
        )
        self.assertEqual(
            codec.conversation_of_message(fourth, "alice"), codec.ConversationRef("group", "wob")
        )

    def test_the_text_says_what_is_an_action(self) -> None:
        """As it does for chatd, so that one's own and those of others look alike."""
        waves = self.heard(action="server-broadcast", from_="bob", msg="/me waves")
        self.assertEqual((waves.kind, waves.msg), ("action", "/me waves"))
        self.assertEqual(self.heard(action="server-broadcast", from_="bob", msg="/me").kind, "message")

    def test_what_they_do_say_is_kept(self) -> None:
        """If it is such: a colour becomes an escape sequence."""
        ts = "2026-11-21T10:00:00Z"
        said = self.heard(action="server-broadcast", from_="bob", msg="x", ts=ts, colour="#112233")
        self.assertEqual((said.ts, said.colour), ("2026-11-21T10:00:00Z", "#112233"))
        said = self.heard(action="server-broadcast", from_="bob", msg="x", ts="noon", colour="red")
        self.assertEqual((said.msg, said.colour), ("x", ""))

    def test_one_s_own_echo_is_heard_once(self) -> None:
        self.course.substitute_ack(c.SendToLobby("hi"))
        echo: dict[str, Any] = {"action": "server-broadcast", "from_": "alice", "msg": "hi"}
        self.assertIsNone(self.heard(**echo))
        self.assertEqual(self.heard(**echo).msg, "hi")

    def test_lists_under_any_name(self) -> None:
        for key in ("clients", "msg", "data", "list"):
            for names in (["alice", "bob"], [{"name": "alice"}, {"nick": "bob"}], {"alice": 1, "bob": 2}):
                with self.subTest(key, names=names):
                    said = {"action": "server-list-clients", key: names}
                    self.assertEqual(self.lines(**said), ["connected: alice, bob"])
        self.assertEqual(self.lines(action="server-list-clients", msg="alice and bob"), ["alice and bob"])
        self.course.encode_request(c.ListMembers("wob"))
        self.assertEqual(self.lines(action="members", members=["bob"]), ["wob: bob ()"])
        self.assertEqual(
            self.lines(action="server-groups", groups=["wob", {"group": "den", "type": "private"}]),
            ["wob (public)", "den (private)"],
        )
        self.assertEqual(self.lines(action="server-states", data=["one", {"event": "join"}]),
                         ["one", '{"event":"join"}'])  # fmt: skip

    def test_a_group_s_messages(self) -> None:
        self.course.encode_request(c.ListGroupMessages("wob"))
        page = self.heard(action="server-msgs", msgs=[{"sender": "bob", "msg": "hi"}])
        self.assertEqual(
            (codec.conversation_of_page(page), page.messages[0].msg),
            (codec.ConversationRef("group", "wob"), "hi"),
        )
        self.assertEqual(self.lines(action="msgs", messages=["bob: hi", "bob: ho"]), ["bob: hi", "bob: ho"])

    def test_what_happens_in_a_group(self) -> None:
        """As an event, or in the server's own words."""
        event = self.heard(action="server-kick", sender="bob", group="wob", dest="carl", reason="loud")
        self.assertEqual((event.event, event.subject, event.reason), ("kicked", "carl", "loud"))
        self.assertEqual(self.lines(action="join", sender="bob", group="wob", msg="bob is in"), ["bob is in"])

    def test_everything_else_is_shown_as_it_came(self) -> None:
        self.assertEqual(self.lines(action="server-poke", msg="hey"), ["server-poke: hey"])
        self.assertEqual(self.lines(action="server-poke", by=7), ['{"by":7}'])
        self.assertEqual(self.lines(status="ok"), ['{"status":"ok"}'])
        self.assertEqual(self.lines(action="server-broadcast", msg="bob is here"), ["bob is here"])
        self.assertEqual(self.lines(action=["x"], msg={"y": None}), ['{"msg":{"y":null}}'])
        self.assertEqual(len(self.lines(action="x", msg="y" * 100_000)[0]), MAX_NOTICE_CHARACTERS)
        self.assertEqual(self.lines(action="x", msg="\x1b[2J"), ["x: \N{REPLACEMENT CHARACTER}[2J"])

    def test_every_action_with_every_nonsense(self) -> None:
        """Is something that can be shown."""
        actions = [action for row in COMMANDS.values() for action in row.json_actions]
        for action in (*actions, *(f"server-{action}" for action in actions), "server-error"):
            values: tuple[Any, ...] = (
                None,
                1,
                True,
                "",
                "x",
                [],
                [1],
                ["x"],
                [[]],
                [{}],
                {},
                {"x": {}},
                1e300,
            )
            for value in values:
                keys = (
                    "from",
                    "to",
                    "msg",
                    "data",
                    "list",
                    "group",
                    "clients",
                    "members",
                    "messages",
                    "code",
                )
                for key in keys:
                    self.heard(**{"action": action, key: value})
                self.heard(**{"action": action, **dict.fromkeys(keys, value)})

    def test_what_is_no_object_says_nothing(self) -> None:
        for value in (
            b"",
            b"x",
            b"[]",
            b"{}",
            b"null",
            b'{"a":NaN}',
            b"\xff",
            b"[" * 100_000,
            b'{"a":"\\ud800"}',
        ):
            self.assertIsNone(parse_object(value), value[:10])
        self.assertEqual(parse_object(b'{"messageFormat":{"action":"x"},"type":"y"}'), {"action": "x"})

    def test_what_a_hello_is_answered_with(self) -> None:
        welcome = parse_hello_reply({"action": "server-hello", "msg": "Hello", "sender-ip": "::1"}, "alice")
        assert isinstance(welcome, codec.CourseworkWelcome)
        self.assertEqual((welcome.msg, welcome.user.nick), ("Hello", "alice"))
        error = parse_hello_reply({"action": "server-error", "code": 12}, "alice")
        assert isinstance(error, objects.Error)
        self.assertEqual((error.code, error.msg), ("12", '{"code":12}'))
        self.assertIsNone(parse_hello_reply({"action": "server-broadcast"}, "alice"))


class CourseTestCase(ChatTestCase):
    """A course-work server, and ``chat`` beside it."""

    def setUp(self) -> None:
        """Have no daemon: see `serves`."""
        super().setUp()
        self.port = 0

    def serves(self, *manners: str, port: int = 0) -> CourseServer:
        """Start a server."""
        server = CourseServer(*manners, port=port)
        self.addCleanup(server.close)
        self.port = server.port
        return server

    def _command(self, arguments: tuple[str, ...]) -> list[str]:
        return ["-m", "chatd.client", *arguments, "-p", str(self.port)]

    def person(self, nick: str) -> Person:
        """Somebody at ``chat --plain``, who has read what there is to know."""
        person = Person(self.chats("--plain", "-n", nick))
        self.assertEqual(person.reads(2), ["* Hello", f"* {REMARK}"])
        return person


class Writing(SynchronousTestCase):
    """A server that takes a read for one object is given the time to read each."""

    def test_each_request_is_written_by_itself_after_a_pause(self) -> None:
        done: list[str] = []

        async def pause(seconds: float) -> None:
            done.append(f"pause of {seconds}")

        async def drain() -> None:
            done.append("drain")

        async def run() -> None:
            writer = Mock(write=lambda data: done.append(json.loads(data)["msg"]), drain=drain)
            reader = asyncio.StreamReader()
            connection = Connection(reader, writer, Address("127.0.0.1", 1), 1.0)
            requests = PendingRequests()
            answers = [requests.add(c.SendToLobby(text)).answer for text in ("one", "two")]
            session = coursework_session.CourseworkSession(
                connection, requests, ResumePoint("alice"), Ear(), CourseworkCodec("alice"), [], warn=False
            )
            running = asyncio.ensure_future(session.run(placeholder_welcome("alice")))
            self.patch(asyncio, "sleep", pause)
            await asyncio.gather(*answers)
            reader.feed_eof()
            await running

        asyncio.run(run())
        waits = f"pause of {coursework_session.SECONDS_BETWEEN_WRITES}"
        self.assertEqual(done, [waits, "one", "drain", waits, "two", "drain"])


class Lines(CourseTestCase):
    """``chat --plain``."""

    def test_a_session(self) -> None:
        """The lobby, a private word, lists, and the way out; one object in each read of the server's."""
        server = self.serves("strict")
        alice = self.person("alice")
        bob = self.person("bob")
        alice.types("hello", "s;bob;psst", "/who", *(f"m{number}" for number in range(5)))
        self.assertEqual(alice.reads(3), ["You said: hello", "@bob You said: psst", "connected: alice, bob"])
        said = [f"m{number}" for number in range(5)]
        self.assertEqual(alice.reads(5), [f"You said: {one}" for one in said])
        self.assertEqual(bob.reads(2), ["alice said: hello", "@alice alice said: psst"])
        self.assertEqual(bob.reads(5), [f"alice said: {one}" for one in said])
        alice.types("s;carl;x", "/topic wob x", "/history", "/help")
        self.assertEqual(
            sorted(alice.reads(4)),
            [
                "* no such client",
                "* unknown_action: this server has no such command",
                "* unknown_action: this server has no such command",
                "@carl You said: x",
            ],
        )
        self.assertEqual(alice.reads(), ["/quit: leave the chat"])
        # Line by line to the last one: `communicate` would miss what `readline` has read ahead.
        while alice.reads() != ["/image file: turn a picture into characters and send it"]:
            pass
        alice.process.communicate("/quit\n", timeout=PATIENCE)
        self.assertEqual(alice.process.returncode, 0)
        self.assertEqual(server.mistakes, [])
        first = server.asked[0]
        self.assertEqual({*first} - {"action", "from", "ref"}, set())
        self.assertEqual([*server.asked[2]], ["from", "msg", "action"])

    def test_groups(self) -> None:
        server = self.serves()
        alice, bob = self.person("alice"), self.person("bob")
        alice.types("/create wob", "/members wob", "messages;wob", "states;wob", "/rooms")
        self.assertEqual(
            alice.reads(7),
            [
                "group wob created",
                "* you are in wob",
                "wob: alice ()",
                "wob bob said: from the past",
                "alice created it",
                "bob joined",
                "wob (public)",
            ],
        )
        bob.types("/join den", "/join wob", "hi")
        self.assertEqual(
            bob.reads(4), ["* error: no group den", "* bob joined wob", "* you are in wob", "You said: hi"]
        )
        self.assertEqual(alice.reads(2), ["* bob joined wob", "bob said: hi"])
        alice.types("/invite wob bob")
        self.assertEqual(alice.reads(), ['* {"answer":42}'])
        self.assertEqual(server.mistakes, [])

    def test_objects_that_are_glued_split_or_in_lines(self) -> None:
        """Are the same objects; a server of lines is written lines."""
        for manner in ("glued", "split", "lines", "echo", "msg_list"):
            with self.subTest(manner):
                server = self.serves(manner)
                alice = Person(self.chats("--plain", "-n", "alice"))
                start = ["* Hello", f"* {REMARK}"]
                tick = ["clock said: tick"] if manner == "glued" else []
                self.assertEqual(alice.reads(2 + len(tick)), start + tick)
                alice.types("one", "/who", "two")
                heard = alice.reads(3 + len(tick))
                self.assertEqual([line for line in heard if "said:" in line and line not in tick],
                                 ["You said: one", "You said: two"])  # fmt: skip
                self.assertEqual({*heard} - {"You said: one", "You said: two"}, {"connected: alice", *tick})
                alice.process.communicate(timeout=PATIENCE)
                self.assertEqual(alice.process.returncode, 0)
                self.assertEqual(server.said, [("alice", "one"), ("alice", "two")])
                self.assertEqual(server.mistakes, [])

    def test_a_server_that_answers_no_hello(self) -> None:
        """But talks, has welcomed whoever it talks to."""
        self.serves("silent")
        alice = Person(self.chats("--plain", "-n", "alice"))
        self.assertEqual(alice.reads(2), [f"* {REMARK}", "* connected: alice"])
        self.assertEqual(alice.types("hello").reads(), ["You said: hello"])

    def test_the_connection_breaks(self) -> None:
        """Nothing is sent twice; what was typed meanwhile is sent then, and the remark is not made again."""
        server = self.serves("strict")
        alice = self.person("alice")
        alice.types("one", "two")
        self.assertEqual(alice.reads(2), ["You said: one", "You said: two"])
        server.close()
        self.assertIn("connection lost", alice.reads()[0])
        alice.types("three")
        again = self.serves("strict", port=server.port)
        shown = []
        while "You said: three" not in shown:
            shown += alice.reads()
        self.assertEqual(
            [line for line in shown if "connection lost" not in line], ["* Hello", "You said: three"]
        )
        self.assertEqual(server.said, [("alice", "one"), ("alice", "two")])
        asked = again.waits_for("client-broadcast")
        self.assertEqual([one["msg"] for one in asked if one["action"] == "client-broadcast"], ["three"])
        self.assertNotIn("since", again.asked[0])

    def test_the_log(self) -> None:
        """Has what is heard from any server."""
        self.serves()
        alice, bob = self.person("alice"), self.person("bob")
        bob.types("hello")
        alice.reads()
        logged = (self.folder / "chatd" / "client.log").read_text("utf-8")
        self.assertIn(" lobby bob said: hello\n", logged)

    def test_what_it_refuses(self) -> None:
        """3 for the hello, as with chatd."""

        class Full(CourseServer):
            def says(self, nick: str, **said: Any) -> None:
                super().says(nick, action="server-error", code="full", msg="come later")

        server = Full()
        self.addCleanup(server.close)
        self.port = server.port
        done = self.chat("--plain", "-n", "alice", input="hello\n")
        self.assertEqual((done.returncode, done.stderr), (3, "chat: full: come later\n"))


class Scripts(CourseTestCase):
    """``chat send`` and ``chat tail``."""

    def tails(self, *arguments: str) -> Program:
        """Start ``chat tail``, which has said what there is to know."""
        tail = self.chats("tail", "-n", "lena", *arguments)
        assert tail.stderr is not None
        self.assertEqual(tail.stderr.readline(), f"chat: {REMARK}\n")
        return tail

    def test_sending(self) -> None:
        """0 once it was written, and a word that no more is known."""
        server = self.serves("strict")
        for arguments in (("--lobby", "hello"), ("bob", "psst")):
            done = self.chat("send", "-n", "carl", *arguments)
            self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", f"chat: {REMARK}\n"))
        asked = server.waits_for("client-hello", "client-broadcast", "client-quit", "client-hello",
                                 "client-send", "client-quit")  # fmt: skip
        self.assertEqual(asked[4], {"from": "carl", "to": "bob", "msg": "psst", "action": "client-send"})
        self.assertEqual((server.said, server.mistakes), ([("carl", "hello")], []))

    def test_to_a_group(self) -> None:
        server = self.serves()
        server.groups["wob"] = set()
        done = self.chat("send", "-n", "carl", "--group", "wob", "hello")
        self.assertEqual(done.returncode, 0)
        self.assertIn(
            {"sender": "carl", "group": "wob", "msg": "hello", "action": "gbroadcast"}, server.asked
        )

    def test_tailing(self) -> None:
        """Everything once, over a connection that breaks."""
        server = self.serves("strict", "glued")
        tail = self.tails("--json")
        server.says("lena", action="server-broadcast", from_="bob", msg="one")
        assert tail.stdout is not None
        heard = [json.loads(tail.stdout.readline()) for _ in range(3)]
        self.assertEqual([said["msg"] for said in heard], ["tick", "one", "tick"])
        self.assertEqual({*heard[1]}, {"id", "ts", "from", "msg", "kind"})
        server.hang_up()
        server.waits_for("client-hello", "client-hello")
        self.assertEqual(json.loads(tail.stdout.readline())["msg"], "tick")
        self.assertEqual(server.actions, ["client-hello"] * 2)

    def test_tailing_one_place(self) -> None:
        """Which is not asked for: the server may not know how."""
        server = self.serves("strict")
        tail = self.tails("--with", "bob")
        server.says("lena", action="server-broadcast", from_="bob", msg="not here")
        server.says("lena", action="server-send", from_="bob", to="lena", msg="psst")
        assert tail.stdout is not None
        self.assertEqual(re.sub(r"^\[.*?\] ", "", tail.stdout.readline()), "bob said: psst\n")
        self.assertEqual(server.actions, ["client-hello"])


class InFrench(CourseTestCase):
    """What the client says of such a server is in the user's language."""

    language = "fr"

    def test_what_there_is_to_know(self) -> None:
        self.serves("strict")
        alice = Person(self.chats("--plain", "-n", "alice"))
        _, remark = alice.reads(2)
        self.assertTrue(remark.startswith("* ce serveur n'est pas un chatd : "), remark)
        alice.types("/history")
        self.assertEqual(alice.reads(), ["* unknown_action: ce serveur n'a pas cette commande"])


class Screens(ScreenTestCase):
    """``chat`` on a whole terminal."""

    def test_a_session(self) -> None:
        """Without the rooms, which a server may not have; who is there is listed."""
        server = CourseServer("strict", "msg_list", "glued")
        self.addCleanup(server.close)

        async def story() -> None:
            async with self.at_screen(port=server.port) as alice:
                await alice.presses(*"alice", "enter")
                await alice.sees("Hello", "this server is no chatd", "● alice", "clock said: tick")
                self.assertNotIn("Join a room", alice.screen)
                await alice.types("hello", "s;bob;psst")
                await alice.sees("You said: hello", "@bob")
                server.says("alice", action="server-send", from_="carl", to="alice", msg="salut")
                await alice.sees("@carl 1")
                await alice.presses("pageup", "pageup", "ctrl+home")
                await alice.types("/history")
                await alice.sees("this server has no such command")
                await asyncio.to_thread(server.hang_up)
                await alice.sees("connected again")
                await alice.types("/quit")
                await alice.until(lambda: alice.app._exit)
                self.assertIsNone(alice.app.failure)

        self.play(story)
        self.assertEqual({*server.actions} - {"client-hello", "client-list-clients", "client-broadcast"},
                         {"client-send", "client-quit"})  # fmt: skip
        self.assertEqual(server.mistakes, [])

    def test_groups(self) -> None:
        """Made and listed when one asks for them."""
        server = CourseServer()
        self.addCleanup(server.close)

        async def story() -> None:
            async with self.at_screen(port=server.port) as alice:
                await alice.presses(*"alice", "enter")
                await alice.sees("Hello", "● alice")
                await alice.types("/create wob", "in here")
                await alice.sees("You said: in here", "● alice")
                await alice.presses("ctrl+p")
                await alice.sees("group wob created")
                await alice.presses("f2")
                await alice.sees("Join a room", "wob")
                await alice.presses("escape")

        self.play(story)
        self.assertEqual(server.mistakes, [])
