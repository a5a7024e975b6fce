"""The text dialect: what lines mean, how answers look, and that nobody can forge a line."""

from __future__ import annotations

import re
from string import Formatter

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from chatd.core import commands as c
from chatd.core.answers import (
    Ack,
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
    ChatEvent,
    Conversation,
    EventKind,
    LogEntry,
    User,
    UserArrived,
    UserDeparted,
)
from chatd.core.limits import Limits
from chatd.core.refusals import REFUSAL_SENTENCES, Refusal
from chatd.core.requests import Request
from chatd.dialects.text import (
    MAX_LIST_BYTES,
    MAX_SENT_LINES_PER_MESSAGE,
    REFERENCE_CLIENT_SECONDS_BETWEEN_LINES,
    TextDialect,
)
from tests.support.effort import effort
from tests.support.framed import frames_of
from tests.support.in_memory_daemon import StageTestCase

LIMITS = Limits()
SEED = TextDialect(LIMITS)

ALICE = User(1, "alice", "alice", "#a03030")
BOB = User(2, "Bob", "bob", "#30a030")
WOB = Conversation(2, "group", "wob")
DIRECT = Conversation(3, "direct", pair=(ALICE, BOB))
AT = 1_795_262_400_123
TS = b"2026-11-21T12:00:00.123Z"

LINE_ENDS = "\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"

BIDI_CONTROLS = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


def logged(
    conversation: Conversation,
    body: str,
    subject: User | None = None,
    kind: EventKind = "message",
    id: int = 7,
) -> LogEntry:
    """An entry of the log by alice."""
    return LogEntry(id, 3, AT, ChatEvent(kind, conversation, ALICE, subject, body))


def meant(line: str) -> Command:
    """The command that this line is."""
    command = SEED.decode(line.encode()).command
    assert isinstance(command, Command), (line, command)
    return command


def refused(line: bytes) -> str:
    """The code with which this line is refused."""
    command = SEED.decode(line).command
    assert isinstance(command, Refusal), (line, command)
    return command.code


def reference() -> TextDialect:
    """How the one who sent LST is spoken to."""
    dialect = SEED.decode(b"LST").detected_dialect
    assert isinstance(dialect, TextDialect)
    return dialect


