"""REDACT: who may delete which message on IRC, and what the others are told."""

from __future__ import annotations

from tests.support.in_memory_daemon import Peer
from tests.support.irc_case import IrcCase

REDACTION = ("message-tags", "echo-message", "labeled-response", "batch", "draft/message-redaction")
SECRET = "correct horse battery"


class RedactionCase(IrcCase):
    """alice, who owns #wob, and bob know REDACT; old, on IRC, and dora, on text, do not."""

    def setUp(self) -> None:
        """Have them there and in the group, and forget what they heard: the next entry has the id 5."""
        super().setUp()
        self.alice = self.irc("alice", *REDACTION).says("JOIN #wob")
        self.bob = self.irc("bob", *REDACTION).says("JOIN #wob")
        self.old = self.irc("old").says("JOIN #wob")
        self.dora = self.stage.text("dora").says("j;wob")
        self.peers = (self.alice, self.bob, self.old, self.dora)
        self.forget()

    def forget(self) -> None:
        """Forget what all have heard."""
        for peer in self.peers:
            peer.hears()


class Accepted(RedactionCase):
    def test_by_the_author(self) -> None:
        self.bob.says("PRIVMSG #wob :oops")
        self.forget()
        self.bob.says("REDACT #wob 5 :\x02wrong window")
        line = "@msgid=6 :bob!bob@chatd REDACT #wob 5 :wrong window"
        self.assertEqual([self.alice.lines(), self.bob.lines()], [[line], [line]])
        self.assertEqual(self.old.lines(), [":chatd NOTICE #wob :bob has deleted message 5: wrong window"])
        self.assertEqual(self.dora.lines(), ["DEL 5 bob wrong window"])

    def test_by_the_owner_with_a_label(self) -> None:
        self.bob.says("PRIVMSG #wob :spam")
        self.forget()
        self.alice.says("@label=a REDACT #wob 5")
        self.assertEqual(self.alice.lines(), ["@label=a;msgid=6 :alice!alice@chatd REDACT #wob 5"])
        self.assertEqual(self.bob.lines(), ["@msgid=6 :alice!alice@chatd REDACT #wob 5"])

    def test_in_the_lobby_and_of_a_message_of_another_wire(self) -> None:
        self.dora.says("MSG oops")
        self.bob.says("PRIVMSG #lobby :oops")
        self.forget()
        self.bob.says("REDACT #LOBBY 6")
        self.assertEqual(self.alice.lines(), ["@msgid=7 :bob!bob@chatd REDACT #lobby 6"])
        self.dora.says("delete;5;never mind")
        self.assertEqual(self.alice.lines(), ["@msgid=8 :dora!dora@chatd REDACT #lobby 5 :never mind"])

    def test_in_private(self) -> None:
        """The target is the other one, for both, as in messages."""
        self.bob.says("PRIVMSG alice :a slip")
        self.forget()
        self.bob.says("REDACT ALICE 5")
        for peer in (self.alice, self.bob):
            self.assertEqual(peer.lines(), ["@msgid=6 :bob!bob@chatd REDACT alice 5"])
        self.assertEqual(self.old.lines(), [])

    def test_a_message_of_several_lines(self) -> None:
        """Each line has an id of its own, and stands for all of it."""
        self.dora.says("bg;wob;" + "long " * 200)
        self.alice.says("REDACT #wob 5.2")
        self.assertEqual(self.bob.lines()[-1], "@msgid=6 :alice!alice@chatd REDACT #wob 5")

    def test_by_a_server_operator(self) -> None:
        """Also where the operator is nobody's partner: then it is told in words."""
        self.stage.policy.operators = ("judge",)
        judge = self.irc("judge", *REDACTION).says(f"REGISTER * * :{SECRET}")
        self.bob.says("PRIVMSG #lobby :spam").says("PRIVMSG alice :a threat").says("PRIVMSG #wob :spam")
        self.forget()
        judge.hears()
        judge.says("@label=a REDACT #lobby 5 :spam")
        line = "@msgid=8 :judge!judge@chatd REDACT #lobby 5 :spam"
        self.assertEqual(judge.lines(), [line, "@label=a :chatd ACK"])
        self.assertEqual(self.alice.lines(), [line])
        for typed in ("PRIVMSG chatd :delete;6", "PRIVMSG chatd :delete;7"):
            judge.says(typed)
        self.assertEqual(
            self.alice.lines(),
            [
                "@msgid=9 :chatd NOTICE bob :judge has deleted message 6",
                "@msgid=10 :judge!judge@chatd REDACT #wob 7",
            ],
        )


