"""The chat room's dialects: what is said, from where; how lines and frames look; that none can be forged."""

from __future__ import annotations

import gc
import json
import re
from string import Formatter
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from chatd.core import commands as c
from chatd.core.answers import (
    Ack,
    Clients,
    Goodbye,
    GroupLine,
    Groups,
    Help,
    Member,
    Members,
    Page,
    Unchanged,
    Welcome,
)
from chatd.core.commands import COMMANDS, Command
from chatd.core.events import LOBBY, Arrived, Conversation, Departed, Event, Kind, Logged, User
from chatd.core.limits import Limits
from chatd.core.refusals import SENTENCES, Refusal
from chatd.dialects.tp6 import LIST_SIZE, FramedDialect, Tp6Dialect
from chatd.dialects.wire import Request
from tests.harness import Peer, StageTestCase

LIMITS = Limits()
DOOR = Tp6Dialect(LIMITS)
HERE = DOOR.at(None)
IN_WOB = DOOR.at("wob")
FRAMED = FramedDialect(LIMITS)
FRAMED_HERE = FRAMED.at(None)

ALICE = User(1, "alice", "alice", "#a03030")
BOB = User(2, "Bob", "bob", "#30a030")
WOB = Conversation(2, "group", "wob")
DIRECT = Conversation(3, "direct", pair=(ALICE, BOB))
AT = 1_795_262_400_123
TS = "2026-11-21T12:00:00.123Z"
LINE_ENDS = "\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"

BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


def logged(
    conversation: Conversation, body: str, subject: User | None = None, kind: Kind = "message", id: int = 7
) -> Logged:
    """Something alice did."""
    return Logged(id, 3, AT, Event(kind, conversation, ALICE, subject, body))


def meant(said: str, place: Tp6Dialect = HERE) -> tuple[type[Command], dict[str, Any]]:
    """The command that this is, and its fields that are not at their default."""
    command = place.decode(said.encode()).command
    assert isinstance(command, Command), (said, command)
    defaults = dict(zip(command.__struct_fields__[::-1], command.__struct_defaults__[::-1], strict=False))
    fields = {name: getattr(command, name) for name in command.__struct_fields__}
    return type(command), {k: v for k, v in fields.items() if k not in defaults or v != defaults[k]}


def refused(said: bytes, place: Tp6Dialect = HERE) -> str:
    """How this is refused: the code and the sentence."""
    command = place.decode(said).command
    assert isinstance(command, Refusal), command
    return f"{command.code}: {command.text}"


class Hellos(SynchronousTestCase):
    """Before the door only one thing is understood."""

    def test_with_a_name(self) -> None:
        for said in ("Hello|alice", "Hello|alice ", "Hello|alice\r", " Hello| alice |"):
            request = DOOR.decode(said.encode())
            self.assertEqual(meant(said, DOOR), (c.Hello, {"nick": "alice"}))
            self.assertEqual((request.granted, request.then), (HERE, None), said)

    def test_without(self) -> None:
        for said in ("Hello", "Hello ", "Hello|", "Hello| "):
            self.assertEqual(meant(said, DOOR), (c.Hello, {}))

    def test_with_a_room(self) -> None:
        then = DOOR.decode(b"Hello|alice| wob ").then
        assert then is not None
        assert isinstance(then.command, c.Enter)
        self.assertEqual((then.command.group, then.command.missing), ("wob", "create"))
        self.assertIs(then.granted, IN_WOB)
        bad = DOOR.decode(b"Hello|alice|wob|x").then
        assert bad is not None
        assert isinstance(bad.command, c.Enter)
        self.assertEqual((bad.command.group, bad.granted), ("wob|x", None))

    def test_nothing_else(self) -> None:
        for said in (b"hello|alice", b"Hello alice", b"Hi", b"/help", b"/quit", b"HELLO", b"Hello!"):
            self.assertEqual(refused(said, DOOR), "not_identified: say who you are first")
        self.assertEqual(refused(b"\xff", DOOR)[:8], "bad_utf8")
        self.assertEqual(refused(b"\x03Hello|alice", FRAMED)[:15], "not_identified:")

    def test_but_only_before_it(self) -> None:
        for place, command in ((HERE, c.Broadcast), (IN_WOB, c.GroupBroadcast)):
            self.assertEqual(meant("Hello|bob", place)[0], command)


