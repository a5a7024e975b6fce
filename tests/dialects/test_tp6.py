"""The chat room's dialects: what is said, from where; how lines and frames look; that none can be forged."""

from __future__ import annotations

import gc
import json
import os
import re
import sqlite3
import time
from pathlib import Path
from string import Formatter
from typing import Any, cast
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from twisted.trial.unittest import SynchronousTestCase

from chatd.core import commands as c
from chatd.core.answers import (
    Ack,
    AlreadyInGroup,
    Clients,
    Goodbye,
    GroupListItem,
    Groups,
    Help,
    Member,
    Members,
    Page,
    Welcome,
)
from chatd.core.commands import COMMANDS, Command
from chatd.core.events import (
    LOBBY,
    AnsweredMessage,
    ChatEvent,
    Conversation,
    EventKind,
    LogEntry,
    User,
    UserArrived,
    UserDeparted,
)
from chatd.core.limits import Limits
from chatd.core.names import BadName, parse_group
from chatd.core.refusals import REFUSAL_SENTENCES, Refusal
from chatd.core.requests import Request
from chatd.dialects import tp6_phrases
from chatd.dialects.tp6 import Tp6Dialect
from chatd.dialects.tp6_frames import Tp6BinaryFrameDialect
from chatd.dialects.tp6_phrases import MAX_LIST_BYTES
from tests.support.effort import effort
from tests.support.framed import frames_of
from tests.support.in_memory_daemon import Peer, Stage, StageTestCase

LIMITS = Limits()
DOOR = Tp6Dialect(LIMITS)
HERE = DOOR.variant_in_room(None)
IN_WOB = DOOR.variant_in_room("wob")
NOWHERE = DOOR.variant_in_no_room
BONUS = Tp6Dialect(LIMITS, bonus=True)
FRAMED = Tp6BinaryFrameDialect(LIMITS)
FRAMED_HERE = FRAMED.variant_in_room(None)

ALICE = User(1, "alice", "alice", "#a03030")
BOB = User(2, "Bob", "bob", "#30a030")
WOB = Conversation(2, "group", "wob")
HINT = "/conversations liste vos conversations ; /history pseudo et /messages salon les relisent"
DIRECT = Conversation(3, "direct", pair=(ALICE, BOB))
AT = 1_795_262_400_123
TS = "2026-11-21T12:00:00.123Z"
LINE_ENDS = "\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"

BIDI_CONTROLS = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


def logged(
    conversation: Conversation,
    body: str,
    subject: User | None = None,
    kind: EventKind = "message",
    id: int = 7,
) -> LogEntry:
    """Something alice did."""
    return LogEntry(id, 3, AT, ChatEvent(kind, conversation, ALICE, subject, body))


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
            self.assertEqual((request.dialect_on_success, request.request_on_success), (HERE, None), said)

    def test_without(self) -> None:
        for said in ("Hello", "Hello ", "Hello|", "Hello| "):
            self.assertEqual(meant(said, DOOR), (c.Hello, {}))

    def test_with_a_room(self) -> None:
        then = DOOR.decode(b"Hello|alice| wob ").request_on_success
        assert then is not None
        assert isinstance(then.command, c.EnterGroup)
        self.assertEqual((then.command.group, then.command.missing), ("wob", "create"))
        self.assertEqual((then.dialect_on_success, then.detected_dialect), (IN_WOB, NOWHERE))
        self.assertIs(DOOR.decode(b"Hello|alice| wob ").dialect_on_success, NOWHERE)
        bad = DOOR.decode(b"Hello|alice|wob|x").request_on_success
        assert bad is not None
        assert isinstance(bad.command, c.EnterGroup)
        self.assertEqual(
            (bad.command.group, bad.dialect_on_success, bad.detected_dialect), ("wob|x", NOWHERE, NOWHERE)
        )

    def test_nothing_else(self) -> None:
        for said in (b"hello|alice", b"Hello alice", b"Hi", b"/help", b"/quit", b"HELLO", b"Hello!"):
            self.assertEqual(refused(said, DOOR), "not_identified: not logged in: give your nick first")
        self.assertEqual(refused(b"\xff", DOOR)[:8], "bad_utf8")
        self.assertEqual(refused(b"\x03Hello|alice", FRAMED)[:15], "not_identified:")

    def test_but_only_before_it(self) -> None:
        for place, command in ((HERE, c.SendToLobby), (IN_WOB, c.SendToGroup)):
            self.assertEqual(meant("Hello|bob", place)[0], command)