class Refused(RedactionCase):
    def said(self, peer: Peer, line: str) -> str:
        """The one line that answers ``line``, without its last parameter."""
        (answer,) = self.asks(peer, line)
        return answer.rpartition(" :")[0]

    def test_codes(self) -> None:
        self.alice.says("PRIVMSG #wob :hi").says("PRIVMSG #lobby :hi").says("PRIVMSG old :hi")
        self.alice.says("JOIN #den").says("MODE #den +i").says("PRIVMSG #den :secret")
        for line, answer in (
            ("REDACT #wob 5", "REDACT_FORBIDDEN #wob 5"),
            ("REDACT #lobby 6", "REDACT_FORBIDDEN #lobby 6"),
            ("REDACT #wob 6", "UNKNOWN_MSGID #wob 6"),
            ("REDACT #lobby 5", "UNKNOWN_MSGID #lobby 5"),
            ("REDACT alice 7", "UNKNOWN_MSGID alice 7"),
            ("REDACT old 7", "UNKNOWN_MSGID old 7"),
            ("REDACT #wob 1", "UNKNOWN_MSGID #wob 1"),
            ("REDACT #wob 99", "UNKNOWN_MSGID #wob 99"),
            ("REDACT #wob abc", "UNKNOWN_MSGID #wob abc"),
            ("REDACT #wob 5.x", "UNKNOWN_MSGID #wob 5.x"),
            ("REDACT #wob \u0665", "UNKNOWN_MSGID #wob \u0665"),
            (f"REDACT #wob {'9' * 99}", f"UNKNOWN_MSGID #wob {'9' * 99}"),
            ("REDACT #wob 10", "UNKNOWN_MSGID #wob 10"),
            ("REDACT #den 10", "INVALID_TARGET #den"),
            ("REDACT #nothing 10", "INVALID_TARGET #nothing"),
            ("REDACT # 10", "INVALID_TARGET #"),
            ("REDACT nobody 5", "INVALID_TARGET nobody"),
            (f"REDACT #wob 5 :{'x' * 400}", "REDACT_FORBIDDEN #wob 5"),
        ):
            self.assertEqual(self.said(self.bob, line), f":chatd FAIL REDACT {answer}", line)
        self.assertEqual(self.asks(self.bob, "REDACT #wob"), ["461 REDACT :Not enough parameters"])
        self.assertEqual(
            self.said(self.bob, "@label=a REDACT #wob 5"),
            "@label=a :chatd FAIL REDACT REDACT_FORBIDDEN #wob 5",
        )

    def test_without_the_capability(self) -> None:
        """A notice; and what may be deleted is deleted."""
        self.alice.says("PRIVMSG #wob :hi")
        self.old.says("PRIVMSG #wob :hi")
        self.assertEqual(
            self.asks(self.old, "REDACT #wob 5", "REDACT #wob 6"),
            [
                ":chatd NOTICE old :only the owner and the operators of wob may do this",
                ":chatd NOTICE #wob :old has deleted message 6",
            ],
        )

    def test_once(self) -> None:
        self.bob.says("PRIVMSG #wob :oops").says("REDACT #wob 5")
        self.assertEqual(self.said(self.bob, "REDACT #wob 5"), ":chatd FAIL REDACT UNKNOWN_MSGID #wob 5")