class Saying(SynchronousTestCase):
    """What a chunk means in the lobby and in a room."""

    def test_anything_is_a_message_where_one_is(self) -> None:
        for text in ("salut", " salut ", "one\ntwo", "/!\\", "/ x", "/", "/1", "MSG x", "#"):
            self.assertEqual(meant(text), (c.Broadcast, {"msg": text}))
            self.assertEqual(meant(text, IN_WOB), (c.GroupBroadcast, {"group": "wob", "msg": text}))

    def test_two_slashes_say_one(self) -> None:
        self.assertEqual(meant("//me is here"), (c.Broadcast, {"msg": "/me is here"}))
        self.assertEqual(meant("///"), (c.Broadcast, {"msg": "//"}))

    def test_what_is_no_message(self) -> None:
        self.assertEqual(refused(b" \n"), "empty: there is nothing in it: write something")
        self.assertEqual(refused(b"x" * 8193)[:9], "too_long:")
        self.assertEqual(refused(b"\xff")[:9], "bad_utf8:")

    def test_images_in_frames(self) -> None:
        """Whatever they begin with; each has a limit of its own."""
        self.assertEqual(meant("\x03/##\n", FRAMED_HERE), (c.Broadcast, {"msg": "/##\n", "kind": "image"}))
        self.assertEqual(
            meant("\x03##", FRAMED.at("wob")),
            (c.GroupBroadcast, {"group": "wob", "msg": "##", "kind": "image"}),
        )
        self.assertEqual(meant("\x01/who", FRAMED_HERE), (c.ListClients, {}))
        self.assertEqual(len(meant("\x03" + "x" * LIMITS.image, FRAMED_HERE)[1]["msg"]), LIMITS.image)
        self.assertEqual(refused(b"\x03" + b"x" * (LIMITS.image + 1), FRAMED_HERE)[:9], "too_long:")

    def test_every_slash_in_the_table(self) -> None:
        """Its example, typed with spaces, is what it is an example of."""
        for row in COMMANDS.values():
            if row.slash:
                _, _, rest = row.example.replace(";", " ").partition(" ")
                self.assertIs(meant(f"/{row.slash} {rest}")[0], row.command)
                self.assertIs(meant(f"/{row.slash.upper()} {rest}")[0], row.command)

    def test_fields(self) -> None:
        """By white space; the last takes the rest."""
        kick = (c.Kick, {"group": "wob", "dest": "bob", "reason": "too  loud"})
        for said in ("/kick wob bob too  loud", "/kick  wob\tbob\ntoo  loud ", "/KICK wob bob  too  loud"):
            self.assertEqual(meant(said), kick)
        self.assertEqual(meant("/kick wob bob"), (c.Kick, {"group": "wob", "dest": "bob"}))
        self.assertEqual(meant("/msg bob  two words "), (c.Send, {"dest": "bob", "msg": "two words "}))
        self.assertEqual(meant("/all one\ntwo"), (c.Broadcast, {"msg": "one\ntwo"}))
        self.assertEqual(meant("/messages wob 5"), (c.ListMessages, {"group": "wob", "limit": 5}))
        self.assertEqual(meant("/quit now"), (c.Quit, {}))

    def test_what_a_command_lacks(self) -> None:
        for said, why in (
            (b"/msg bob", "bad_request: say /msg dest msg"),
            (b"/join", "bad_request: say /join group"),
            (b"/leave", "bad_request: say /leave [group]"),
            (b"/rooms x", "bad_request: skip is a whole number from 0"),
            (b"/fly", "unknown_action: there is no command /fly: ask for help to see what there is"),
            (
                b"/usr/bin",
                "unknown_action: there is no command /usr/bin: ask for help to see what there is",
            ),
            ("/été".encode(), "unknown_action: there is no command /été: ask for help to see what there is"),
        ):
            self.assertEqual(refused(said), why)

    def test_who_means_here(self) -> None:
        self.assertEqual(meant("/who"), (c.ListClients, {}))
        self.assertEqual(meant("/who 5", IN_WOB), (c.ListMembers, {"group": "wob", "skip": 5}))

    def test_all_goes_nowhere(self) -> None:
        request = IN_WOB.decode(b"/all salut")
        self.assertEqual(meant("/all salut", IN_WOB), (c.Broadcast, {"msg": "salut"}))
        self.assertEqual((request.granted, request.becomes), (None, None))

    @settings(max_examples=200, deadline=None)
    @given(st.binary(max_size=60) | st.text(" /|\nHelomsgjinwhav", max_size=30).map(str.encode))
    def test_anything(self, said: bytes) -> None:
        """Is something, or is refused."""
        for place in (DOOR, HERE, IN_WOB):
            self.assertIsInstance(place.decode(said), Request)
        for framed in (FRAMED, FRAMED_HERE):
            self.assertIsInstance(framed.decode(b"\x01" + said), Request)