class Decoding(SynchronousTestCase):
    """Lines as people and programs type them."""

    def assert_means(self, line: str, expected: Command) -> None:
        """The line is this command, with these fields."""
        command = meant(line)
        self.assertIs(type(command), type(expected), line)
        self.assertEqual(msgspec.structs.asdict(command), msgspec.structs.asdict(expected), line)

    def test_the_seeds_own_verbs(self) -> None:
        """WHO/IAM, where the last field takes the rest of the line."""
        for line, expected in (
            ("WHO", c.ListClients()),
            ("IAM alice", c.Hello("alice")),
            ("IAM bo bby", c.Hello("bo bby")),
            ("IAM  alice ", c.Hello("alice")),
            ("MSG hello all", c.SendToLobby("hello all")),
            ("MSG  indented ", c.SendToLobby(" indented ")),
            ("MSG a;b;c", c.SendToLobby("a;b;c")),
            ("PRV bobby secret word", c.SendToUser("bobby", "secret word")),
            ("PRV  bobby secret", c.SendToUser("bobby", "secret")),
            ("PRV bobby  indented", c.SendToUser("bobby", " indented")),
            ("BYE", c.Quit()),
            ("BYE for now", c.Quit()),
            ("LST", c.ListClients()),
            ("HELP", c.ListCommands()),
            ("who", c.ListClients()),
            ("Iam alice", c.Hello("alice")),
            ("help", c.ListCommands()),
        ):
            self.assert_means(line, expected)

    def test_the_seeds_own_commands(self) -> None:
        """td2, td4 and project-part2, exactly as they stand there."""
        for line, expected in (
            ("cg;wob", c.CreateGroup("wob")),
            ("cg;wob;private", c.CreateGroup("wob", "private")),
            ("j;wob", c.Join("wob")),
            ("bg;wob;hello", c.SendToGroup("wob", "hello")),
            ("members;wob", c.ListMembers("wob")),
            ("messages;wob", c.ListGroupMessages("wob")),
            ("groups;", c.ListGroups()),
            ("leave;wob", c.Leave("wob")),
            ("invite;wob;bob", c.Invite("wob", "bob")),
            ("kick;wob;bob;reason", c.Kick("wob", "bob", "reason")),
            ("ban;wob;bob;reason", c.Ban("wob", "bob", "reason")),
            ("unban;wob;bob", c.Unban("wob", "bob")),
            ("states;wob", c.ListGroupEvents("wob")),
            ("s;david;hello", c.SendToUser("david", "hello")),
        ):
            self.assert_means(line, expected)

    def test_around_the_semicolons(self) -> None:
        """Spaces around names don't count, a text keeps its own; what is left empty is absent."""
        for line, expected in (
            ("groups", c.ListGroups()),
            ("CG; wob ;private ", c.CreateGroup("wob", "private")),
            ("cg;wob;", c.CreateGroup("wob")),
            ("bg; wob ; a;b ", c.SendToGroup("wob", " a;b ")),
            ("kick;wob;bob", c.Kick("wob", "bob")),
            ("kick;wob;bob; too loud; really", c.Kick("wob", "bob", "too loud; really")),
            ("messages;wob;10;;5", c.ListGroupMessages("wob", 10, None, 5)),
            ("history;", c.ReadHistory()),
            ("history;bob;10", c.ReadHistory("bob", 10)),
            ("history;;;;;wob", c.ReadHistory(group="wob")),
            ("topic;wob", c.SetTopic("wob")),
        ):
            self.assert_means(line, expected)

    def test_every_declared_example(self) -> None:
        """What HELP, README and SPEC.md show is understood as what it is an example of."""
        for row in COMMANDS.values():
            if row.semicolon_word or row.text_verb:
                self.assertIs(type(meant(row.example)), row.command, row.example)

    def test_names_of_answers(self) -> None:
        """What an answer repeats is what was typed, in one case; there is no ref and no sender."""
        for line, name in (
            ("iam alice", "IAM"),
            ("Cg;wob", "cg"),
            ("lst", "LST"),
            ("prv bob", "PRV"),
            ("cg;", "cg"),
        ):
            request = SEED.decode(line.encode())
            self.assertEqual((request.command_word, request.ref, request.sender), (name, None, ""))

    def test_refused(self) -> None:
        """Each with a code, never an exception."""
        for line, code in (
            (b"IAM", "bad_request"),
            (b"IAM  ", "bad_request"),
            (b"MSG", "empty"),
            (b"MSG  ", "empty"),
            (b"MSG " + b"x" * 8_193, "too_long"),
            (b"PRV", "bad_request"),
            (b"PRV bob", "bad_request"),
            (b"PRV bob ", "empty"),
            (b"cg", "bad_request"),
            (b"cg;", "bad_request"),
            (b"cg; ;private", "bad_request"),
            (b"cg;wob;secret", "bad_request"),
            (b"bg;wob", "bad_request"),
            (b"bg;wob;", "empty"),
            (b"invite;wob", "bad_request"),
            (b"kick;wob;bob;" + b"x" * 513, "too_long"),
            (b"messages;wob;0", "bad_request"),
            (b"messages;wob;-1", "bad_request"),
            (b"messages;wob;ten", "bad_request"),
            (b"messages;wob;1;9223372036854775808", "bad_request"),
            ("messages;wob;١".encode(), "bad_request"),
            (b"cg wob", "unknown_action"),
            (b"MSG;hello", "unknown_action"),
            (b"LST;", "unknown_action"),
            (b"hello", "unknown_action"),
            (b"IAMalice", "unknown_action"),
            (b" IAM alice", "unknown_action"),
            (b" ", "unknown_action"),
            (b";", "unknown_action"),
            (b'{"action":"groups"}', "unknown_action"),
            (b"MSG caf\xe9", "bad_utf8"),
            (b"MSG \xed\xa0\x80", "bad_utf8"),
            (b"\xff\xf4\xff\xfd\x06", "bad_utf8"),  # telnet's interrupt
        ):
            self.assertEqual(refused(line), code, line)

    @settings(max_examples=effort(200), deadline=None)
    @given(st.binary(max_size=100) | st.text(max_size=100).map(str.encode))
    def test_any_line(self, line: bytes) -> None:
        """Never an exception, and every refusal is a line or more of the daemon's own."""
        request = SEED.decode(line)
        if isinstance(request.command, Refusal):
            said = frames_of(SEED.encode_refusal, request, request.command).decode()
            self.assertTrue(said.endswith("\n"))
            self.assertEqual({spoken[:4] for spoken in said[:-1].split("\n")}, {"ERR "})