class Saying(SynchronousTestCase):
    """What a chunk means in the lobby and in a room."""

    def test_anything_is_a_message_where_one_is(self) -> None:
        for text in ("salut", " salut ", "one\ntwo", "/!\\", "/ x", "/", "/1", "MSG x", "#"):
            self.assertEqual(meant(text), (c.SendToLobby, {"msg": text}))
            self.assertEqual(meant(text, IN_WOB), (c.SendToGroup, {"group": "wob", "msg": text}))

    def test_two_slashes_say_one(self) -> None:
        self.assertEqual(meant("//me is here"), (c.SendToLobby, {"msg": "/me is here"}))
        self.assertEqual(meant("///"), (c.SendToLobby, {"msg": "//"}))

    def test_what_one_does(self) -> None:
        """A message to where one is; nothing else has that word."""
        for said in ("/me waves", "/ME  waves"):
            self.assertEqual(meant(said), (c.SendToLobby, {"msg": "/me waves"}))
            self.assertEqual(meant(said, IN_WOB), (c.SendToGroup, {"group": "wob", "msg": "/me waves"}))
            self.assertEqual(meant(f"\x01{said}", FRAMED_HERE), (c.SendToLobby, {"msg": "/me waves"}))
        self.assertEqual(meant("\x03/me waves", FRAMED_HERE)[1], {"msg": "/me waves", "kind": "image"})
        self.assertEqual(refused(b"/me"), "bad_request: usage: /me message")
        self.assertEqual(refused(b"/me waves", NOWHERE)[:8], "no_room:")
        self.assertEqual(refused(b"/me waves", DOOR.variant_awaiting_room)[:8], "no_room:")
        self.assertIs(DOOR.variant_awaiting_room.decode(b"/me waves").dialect_on_success, NOWHERE)

    def test_what_is_no_message(self) -> None:
        self.assertEqual(refused(b" \n"), "empty: the text is empty: write something")
        self.assertEqual(refused(b"x" * 8193)[:9], "too_long:")
        self.assertEqual(refused(b"\xff")[:9], "bad_utf8:")

    def test_images_in_frames(self) -> None:
        """Whatever they begin with; each has a limit of its own."""
        self.assertEqual(meant("\x03/##\n", FRAMED_HERE), (c.SendToLobby, {"msg": "/##\n", "kind": "image"}))
        self.assertEqual(
            meant("\x03##", FRAMED.variant_in_room("wob")),
            (c.SendToGroup, {"group": "wob", "msg": "##", "kind": "image"}),
        )
        self.assertEqual(meant("\x01/who", FRAMED_HERE), (c.ListClients, {}))
        self.assertEqual(len(meant("\x03" + "x" * LIMITS.image, FRAMED_HERE)[1]["msg"]), LIMITS.image)
        self.assertEqual(refused(b"\x03" + b"x" * (LIMITS.image + 1), FRAMED_HERE)[:9], "too_long:")

    def test_every_slash_in_the_table(self) -> None:
        """Its example, typed with spaces, is what it is an example of."""
        for row in COMMANDS.values():
            if row.slash_word:
                _, _, rest = row.example.replace(";", " ").partition(" ")
                self.assertIs(meant(f"/{row.slash_word} {rest}")[0], row.command)
                self.assertIs(meant(f"/{row.slash_word.upper()} {rest}")[0], row.command)

    def test_fields(self) -> None:
        """By white space; the last takes the rest."""
        kick = (c.Kick, {"group": "wob", "dest": "bob", "reason": "too  loud"})
        for said in ("/kick wob bob too  loud", "/kick  wob\tbob\ntoo  loud ", "/KICK wob bob  too  loud"):
            self.assertEqual(meant(said), kick)
        self.assertEqual(meant("/kick wob bob"), (c.Kick, {"group": "wob", "dest": "bob"}))
        self.assertEqual(meant("/msg bob  two words "), (c.SendToUser, {"dest": "bob", "msg": "two words "}))
        self.assertEqual(meant("/all one\ntwo"), (c.SendToLobby, {"msg": "one\ntwo"}))
        self.assertEqual(meant("/messages wob 5"), (c.ListGroupMessages, {"group": "wob", "limit": 5}))
        self.assertEqual(meant("/quit now"), (c.Quit, {}))

    def test_what_a_command_lacks(self) -> None:
        for said, why in (
            (b"/msg bob", "bad_request: usage: /msg pseudo message"),
            (b"/join", "bad_request: usage: /join salon"),
            (b"/kick wob", "bad_request: usage: /kick salon pseudo [raison]"),
            (b"/rooms x", "bad_request: skip must be a whole number of at least 0"),
            (b"/fly", "unknown_action: unknown command: /fly; ask for help to list the commands"),
            (
                b"/usr/bin",
                "unknown_action: unknown command: /usr/bin; ask for help to list the commands",
            ),
            ("/été".encode(), "unknown_action: unknown command: /été; ask for help to list the commands"),
        ):
            self.assertEqual(refused(said), why)

    def test_who_means_here(self) -> None:
        self.assertEqual(meant("/who"), (c.ListClients, {}))
        self.assertEqual(meant("/who 5", IN_WOB), (c.ListMembers, {"group": "wob", "skip": 5}))

    def test_all_goes_nowhere(self) -> None:
        request = IN_WOB.decode(b"/all salut")
        self.assertEqual(meant("/all salut", IN_WOB), (c.SendToLobby, {"msg": "salut"}))
        self.assertEqual((request.dialect_on_success, request.detected_dialect), (None, None))

    @settings(max_examples=effort(200), deadline=None)
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
            self.assertIs(request.dialect_on_success, IN_WOB, going)
            self.assertIs(request.detected_dialect, NOWHERE)
        for nowhere in (
            "/join",
            "/join a:b",
            "/join salle 9",
            "/create",
            "/create a b",
            "/create wob secret",
        ):
            request = HERE.decode(nowhere.encode())
            self.assertEqual(
                (request.dialect_on_success, request.detected_dialect), (NOWHERE, NOWHERE), nowhere
            )
        for leaving in ("/leave", "/leave wob", "/leave WOB"):
            request = IN_WOB.decode(leaving.encode())
            self.assertEqual(meant(leaving, IN_WOB)[0], c.Leave)
            self.assertIs(request.dialect_on_success, HERE, leaving)
            self.assertIs(request.detected_dialect, HERE, leaving)
        for place in (NOWHERE, HERE):
            request = place.decode(b"/leave ")
            self.assertEqual((meant("/leave", place)), (c.EnterGroup, {"group": ""}))
            self.assertEqual((request.dialect_on_success, request.detected_dialect), (HERE, HERE))
        for place, said in ((IN_WOB, b"/leave den"), (HERE, b"/leave wob"), (NOWHERE, b"/leave wob")):
            request = place.decode(said)
            self.assertEqual((request.dialect_on_success, request.detected_dialect), (None, None))

    def test_one_for_all_who_are_there(self) -> None:
        """However they call it; other wires have others."""
        self.assertIs(DOOR.variant_in_room("WOB"), IN_WOB)
        self.assertIs(IN_WOB.variant_in_room("wob"), IN_WOB)
        self.assertIs(DOOR.variant_in_room("den").variant_in_room(None), HERE)
        self.assertIs(DOOR.variant_in_room("den").variant_in_no_room, NOWHERE)
        self.assertEqual(len({HERE, NOWHERE, DOOR.variant_awaiting_room, IN_WOB, DOOR}), 5)
        self.assertIsNot(Tp6Dialect(LIMITS).variant_in_room("wob"), IN_WOB)
        self.assertIsNot(FRAMED.variant_in_room("wob"), IN_WOB)

    def test_it_goes_with_the_last_of_them(self) -> None:
        """Whoever tries out a million rooms leaves nothing behind."""
        door = Tp6Dialect(LIMITS)
        for n in range(100):
            door.variant_in_room(f"room{n}")
        gc.collect()
        self.assertEqual(len(door._places), 0)