class Places(SynchronousTestCase):
    """Where somebody is, is which dialect is spoken."""

    def test_going_in_and_out(self) -> None:
        for going in ("/join wob", "/join WOB", "/create wob", "/create wob private"):
            request = HERE.decode(going.encode())
            self.assertIs(request.granted, IN_WOB, going)
            self.assertIsNone(request.becomes)
        for leaving in ("/leave", "/leave wob", "/leave WOB"):
            request = IN_WOB.decode(leaving.encode())
            self.assertEqual(meant(leaving, IN_WOB)[0], c.Leave)
            self.assertIs(request.granted, HERE, leaving)
            self.assertIs(request.becomes, HERE, leaving)
        for place, said in ((IN_WOB, b"/leave den"), (HERE, b"/leave wob"), (HERE, b"/join a:b")):
            request = place.decode(said)
            self.assertEqual((request.granted, request.becomes), (None, None))

    def test_one_for_all_who_are_there(self) -> None:
        """However they call it; other wires have others."""
        self.assertIs(DOOR.at("WOB"), IN_WOB)
        self.assertIs(IN_WOB.at("wob"), IN_WOB)
        self.assertIs(DOOR.at("den").at(None), HERE)
        self.assertIsNot(Tp6Dialect(LIMITS).at("wob"), IN_WOB)
        self.assertIsNot(FRAMED.at("wob"), IN_WOB)

    def test_it_goes_with_the_last_of_them(self) -> None:
        """Whoever tries out a million rooms leaves nothing behind."""
        door = Tp6Dialect(LIMITS)
        for n in range(100):
            door.at(f"room{n}")
        gc.collect()
        self.assertEqual(len(door._places), 0)


