"""``chat --plain``: lines in, lines out, against a real daemon."""

from __future__ import annotations

import os
import re
from contextlib import redirect_stdout
from io import StringIO

from PIL import Image

from chatd.client import codec
from chatd.client.line_mode import LineDisplay
from chatd.client.log import ChatLog
from chatd.core.commands import COMMANDS
from chatd.json_wire import objects
from tests.support.chat_process import ChatTestCase
from tests.support.daemon_and_programs import Program
from tests.support.daemon_process import PATIENCE

WHEN = re.compile(r"\[\d\d:\d\d\] ")


class Person:
    """Somebody at ``chat --plain``."""

    def __init__(self, process: Program) -> None:
        self.process = process

    def types(self, *lines: str) -> Person:
        """Type these."""
        assert self.process.stdin is not None
        self.process.stdin.write("".join(f"{line}\n" for line in lines))
        self.process.stdin.flush()
        return self

    def reads(self, count: int = 1) -> list[str]:
        """The next lines on the screen, without their times."""
        assert self.process.stdout is not None
        return [WHEN.sub("", self.process.stdout.readline().rstrip("\n")) for _ in range(count)]


class PlainTestCase(ChatTestCase):
    """People in one room."""

    def person(self, nick: str) -> Person:
        """Somebody new, who has read their welcome."""
        person = Person(self.chats("--plain", "-n", nick))
        self.assertEqual(person.reads(), [f"* Hello {nick}"])
        return person