class Answering(SynchronousTestCase):
    """Every answer, byte for byte."""

    def test_hello(self) -> None:
        """ARR, with BCK behind it for somebody known; ARV to the reference client."""
        request = Request(c.Hello("alice"), "IAM")
        self.assertEqual(frames_of(SEED.encode_answer, request, Welcome(ALICE, False, 9, 9)), b"ARR alice\n")
        self.assertEqual(
            frames_of(SEED.encode_answer, request, Welcome(ALICE, True, 9, 9)), b"ARR alice\nBCK alice\n"
        )
        self.assertEqual(
            frames_of(reference().encode_answer, request, Welcome(ALICE, True, 9, 9)), b"ARV alice\n"
        )

    def test_acks(self) -> None:
        """A typed command has one; the seed's verbs have none, but the reference client's echo of MSG."""
        for line, entry, said, to_reference in (
            ("MSG hi", logged(LOBBY, "hi"), b"", b"MSG alice hi\n"),
            ("PRV Bob hi", logged(DIRECT, "hi", BOB), b"", b""),
            ("s;Bob;hi", logged(DIRECT, "hi", BOB), b"ACK s Bob 7 3\n", b"ACK s Bob 7 3\n"),
            ("bg;wob;hi", logged(WOB, "hi"), b"ACK bg wob 7 3\n", b"ACK bg wob 7 3\n"),
            ("CG;wob", logged(WOB, "public", None, "created"), b"ACK cg wob 7 3\n", b"ACK cg wob 7 3\n"),
        ):
            request = SEED.decode(line.encode())
            self.assertEqual(frames_of(SEED.encode_answer, request, Ack(entry)), said, line)
            self.assertEqual(frames_of(reference().encode_answer, request, Ack(entry)), to_reference, line)

    def test_lists(self) -> None:
        """Each ends with a line that says so."""
        who, lst = SEED.decode(b"WHO"), SEED.decode(b"LST")
        self.assertEqual(
            frames_of(SEED.encode_answer, who, Clients(("alice", "Bob"))), b"WHO alice\nWHO Bob\nEND WHO 2\n"
        )
        self.assertEqual(
            frames_of(reference().encode_answer, lst, Clients(("alice", "Bob"))), b"LST alice Bob \n"
        )
        self.assertEqual(frames_of(reference().encode_answer, lst, Clients(())), b"LST \n")
        self.assertEqual(
            frames_of(
                SEED.encode_answer,
                SEED.decode(b"members;wob"),
                Members("wob", (Member("alice", "owner", True, True), Member("Bob", "member", False, False))),
            ),
            b"MBR wob alice owner online registered\nMBR wob Bob member away unregistered\nEND members 2\n",
        )
        self.assertEqual(
            frames_of(
                SEED.encode_answer,
                SEED.decode(b"groups;"),
                Groups(
                    (
                        GroupListItem("wob", "public", "", 2, "", "", False, "all"),
                        GroupListItem("zoo", "private", "big cats", 1, "owner", "alice", True, "all"),
                    )
                ),
            ),
            b"GRP wob public 2 -\nGRP zoo private 1 owner big cats\nEND groups 2\n",
        )

    def test_pages(self) -> None:
        """Messages of a group, with somebody, of everyone; events of a group."""
        for line, page, said in (
            (
                "messages;wob",
                Page(WOB, (logged(WOB, "hi"), logged(WOB, "a\nb", id=8)), True, False, False, BOB),
                b"HIS wob 7 %b alice hi\nHIS wob 8 %b alice a\nHIS wob 8 %b alice b\nEND messages 2 more\n"
                % (TS, TS, TS),
            ),
            (
                "history;alice",
                Page(DIRECT, (logged(DIRECT, "hi", BOB),), False, False, False, BOB),
                b"HIS alice 7 %b alice hi\nEND history 1\n" % TS,
            ),
            (
                "history;",
                Page(LOBBY, (logged(LOBBY, "hi"),), False, False, False, BOB),
                b"HIS * 7 %b alice hi\nEND history 1\n" % TS,
            ),
            (
                "states;wob",
                Page(
                    WOB,
                    (
                        logged(WOB, "public", None, "created"),
                        logged(WOB, "too loud", BOB, "kicked", 8),
                        logged(WOB, "", BOB, "promoted", 9),
                    ),
                    False,
                    False,
                    True,
                    BOB,
                ),
                b"STA wob 7 %b created alice public\nSTA wob 8 %b kicked alice Bob too loud\n"
                b"STA wob 9 %b promoted alice Bob operator\nEND states 3\n" % (TS, TS, TS),
            ),
        ):
            self.assertEqual(frames_of(SEED.encode_answer, SEED.decode(line.encode()), page), said)

    def test_help(self) -> None:
        """Every command under each way to type it, with a line at the end."""
        said = (
            frames_of(SEED.encode_answer, SEED.decode(b"HELP"), Help(tuple(COMMANDS.values())))
            .decode()
            .splitlines()
        )
        self.assertEqual(said[0], "HLP IAM nick                           log in with a nick")
        self.assertEqual(said[-1], f"END HELP {len(said) - 1}")
        for usage in ("WHO", "MSG msg", "PRV dest msg", "s;dest;msg", "cg;group[;visibility]", "BYE", "HELP"):
            self.assertEqual(sum(line.startswith(f"HLP {usage} ") for line in said), 1, usage)
        typed = [line.split()[1].split(";")[0].split("[")[0] for line in said[:-1]]
        for row in COMMANDS.values():
            for word in filter(None, (row.text_verb, row.semicolon_word)):
                self.assertIn(word, typed)

    def test_goodbye(self) -> None:
        """LFT to who had a name; nothing to who had none."""
        self.assertEqual(frames_of(SEED.encode_answer, SEED.decode(b"BYE"), Goodbye(ALICE)), b"LFT alice\n")
        self.assertEqual(frames_of(SEED.encode_answer, SEED.decode(b"BYE"), Goodbye(None)), b"")

    def test_a_list_is_never_a_whole_outbox(self) -> None:
        """It is cut at the end that the reader comes to last, and says so; LST is cut as well."""
        entries = tuple(logged(WOB, "x" * 1_000, id=id) for id in range(1, 401))
        for forward, first, last in ((False, 156, 400), (True, 1, 245)):
            said = frames_of(
                SEED.encode_answer,
                SEED.decode(b"messages;wob"),
                Page(WOB, entries, False, forward, False, BOB),
            )
            self.assertLessEqual(len(said), MAX_LIST_BYTES + 30)
            *lines, end = said.decode().splitlines()
            shown = [int(line.split()[2]) for line in lines]
            self.assertEqual(shown, list(range(shown[0], shown[-1] + 1)))
            self.assertEqual(shown[0] if forward else shown[-1], first if forward else last)
            self.assertEqual(end, f"END messages {len(shown)} more")
        line = frames_of(SEED.encode_answer, SEED.decode(b"LST"), Clients(("x" * 32,) * 20_000))
        self.assertTrue(MAX_LIST_BYTES - 50 < len(line) < MAX_LIST_BYTES + 50)
        self.assertEqual((line.count(b"\n"), line[-2:]), (1, b" \n"))