class Telling(SynchronousTestCase):
    """Everything that comes by itself, in lines and in frames."""

    def test_messages(self) -> None:
        """Those of the place where one is, and private ones."""
        places = {HERE, IN_WOB, DOOR.variant_in_room("den"), NOWHERE, DOOR.variant_awaiting_room}
        for conversation, subject, line, heard in (
            (LOBBY, None, "alice a dit : salut", {HERE}),
            (WOB, None, "alice a dit : salut", {IN_WOB}),
            (DIRECT, BOB, "alice vous dit : salut", places),
        ):
            for place in places:
                told = frames_of(place.encode_delivery, logged(conversation, "salut", subject))
                self.assertEqual(told, f"{line}\n".encode() if place in heard else b"")

    def test_it_is_written_once_for_all_rooms(self) -> None:
        """However many there are; then it is forgotten."""
        door = Tp6Dialect(LIMITS)
        places = [door.variant_in_room(None), *(door.variant_in_room(f"room{n}") for n in range(20))]
        entry = logged(DIRECT, "salut", BOB)
        payloads = [place.encode_delivery(entry) for place in places]
        self.assertEqual({*payloads}, {(b"alice vous dit : salut",)})
        self.assertEqual(len({id(payload) for (payload,) in payloads}), 1)
        del entry
        gc.collect()
        self.assertEqual(len(door._frames), 0)

    def test_images(self) -> None:
        """A line that says so, then the art, with all of its columns."""
        for place, conversation, subject, line in (
            (HERE, LOBBY, None, "alice a dit en image :"),
            (IN_WOB, WOB, None, "alice a dit en image :"),
            (HERE, DIRECT, BOB, "alice vous dit en image :"),
        ):
            told = frames_of(place.encode_delivery, logged(conversation, " /\\\n/__\\\n", subject, "image"))
            self.assertEqual(told, f"{line}\n   /\\\n  /__\\\n".encode())

    def test_actions_and_notices(self) -> None:
        """An action without "a dit", and in private with a word that says so; a notice like a message."""
        lines = ((HERE, LOBBY, None, ""), (IN_WOB, WOB, None, ""), (HERE, DIRECT, BOB, "En privé : "))
        for place, conversation, subject, head in lines:
            waves = logged(conversation, "/me waves\ntwice", subject, "action")
            self.assertEqual(
                frames_of(place.encode_delivery, waves), f"{head}* alice waves\n  twice\n".encode()
            )
            notice = logged(conversation, "/me waves", subject, "notice")
            verb = "vous" if subject else "a"
            self.assertEqual(
                frames_of(place.encode_delivery, notice), f"alice {verb} dit : /me waves\n".encode()
            )
        for place, conversation, subject, text in (
            (FRAMED_HERE, LOBBY, None, b"* alice waves"),
            (FRAMED_HERE, DIRECT, BOB, "En privé : * alice waves".encode()),
        ):
            waves = logged(conversation, "/me waves", subject, "action")
            expected = b"\x01\x00\x01%c%b" % (len(text), text)
            self.assertEqual(frames_of(place.encode_delivery, waves), expected)
        deleted = logged(LOBBY, "", kind="action")
        self.assertEqual(frames_of(HERE.encode_delivery, deleted), b"")

    def test_events(self) -> None:
        table: list[tuple[EventKind, User | None, str, str]] = [
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
            ("demoted", BOB, "owner", "Bob n'est plus propriétaire de wob"),
            ("visibility", None, "public", "alice a rendu wob public"),
            ("topic", None, "tea", "alice a changé le sujet de wob : tea"),
            ("topic", None, "", "alice a changé le sujet de wob"),
        ]
        for kind, subject, body, line in table:
            entry = logged(WOB, body, subject, kind)
            announced = f"Annonce : {line}\n".encode()
            for place, told in ((HERE, b""), (NOWHERE, b""), (IN_WOB, announced)):
                self.assertEqual(frames_of(place.encode_delivery, entry), told)
                self.assertEqual(frames_of(place.encode_for_subject, entry), announced)
            done = frames_of(HERE.encode_answer, Request(c.Leave("wob"), "/x"), Ack(entry))
            self.assertEqual(done, f"C'est fait : {line}\n".encode())

    def test_changes_of_private_messages(self) -> None:
        """They say that they are private: else the reader answers in the room."""
        answered = AnsweredMessage(5, BOB)
        for kind, body, line in (
            ("edited", "5 message psst", "alice a modifié son message privé n° 5 : psst"),
            ("reacted", "+1", "alice a réagi au message privé n° 5 de Bob : +1"),
            ("unreacted", "+1", "alice a retiré sa réaction au message privé n° 5 de Bob : +1"),
        ):
            entry = logged(DIRECT, body, BOB, cast(EventKind, kind))
            if kind != "edited":
                entry = replace(entry, event=replace(entry.event, answered_message=answered))
            self.assertEqual(frames_of(HERE.encode_delivery, entry), f"Annonce : {line}\n".encode())

    def test_presence(self) -> None:
        for told, line in (
            (UserArrived(ALICE, False, AT), "Annonce : alice a rejoint la chatroom"),
            (UserArrived(ALICE, True, AT), "alice est de retour !"),
            (UserDeparted(ALICE, AT), "Annonce : alice a quitté la chatroom"),
        ):
            for place in (HERE, IN_WOB, NOWHERE, DOOR.variant_awaiting_room):
                self.assertEqual(frames_of(place.encode_delivery, told), f"{line}\n".encode())
            text = line.encode()
            self.assertEqual(
                frames_of(FRAMED_HERE.encode_delivery, told), b"\x01\x00\x01%c%b" % (len(text), text)
            )

    def test_frames(self) -> None:
        """The seed's own example; who says it here by name, all else in words."""
        toto = User(9, "toto", "toto", "#000000")
        bonjour = LogEntry(1, 1, AT, ChatEvent("message", LOBBY, toto, None, "bonjour"))
        self.assertEqual(frames_of(FRAMED_HERE.encode_delivery, bonjour), b"\x01\x04toto\x01\x07bonjour")
        self.assertEqual(
            frames_of(FRAMED_HERE.encode_delivery, logged(LOBBY, "x" * 255)),
            b"\x01\x05alice\x01\xff" + b"x" * 255,
        )
        self.assertEqual(
            frames_of(FRAMED_HERE.encode_delivery, logged(LOBBY, "x" * 256)),
            b"\x01\x05alice\x02\x01\x00" + b"x" * 256,
        )
        self.assertEqual(frames_of(FRAMED_HERE.encode_delivery, logged(WOB, "x")), b"")
        psst = logged(DIRECT, "psst", BOB)
        self.assertEqual(
            frames_of(FRAMED_HERE.encode_delivery, psst), b"\x01\x00\x01\x15alice vous dit : psst"
        )
        self.assertEqual(
            frames_of(FRAMED.variant_in_room("wob").encode_delivery, logged(WOB, "é")),
            b"\x01\x05alice\x01\x02\xc3\xa9",
        )
        image = logged(LOBBY, "##\n #", kind="image")
        self.assertEqual(frames_of(FRAMED_HERE.encode_delivery, image), b"\x03\x05alice\x01\x09  ##\n   #")
        alone = frames_of(
            FRAMED.variant_in_room("wob").encode_delivery, logged(DIRECT, "##\n #", BOB, "image")
        )
        self.assertEqual(alone, b"\x03\x00\x01\x23alice vous dit en image :\n  ##\n   #")
        self.assertEqual(FRAMED_HERE.seconds_between_writes, 0)