class Talking(PlainTestCase):
    """Two at their keyboards."""

    def test_a_session(self) -> None:
        """The lobby, a private word, a group, and the way back; what is elsewhere says where."""
        alice = self.person("alice")
        bob = self.person("bob")
        self.assertEqual(alice.reads(), ["* bob joined the chat"])
        alice.types("hello", "s;bob;salut")
        self.assertEqual(alice.reads(2), ["You said: hello", "@bob You said: salut"])
        self.assertEqual(bob.reads(2), ["alice said: hello", "@alice alice said: salut"])
        alice.types("/create wob", "in here", "//help is a word")
        self.assertEqual(
            alice.reads(4),
            [
                "* alice created wob (public)",
                "* you are in wob",
                "You said: in here",
                "You said: /help is a word",
            ],
        )
        bob.types("cg;wob", "/join wob", "me too", "/who", "/leave", "outside")
        self.assertEqual(
            bob.reads(8),
            [
                "* group_exists: group already exists: wob; join it, or choose another name",
                "* bob joined wob",
                "* you are in wob",
                "You said: me too",
                "wob: alice (owner, unregistered), bob (member, unregistered)",
                "* bob left wob",
                "* you are in lobby",
                "You said: outside",
            ],
        )
        self.assertEqual(
            alice.reads(4),
            ["* bob joined wob", "bob said: me too", "* bob left wob", "lobby bob said: outside"],
        )

    def test_actions_and_notices(self) -> None:
        """To where one is, and to whom one names; seen by both alike."""
        alice, bob = self.person("alice"), self.person("bob")
        alice.reads()
        alice.types("/me waves", "s;bob;/ME too", "s;bob;/me too")
        self.assertEqual(alice.reads(3), ["* alice waves", "@bob You said: /ME too", "@bob * alice too"])
        self.assertEqual(bob.reads(3), ["* alice waves", "@alice alice said: /ME too", "@alice * alice too"])
        with self.daemon.connect("json") as robot:
            robot.asks(action="client-hello", from_="robot")
            robot.asks(action="client-broadcast", msg="one\ntwo", kind="notice")
            self.assertEqual(alice.reads(4), ["* robot joined the chat", "-robot-", "    one", "    two"])
        self.assertEqual(alice.reads(), ["* robot left the chat"])
        alice.types("/history")
        self.assertEqual(alice.reads(4), ["lobby * alice waves", "lobby -robot-", "    one", "    two"])

    def test_what_was_meant_for_a_group_is_said_nowhere_else(self) -> None:
        """If one does not get in, it is refused as well; with the word of the text wire one gets in, too."""
        alice, bob = self.person("alice"), self.person("bob")
        alice.reads()
        alice.types("/create wob private", "/create den")
        alice.reads(4)
        bob.types("/join wob", "a secret", "j;den", "hello", "/history")
        self.assertEqual(
            bob.reads(6),
            [
                "* not_invited: wob is private: ask a member to invite you",
                "* no_such_group: unknown group: wob",
                "* bob joined den",
                "* you are in den",
                "You said: hello",
                "den You said: hello",
            ],
        )

    def test_what_makes_no_sense(self) -> None:
        """Says what would."""
        alice = self.person("alice")
        for typed, code in {
            "/fly": "unknown_action",
            "s;nobody;x": "no_such_user",
            "kick;wob": "bad_request",
            "/kick wob": "bad_request",
            "/me ": "bad_request",
            "bg;wob;x": "no_such_group",
            "s;alice;" + "x" * 10_000: "too_long",
        }.items():
            self.assertEqual([line.split(":")[0] for line in alice.types(typed).reads()], [f"* {code}"])
        self.assertEqual(alice.types("", "still here").reads(), ["You said: still here"])

    def test_what_is_no_text_is_marked(self) -> None:
        """And what comes after it is said as well."""
        done = self.chat("--plain", "-n", "alice", input="one\nb\udcff\nthree\n", errors="surrogateescape")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        said = [WHEN.sub("", line) for line in done.stdout.splitlines()[1:]]
        self.assertEqual(said, ["You said: one", "You said: b\N{REPLACEMENT CHARACTER}", "You said: three"])

    def test_an_image(self) -> None:
        """It is turned into characters, and others see it as they are."""
        Image.new("RGB", (200, 50), "white").save(self.folder / "photo.png")
        alice, bob = self.person("alice"), self.person("bob")
        alice.reads()
        alice.types(f"/image {self.folder / 'photo.png'}")
        art = alice.reads(9)
        self.assertEqual((art[0], {line[:14] for line in art[1:]}), ("You said:", {"    QQQQQQQQQQ"}))
        self.assertEqual(bob.reads(9), ["alice said:", *art[1:]])
        alice.types("/image none.png", "/image")
        self.assertEqual(
            alice.reads(2),
            ["* can't send none.png: No such file or directory", "* bad_request: usage: /image file"],
        )

    def test_what_is_heard_is_in_the_log(self) -> None:
        """By default in the user's state folder."""
        alice = self.person("alice")
        self.person("bob").types("hello")
        alice.reads(2)
        logged = (self.folder / "chatd" / "client.log").read_text("utf-8")
        self.assertIn(" lobby bob said: hello\n", logged)

    def test_leaving_while_there_is_no_connection(self) -> None:
        """Goes at once."""
        alice = self.person("alice")
        self.daemon.kill()
        self.assertIn("connection lost", alice.reads()[0])
        alice.types("/quit")
        self.assertEqual(alice.process.wait(PATIENCE), 0)

    def test_another_spelling_of_a_group_is_the_group(self) -> None:
        """So what is said there is here, and leaving it leads to the lobby."""
        alice = self.person("alice")
        alice.types("/create Wob", "/join WOB", "hello", "/leave wob")
        self.assertEqual(
            alice.reads(6),
            [
                "* alice created Wob (public)",
                "* you are in Wob",
                "* you are in WOB",
                "You said: hello",
                "* alice left Wob",
                "* you are in lobby",
            ],
        )

    def test_the_end_of_the_input_waits_for_the_acks(self) -> None:
        """A whole file of lines is said, in order, and the exit code says so."""
        bob = self.text("bob")
        lines = [f"line {number}" for number in range(500)]
        process = self.chats("--plain", "-n", "alice")
        said, _ = process.communicate("".join(f"{line}\n" for line in lines), timeout=PATIENCE)
        self.assertEqual(process.returncode, 0)
        self.assertEqual(
            [WHEN.sub("", line) for line in said.splitlines()],
            ["* Hello alice", *(f"You said: {line}" for line in lines)],
        )
        heard = bob.hears_until(b"LFT alice\n").decode().splitlines()
        self.assertEqual(heard, ["ARR alice", *(f"MSG alice {line}" for line in lines), "LFT alice"])

    def test_without_an_input(self) -> None:
        """As ``<&-`` has it: there is nothing to say, and that is all."""
        done = self.chat("--plain", "-n", "alice", preexec_fn=lambda: os.close(0))
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_the_daemon_killed_under_a_typing_client(self) -> None:
        """What was typed meanwhile is said once; both sides' histories are equal."""
        port = self.daemon.port("json")
        alice = self.person("alice")
        alice.types(*(f"m{number}" for number in range(200)))
        alice.reads(20)
        self.daemon.kill()
        alice.types(*(f"m{number}" for number in range(200, 300)))
        self.daemon = self.start("--listen=text=tcp:0", f"--listen=json=tcp:{port}")
        shown = []
        while "You said: m299" not in shown:
            shown += [line for line in alice.reads() if line.startswith("You said")]
        self.assertEqual(shown, [f"You said: m{number}" for number in range(20, 300)])
        stored = self.daemon.connect("json")
        self.addCleanup(stored.close)
        stored.asks(action="client-hello", from_="carol")
        stored.asks(action="history", limit=500, ref=1)
        messages = stored.object(ref=1)["messages"]
        self.assertEqual(
            [said["msg"] for said in messages if said["from"] == "alice"], [f"m{n}" for n in range(300)]
        )