class Telling(SynchronousTestCase):
    """Everything that comes by itself, byte for byte."""

    def test_messages(self) -> None:
        """To everyone, to one, to a group, which is named."""
        self.assertEqual(
            frames_of(SEED.encode_delivery, logged(LOBBY, "hello all")), b"MSG alice hello all\n"
        )
        self.assertEqual(
            frames_of(SEED.encode_delivery, logged(DIRECT, "secret", BOB)), b"PRV alice secret\n"
        )
        self.assertEqual(frames_of(SEED.encode_delivery, logged(WOB, "hello")), b"GMS wob alice hello\n")

    def test_events(self) -> None:
        """Every kind: what, by whom, to whom, and what was said with it."""
        table: list[tuple[EventKind, User | None, str, bytes]] = [
            ("created", None, "private", b"created alice private"),
            ("joined", None, "", b"joined alice"),
            ("left", None, "", b"left alice"),
            ("invited", BOB, "", b"invited alice Bob"),
            ("kicked", BOB, "too loud", b"kicked alice Bob too loud"),
            ("banned", BOB, "", b"banned alice Bob"),
            ("unbanned", BOB, "", b"unbanned alice Bob"),
            ("promoted", BOB, "", b"promoted alice Bob operator"),
            ("promoted", BOB, "owner", b"promoted alice Bob owner"),
            ("demoted", BOB, "", b"demoted alice Bob operator"),
            ("demoted", BOB, "owner", b"demoted alice Bob owner"),
            ("visibility", None, "public", b"visibility alice public"),
            ("topic", None, "tea", b"topic alice tea"),
            ("topic", None, "", b"topic alice"),
        ]
        for kind, subject, body, line in table:
            self.assertEqual(
                frames_of(SEED.encode_delivery, logged(WOB, body, subject, kind)), b"GEV wob " + line + b"\n"
            )

    def test_presence(self) -> None:
        """ARR and LFT; ARV to the reference client, and no word that it doesn't know."""
        self.assertEqual(frames_of(SEED.encode_delivery, UserArrived(ALICE, False, AT)), b"ARR alice\n")
        self.assertEqual(
            frames_of(SEED.encode_delivery, UserArrived(ALICE, True, AT)), b"ARR alice\nBCK alice\n"
        )
        self.assertEqual(frames_of(reference().encode_delivery, UserArrived(ALICE, True, AT)), b"ARV alice\n")
        self.assertEqual(frames_of(reference().encode_delivery, UserDeparted(ALICE, AT)), b"LFT alice\n")