class Telling(SynchronousTestCase):
    """Everything that comes by itself, in lines and in frames."""

    def test_messages(self) -> None:
        """Here without a mark, elsewhere with one."""
        for place, conversation, subject, line in (
            (HERE, LOBBY, None, "alice a dit : salut"),
            (IN_WOB, LOBBY, None, "[la chatroom] alice a dit : salut"),
            (HERE, WOB, None, "[wob] alice a dit : salut"),
            (IN_WOB, WOB, None, "alice a dit : salut"),
            (DOOR.at("den"), WOB, None, "[wob] alice a dit : salut"),
            (HERE, DIRECT, BOB, "alice vous dit : salut"),
            (IN_WOB, DIRECT, BOB, "alice vous dit : salut"),
        ):
            self.assertEqual(place.told(logged(conversation, "salut", subject)), f"{line}\n".encode())

    def test_it_is_written_once_for_all_rooms(self) -> None:
        """And once for where it was said, however many rooms there are; then it is forgotten."""
        door = Tp6Dialect(LIMITS)
        places = [door.at(None), *(door.at(f"room{n}") for n in range(20))]
        entry = logged(LOBBY, "salut")
        here, *elsewhere = [place.told(entry) for place in places]
        self.assertEqual(here, b"alice a dit : salut\n")
        self.assertEqual({*elsewhere}, {b"[la chatroom] alice a dit : salut\n"})
        self.assertEqual(len({id(frame) for frame in elsewhere}), 1)
        del entry
        gc.collect()
        self.assertEqual(len(door._frames), 0)

    def test_images(self) -> None:
        """A line that says so, then the art, with all of its columns."""
        for place, conversation, subject, line in (
            (HERE, LOBBY, None, "alice a dit en image :"),
            (HERE, WOB, None, "[wob] alice a dit en image :"),
            (HERE, DIRECT, BOB, "alice vous dit en image :"),
        ):
            told = place.told(logged(conversation, " /\\\n/__\\\n", subject, "image"))
            self.assertEqual(told, f"{line}\n   /\\\n  /__\\\n".encode())

    def test_events(self) -> None:
        table: list[tuple[Kind, User | None, str, str]] = [
            ("created", None, "private", "alice a créé wob (privé)"),
            ("joined", None, "", "alice a rejoint wob"),
            ("left", None, "", "alice a quitté wob"),
            ("invited", BOB, "", "alice a invité Bob dans wob"),
            ("kicked", BOB, "too loud", "alice a exclu Bob de wob : too loud"),
            ("kicked", BOB, "", "alice a exclu Bob de wob"),
            ("banned", BOB, "spam", "alice a banni Bob de wob : spam"),
            ("unbanned", BOB, "", "alice a levé le ban de Bob dans wob"),
            ("promoted", BOB, "", "alice a nommé Bob opérateur de wob"),
            ("promoted", BOB, "owner", "Bob est maintenant propriétaire de wob"),
            ("demoted", BOB, "", "alice a retiré à Bob le rôle d'opérateur de wob"),
            ("visibility", None, "public", "alice a rendu wob public"),
            ("topic", None, "tea", "alice a changé le sujet de wob : tea"),
            ("topic", None, "", "alice a changé le sujet de wob"),
        ]
        for kind, subject, body, line in table:
            entry = logged(WOB, body, subject, kind)
            for place in (HERE, IN_WOB):
                self.assertEqual(place.told(entry), f"Annonce : {line}\n".encode())
            done = HERE.answer(Request(c.Leave("wob"), "/x"), Ack(entry))
            self.assertEqual(done, f"C'est fait : {line}\n".encode())

    def test_presence(self) -> None:
        for told, line in (
            (Arrived(ALICE, False, AT), "Annonce : alice a rejoint la chatroom"),
            (Arrived(ALICE, True, AT), "alice est de retour !"),
            (Departed(ALICE, AT), "Annonce : alice a quitté la chatroom"),
        ):
            self.assertEqual(HERE.told(told), f"{line}\n".encode())
            text = line.encode()
            self.assertEqual(FRAMED_HERE.told(told), b"\x01\x00\x01%c%b" % (len(text), text))

    def test_frames(self) -> None:
        """The seed's own example; who says it here by name, all else in words."""
        toto = User(9, "toto", "toto", "#000000")
        bonjour = Logged(1, 1, AT, Event("message", LOBBY, toto, None, "bonjour"))
        self.assertEqual(FRAMED_HERE.told(bonjour), b"\x01\x04toto\x01\x07bonjour")
        self.assertEqual(FRAMED_HERE.told(logged(LOBBY, "x" * 255)), b"\x01\x05alice\x01\xff" + b"x" * 255)
        self.assertEqual(
            FRAMED_HERE.told(logged(LOBBY, "x" * 256)), b"\x01\x05alice\x02\x01\x00" + b"x" * 256
        )
        self.assertEqual(FRAMED_HERE.told(logged(WOB, "x")), b"\x01\x00\x01\x15[wob] alice a dit : x")
        self.assertEqual(FRAMED.at("wob").told(logged(WOB, "é")), b"\x01\x05alice\x01\x02\xc3\xa9")
        image = logged(LOBBY, "##\n #", kind="image")
        self.assertEqual(FRAMED_HERE.told(image), b"\x03\x05alice\x01\x09  ##\n   #")
        there = FRAMED.at("wob").told(image)
        self.assertEqual(there, b"\x03\x00\x01\x2e[la chatroom] alice a dit en image :\n  ##\n   #")
        self.assertEqual(FRAMED_HERE.pace, 0)