class ComingBack(PlainTestCase):
    """What was said before one came."""

    def room(self) -> LineDisplay:
        """Alice's."""
        log = ChatLog(self.folder / "alice.log")
        self.addCleanup(log.close)
        return LineDisplay("alice", log)

    def told(self, page: codec.LoginBacklog) -> list[str]:
        """What is printed for it, without times."""
        with redirect_stdout(StringIO()) as out:
            self.room().login_backlog_received(page)
        return [WHEN.sub("", line) for line in out.getvalue().splitlines()]

    def test_a_page_with_what_was_seen(self) -> None:
        """Both sides' messages are printed; what was missed is logged, and counted if others said it."""
        at = objects.Timestamp("2026-11-21T00:00:00Z")
        said = [("bob", "seen"), ("alice", "mine"), ("bob", "missed"), ("alice", "by a script")]
        items = [
            objects.HistoryMessage(id=n, seq=n, ts=at, nick=nick, msg=msg, kind="message")
            for n, (nick, msg) in enumerate(said, 1)
        ]
        shown = [f"@bob {'You' if nick == 'alice' else nick} said: {msg}" for nick, msg in said]
        page = objects.Page(messages=items, friend="bob", seen=2)
        self.assertEqual(self.told(page), [*shown, "* @bob: 1 unread"])
        logged = (self.folder / "alice.log").read_text("utf-8")
        self.assertEqual(re.findall("said: (.*)", logged), ["missed", "by a script"])
        self.assertEqual(self.told(objects.Page(messages=items, friend="bob", seen=4)), shown)
        self.assertEqual(self.told(objects.Page(messages=items, friend="bob")), shown)

    def test_a_list_of_the_rest(self) -> None:
        summaries = [
            objects.ConversationSummary("group", "wob", unread=3),
            objects.ConversationSummary("direct", "bob"),
            objects.ConversationSummary("lobby"),
        ]
        self.assertEqual(
            self.told(objects.Conversations(conversations=summaries, more=True)),
            ["wob: 3 unread", "@bob: 0 unread", "lobby: 0 unread", "there is more behind these 3"],
        )


class InFrench(PlainTestCase):
    """What is refused, here and there, is translated_refusal in the user's language; codes stay."""

    language = "fr"

    def test_the_welcome(self) -> None:
        """For somebody new, and for somebody who comes back."""
        for french in ("Bonjour alice", "Content de vous revoir, alice !"):
            done = self.chat("--plain", "-n", "alice", input="hello\n")
            self.assertEqual((done.returncode, done.stdout.splitlines()[0]), (0, f"* {french}"))

    def person(self, nick: str) -> Person:
        """Somebody new, who has read their welcome."""
        person = Person(self.chats("--plain", "-n", nick))
        self.assertEqual(person.reads(), [f"* Bonjour {nick}"])
        return person

    def test_what_makes_no_sense(self) -> None:
        """Whoever says so."""
        alice = self.person("alice")
        for typed, told in {
            "/fly": "unknown_action: commande inconnue : /fly ; demandez l'aide pour voir les commandes",
            "/image": "bad_request: usage : /image file",
            "/kick wob": "bad_request: usage : /kick salon pseudo [raison]",
            "kick;wob": "bad_request: kick demande pseudo",
            "history;bob;x": "bad_request: nombre doit être un nombre entier d'au moins 1",
            "visibility;wob;x": "bad_request: visibilité est à choisir parmi public, private",
            "s;bob;": "empty: le texte est vide : écrivez quelque chose",
            "s;bob;"
            + "x" * 10_000: "too_long: msg dépasse 9600 octets : raccourcissez, ou envoyez en plusieurs fois",
            "s;bob;hello": "no_such_user: utilisateur inconnu : bob",
            "bg;wob;x": "no_such_group: salon inconnu : wob",
            "cg;a b": "bad_group: a b n'est pas un nom de salon valide : un nom n'a pas d'espaces :"
            " retirez U+0020",
        }.items():
            with self.subTest(typed[:20]):
                self.assertEqual(alice.types(typed).reads(), [f"* {told}"])

    def test_help(self) -> None:
        """Every command's, and the client's own."""
        rows = [row for row in COMMANDS.values() if row.slash_word and row.name != "identify"]
        told = self.person("alice").types("/help").reads(len(rows) + 2)
        self.assertEqual(told[1], "/who [omettre] : lister les utilisateurs connectés")
        self.assertEqual(told[-2], "/me message : dire ce que vous faites : * alice salue")
        self.assertEqual(told[-1], "/image file : changer une image en caractères et l'envoyer")
        self.assertEqual([line for line in told if any(line.endswith(row.help) for row in rows)], [])