class Refusing(SynchronousTestCase):
    """Refusals: the seed's own words where it has them."""

    def test_the_seeds_words(self) -> None:
        """WHO, ERR and TKN with the name; the rest with code and sentence."""
        for line, refusal, said in (
            ("MSG hi", Refusal("not_identified"), b"WHO\n"),
            ("cg;wob", Refusal("not_identified"), b"WHO\n"),
            ("IAM bo bby", Refusal("bad_nick", nick="bo bby", why="no spaces"), b"ERR bo bby\n"),
            ("IAM alice", Refusal("nick_taken", nick="alice"), b"TKN alice\n"),
            ("PRV nobody x", Refusal("no_such_user", nick="nobody"), b"ERR nobody\n"),
            (
                "s;nobody;x",
                Refusal("no_such_user", nick="nobody"),
                b"ERR no_such_user unknown user: nobody\n",
            ),
            (
                "j;wob",
                Refusal("not_invited", group="wob"),
                b"ERR not_invited wob is private: ask a member to invite you\n",
            ),
        ):
            self.assertEqual(frames_of(SEED.encode_refusal, SEED.decode(line.encode()), refusal), said)
        self.assertEqual(
            frames_of(SEED.encode_refusal, None, Refusal("shutting_down")),
            b"ERR shutting_down the daemon is shutting down: connect again later\n",
        )

    def test_every_code(self) -> None:
        """None lacks a line, and none makes a line of its own from what it quotes."""
        for code, sentence in REFUSAL_SENTENCES.items():
            details = {name: "x\nLFT alice" for _, name, _, _ in Formatter().parse(sentence) if name}
            said = frames_of(SEED.encode_refusal, None, Refusal(code, **details)).decode()
            for line in said[:-1].split("\n"):
                self.assertTrue(line == "WHO" or line.startswith(f"ERR {code} "), said)


class NoForgery(SynchronousTestCase):
    """What somebody says never looks like what the daemon says."""

    def test_every_end_of_a_line(self) -> None:
        """A text of several lines makes as many, each with who said it where."""
        for end in ("\n", "\r\n", "\r", "\x0b", "\x0c", "\x85", "\u2028", "\u2029"):
            self.assertEqual(
                frames_of(SEED.encode_delivery, logged(LOBBY, f"one{end}MSG Bob two")),
                b"MSG alice one\nMSG alice MSG Bob two\n",
            )
            self.assertEqual(
                frames_of(SEED.encode_delivery, logged(WOB, f"one{end}{end}two")),
                b"GMS wob alice one\nGMS wob alice \nGMS wob alice two\n",
            )
            self.assertEqual(
                frames_of(SEED.encode_delivery, logged(WOB, f"one{end}two", BOB, "kicked")),
                b"GEV wob kicked alice Bob one\nGEV wob kicked alice Bob two\n",
            )

    def test_what_steers_a_terminal(self) -> None:
        """It is shown and does nothing; a tab is what it is."""
        self.assertEqual(
            frames_of(SEED.encode_delivery, logged(LOBBY, "a\tb \x1b[2J \x00 \x07 \x08 \x7f \x9b \x1c é")),
            "MSG alice a\tb \ufffd[2J \ufffd \ufffd \ufffd \ufffd \ufffd \ufffd é\n".encode(),
        )

    def test_what_turns_the_writing_round(self) -> None:
        """It is shown and does nothing, wherever it is."""
        for code in BIDI_CONTROLS:
            self.assertEqual(
                frames_of(SEED.encode_delivery, logged(LOBBY, f"a{code}b")), "MSG alice a\ufffdb\n".encode()
            )

    def test_a_message_of_line_ends(self) -> None:
        """The longest makes so many lines and no more, or it would cut everybody off who reads text."""
        said = frames_of(SEED.encode_delivery, logged(Conversation(2, "group", "g" * 64), "\n" * 8_192))
        self.assertEqual(said.count(b"\n"), MAX_SENT_LINES_PER_MESSAGE)
        self.assertLess(len(said), 64 * 1024)
        self.assertEqual(said.decode().count("\ufffd"), 8_192 - (MAX_SENT_LINES_PER_MESSAGE - 1))

    @settings(max_examples=effort(200), deadline=None)
    @given(st.text(min_size=1) | st.text(alphabet="ab \x1b\x00" + LINE_ENDS, min_size=1, max_size=20))
    def test_any_text(self, text: str) -> None:
        """Each line begins as its first does, however a client tells lines apart."""
        for entry, prefix in (
            (logged(LOBBY, text), "MSG alice "),
            (logged(DIRECT, text, BOB), "PRV alice "),
            (logged(WOB, text), "GMS wob alice "),
            (logged(WOB, text, None, "topic"), "GEV wob topic alice "),
        ):
            said = frames_of(SEED.encode_delivery, entry).decode()
            self.assertTrue(said.endswith("\n"))
            for line in said.splitlines():
                self.assertTrue(line.startswith(prefix), said)
            self.assertEqual(re.findall("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]", said), [])