class Answering(SynchronousTestCase):
    """Answers, in few words."""

    def said(self, answer: Any, asked: str = "/x", place: Tp6Dialect = HERE) -> list[str]:
        """The lines of an answer."""
        return frames_of(place.encode_answer, Request(c.ListCommands(), asked), answer).decode().splitlines()

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
        self.assertEqual(
            frames_of(IN_WOB.encode_answer, request, AlreadyInGroup("wob")), "Vous êtes dans wob\n".encode()
        )
        joined = Ack(logged(WOB, "", None, "joined"))
        self.assertEqual(frames_of(IN_WOB.encode_answer, request, joined), "Vous êtes dans wob\n".encode())
        left = Ack(logged(WOB, "", None, "left"))
        self.assertEqual(
            frames_of(HERE.encode_answer, IN_WOB.decode(b"/leave"), left),
            "Vous êtes dans la chatroom\n".encode(),
        )

    def test_lists(self) -> None:
        self.assertEqual(self.said(Clients(("alice", "Bob"))), ["Dans la chatroom : 2", "  alice", "  Bob"])
        members = (
            Member("alice", "owner", True, True),
            Member("Bob", "member", False, False),
            Member("carol", "operator", True, True),
        )
        self.assertEqual(
            self.said(Members("wob", members)),
            [
                "Dans wob : 3",
                "  alice (propriétaire)",
                "  Bob (absent, sans mot de passe)",
                "  carol (opérateur)",
            ],
        )
        groups = (
            GroupListItem("wob", "public", "tea\nx", 1, "owner", "alice", True, "all"),
            GroupListItem("den", "private", "", 2, "invited", "", False, "all"),
        )
        self.assertEqual(
            self.said(Groups(groups)),
            [
                "Salons : 2",
                "  wob (public, 1 membre, propriétaire) : tea",
                "    x",
                "  den (privé, 2 membres, invitation, sans propriétaire)",
            ],
        )
        self.assertEqual(self.said(Groups(())), ["Salons : 0"])

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
        self.assertEqual(self.said(Page(DIRECT, (), False, False, False, BOB)), ["Historique avec alice : 0"])
        self.assertEqual(
            self.said(Page(LOBBY, (), False, False, False, BOB)), ["Historique de la chatroom : 0"]
        )

    def test_a_list_takes_no_minute(self) -> None:
        """It is cut at the end that the reader comes to last; one entry is always shown."""
        entries = tuple(logged(WOB, f"{id:03}" + "x" * 997, id=id) for id in range(200))
        for forward in (False, True):
            head, *lines = self.said(Page(WOB, entries, False, forward, False, BOB))
            self.assertEqual(head, f"Historique de wob : {len(lines)} (et plus)")
            self.assertLess(MAX_LIST_BYTES - 2000, sum(map(len, lines)))
            self.assertLess(sum(map(len, lines)), MAX_LIST_BYTES)
            self.assertIn("000xx" if forward else "199xx", lines[0 if forward else -1])
        art = logged(WOB, "\n" * LIMITS.image, kind="image")
        said = frames_of(
            HERE.encode_answer, Request(c.ListCommands(), "/x"), Page(WOB, (art,), False, False, False, BOB)
        )
        self.assertLess(len(said), LIMITS.outbox // 2)

    def test_what_is_not_sent_is_not_made(self) -> None:
        """A page of 500 images costs no more than the few that go into a list, whichever end is read."""
        entries = tuple(logged(WOB, "#" * 20_000, id=id, kind="image") for id in range(500))
        made: list[ChatEvent] = []
        remember = tp6_phrases.history_sentence

        def note(event: ChatEvent) -> str:
            made.append(event)
            return remember(event)

        self.patch(tp6_phrases, "history_sentence", note)
        for forward, end in ((True, entries[:3]), (False, entries[:-4:-1])):
            made.clear()
            head, *_ = self.said(Page(WOB, entries, False, forward, False, BOB))
            self.assertEqual(head, "Historique de wob : 2 (et plus)")
            self.assertEqual(made, [entry.event for entry in end])

    def test_history(self) -> None:
        """What nobody asked for is a JSON object in a line, in ASCII, the same as on the JSON wire."""
        place = BONUS.variant_in_room(None)
        entries = (logged(LOBBY, "é\n{\x1b\x7f\x9b\u2028"), logged(LOBBY, "##", kind="image"))
        page = Page(LOBBY, entries, True, False, False, BOB)
        said = frames_of(place.encode_answer, Request(c.ReadHistory(), "history"), page)
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
        """Going into a room or the lobby, where it is shown."""
        hello = BONUS.decode(b"Hello|alice|wob").request_on_success
        assert hello is not None
        self.assertEqual(BONUS.decode(b"Hello|alice|wob").dialect_on_success, BONUS.variant_in_no_room)
        for request, group in (
            (hello, "wob"),
            (BONUS.variant_awaiting_room.decode(b"wob"), "wob"),
            (BONUS.variant_awaiting_room.decode(b"/leave"), None),
            (BONUS.variant_in_room("wob").decode(b"/leave"), None),
            (BONUS.variant_in_room("wob").decode(b"/create den"), "den"),
        ):
            assert request.request_on_success is not None
            assert isinstance(request.request_on_success.command, c.ReadHistory)
            self.assertEqual(request.request_on_success.command.group, group)
        self.assertIsNone(HERE.decode(b"/join wob").request_on_success)
        self.assertEqual((BONUS.login_history_scope, DOOR.login_history_scope), ("directs", "none"))

    def test_help_and_goodbye(self) -> None:
        head, *lines = self.said(Help(tuple(COMMANDS.values())))
        self.assertEqual(head, f"Commandes : {len(lines)}")
        self.assertIn(f"  {'/kick salon pseudo [raison]':<34} exclure quelqu'un, qui peut revenir", lines)
        self.assertEqual(
            [line.split()[0] for line in lines],
            [*(f"/{row.slash_word}" for row in COMMANDS.values() if row.slash_word), "/me"],
        )
        self.assertEqual(lines[-1], f"  {'/me message':<34} dire ce que vous faites : * alice salue")
        self.assertEqual(self.said(Goodbye(ALICE)), ["Au revoir alice"])
        self.assertEqual(self.said(Goodbye(None)), [])


class Refusing(SynchronousTestCase):
    """What to do is in the sentence."""

    def test_every_code(self) -> None:
        for code, sentence in REFUSAL_SENTENCES.items():
            details = {name: "x\nErreur [x] : y" for _, name, _, _ in Formatter().parse(sentence) if name}
            head, *lines = (
                frames_of(HERE.encode_refusal, None, Refusal(code, **details)).decode().splitlines()
            )
            self.assertTrue(head.startswith(f"Erreur [{code}] : "), head)
            self.assertTrue(all(line.startswith("  ") for line in lines), lines)

    def test_before_hello(self) -> None:
        said = frames_of(DOOR.encode_refusal, DOOR.decode(b"salut"), Refusal("not_identified"))
        self.assertEqual(
            said.decode(),
            "Erreur [not_identified] : donnez d'abord un pseudo : envoyez Hello|<pseudo>\n",
        )

    def test_it_is_in_french(self) -> None:
        """The reason as well, and what is named in it."""
        for said, line in (
            (b"/msg bob", "[bad_request] : usage : /msg pseudo message"),
            (b"/rooms x", "[bad_request] : omettre doit être un nombre entier d'au moins 0"),
            (
                b"x" * 8193,
                "[too_long] : message dépasse 8192 octets : raccourcissez, ou envoyez en plusieurs fois",
            ),
            (
                b"/create wob x",
                "[bad_request] : visibilité est à choisir parmi public, private ; vous n'êtes dans aucun",
            ),
        ):
            request = HERE.decode(said)
            assert isinstance(request.command, Refusal)
            place = request.detected_dialect or HERE
            self.assertIn(line, frames_of(place.encode_refusal, request, request.command).decode())
        with self.assertRaises(BadName) as caught:
            parse_group("a b")
        refusal = Refusal("bad_group", group="a b", why=caught.exception.reason)
        self.assertEqual(
            frames_of(HERE.encode_refusal, None, refusal).decode(),
            "Erreur [bad_group] : a b n'est pas un nom de salon valide :"
            " un nom n'a pas d'espaces : retirez U+0020\n",
        )

    def test_who_is_out_of_the_room_is_told_the_way(self) -> None:
        out = Refusal("not_member", group="wob")
        for said, end in (
            (b"salut", " ; /leave ramène à la chatroom"),
            (b"/leave", " ; vous êtes dans la chatroom"),
            (b"/say wob salut", ""),
        ):
            request = IN_WOB.decode(said)
            place = request.detected_dialect or IN_WOB
            line = frames_of(place.encode_refusal, request, out).decode()
            self.assertEqual(
                line, f"Erreur [not_member] : vous n'êtes pas membre de wob : rejoignez-le d'abord{end}\n"
            )

    def test_who_is_in_no_room_is_told_the_way(self) -> None:
        """Once, whether it is a move that is refused or what is said there."""
        way = "vous n'êtes dans aucun salon : /join pour en rejoindre un, /leave pour aller dans la chatroom"
        for place, said, refusal, line in (
            (NOWHERE, b"salut", Refusal("no_room"), f"Erreur [no_room] : {way}"),
            (
                HERE,
                b"/join wob",
                Refusal("not_invited", group="wob"),
                f"Erreur [not_invited] : wob est privé : demandez une invitation à un membre ; {way}",
            ),
        ):
            request = place.decode(said)
            spoken = request.detected_dialect or place
            self.assertEqual(frames_of(spoken.encode_refusal, request, refusal).decode(), f"{line}\n")


class NoForgery(SynchronousTestCase):
    """What somebody says never looks like what somebody else does."""

    def test_every_end_of_a_line(self) -> None:
        for end in ("\n", "\r\n", "\r", "\x0b", "\x0c", "\x85", "\u2028", "\u2029"):
            self.assertEqual(
                frames_of(HERE.encode_delivery, logged(LOBBY, f"one{end}bob a dit : x")),
                b"alice a dit : one\n  bob a dit : x\n",
            )
            kicked = frames_of(HERE.encode_for_subject, logged(WOB, f"one{end}two", BOB, "kicked"))
            self.assertEqual(kicked, b"Annonce : alice a exclu Bob de wob : one\n  two\n")
            self.assertEqual(
                frames_of(FRAMED_HERE.encode_delivery, logged(LOBBY, f"1{end}2")),
                b"\x01\x05alice\x01\x051\n  2",
            )

    def test_what_steers_a_terminal(self) -> None:
        self.assertEqual(
            frames_of(HERE.encode_delivery, logged(LOBBY, "a\tb \x1b[2J \x00 \x7f \x9b é")),
            "alice a dit : a\tb \ufffd[2J \ufffd \ufffd \ufffd é\n".encode(),
        )

    def test_what_turns_the_writing_round(self) -> None:
        """It is shown and does nothing, in lines and in frames."""
        for code in BIDI_CONTROLS:
            self.assertEqual(
                frames_of(HERE.encode_delivery, logged(LOBBY, f"a{code}b")),
                "alice a dit : a\ufffdb\n".encode(),
            )
            self.assertEqual(
                frames_of(FRAMED_HERE.encode_delivery, logged(LOBBY, f"a{code}b")),
                b"\x01\x05alice\x01\x05a\xef\xbf\xbdb",
            )

    @settings(max_examples=effort(200), deadline=None)
    @given(st.text(min_size=1) | st.text(alphabet="ab \x1b\x00" + LINE_ENDS, min_size=1, max_size=20))
    def test_any_text(self, text: str) -> None:
        """Every line but the first is indented, however a client tells lines apart."""
        for entry, head in (
            (logged(LOBBY, text), "alice a dit : "),
            (logged(DIRECT, text, BOB), "alice vous dit : "),
            (logged(WOB, text, None, "topic"), "Annonce : alice a changé le sujet de wob"),
            (logged(LOBBY, text, None, "image"), "alice a dit en image :"),
            (logged(LOBBY, f"/me {text}", None, "action"), "* alice "),
            (logged(LOBBY, text, None, "notice"), "alice a dit : "),
        ):
            told = frames_of(HERE.encode_for_subject, entry).decode()
            frame = frames_of(FRAMED_HERE.encode_for_subject, entry)
            first, *lines = told.splitlines()
            self.assertTrue(first.startswith(head), told)
            self.assertTrue(told.endswith("\n"))
            self.assertTrue(all(line.startswith("  ") for line in lines), told)
            digits = frame[2 + frame[1]]
            shown = frame[3 + frame[1] + digits :].decode()
            self.assertTrue(all(line.startswith("  ") for line in shown.splitlines()[1:]), shown)
            for said in (told, shown):
                self.assertEqual(re.findall("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]", said), [])


NO_ROOM = "vous n'êtes dans aucun salon : /join pour en rejoindre un, /leave pour aller dans la chatroom"


def framed(*texts: str) -> bytes:
    """Each of these in a frame."""
    return b"".join(b"\x01" + len(text.encode()).to_bytes(2) + text.encode() for text in texts)


class RoomsTestCase(StageTestCase):
    """People who come and go, with a whole chatd behind."""

    def comes(self, hello: str, wire: str = "tp6") -> Peer:
        """Somebody who says this hello, with all that was heard so far forgotten."""
        peer = self.stage.connect(wire).says(f"Hello|{hello}\n")
        self.heard(peer)
        return peer

    def heard(self, peer: Peer) -> list[str]:
        """What has come, in its time."""
        self.stage.wait(1)
        return peer.lines()


class Rooms(RoomsTestCase):
    """Going about."""

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
        self.assertEqual(self.heard(bob), ["Welcome back bob !", HINT, "Vous êtes dans wob"])
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
        self.assertEqual(self.heard(bob), ["alice vous dit : missed", HINT, "Vous êtes dans wob"])
        self.assertEqual(self.heard(alice), ["bob est de retour !", "bob a dit : here"])

    def test_what_was_told_is_on_no_page(self) -> None:
        """Said in the commit that the hello had its turn in."""
        alice = self.stage.text("alice")
        self.stage.writer.held = True
        bob = self.stage.connect("tp6-bonus").says("Hello|bob\n/leave")
        alice.says("MSG one")
        self.stage.writer.held = False
        self.stage.writer.run_next()
        alice.says("MSG two")
        heard = self.heard(bob)
        self.assertEqual(heard[0], "Annonce : bob a rejoint la chatroom")
        (page,) = [json.loads(line) for line in heard if line.startswith("{")]
        told = [line[-3:] for line in heard if line.endswith((" one", " two"))]
        self.assertEqual(sorted([item["msg"] for item in page["messages"]] + told), ["one", "two"])

    def test_who_is_not_let_in_is_in_no_room(self) -> None:
        """What they say is refused, and they hear what comes to them alone, and who comes and goes."""
        alice = self.comes("alice|wob")
        alice.says("/visibility wob private")
        carol = self.comes("carol")
        self.heard(alice)
        bob = self.stage.connect("tp6").says("Hello|bob|wob\nfor wob only")
        arrived = "Annonce : bob a rejoint la chatroom"
        private = f"Erreur [not_invited] : wob est privé : demandez une invitation à un membre ; {NO_ROOM}"
        refusal = f"Erreur [no_room] : {NO_ROOM}"
        self.assertEqual(self.heard(bob), [arrived, private, refusal])
        alice.says("not for bob\n/all nor this\n/msg bob but this")
        self.assertEqual(self.heard(bob), ["alice vous dit : but this"])
        self.assertEqual(self.heard(carol), [arrived, "alice a dit : nor this"])
        bob.says("still for wob\n/msg carol psst\n/say wob x\n/all y\n/who")
        dave = self.comes("dave")
        self.assertEqual(
            self.heard(bob),
            [
                refusal,
                "Erreur [no_such_group] : salon inconnu : wob",
                "Dans la chatroom : 3",
                "  alice",
                "  carol",
                "  bob",
                "Annonce : dave a rejoint la chatroom",
            ],
        )
        self.assertEqual(
            self.heard(carol),
            ["bob vous dit : psst", "bob a dit : y", "Annonce : dave a rejoint la chatroom"],
        )
        bob.says("/leave\nsalut")
        self.assertEqual(self.heard(bob), ["Vous êtes dans la chatroom"])
        self.assertEqual(self.heard(dave), ["bob a dit : salut"])
        alice.says("/invite wob bob")
        self.assertEqual(self.heard(bob), ["Annonce : alice a invité bob dans wob"])
        self.heard(alice)
        bob.says("/join wob\nat last")
        self.assertEqual(self.heard(bob), ["Vous êtes dans wob"])
        self.assertEqual(self.heard(alice), ["Annonce : bob a rejoint wob", "bob a dit : at last"])
        self.assertEqual(self.heard(carol)[1:] + self.heard(dave), [])

    def test_nothing_that_was_meant_for_a_refused_room_is_told(self) -> None:
        """However the move is refused, wherever one was, and however the network cuts it."""
        owner = self.comes("owner|den")
        owner.says("/visibility den private\n/create taken\n/leave\n/join den")
        watch, den = self.stage.text("watch"), self.comes("other")
        den.says("/join wob")
        moves = (
            "/join den",
            "/join",
            "/join ",
            "/join salle 9",
            "/join \x1b[2J",
            "/JOIN a:b",
            "/create den",
            "/create",
            "/create taken",
            "/create a b",
            "/create taken private",
            "/join nowhere",
            "/join " + "x" * 65,
        )
        segments = (
            lambda said: [said],
            lambda said: [said[at : at + 1] for at in range(len(said))],
            lambda said: said.splitlines(keepends=True),
        )
        for number, (move, cut) in enumerate((move, cut) for move in moves for cut in segments):
            for place in ("", "/join wob\n"):
                for write in (lambda *lines: "".join(f"{line}\n" for line in lines).encode(), framed):
                    nick = f"n{number}{'w' if place else 'l'}{'f' if write is framed else 'c'}"
                    peer = self.stage.connect("tp6")
                    lines = [f"Hello|{nick}", *place.splitlines(), move, "SECRET", move, "SECRET"]
                    for segment in cut(write(*lines)):
                        peer.says(segment)
                    self.stage.wait(0.5)
                    heard = peer.hears().decode(errors="replace")
                    self.assertEqual(heard.count("[no_room]"), 2, (move, heard))
                    peer.hangs_up()
        for there in (owner, watch, den):
            self.assertNotIn(b"SECRET", there.hears())
        self.assertEqual(self.stage.rows("SELECT body FROM log WHERE body = 'SECRET'"), [])

    def test_nor_when_the_disk_is_full(self) -> None:
        alice, bob = self.comes("alice"), self.comes("bob|wob")
        self.heard(alice)
        self.stage.writer.error = sqlite3.OperationalError("disk full")
        bob.says("/create den\nfor den only\nand this")
        self.stage.writer.error = None
        self.stage.wait(2)
        heard = [line.split(" : ")[0] for line in self.heard(bob)]
        self.assertEqual(heard, ["Erreur [storage_failed]", *["Erreur [no_room]"] * 2])
        self.assertEqual(self.heard(alice), [])
        bob.says("/create den\nfor den only")
        self.assertEqual(self.heard(bob), ["Vous êtes dans den"])

    def test_a_room_is_heard_in_it_and_nowhere_else(self) -> None:
        """Not in the lobby by those who are members, nor the lobby in the room."""
        alice, bob, carol = self.comes("alice|un"), self.comes("bob|un"), self.comes("carol")
        bob.says("/join deux")
        bob.says("/create deux")
        for peer in (alice, bob, carol):
            self.heard(peer)
        alice.says("in un")
        bob.says("in deux\n/topic deux x")
        carol.says("in the lobby")
        self.assertEqual(self.heard(alice), [])
        self.assertEqual(self.heard(bob), ["C'est fait : bob a changé le sujet de deux : x"])
        self.assertEqual(self.heard(carol), [])
        carol.says("/join un")
        self.assertEqual(self.heard(alice), ["Annonce : carol a rejoint un"])
        bob.says("/say un back")
        self.assertEqual(self.heard(alice), ["bob a dit : back"])
        self.assertEqual(self.heard(carol), ["Vous êtes dans un", "bob a dit : back"])

    def test_what_is_about_oneself_is_heard_everywhere(self) -> None:
        """In its place among the rest of what is heard, also by who was away."""
        alice, bob = self.comes("alice|wob"), self.comes("bob|wob")
        carol = self.comes("carol|wob")
        bob.says("/create den")
        for peer in (alice, bob, carol):
            self.heard(peer)
        self.stage.writer.held = True
        alice.says("/msg bob one\n/promote wob bob\n/promote wob carol\n/demote wob bob\n/msg bob two")
        self.stage.writer.held = False
        self.stage.writer.run_next()
        told = [
            "Annonce : alice a nommé bob opérateur de wob",
            "Annonce : alice a retiré à bob le rôle d'opérateur de wob",
        ]
        self.assertEqual(self.heard(bob), ["alice vous dit : one", *told, "alice vous dit : two"])
        self.assertEqual(len(self.heard(carol)), 3)
        bob.hangs_up()
        alice.says("/kick wob bob loud")
        self.stage.wait(0.2)
        bob = self.stage.connect("tp6").says("Hello|bob|den")
        self.assertEqual(
            self.heard(bob),
            [
                "Welcome back bob !",
                "Annonce : alice a exclu bob de wob : loud",
                "Annonce : bob n'est plus propriétaire de den",
                HINT,
                "Vous êtes dans den",
            ],
        )

    def test_who_is_put_out_says_nothing_to_the_lobby(self) -> None:
        """Until they leave, which is never refused them, or go elsewhere."""
        for visibility, code in (("public", "not_member"), ("private", "no_such_group")):
            alice, bob = self.comes(f"alice|{visibility}"), self.comes(f"bob|{visibility}")
            carol = self.comes("carol")
            self.heard(alice)
            alice.says(f"/visibility {visibility} {visibility}\n/kick {visibility} bob loud")
            self.assertEqual(self.heard(bob)[-1], f"Annonce : alice a exclu bob de {visibility} : loud")
            bob.says("anyone?")
            alice.says("not for bob")
            (refusal,) = self.heard(bob)
            self.assertRegex(refusal, rf"Erreur \[{code}\] .* ; /leave ramène à la chatroom")
            self.assertEqual(self.stage.rows("SELECT id FROM log WHERE body = 'anyone?'"), [])
            bob.says("/leave\nback")
            (refusal,) = self.heard(bob)
            self.assertRegex(refusal, rf"Erreur \[{code}\] .* ; vous êtes dans la chatroom")
            self.assertEqual(self.heard(carol), ["bob a dit : back"])
            for peer in (alice, bob, carol):
                peer.hangs_up()

    def test_a_move_while_one_is_put_out(self) -> None:
        """To the room that is closed now, it leads nowhere."""
        alice, bob, carol = self.comes("alice|wob"), self.comes("bob|wob"), self.comes("carol")
        self.heard(alice)
        self.stage.writer.held = True
        alice.says("/visibility wob private\n/kick wob bob")
        bob.says("one\n/join wob\ntwo\n/join wob\nthree")
        self.stage.writer.held = False
        while self.stage.writer.waiting:
            self.stage.writer.run_next()
            self.stage.settle()
        codes = [line.split(" : ")[0] for line in self.heard(bob)[3:]]
        refused = ["Erreur [not_invited]", "Erreur [no_room]"]
        self.assertEqual(codes, ["Erreur [no_such_group]", *refused, *refused])
        self.assertEqual(self.heard(carol), [])

    def test_who_floods_with_moves_hears_each_refused(self) -> None:
        """And what stands between them; nothing piles up."""
        alice, bob = self.comes("alice"), self.comes("bob")
        bob.says(b"/join zoo\nfor zoo\n" * 200)
        self.stage.wait(30)
        heard = self.heard(bob)
        self.assertEqual(sum("[no_such_group]" in line for line in heard), 200)
        self.assertEqual(sum("[no_room]" in line for line in heard), 200)
        self.assertEqual(self.heard(alice), ["Annonce : bob a rejoint la chatroom"])
        self.assertFalse(bob.closed)

    def test_somebody_known_gets_the_private_messages_missed(self) -> None:
        alice, bob = self.comes("alice"), self.comes("bob|wob")
        bob.hangs_up()
        alice.says("/msg bob psst\n/join wob\nhello wob")
        self.stage.wait(0.1)
        bob = self.stage.connect("tp6").says("Hello|bob")
        self.assertEqual(
            self.heard(bob),
            [
                "Welcome back bob !",
                "alice vous dit : psst",
                "Annonce : bob n'est plus propriétaire de wob",
                HINT,
            ],
        )

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

    def test_an_action_and_a_notice_reach_every_wire(self) -> None:
        """Whoever waves: those on wires without kinds see the text itself."""
        text, lines, course = self.stage.text("tom"), self.stage.json("joe"), self.stage.connect("json")
        course.says(b'{"from":"cy","action":"client-hello"}')
        chunks = self.comes("chunky")
        framed = self.stage.connect("tp6").says(b"\x01\x00\x09Hello|fay")
        peers = (text, lines, course, chunks, framed)
        self.stage.wait(1)
        for speaker, nick, said in (
            (text, "tom", b"MSG /me waves\n"),
            (lines, "joe", b'{"action":"client-broadcast","msg":"/me waves"}\n'),
            (course, "cy", b'{"action":"client-broadcast","msg":"/me waves"}'),
            (chunks, "chunky", b"/me waves"),
            (framed, "fay", b"\x01\x00\x09/me waves"),
        ):
            for peer in peers:
                peer.hears()
            speaker.says(said)
            self.stage.wait(1)
            for peer in (text, chunks):
                heard = {text: f"MSG {nick} /me waves", chunks: f"* {nick} waves"}[peer]
                if peer is not speaker:
                    self.assertEqual(peer.lines(), [heard])
            for objects in (lines, course):
                if objects is not speaker:
                    (told,) = objects.objects()
                    self.assertEqual((told["from"], told["msg"], told["kind"]), (nick, "/me waves", "action"))
            if speaker is not framed:
                waves = f"* {nick} waves".encode()
                self.assertEqual(framed.hears(), b"\x01\x00\x01%c%b" % (len(waves), waves))
        for peer in peers:
            peer.hears()
        lines.asks(action="client-broadcast", msg="done", kind="notice")
        self.stage.wait(1)
        self.assertEqual(text.lines(), ["MSG joe done"])
        self.assertEqual(chunks.lines(), ["joe a dit : done"])
        self.assertEqual(framed.hears(), b"\x01\x03joe\x01\x04done")
        (told,) = course.objects()
        self.assertEqual((told["msg"], told["kind"]), ("done", "notice"))


class Bonus(RoomsTestCase):
    """What ``tp6-bonus`` has besides: the question, history, colours and times."""

    QUESTION = (
        "Quel salon ? Envoyez le nom d'un salon pour le rejoindre, un nouveau nom pour en créer un, public,"
        " ou /leave pour la chatroom"
    )

    def asked(self, nick: str) -> Peer:
        """Somebody who has come and is asked for a room."""
        peer = self.stage.connect("tp6-bonus").says(f"Hello|{nick}\n")
        self.assertEqual(self.heard(peer)[-1], self.QUESTION)
        return peer

    def pages(self, peer: Peer) -> list[tuple[str, list[str]]]:
        """The pages that have come: of which conversation, and what was said there."""
        found = [json.loads(line) for line in self.heard(peer) if line.startswith("{")]
        return [
            (page.get("group") or page.get("with") or "", [item["msg"] for item in page["messages"]])
            for page in found
        ]

    def test_the_rooms_that_one_can_see_are_offered(self) -> None:
        alice = self.comes("alice|wob")
        alice.says("/create den private\n/topic wob tea")
        bob = self.stage.connect("tp6-bonus").says("Hello|bob")
        self.assertEqual(
            self.heard(bob),
            [
                "Annonce : bob a rejoint la chatroom",
                "Salons : 1",
                "  wob (public, 1 membre, propriétaire sans mot de passe) : tea",
                self.QUESTION,
            ],
        )
        bob.says("/rooms")
        self.assertEqual(
            self.heard(bob), ["Salons : 1", "  wob (public, 1 membre, propriétaire sans mot de passe) : tea"]
        )

    def test_an_answer_joins_a_room_or_makes_one_or_is_the_lobby(self) -> None:
        alice = self.comes("alice|wob")
        alice.says("one")
        for nick, answer, where, page in (
            ("bob", "WOB ", "wob", "wob"),
            ("carol", "new", "new", "new"),
            ("dave", "/leave", "la chatroom", ""),
            ("erin", "/join wob", "wob", "wob"),
            ("fay", "/create other private", "other", "other"),
        ):
            peer = self.asked(nick)
            peer.says(answer)
            entered, *pages = self.heard(peer)
            self.assertEqual(entered, f"Vous êtes dans {where}")
            (found,) = map(json.loads, pages)
            self.assertEqual(found.get("group", ""), page)
            self.assertEqual([item["msg"] for item in found["messages"]], ["one"] if page == "wob" else [])
        self.assertEqual(
            self.stage.rows("SELECT body FROM log WHERE kind = 'created' ORDER BY id"),
            [("public",), ("public",), ("private",)],
        )

    def test_a_hello_with_a_room_answers_at_once(self) -> None:
        bob = self.stage.connect("tp6-bonus").says("Hello|bob|wob\nsalut")
        arrived, entered, page = self.heard(bob)
        self.assertEqual((arrived, entered), ("Annonce : bob a rejoint la chatroom", "Vous êtes dans wob"))
        self.assertEqual(json.loads(page)["group"], "wob")

    def test_a_refused_answer_leads_nowhere(self) -> None:
        """What comes behind it, in the same segment or not, is never taken for the name of a room."""
        alice = self.comes("alice|den")
        alice.says("/visibility den private\n/leave\n/create open")
        groups = self.stage.rows("SELECT count(*) FROM log WHERE kind = 'created'")
        answers = (b"den", b"a b", b" ", b"\xff", b"x" * 65, b"x" * 9000)
        commands = (b"/join", b"/join den", b"/create open", b"/fly", b"/rooms x", b"/leave den")
        messages = (b"/msg bob", b"/msg nobody x", b"/say den x", b"/kick den bob")
        for number, answer in enumerate((*answers, *commands, *messages)):
            for end in (b"\n", None):
                bob = self.stage.connect("tp6-bonus")
                if end:
                    bob.says(b"Hello|n%d\n%b\nsecret\n" % (number, answer))
                else:
                    bob.says(b"Hello|m%d" % number)
                    self.stage.wait(0.2)
                    bob.says(answer)
                    self.stage.wait(0.2)
                    bob.says(b"secret")
                first, second = [line for line in self.heard(bob) if line.startswith("Erreur")]
                self.assertTrue(first.endswith(NO_ROOM), first)
                self.assertEqual(second, f"Erreur [no_room] : {NO_ROOM}")
                bob.hangs_up()
        self.assertEqual(self.stage.rows("SELECT id FROM log WHERE body = 'secret'"), [])
        self.assertEqual(self.stage.rows("SELECT count(*) FROM log WHERE kind = 'created'"), groups)

    def test_a_command_is_no_answer(self) -> None:
        """What is heard meanwhile comes to oneself alone."""
        alice, bob = self.comes("alice"), self.asked("bob")
        bob.says("/who\n/msg alice psst\n/all to all")
        self.assertEqual(self.heard(bob), ["Dans la chatroom : 2", "  alice", "  bob"])
        alice.says("lobby\n/msg bob hé")
        self.assertEqual([line[-2:] for line in self.heard(bob)], ["hé"])
        bob.says("wob")
        self.assertEqual(self.heard(bob)[0], "Vous êtes dans wob")
        carol = self.asked("carol")
        carol.says("/quit")
        self.assertEqual(self.heard(carol), ["Au revoir carol"])
        self.assertTrue(carol.closed)

    def test_what_people_say_has_its_time_and_their_colour(self) -> None:
        """Only that; nothing else in it can."""
        self.addCleanup(time.tzset)
        zone = patch.dict(os.environ, TZ="XYZ-3:30")
        zone.start()
        self.addCleanup(zone.stop)
        time.tzset()
        bob = self.asked("bob")
        bob.says("/leave")
        alice = self.stage.json("alice")
        self.heard(bob)
        ((colour,),) = self.stage.rows("SELECT colour FROM users WHERE nick = 'alice'")
        shown = "\x1b[38;2;{};{};{}malice\x1b[0m".format(*bytes.fromhex(colour[1:]))
        at = self.stage.reactor.seconds() + 3.5 * 3600
        clock = f"[{int(at) // 3600 % 24:02}:{int(at) // 60 % 60:02}]"
        alice.asks(action="client-broadcast", msg="one\n\x1b[2Jtwo")
        alice.asks(action="client-send", to="bob", msg="psst")
        alice.asks(action="client-broadcast", msg="##", kind="image")
        alice.asks(action="client-broadcast", msg="/me waves")
        alice.asks(action="cgroupe", group="wob")
        alice.asks(action="invite", group="wob", dest="bob")
        self.assertEqual(
            self.heard(bob),
            [
                f"{clock} {shown} a dit : one",
                "  \ufffd[2Jtwo",
                f"{clock} {shown} vous dit : psst",
                f"{clock} {shown} a dit en image :",
                "  ##",
                f"{clock} * {shown} waves",
                "Annonce : alice a invité bob dans wob",
            ],
        )

    def test_so_do_frames(self) -> None:
        """After the name: three bytes of colour, the hour and the minute; an answer has no time."""
        bob = self.stage.connect("tp6-bonus").says(framed("Hello|bob", "/leave"))
        answer = b"\x01\x00" + bytes(3) + b"\xff\xff\x01"
        heard = bob.hears()
        self.assertTrue(heard.startswith(answer + b"\x23Annonce : bob a rejoint la chatroom"), heard)
        self.assertIn(answer + b"\x1bVous \xc3\xaates dans la chatroom", heard)
        alice = self.stage.json("alice")
        ((colour,),) = self.stage.rows("SELECT colour FROM users WHERE nick = 'alice'")
        local = time.localtime(self.stage.reactor.seconds())
        clock = bytes((local.tm_hour, local.tm_min))
        rgb = bytes.fromhex(colour[1:])
        alice.asks(action="client-broadcast", msg="one")
        alice.asks(action="client-send", to="bob", msg="psst")
        self.assertEqual(
            bob.hears(),
            b"\x01\x00" + bytes(3) + clock + b"\x01\x25Annonce : alice a rejoint la chatroom"
            b"\x01\x05alice" + rgb + clock + b"\x01\x03one"
            b"\x01\x00" + rgb + clock + b"\x01\x15alice vous dit : psst",
        )

    def test_an_image_is_no_answer(self) -> None:
        bob = self.stage.connect("tp6-bonus").says(framed("Hello|bob") + b"\x03\x01\x03wob" + framed("wob"))
        self.stage.wait(0.2)
        self.assertEqual(bob.hears().count(b"[no_room]"), 2)
        self.assertEqual(self.stage.rows("SELECT id FROM log"), [])

    def test_history_is_of_the_place_and_of_what_was_missed_in_private(self) -> None:
        alice, bob = self.comes("alice"), self.stage.connect("tp6-bonus").says("Hello|bob|wob")
        self.stage.wait(0.2)
        bob.says("one").hangs_up()
        alice.says("two\n/msg bob three\n/join wob\nfour")
        self.stage.wait(0.1)
        bob = self.stage.connect("tp6-bonus").says("Hello|bob")
        self.assertEqual(self.pages(bob), [("alice", ["three"])])
        bob.says("/leave")
        self.assertEqual(self.pages(bob), [("", ["two"])])
        bob.says("/join wob")
        self.assertEqual(self.pages(bob), [("wob", ["one", "four"])])
        carol = self.stage.connect("tp6-bonus").says("Hello|carol|wob")
        self.assertEqual(self.pages(carol), [("wob", ["one", "four"])])
        erin = self.stage.connect("tp6").says("Hello|erin|wob")
        self.assertEqual(self.pages(erin), [])


PEOPLE = ("al", "bo", "cy")

moves = st.sampled_from(("un", "deux", "den", "a:b", "UN")).flatmap(
    lambda room: st.sampled_from(
        (f"/join {room}", f"/create {room}", f"/create {room} private", "/join", "/leave", f"/leave {room}")
    )
)
deeds = st.sampled_from(("kick", "ban", "invite", "unban")).flatmap(
    lambda act: st.builds(
        f"/{act} {{}} {{}}".format, st.sampled_from(("un", "deux", "den")), st.sampled_from(PEOPLE)
    )
)
scripts = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.lists(moves | deeds | st.just("text"), min_size=1, max_size=5),
        st.sampled_from(("at once", "in bytes", "before the disk")),
    ),
    max_size=12,
)


