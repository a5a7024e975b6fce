"""Messages on IRC: what a client sends, and the lines that messages of other wires make."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from chatd.core.events import LOBBY, ChatEvent, Conversation, EventKind, LogEntry, User
from chatd.core.limits import Limits
from chatd.dialects.irc_deliveries import IrcDeliveryEncoder
from chatd.dialects.irc_lines import MAX_CLIENT_TAG_BYTES, MAX_LINE_BYTES
from chatd.dialects.irc_messages import MAX_IRC_LINES_PER_MESSAGE, MAX_REF_CHARACTERS
from tests.support.effort import effort
from tests.support.in_memory_daemon import Peer
from tests.support.irc_case import IrcCase
from tests.support.irc_view import heard

LONG = "é" * 32
"""A nick as long as can be."""


def entry(body: str, kind: EventKind = "message", group: str = "", nick: str = "alice") -> LogEntry:
    """A message in the lobby or in ``group``."""
    conversation = Conversation(7, "group", group) if group else LOBBY
    return LogEntry(17, 1, 0, ChatEvent(kind, conversation, User(5, nick, nick, "#000000"), None, body))


def lines(body: str, kind: EventKind = "message", group: str = "", nick: str = "alice") -> list[bytes]:
    """The lines that it makes for a client without any capability."""
    return list(IrcDeliveryEncoder(frozenset()).encode_delivery(entry(body, kind, group, nick)))


def texts(body: str, kind: EventKind = "message", group: str = "", nick: str = "alice") -> list[str]:
    """The texts of these lines."""
    return [heard(line.decode()).params[1] for line in lines(body, kind, group, nick)]


class Lines(IrcCase):
    """A message is as many lines as it takes, none of them too long, and none that acts on a client."""

    def test_a_long_message(self) -> None:
        """8 KiB with line breaks and emoji: what is said is still said."""
        body = "\r\n".join(["word 👍🏽 " * 40, "", "日本語" * 300, "x" * 2000])
        for nick, group in (("alice", ""), (LONG, LONG * 2)):
            made = lines(body, group=group, nick=nick)
            for line in made:
                self.assertLessEqual(len(line), MAX_LINE_BYTES)
                self.assertNotRegex(line, b"[\r\n\0]")
            said = "".join(texts(body, group=group, nick=nick))
            self.assertEqual(said.replace(" ", ""), body.replace(" ", "").replace("\r\n", ""))

    def test_the_first_line_has_the_id(self) -> None:
        encoder = IrcDeliveryEncoder(frozenset(("message-tags",)))
        made = encoder.encode_delivery(entry("a\nb\n\nc"))
        self.assertEqual([line.split()[0] for line in made], [b"@msgid=17", *2 * [b":alice!alice@chatd"]])

    def test_what_may_be_a_line_end_somewhere(self) -> None:
        """It is one here."""
        for end in ("\n", "\r", "\r\n", "\x0b", "\x0c", "\x85", "\u2028", "\u2029"):
            self.assertEqual(texts(f"a{end}b"), ["a", "b"], repr(end))
        self.assertEqual(texts("\n\n\r"), [])

    def test_nothing_of_another_wire_is_a_question(self) -> None:
        """Clients would answer it, and all of those in a channel at once."""
        for body in (
            "\x01VERSION\x01",
            "x\n\x01VERSION\x01",
            f"{'x' * 470} \x01VERSION\x01",
            "/me \x01VERSION\x01",
        ):
            for kind in ("message", "notice"):
                for text in texts(body, kind):
                    self.assertNotIn("\x01", text)
        self.assertEqual(texts("/me \x01x", "action"), ["\x01ACTION \N{REPLACEMENT CHARACTER}x\x01"])

    def test_nothing_changes_how_it_looks(self) -> None:
        """Colours, bold, the direction of writing: a line could pass for another one."""
        for code in "\x02\x03\x04\x0f\x11\x16\x1d\x1e\x1f\x1b\x07\x7f\x9b\u202e\u2066\0":
            self.assertEqual(texts(f"a{code}b"), ["a\N{REPLACEMENT CHARACTER}b"], repr(code))

    def test_actions(self) -> None:
        """Each line of a long one is an action."""
        made = texts(f"/me {'runs ' * 200}", "action")
        self.assertGreater(len(made), 1)
        for text in made:
            self.assertRegex(text, "^\x01ACTION [^\x01]+\x01$")

    def test_an_image(self) -> None:
        """It is named, not shown."""
        self.assertEqual(
            texts("##\n##\n##", "image"),
            ["[an image of 3 lines, number 17: a client of another wire shows it]"],
        )

    def test_too_many_lines(self) -> None:
        made = texts("x\n" * 4000)
        self.assertEqual((len(made), made[-1]), (MAX_IRC_LINES_PER_MESSAGE, "x…"))

    def test_a_text_that_was_deleted(self) -> None:
        self.assertEqual(lines(""), [])

    @settings(max_examples=effort(500), deadline=None)
    @given(st.text(max_size=1500), st.sampled_from(("message", "notice", "action", "image")))
    def test_any_text(self, body: str, kind: EventKind) -> None:
        for line in lines(f"/me {body}" if kind == "action" else body, kind):
            text = line.decode()
            self.assertLessEqual(len(line), MAX_LINE_BYTES)
            self.assertNotRegex(text, "[\r\n\0\x02-\x08\x0e-\x1f\x7f-\x9f\u2028\u2029]")
            self.assertIn(text.count("\x01"), (0, 2) if kind == "action" else (0,))
            self.assertRegex(text, "^:alice!alice@chatd (PRIVMSG|NOTICE) #lobby :")


class Sent(IrcCase):
    """What a client may send."""

    def setUp(self) -> None:
        super().setUp()
        self.bob = self.stage.json("bob")
        self.alice = self.irc("alice", "echo-message", "message-tags")
        self.bob.hears()

    def said(self, line: bytes | str) -> list[str]:
        """The messages that bob gets if alice sends ``line``."""
        self.alice.says(line)
        return [one["msg"] for one in self.bob.objects() if "msg" in one]

    def test_codes_of_formatting_are_left_out(self) -> None:
        """Other wires have none."""
        self.assertEqual(
            self.said("PRIVMSG #lobby :\x02bold\x02 \x0304,12red\x03 \x1ditalic"), ["bold red italic"]
        )
        self.assertEqual(self.said("PRIVMSG #lobby :\x02\x03\x0f"), [])
        self.assertIn(" 412 ", self.alice.hears().decode())

    def test_targets(self) -> None:
        """There must be one."""
        for line, told in (
            ("PRIVMSG", "411"),
            ("PRIVMSG #lobby", "412"),
            ("PRIVMSG , :x", "411"),
            ("PRIVMSG #nope :x", "403 alice #nope"),
            ("PRIVMSG nobody :x", "401 alice nobody"),
            ("PRIVMSG # :x", "403 alice #"),
            ("PRIVMSG @#lobby :x", "403 alice @#lobby"),
            ("PRIVMSG @wob :x", "401 alice @wob"),
            ("PRIVMSG $* :x", "401 alice $*"),
        ):
            self.alice.hears()
            self.assertEqual(self.said(line), [])
            self.assertIn(f":chatd {told} ", self.alice.hears().decode(), line)

    def test_several_targets(self) -> None:
        """A message to each, once; the refusal of one is not that of the others."""
        self.bob.asks(action="cgroupe", group="wob")
        self.alice.says("JOIN #wob").hears()
        self.assertEqual(self.said("PRIVMSG #lobby,bob,#nope,#wob,#lobby, :x"), ["x", "x", "x"])
        told = [line.partition(" :")[2] if line[0] == "@" else line[:22] for line in self.alice.lines()]
        self.assertEqual(
            told,
            [
                "alice!alice@chatd PRIVMSG #lobby :x",
                "alice!alice@chatd PRIVMSG bob :x",
                ":chatd 403 alice #nope",
                "alice!alice@chatd PRIVMSG #wob :x",
            ],
        )
        self.assertEqual(self.said("NOTICE #wob,#nope,bob :x"), ["x", "x"])
        self.assertEqual(len(self.alice.lines()), 2)
        self.assertEqual(self.said("PRIVMSG a,b,c,#wob,#lobby,bob :x"), ["x"])
        self.assertEqual(self.alice.lines()[-1], ":chatd 407 alice #lobby :Give 4 at most")

    def test_one_of_several_targets_is_the_daemon(self) -> None:
        """A command may change what the client is; it comes by itself."""
        self.assertEqual(self.said("PRIVMSG #lobby,Chatd :help"), ["help"])
        self.assertIn(":chatd 407 alice Chatd ", self.alice.lines()[-1])

    def test_a_ref_is_for_one_target(self) -> None:
        """Two messages with it would be two tries of one."""
        self.assertEqual(self.said("@+chatd.dev/ref=1 PRIVMSG #lobby,bob :x"), [])
        self.assertIn("one target", self.alice.lines()[0])

    def test_the_label_of_several_targets(self) -> None:
        """One batch has all that comes of it."""
        carol = self.irc("carol", "echo-message", "labeled-response", "batch")
        self.alice.hears()
        carol.says("@label=x PRIVMSG alice,#nope,#lobby :hi")
        self.assertEqual(
            [" ".join(line.split()[:4]) for line in carol.lines()],
            [
                "@label=x :chatd BATCH +label",
                "@batch=label :carol!carol@chatd PRIVMSG alice",
                "@batch=label :chatd 403 carol",
                "@batch=label :carol!carol@chatd PRIVMSG #lobby",
                ":chatd BATCH -label",
            ],
        )
        carol.says("@label=y NOTICE nobody,#nope :hi")
        self.assertEqual(len(carol.lines()), 2)

    def test_where_one_is_not(self) -> None:
        """A group that one may know of is another refusal than one that is private."""
        self.bob.asks(action="cgroupe", group="wob")
        self.bob.asks(action="cgroupe", group="den", visibility="private")
        self.alice.hears()
        self.assertEqual(self.said("PRIVMSG #wob :x"), [])
        self.assertEqual(self.said("PRIVMSG #den :x"), [])
        self.assertEqual(
            [line[:20] for line in self.alice.lines()], [":chatd 404 alice #wo", ":chatd 403 alice #de"]
        )

    def test_lines_that_are_too_long(self) -> None:
        """The line and its tags count by themselves."""
        start = b"PRIVMSG #lobby :\x01ACTION "
        most = start + b"x" * (MAX_LINE_BYTES - len(start))
        self.assertEqual(
            [len(one) for one in self.said(most + b"\r\n")], [len("/me ") + len(most) - len(start)]
        )
        self.alice.hears()
        for line in (most + b"x", b"@+typing=" + b"x" * 4095 + b" PING x", b"@x " + most + b"x"):
            self.assertEqual(self.said(line + b"\r\n"), [])
            self.assertEqual(self.alice.hears(), b":chatd 417 alice :Input line was too long\r\n")
        tags = b"@" + b"x" * 4094 + b" "
        self.assertEqual(len(self.said(tags + most + b"\r\n")), 1)

    def test_what_would_be_too_long_for_its_receivers(self) -> None:
        """They are told who the author is; an action becomes several lines, as a batch does."""
        for verb, target in (("PRIVMSG", "#lobby"), ("NOTICE", "bob"), ("PRIVMSG", "bob")):
            room = MAX_LINE_BYTES - len(f":alice!alice@chatd {verb} {target} :")
            for start in ("", "é", "\x1f"):
                most = start + "x" * (room - len(start.strip("\x1f").encode()))
                self.assertEqual(self.said(f"{verb} {target} :{most}"), [most.strip("\x1f")])
                (echo,) = self.alice.lines()
                self.assertEqual(len(echo.partition(" ")[2].encode()), MAX_LINE_BYTES)
                self.assertEqual(self.said(f"{verb} {target} :{most}x"), [])
                told = [":chatd 417 alice :Input line was too long"] if verb == "PRIVMSG" else []
                self.assertEqual(self.alice.lines(), told)
        self.assertEqual(self.said("PRIVMSG #lobby :" + "\x07" * 200), [])
        self.alice.hears()
        for question in ("x" * 480, "\x1b" * 200):
            self.said(f"PRIVMSG alice :\x01PING {question}")
            self.assertEqual(self.alice.lines(), [":chatd 417 alice :Input line was too long"])

    def test_a_notice_is_never_answered(self) -> None:
        for line in (
            "NOTICE",
            "NOTICE #nope :x",
            "NOTICE nobody :x",
            "NOTICE #nope,nobody,#,a,b :x",
            "NOTICE chatd,#nope :help",
            "NOTICE #lobby",
            "NOTICE #lobby :",
            "NOTICE #lobby :\x01VERSION\x01",
            "NOTICE chatd :help",
            f"@+chatd.dev/ref={'x' * 65} NOTICE #lobby :x",
        ):
            self.alice.hears()
            self.assertEqual(self.said(line), [])
            self.assertEqual(self.alice.hears(), b"", line)
        self.assertEqual(self.said("NOTICE #lobby :x"), ["x"])


class ClientTags(IrcCase):
    """What clients add to a message for each other."""

    def setUp(self) -> None:
        super().setUp()
        self.alice = self.irc("alice", "message-tags", "echo-message", "standard-replies")
        self.bob = self.irc("bob", "message-tags")
        self.plain = self.irc("plain", "server-time")
        self.dave = self.stage.json("dave")
        for peer in (self.alice, self.bob, self.plain, self.dave):
            peer.hears()

    def told(self, line: str) -> tuple[str, str, str]:
        """What alice, bob and the client without tags hear if alice says ``line``: one line each."""
        self.alice.says(line)
        (alice,), (bob,), (plain,) = (one.lines() for one in (self.alice, self.bob, self.plain))
        return alice, bob, plain

    def test_to_those_who_know_tags(self) -> None:
        """In the echo too; the daemon's own tags can't be forged."""
        forged = "msgid=9;time=1;account=bob;label=x;bot;+a/b/c;+chatd.dev/ref=1"
        alice, bob, plain = self.told(rf"@+draft/reply=3;{forged};+x=a\:b PRIVMSG #lobby :hi")
        self.assertRegex(
            alice, r"^@msgid=[0-9]+;\+draft/reply=3;\+x=a\\:b :alice!alice@chatd PRIVMSG #lobby :hi$"
        )
        self.assertEqual(bob, alice)
        self.assertRegex(plain, "^@time=[^ ;]+ :alice!alice@chatd PRIVMSG #lobby :hi$")
        self.assertNotIn(b"draft", self.dave.hears())

    def test_nothing_is_kept(self) -> None:
        """Who reads the history, or comes back, sees the text alone."""
        self.bob.hangs_up()
        self.alice.says("@+x=secret NOTICE #lobby :hi").says("@+x=secret PRIVMSG bob :psst")
        again = self.stage.connect("irc").says("CAP REQ :message-tags").says("CAP END")
        told = again.says("NICK bob").says("USER b 0 * :b").hears()
        self.assertIn(b"@msgid=1 :alice!alice@chatd NOTICE #lobby :", told)
        self.assertIn(b"@msgid=2 :alice!alice@chatd PRIVMSG bob :", told)
        self.assertNotIn(b"secret", told)
        reader = self.irc("reader", "message-tags", "batch", "draft/chathistory")
        reader.says("CHATHISTORY LATEST #lobby * 10")
        told = reader.hears()
        self.assertIn(b"msgid=1 :alice!alice@chatd NOTICE #lobby :", told)
        self.assertNotIn(b"secret", told)

    def test_on_each_line_of_a_long_message(self) -> None:
        """An action here, which may be longer than a line."""
        self.alice.says(f"@+x=y PRIVMSG bob :\x01ACTION {'x' * 480}\x01")
        lines = self.bob.lines()
        self.assertEqual(len(lines), 2)
        self.assertEqual(["+x=y" in line for line in lines], [True, True])

    def test_of_a_client_that_has_not_asked_for_tags(self) -> None:
        self.plain.says("@+x=y PRIVMSG bob :hi")
        self.assertNotIn(b"+x", self.bob.hears())

    def test_with_a_question(self) -> None:
        self.alice.says("@+x=y PRIVMSG bob :\x01PING\x01")
        self.assertIn(b";+x=y :alice!alice@chatd PRIVMSG bob :\x01PING\x01", self.bob.hears())

    def test_too_much(self) -> None:
        most = "x" * (MAX_CLIENT_TAG_BYTES - len("+x="))
        self.assertIn(most, self.told(f"@+x={most} PRIVMSG #lobby :hi")[1])
        self.alice.says(f"@+x={most}x PRIVMSG bob :hi")
        self.assertEqual(self.alice.lines(), [":chatd 417 alice :Input line was too long"])
        self.assertEqual(self.bob.lines(), [])


class Refs(IrcCase):
    """A client's own id of a message: what is sent again after a lost connection is stored once."""

    def say(self, peer: Peer, ref: str, text: str = "hello") -> list[str]:
        peer.hears()
        peer.says(f"@+chatd.dev/ref={ref} PRIVMSG #lobby :{text}")
        return [line for line in peer.lines() if "JOIN" not in line]

    def test_twice(self) -> None:
        """Both echoes have the id of the one message, also from another connection."""
        bob = self.irc("bob")
        alice = self.irc("alice", "echo-message", "message-tags")
        first = self.say(alice, "r1")
        self.assertRegex(first[0], r"^@msgid=\d+ :alice!alice@chatd PRIVMSG #lobby :hello$")
        self.assertEqual(self.say(alice, "r1"), first)
        alice.hangs_up()
        again = self.irc("alice", "echo-message", "message-tags")
        self.assertEqual(self.say(again, "r1"), first)
        self.assertEqual([line for line in bob.lines() if "PRIVMSG" in line], [first[0].split(" ", 1)[1]])
        self.assertEqual(len(self.say(again, "r2")), 1)
        self.assertEqual(len(self.stage.rows("SELECT id FROM log")), 2)

    def test_another_message_with_it(self) -> None:
        alice = self.irc("alice", "echo-message", "standard-replies")
        self.say(alice, "r1")
        (refused,) = self.say(alice, "r1", "other")
        self.assertRegex(refused, "^:chatd FAIL PRIVMSG REF_REUSED ")

    def test_ids_that_are_none(self) -> None:
        """An empty one is no id, and one that is too long is refused."""
        alice = self.irc("alice", "echo-message", "standard-replies")
        self.assertEqual((len(self.say(alice, "")), len(self.say(alice, ""))), (1, 1))
        self.assertEqual(len(self.stage.rows("SELECT id FROM log")), 2)
        (refused,) = self.say(alice, "x" * (MAX_REF_CHARACTERS + 1))
        self.assertRegex(refused, "^:chatd FAIL PRIVMSG INVALID_REF ")


class Flood(IrcCase):
    """Who sends without end waits; the others do not."""

    limits = Limits()

    def test_one_client(self) -> None:
        alice, bob = self.irc("alice"), self.irc("bob")
        alice.hears()
        alice.says(b"PRIVMSG bob :\x01PING\x01\r\nTAGMSG #lobby\r\nJOIN #a,#b,#c\r\n" * 3000)
        bob.hears()
        bob.says("PING x")
        self.assertIn(":chatd PONG chatd :x", bob.lines())
        self.stage.wait(1)
        self.assertLess(len(alice.lines()), 400)