class Reference(SynchronousTestCase):
    """The way to speak that LST shows."""

    def test_one_for_all(self) -> None:
        """Whoever sends LST, from whichever, is spoken to by the same object, so that encoding is shared."""
        again = reference().decode(b"lst").detected_dialect
        self.assertIs(again, reference())
        self.assertEqual(
            (SEED.seconds_between_writes, reference().seconds_between_writes),
            (0.0, REFERENCE_CLIENT_SECONDS_BETWEEN_LINES),
        )
        self.assertIsNone(SEED.decode(b"WHO").detected_dialect)

    def test_a_hello_leaves_it_open(self) -> None:
        """But to whoever has sent LST before; and no other line does."""
        self.assertEqual(
            SEED.decode(b"IAM alice").seconds_between_lines, REFERENCE_CLIENT_SECONDS_BETWEEN_LINES
        )
        self.assertEqual(reference().decode(b"IAM alice").seconds_between_lines, 0.0)
        self.assertEqual(SEED.decode(b"MSG hi").seconds_between_lines, 0.0)

    def test_what_waited_is_amended(self) -> None:
        """ARR as ARV, BCK left out, and nothing else changed, whatever people say."""
        amend = SEED.decode(b"LST").convert_buffered_frame
        assert amend is not None
        waited = (
            *SEED.encode_delivery(UserArrived(ALICE, True, AT)),
            *SEED.encode_delivery(logged(LOBBY, "x\nARR y\nBCK z")),
            *SEED.encode_delivery(UserArrived(BOB, False, AT)),
            *SEED.encode_delivery(UserDeparted(BOB, AT)),
        )
        self.assertEqual(
            b"".join(amend(line + b"\n") for line in waited),
            b"ARV alice\nMSG alice x\nMSG alice ARR y\nMSG alice BCK z\nARV Bob\nLFT Bob\n",
        )


class FromOtherWires(StageTestCase):
    """The same with a whole chatd between."""

    @settings(max_examples=effort(50), deadline=None)
    @given(st.text(alphabet="ab;{}$ \t\x1b\x00" + LINE_ENDS, min_size=1, max_size=20).filter(str.strip))
    def test_what_json_says_never_forges_a_line(self, text: str) -> None:
        """Bob says anything at all in JSON, to everyone and to alice, who reads text."""
        if not hasattr(self, "alice"):
            self.alice, self.bob = self.stage.text("alice"), self.stage.json("bob")
            self.alice.hears()
        self.bob.asks(action="client-broadcast", msg=text)
        self.bob.asks(action="client-send", to="alice", msg=text)
        heard = self.alice.hears().decode()
        lines = heard.splitlines()
        self.assertEqual(heard.count("\n"), len(lines))
        half = len(lines) // 2
        self.assertEqual([line[:8] for line in lines[:half]], ["MSG bob "] * half)
        self.assertEqual([line[:8] for line in lines[half:]], ["PRV bob "] * half)
        self.assertEqual([line[8:] for line in lines[:half]], [line[8:] for line in lines[half:]])