class Meant(SynchronousTestCase):
    """Whatever people do, what they say is read where they meant it, or is refused."""

    @settings(max_examples=effort(60), deadline=None)
    @given(st.tuples(*[st.sampled_from(("tp6", "tp6-bonus"))] * 3), scripts)
    def test_nobody_else_reads_what_was_meant_for_a_place(self, wires: tuple[str, ...], script: Any) -> None:
        """A text carries the place that its author last moved to; whoever reads it was told to be there."""
        folder = Path(self.mktemp())
        folder.mkdir(parents=True)
        stage = Stage(folder / "chat.db")
        peers = [
            stage.connect(wire).says(f"Hello|{nick}\n/leave\n".encode())
            for wire, nick in zip(wires, PEOPLE, strict=True)
        ]
        peers[0].says("/create deux\n/create un")
        for peer in peers[1:]:
            peer.says("/join deux\n/join un")
        meant = ["un"] * 3
        for who, lines, how in script:
            said = []
            for line in lines:
                word, _, rest = line.partition(" ")
                if word in ("/join", "/create"):
                    meant[who] = rest.split(" ")[0].casefold() or "nowhere"
                elif word == "/leave" and (not rest or rest.casefold() == meant[who]):
                    meant[who] = "lobby"
                said.append(f"for {meant[who]}" if line == "text" else line)
            data = "".join(f"{line}\n" for line in said).encode()
            stage.writer.held = how == "before the disk"
            for part in [data[at : at + 1] for at in range(len(data))] if how == "in bytes" else [data]:
                peers[who].says(part)
        stage.writer.held = False
        while stage.writer.waiting:
            stage.writer.run_next()
            stage.settle()
        stage.wait(60)
        for peer in peers:
            self._reads_as_told(peer.lines())
        for body, place in stage.rows(
            "SELECT body, name FROM log JOIN conversations ON conversation = conversations.id"
            " WHERE log.kind = 'message'"
        ):
            self.assertEqual(body, f"for {place.casefold() or 'lobby'}")
        stage.close()

    def _reads_as_told(self, lines: list[str]) -> None:
        """Each text that was read was for the place where the reader was told to be."""
        place = "lobby"
        for line in lines:
            if found := re.fullmatch("Vous êtes dans (.*)", line):
                place = found[1].casefold().replace("la chatroom", "lobby")
            elif line.endswith("; vous êtes dans la chatroom"):
                place = "lobby"
            elif line.endswith(NO_ROOM):
                place = "nowhere"
            elif found := re.fullmatch(".* a dit : for (.*)", line):
                self.assertEqual(found[1], place, lines)