class Answering(SynchronousTestCase):
    """Answers, in few words."""

    def said(self, answer: Any, asked: str = "/x", place: Tp6Dialect = HERE) -> list[str]:
        """The lines of an answer."""
        return place.answer(Request(c.AskHelp(), asked), answer).decode().splitlines()

    def test_hello(self) -> None:
        """One's own nick comes once."""
        self.assertEqual(self.said(Welcome(ALICE, False, 0, 0)), ["Annonce : alice a rejoint la chatroom"])
        self.assertEqual(self.said(Welcome(ALICE, True, 0, 0)), ["Welcome back alice !"])

    def test_what_one_says_has_no_answer(self) -> None:
        """The client has shown it."""
        for entry in (logged(LOBBY, "salut"), logged(LOBBY, "##", kind="image")):
            self.assertEqual(self.said(Ack(entry)), [])

    def test_where_one_is(self) -> None:
        request = HERE.decode(b"/join wob")
        self.assertEqual(IN_WOB.answer(request, Unchanged("wob")), "Vous êtes dans wob\n".encode())
        joined = Ack(logged(WOB, "", None, "joined"))
        self.assertEqual(IN_WOB.answer(request, joined), "Vous êtes dans wob\n".encode())
        left = Ack(logged(WOB, "", None, "left"))
        self.assertEqual(HERE.answer(IN_WOB.decode(b"/leave"), left), "Vous êtes dans la chatroom\n".encode())

    def test_lists(self) -> None:
        self.assertEqual(self.said(Clients(("alice", "Bob"))), ["Dans la chatroom : 2", "  alice", "  Bob"])
        members = (
            Member("alice", "owner", True),
            Member("Bob", "member", False),
            Member("carol", "operator", True),
        )
        self.assertEqual(
            self.said(Members("wob", members)),
            ["Dans wob : 3", "  alice (propriétaire)", "  Bob (absent)", "  carol (opérateur)"],
        )
        groups = (
            GroupLine("wob", "public", "tea\nx", 1, "owner"),
            GroupLine("den", "private", "", 2, "invited"),
        )
        self.assertEqual(
            self.said(Groups(groups)),
            [
                "Rooms : 2",
                "  wob (public, 1 membre, propriétaire) : tea",
                "    x",
                "  den (privé, 2 membres, invitation)",
            ],
        )
        self.assertEqual(self.said(Groups(())), ["Rooms : 0"])

    def test_pages(self) -> None:
        entries = (logged(WOB, "one\ntwo"), logged(WOB, "##", kind="image"))
        self.assertEqual(
            self.said(Page(WOB, entries, True, False, False, BOB)),
            [
                "Historique de wob : 2 (et plus)",
                f"  {TS} alice a dit : one",
                "    two",
                f"  {TS} alice a dit en image :",
                "    ##",
            ],
        )
        events = Page(WOB, (logged(WOB, "", None, "joined"),), False, False, True, BOB)
        self.assertEqual(self.said(events), ["Historique de wob : 1", f"  {TS} alice a rejoint wob"])
        self.assertEqual(self.said(Page(DIRECT, (), False, False, False, BOB)), ["Historique de alice : 0"])
        self.assertEqual(
            self.said(Page(LOBBY, (), False, False, False, BOB)), ["Historique de la chatroom : 0"]
        )

    def test_a_list_takes_no_minute(self) -> None:
        """It is cut at the end that the reader comes to last; one entry is always shown."""
        entries = tuple(logged(WOB, f"{id:03}" + "x" * 997, id=id) for id in range(200))
        for forward in (False, True):
            head, *lines = self.said(Page(WOB, entries, False, forward, False, BOB))
            self.assertEqual(head, f"Historique de wob : {len(lines)} (et plus)")
            self.assertLess(LIST_SIZE - 2000, sum(map(len, lines)))
            self.assertLess(sum(map(len, lines)), LIST_SIZE)
            self.assertIn("000xx" if forward else "199xx", lines[0 if forward else -1])
        art = logged(WOB, "\n" * LIMITS.image, kind="image")
        said = HERE.answer(Request(c.AskHelp(), "/x"), Page(WOB, (art,), False, False, False, BOB))
        self.assertLess(len(said), LIMITS.outbox // 2)

    def test_history(self) -> None:
        """What nobody asked for is a JSON object in a line, in ASCII, the same as on the JSON wire."""
        place = Tp6Dialect(LIMITS, history=True).at(None)
        entries = (logged(LOBBY, "é\n{\x1b\x7f\x9b\u2028"), logged(LOBBY, "##", kind="image"))
        page = Page(LOBBY, entries, True, False, False, BOB)
        said = place.answer(Request(c.History(), "history"), page)
        self.assertTrue(said.isascii() and said.decode()[:-1].isprintable() and said.endswith(b"\n"))
        item = {"id": 7, "seq": 3, "ts": TS, "from": "alice"}
        self.assertEqual(
            json.loads(said),
            {
                "action": "server-history",
                "messages": [
                    {**item, "msg": "é\n{\x1b\x7f\x9b\u2028", "kind": "message"},
                    {**item, "msg": "##", "kind": "image"},
                ],
                "more": True,
            },
        )
        self.assertEqual(self.said(page, "/history", place)[0], "Historique de la chatroom : 2 (et plus)")

    def test_who_asks_for_history(self) -> None:
        """On arrival, and going into a room, where it is shown."""
        door = Tp6Dialect(LIMITS, history=True)
        for said, groups in ((b"Hello|alice", [None]), (b"Hello|alice|wob", ["wob", "wob"])):
            then, asked = door.decode(said).then, []
            while then is not None:
                asked.append(getattr(then.command, "group", None))
                last, then = then, then.then
            self.assertIsInstance(last.command, c.History)
            self.assertEqual(asked, groups)
        self.assertEqual((door.pages, DOOR.pages), ("missed", "none"))

    def test_help_and_goodbye(self) -> None:
        head, *lines = self.said(Help(tuple(COMMANDS.values())))
        self.assertEqual(head, f"Commandes : {len(lines)}")
        self.assertEqual(
            [line.split()[0] for line in lines], [f"/{row.slash}" for row in COMMANDS.values() if row.slash]
        )
        self.assertEqual(self.said(Goodbye(ALICE)), ["Au revoir alice"])
        self.assertEqual(self.said(Goodbye(None)), [])


class Refusing(SynchronousTestCase):
    """What to do is in the sentence."""

    def test_every_code(self) -> None:
        for code, sentence in SENTENCES.items():
            details = {name: "x\nErreur [x] : y" for _, name, _, _ in Formatter().parse(sentence) if name}
            head, *lines = HERE.refusal(None, Refusal(code, **details)).decode().splitlines()
            self.assertTrue(head.startswith(f"Erreur [{code}] : "), head)
            self.assertTrue(all(line.startswith("  ") for line in lines), lines)

    def test_before_hello(self) -> None:
        said = DOOR.refusal(DOOR.decode(b"salut"), Refusal("not_identified"))
        self.assertEqual(said, b"Erreur [not_identified] : say who you are first: send Hello|<nick>\n")

    def test_who_is_out_of_the_room_is_told_the_way(self) -> None:
        out = Refusal("not_member", group="wob")
        for said, end in (
            (b"salut", "join it first; /leave brings you back to the lobby"),
            (b"/leave", "join it first; you are back in the lobby"),
            (b"/say wob salut", "join it first"),
        ):
            line = IN_WOB.refusal(IN_WOB.decode(said), out).decode()
            self.assertEqual(line, f"Erreur [not_member] : you are not in wob: {end}\n")


class NoForgery(SynchronousTestCase):
    """What somebody says never looks like what somebody else does."""

    def test_every_end_of_a_line(self) -> None:
        for end in ("\n", "\r\n", "\r", "\x0b", "\x0c", "\x85", "\u2028", "\u2029"):
            self.assertEqual(
                HERE.told(logged(LOBBY, f"one{end}bob a dit : x")), b"alice a dit : one\n  bob a dit : x\n"
            )
            kicked = HERE.told(logged(WOB, f"one{end}two", BOB, "kicked"))
            self.assertEqual(kicked, b"Annonce : alice a exclu Bob de wob : one\n  two\n")
            self.assertEqual(FRAMED_HERE.told(logged(LOBBY, f"1{end}2")), b"\x01\x05alice\x01\x051\n  2")

    def test_what_steers_a_terminal(self) -> None:
        self.assertEqual(
            HERE.told(logged(LOBBY, "a\tb \x1b[2J \x00 \x7f \x9b é")),
            "alice a dit : a\tb \ufffd[2J \ufffd \ufffd \ufffd é\n".encode(),
        )

    def test_what_turns_the_writing_round(self) -> None:
        """It is shown and does nothing, in lines and in frames."""
        for code in BIDI:
            self.assertEqual(HERE.told(logged(LOBBY, f"a{code}b")), "alice a dit : a\ufffdb\n".encode())
            self.assertEqual(
                FRAMED_HERE.told(logged(LOBBY, f"a{code}b")), b"\x01\x05alice\x01\x05a\xef\xbf\xbdb"
            )

    @settings(max_examples=200, deadline=None)
    @given(st.text(min_size=1) | st.text(alphabet="ab \x1b\x00" + LINE_ENDS, min_size=1, max_size=20))
    def test_any_text(self, text: str) -> None:
        """Every line but the first is indented, however a client tells lines apart."""
        for entry, head in (
            (logged(LOBBY, text), "alice a dit : "),
            (logged(WOB, text), "[wob] alice a dit : "),
            (logged(DIRECT, text, BOB), "alice vous dit : "),
            (logged(WOB, text, None, "topic"), "Annonce : alice a changé le sujet de wob"),
            (logged(LOBBY, text, None, "image"), "alice a dit en image :"),
        ):
            told = HERE.told(entry).decode()
            frame = FRAMED_HERE.told(entry)
            first, *lines = told.splitlines()
            self.assertTrue(first.startswith(head), told)
            self.assertTrue(told.endswith("\n"))
            self.assertTrue(all(line.startswith("  ") for line in lines), told)
            digits = frame[2 + frame[1]]
            shown = frame[3 + frame[1] + digits :].decode()
            self.assertTrue(all(line.startswith("  ") for line in shown.splitlines()[1:]), shown)
            for said in (told, shown):
                self.assertEqual(re.findall("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]", said), [])


class Rooms(StageTestCase):
    """Going about, with a whole chatd behind."""

    def comes(self, hello: str, wire: str = "tp6") -> Peer:
        """Somebody who says this hello, with all that was heard so far forgotten."""
        peer = self.stage.connect(wire).says(f"Hello|{hello}\n")
        self.heard(peer)
        return peer

    def heard(self, peer: Peer) -> list[str]:
        """What has come, in its time."""
        self.stage.wait(1)
        return peer.lines()

    def test_the_room_is_made_for_the_first_and_open_to_the_next(self) -> None:
        alice = self.comes("alice|wob")
        bob = self.stage.connect("tp6").says("Hello|bob|WOB")
        self.assertEqual(self.heard(bob), ["Annonce : bob a rejoint la chatroom", "Vous êtes dans wob"])
        self.assertEqual(
            self.heard(alice), ["Annonce : bob a rejoint la chatroom", "Annonce : bob a rejoint wob"]
        )
        bob.says("salut")
        self.assertEqual(self.heard(alice), ["bob a dit : salut"])

    def test_a_member_is_simply_in(self) -> None:
        alice, bob = self.comes("alice|wob"), self.comes("bob|wob")
        bob.hangs_up()
        self.heard(alice)
        bob = self.stage.connect("tp6").says("Hello|bob|wob")
        self.assertEqual(self.heard(bob), ["Welcome back bob !", "Vous êtes dans wob"])
        self.assertEqual(self.heard(alice), ["bob est de retour !"])

    def test_a_room_is_called_as_it_was_first(self) -> None:
        """However somebody else spells it."""
        self.stage.text("alice").says("cg;wob")
        bob = self.comes("bob|WOB")
        bob.says("/join WoB")
        self.assertEqual(self.heard(bob), ["Vous êtes dans wob"])

    def test_a_replay_comes_before_the_room(self) -> None:
        """What was missed, then where one is, then what one says there."""
        alice, bob = self.comes("alice|wob"), self.comes("bob|wob")
        bob.hangs_up()
        alice.says("/msg bob missed")
        self.heard(alice)
        readers = self.stage.readers
        readers.held = True
        bob = self.stage.connect("tp6").says("Hello|bob|wob\nhere")
        self.assertEqual(self.heard(bob), ["Welcome back bob !"])
        readers.held = False
        readers.run_next()
        self.assertEqual(self.heard(bob), ["alice vous dit : missed", "Vous êtes dans wob"])
        self.assertEqual(self.heard(alice), ["bob est de retour !", "bob a dit : here"])

    def test_what_was_told_is_on_no_page(self) -> None:
        """Said in the commit that the hello had its turn in."""
        alice = self.stage.text("alice")
        self.stage.writer.held = True
        bob = self.stage.connect("tp6-history").says("Hello|bob")
        alice.says("MSG one")
        self.stage.writer.held = False
        self.stage.writer.run_next()
        heard = self.heard(bob)
        self.assertEqual(heard[:2], ["Annonce : bob a rejoint la chatroom", "alice a dit : one"])
        self.assertEqual([json.loads(line)["messages"] for line in heard[2:]], [[]])

    def test_who_is_not_let_in_stays_in_the_lobby(self) -> None:
        alice = self.comes("alice|wob")
        alice.says("/visibility wob private")
        bob = self.stage.connect("tp6").says("Hello|bob|wob").says("salut")
        refusal = "Erreur [not_invited] : wob is private: ask a member to invite you"
        self.assertEqual(self.heard(bob), ["Annonce : bob a rejoint la chatroom", refusal])
        self.assertEqual(self.heard(alice)[-1], "[la chatroom] bob a dit : salut")

    def test_who_is_put_out_says_nothing_to_the_lobby(self) -> None:
        """Until they leave, which is never refused them, or go elsewhere."""
        for visibility, code in (("public", "not_member"), ("private", "no_such_group")):
            alice, bob = self.comes(f"alice|{visibility}"), self.comes(f"bob|{visibility}")
            self.heard(alice)
            alice.says(f"/visibility {visibility} {visibility}\n/kick {visibility} bob loud")
            self.assertEqual(self.heard(bob)[-1], f"Annonce : alice a exclu bob de {visibility} : loud")
            bob.says("anyone?")
            (refusal,) = self.heard(bob)
            self.assertRegex(refusal, rf"Erreur \[{code}\] .*; /leave brings you back to the lobby")
            self.assertEqual(self.stage.rows("SELECT id FROM log WHERE body = 'anyone?'"), [])
            bob.says("/leave\nback")
            (refusal,) = self.heard(bob)
            self.assertRegex(refusal, rf"Erreur \[{code}\] .*; you are back in the lobby")
            self.assertEqual(self.heard(alice)[-1], "[la chatroom] bob a dit : back")
            alice.hangs_up()
            bob.hangs_up()

    def test_somebody_known_gets_the_private_messages_missed(self) -> None:
        alice, bob = self.comes("alice"), self.comes("bob|wob")
        bob.hangs_up()
        alice.says("/msg bob psst\n/join wob\nhello wob")
        self.stage.wait(0.1)
        bob = self.stage.connect("tp6").says("Hello|bob")
        self.assertEqual(self.heard(bob), ["Welcome back bob !", "alice vous dit : psst"])

    def test_history_where_it_is_wanted(self) -> None:
        """The lobby's or the room's last page, to new ones too, and what was missed."""

        def pages(peer: Peer) -> list[tuple[str, list[str]]]:
            found = [json.loads(line) for line in self.heard(peer) if line.startswith("{")]
            return [
                (page.get("group") or page.get("with") or "", [item["msg"] for item in page["messages"]])
                for page in found
            ]

        alice, bob = self.comes("alice"), self.comes("bob|wob", "tp6-history")
        bob.says("one").hangs_up()
        alice.says("two\n/msg bob three\n/join wob\nfour")
        self.stage.wait(0.1)
        bob = self.stage.connect("tp6-history").says("Hello|bob")
        self.assertEqual(pages(bob), [("alice", ["three"]), ("wob", ["four"]), ("", ["two"])])
        carol = self.stage.connect("tp6-history").says("Hello|carol|wob")
        self.assertEqual(pages(carol), [("wob", ["one", "four"])])
        dave = self.stage.connect("tp6-history").says("Hello|dave")
        self.assertEqual(pages(dave), [("", ["two"])])
        erin = self.stage.connect("tp6").says("Hello|erin|wob")
        self.assertEqual(pages(erin), [])

    def test_an_image_reaches_every_wire(self) -> None:
        text, lines, course = self.stage.text("tom"), self.stage.json("joe"), self.stage.connect("json")
        course.says(b'{"from":"cy","action":"client-hello"}')
        chunks = self.comes("chunky")
        framed = self.stage.connect("tp6").says(b"\x01\x00\x09Hello|fay")
        self.stage.wait(1)
        for peer in (text, lines, course, chunks, framed):
            peer.hears()
        lines.asks(action="client-broadcast", msg="##\n #", kind="image")
        self.stage.wait(1)
        self.assertEqual(text.lines(), ["MSG joe ##", "MSG joe  #"])
        self.assertEqual([said["action"] for said in lines.objects()], ["server-ack"])
        (told,) = course.objects()
        self.assertEqual((told["action"], told["kind"], told["msg"]), ("server-broadcast", "image", "##\n #"))
        self.assertEqual(chunks.lines(), ["joe a dit en image :", "  ##", "   #"])
        self.assertEqual(framed.hears(), b"\x03\x03joe\x01\x09  ##\n   #")
