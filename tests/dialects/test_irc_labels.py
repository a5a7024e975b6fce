"""Labels of requests: one label for one answer, however many lines and requests that has."""

from __future__ import annotations

from chatd.dialects.irc_labels import MAX_LABEL_BYTES
from tests.support.irc_case import IrcCase
from tests.support.irc_view import heard


class Labels(IrcCase):
    """Alice knows labels, and bob does too."""

    def setUp(self) -> None:
        super().setUp()
        self.alice = self.irc("alice", "labeled-response", "batch", "standard-replies")
        self.irc("bob")
        self.alice.hears()

    def ask(self, line: str) -> list[str]:
        self.alice.says(line)
        return self.alice.lines()

    def test_no_line(self) -> None:
        for line in ("PONG x", "NOTICE nobody :x", "PRIVMSG bob :x", "JOIN #lobby", "MODE #lobby"):
            told = self.ask(f"@label=a1 {line}")
            if line != "MODE #lobby":
                self.assertEqual(told, ["@label=a1 :chatd ACK"], line)

    def test_one_line(self) -> None:
        self.assertEqual(self.ask("@label=a1 PING x"), ["@label=a1 :chatd PONG chatd :x"])
        self.assertEqual(
            self.ask("@label=a1 NONSENSE"), ["@label=a1 :chatd 421 alice NONSENSE :Unknown command"]
        )

    def test_several_lines(self) -> None:
        start, *lines, end = self.ask("@label=a1 JOIN #wob")
        self.assertEqual(start, "@label=a1 :chatd BATCH +label labeled-response")
        self.assertEqual([heard(line).verb for line in lines], ["JOIN", "353", "366"])
        self.assertEqual({heard(line).tags["batch"] for line in lines}, {"label"})
        self.assertEqual(end, ":chatd BATCH -label")

    def test_several_requests(self) -> None:
        """One batch holds all their answers, whichever of them have one."""
        for line, verbs in (
            ("JOIN #wob,#lobby,inv@lid", ["JOIN", "353", "366", "403"]),
            ("JOIN #lobby,#lobby", []),
            ("PART #nope,#lobby,#wob", ["403", "PART", "PART"]),
            ("KICK #nope bob,carol", ["403", "403"]),
        ):
            start, *lines, end = self.ask(f"@label=a1 {line}")
            self.assertEqual(start, "@label=a1 :chatd BATCH +label labeled-response")
            self.assertEqual([heard(one).verb for one in lines], verbs, line)
            self.assertEqual([heard(one).tags.get("batch") for one in lines], ["label"] * len(lines))
            self.assertEqual(end, ":chatd BATCH -label")

    def test_what_others_do_meanwhile_is_no_answer(self) -> None:
        """It has no tag of the batch, wherever it comes."""
        bob = self.irc("bea")
        self.alice.hears()
        self.stage.writer.held = True
        self.alice.says("@label=a1 JOIN #wob,#ada")
        bob.says("PRIVMSG alice :x")
        self.alice.says("@label=a2 PING x")
        self.stage.writer.held = False
        while self.stage.writer.waiting:
            self.stage.writer.run_next()
            self.stage.settle()
        told = [heard(line) for line in self.alice.lines()]
        self.assertEqual(
            [(one.verb, one.tags.get("batch") or one.tags.get("label")) for one in told],
            [
                ("BATCH", "a1"),
                *(("JOIN", "label"), ("353", "label"), ("366", "label")) * 2,
                ("BATCH", None),
                ("PRIVMSG", None),
                ("PONG", "a2"),
            ],
        )

    def test_to_oneself(self) -> None:
        """The echo has the label, the message has none."""
        carol = self.irc("carol", "labeled-response", "batch", "echo-message")
        for verb in ("PRIVMSG", "NOTICE"):
            carol.hears()
            carol.says(f"@label=a1 {verb} carol :x")
            line = f":carol!carol@chatd {verb} carol :x"
            self.assertEqual(carol.lines(), [f"@label=a1 {line}", line])
            self.alice.hears()
            self.assertEqual(
                self.ask(f"@label=a1 {verb} alice :x"),
                ["@label=a1 :chatd ACK", f":alice!alice@chatd {verb} alice :x"],
            )

    def test_clients_that_know_no_labels_or_no_batches(self) -> None:
        carol, dave = self.irc("carol"), self.irc("dave", "labeled-response")
        carol.hears()
        carol.says("@label=a1 PING x")
        self.assertEqual(carol.lines(), [":chatd PONG chatd :x"])
        dave.hears()
        dave.says("@label=a1 JOIN #wob,#ada")
        told = [heard(line) for line in dave.lines()]
        self.assertEqual([one.verb for one in told], ["JOIN", "353", "366"] * 2)
        self.assertEqual([one.tags for one in told], [{"label": "a1"}, *[{}] * 5])

    def test_long_labels(self) -> None:
        """A label has 64 bytes; the request of a longer one is not carried out."""
        label = "é" * (MAX_LABEL_BYTES // 2)
        self.assertEqual(self.ask(f"@label={label} PING x"), [f"@label={label} :chatd PONG chatd :x"])
        self.assertEqual(
            self.ask(f"@label={label}x JOIN #wob"),
            [f":chatd FAIL JOIN INVALID_LABEL :a label has at most {MAX_LABEL_BYTES} bytes"],
        )
        self.assertEqual(self.stage.rows("SELECT id FROM log"), [])

    def test_characters_that_are_escaped(self) -> None:
        self.assertEqual(self.ask(r"@label=a\:\s\\b PING x"), [r"@label=a\:\s\\b :chatd PONG chatd :x"])
