"""Messages of several lines on IRC: batches that clients send, and those that they are sent."""

from __future__ import annotations

from chatd.core.limits import Limits
from chatd.dialects.irc_client import OpenBatch
from chatd.dialects.irc_messages import MAX_IRC_LINES_PER_MESSAGE, MULTILINE_CONCAT_TAG
from chatd.dialects.irc_multiline import MAX_TAGS_BYTES
from tests.support.irc_case import IrcCase
from tests.support.irc_view import Heard, heard

MULTILINE = ("batch", "message-tags", "draft/multiline")


class MultilineCase(IrcCase):
    """Amy and bob, whose clients know messages of several lines, and eve, whose client doesn't, in #wob."""

    limits = Limits(message=1000, requests_per_second=10**6, bytes_per_second=10**9, reads_per_second=10**6)
    more: tuple[str, ...] = ("echo-message", "labeled-response")

    def setUp(self) -> None:
        super().setUp()
        self.eve = self.irc("eve", "message-tags")
        self.bob = self.irc("bob", *MULTILINE)
        self.amy = self.irc("amy", *MULTILINE, *self.more)
        for one in (self.eve, self.bob, self.amy):
            one.says("JOIN #wob")
        self.hears_all()

    def hears_all(self) -> list[list[Heard]]:
        """What amy, bob and eve have heard."""
        return [[heard(line) for line in one.lines()] for one in (self.amy, self.bob, self.eve)]

    def sends(self, *lines: str, opening: str = "BATCH +1 draft/multiline #wob") -> None:
        """Send a batch with ``lines``, which begin with ``+`` if they are concatenated."""
        self.amy.says(opening)
        for line in lines:
            tags = f"batch=1;{MULTILINE_CONCAT_TAG}" if line.startswith("+") else "batch=1"
            self.amy.says(f"@{tags} PRIVMSG #wob :{line.removeprefix('+')}")
        self.amy.says("BATCH -1")

    def stored(self) -> list[str]:
        """The texts of the messages in the log."""
        return [body for (body,) in self.stage.rows("SELECT body FROM log WHERE kind <> 'joined' AND id > 3")]

    def refused(self, code: str, *context: str) -> None:
        """Check that amy was told ``code`` and nothing else, and that nothing was sent."""
        (lines, bobs, _) = self.hears_all()
        self.assertEqual(
            [(one.verb, one.params[:-1]) for one in lines], [("FAIL", ["BATCH", code, *context])]
        )
        self.assertEqual((bobs, self.stored()), ([], []))

    def works(self) -> None:
        """Check that amy can send a message of two lines."""
        self.sends("one", "two")
        self.assertEqual(self.stored()[-1], "one\ntwo")


class Sent(MultilineCase):
    """What becomes one message."""

    def test_lines_are_joined_or_concatenated(self) -> None:
        self.sends("hello", "", "how is ", "+everyone?")
        self.assertEqual(self.stored(), ["hello\n\nhow is everyone?"])

    def test_each_receiver_hears_what_it_knows(self) -> None:
        self.sends("hello", "", "world", opening="@label=x BATCH +1 draft/multiline #wob")
        amy, bob, eve = self.hears_all()
        for lines in (amy, bob):
            start, *inner, end = lines
            reference = start.params[0][1:]
            self.assertEqual(start[1:], ("amy", "BATCH", [f"+{reference}", "draft/multiline", "#wob"]))
            self.assertEqual(
                [one.params for one in inner], [["#wob", "hello"], ["#wob", ""], ["#wob", "world"]]
            )
            self.assertEqual([one.tags for one in inner], [{"batch": reference}] * 3)
            self.assertEqual(end[1:], ("chatd", "BATCH", [f"-{reference}"]))
        self.assertEqual((amy[0].tags, bob[0].tags), ({"label": "x", "msgid": "4"}, {"msgid": "4"}))
        self.assertEqual(
            [(one.params[1], one.tags.get("msgid")) for one in eve], [("hello", "4"), ("world", None)]
        )

    def test_tags_of_the_client(self) -> None:
        """On the batch, and on each line for who knows no such batches."""
        self.sends("hello", "world", opening="@+x=y BATCH +1 draft/multiline #wob")
        amy, bob, eve = self.hears_all()
        for lines in (amy, bob):
            self.assertEqual([one.tags.get("+x") for one in lines], ["y", None, None, None])
        self.assertEqual([one.tags.get("+x") for one in eve], ["y", "y"])

    def test_a_long_line_comes_whole(self) -> None:
        """Word by word, and each blank in its place."""
        text = " ".join(f"word{number}" for number in range(120))
        tom = self.stage.json("tom").asks(action="join", group="wob")
        self.hears_all()
        tom.asks(action="gbroadcast", group="wob", msg=text)
        _, *inner, _ = self.hears_all()[1]
        self.assertEqual("".join(one.params[1] for one in inner), text)
        self.assertEqual([MULTILINE_CONCAT_TAG in one.tags for one in inner], [False, True])
        self.assertTrue(inner[0].params[1].endswith(" "))

    def test_one_line_needs_no_batch(self) -> None:
        self.sends("hello")
        self.assertEqual([one.verb for one in self.hears_all()[1]], ["PRIVMSG"])

    def test_notices_and_direct_messages(self) -> None:
        self.amy.says("BATCH +1 draft/multiline bob").says("@batch=1 NOTICE bob a").says(
            "@batch=1 NOTICE bob b"
        )
        self.amy.says("BATCH -1")
        lines = self.hears_all()[1]
        self.assertEqual([one.verb for one in lines], ["BATCH", "NOTICE", "NOTICE", "BATCH"])
        self.assertEqual(lines[0].params[1:], ["draft/multiline", "bob"])

    def test_to_oneself(self) -> None:
        """The echo has the label, the delivery has not."""
        self.amy.says("@label=x BATCH +1 draft/multiline amy")
        self.amy.says("@batch=1 PRIVMSG amy a").says("@batch=1 PRIVMSG amy b").says("BATCH -1")
        lines = self.hears_all()[0]
        self.assertEqual([one.verb for one in lines], ["BATCH", "PRIVMSG", "PRIVMSG", "BATCH"] * 2)
        self.assertEqual([place for place, one in enumerate(lines) if "label" in one.tags], [0])

    def test_other_lines_between(self) -> None:
        self.amy.says("BATCH +1 draft/multiline #wob").says("@batch=1 PRIVMSG #wob a").says("PING x")
        self.assertEqual([one.verb for one in self.hears_all()[0]], ["PONG"])
        self.amy.says("PRIVMSG #wob now").says("@batch=1 PRIVMSG #wob b").says("BATCH -1")
        self.assertEqual(self.stored(), ["now", "a\nb"])

    def test_what_is_sent_again_with_its_ref_is_stored_once(self) -> None:
        for _ in range(2):
            self.sends("a", "b", opening="@+chatd.dev/ref=r1 BATCH +1 draft/multiline #wob")
        self.assertEqual(self.stored(), ["a\nb"])

    def test_all_in_one_segment(self) -> None:
        lines = [
            "BATCH +1 draft/multiline #wob",
            "@batch=1 PRIVMSG #wob a",
            "@batch=1 PRIVMSG #wob b",
            "BATCH -1",
        ]
        self.amy.says("".join(f"{line}\r\n" for line in [*lines, "PRIVMSG #wob c", *lines]).encode())
        self.stage.wait(1)
        self.assertEqual(self.stored(), ["a\nb", "c", "a\nb"])

    def test_a_refusal_is_that_of_a_message(self) -> None:
        self.amy.says("@label=x BATCH +1 draft/multiline #nowhere")
        self.amy.says("@batch=1 PRIVMSG #nowhere a").says("@batch=1 PRIVMSG #nowhere b").says("BATCH -1")
        (line,) = self.hears_all()[0]
        self.assertEqual((line.verb, line.params[1], line.tags), ("403", "#nowhere", {"label": "x"}))
        self.works()

    def test_as_much_as_is_allowed(self) -> None:
        self.sends(*("x" for _ in range(MAX_IRC_LINES_PER_MESSAGE)))
        self.sends("x" * 400, "+" + "x" * 400, "+" + "x" * 200)
        self.assertEqual([len(text) for text in self.stored()], [2 * MAX_IRC_LINES_PER_MESSAGE - 1, 1000])

    def test_the_limits_are_told(self) -> None:
        self.assertIn(
            "draft/multiline=max-bytes=1000,max-lines=128", " ".join(self.asks(self.amy, "CAP LS 302"))
        )

    def test_an_action_stays_one(self) -> None:
        """CTCP is in lines, not in batches."""
        self.stage.json("tom").asks(action="broadcast", msg="/me sings\nand dances")
        texts = [one.params[1] for one in self.hears_all()[1] if one.verb == "PRIVMSG"]
        self.assertEqual(texts, ["\x01ACTION sings\x01", "\x01ACTION and dances\x01"])


class Refused(MultilineCase):
    """What is no message. Whatever it was, the next batch is sent."""

    def setUp(self) -> None:
        super().setUp()
        self.addCleanup(self.works)

    def test_too_many_lines(self) -> None:
        """Refused as soon as it is known, and once; then nothing of it is kept."""
        self.sends(*("x" for _ in range(10_000)))
        self.refused("MULTILINE_MAX_LINES", "128")

    def test_too_many_bytes(self) -> None:
        """Line feeds count."""
        self.sends("x" * 400, "x" * 400, "x" * 199)
        self.refused("MULTILINE_MAX_BYTES", "1000")
        self.sends(*("é" * 100 for _ in range(6)))
        self.refused("MULTILINE_MAX_BYTES", "1000")

    def test_what_is_kept_is_bounded(self) -> None:
        self.amy.says("BATCH +1 draft/multiline #wob")
        for _ in range(1000):
            self.amy.says(f"@batch=1 PRIVMSG #wob {'x' * 300}")
        session = self.stage.chat._dispatcher.sessions_of(
            self.stage.chat._authority.state.require_user("amy")
        )[0]
        kept: OpenBatch = session.dialect.client.batch  # type: ignore[attr-defined]
        self.assertEqual((kept.text, kept.is_refused), ("", True))
        self.amy.says("BATCH -1")
        self.refused("MULTILINE_MAX_BYTES", "1000")

    def test_a_batch_that_is_never_ended(self) -> None:
        self.amy.says("BATCH +1 draft/multiline #wob").says("@batch=1 PRIVMSG #wob a")
        self.stage.wait(1000)
        self.amy.says("BATCH +2 draft/multiline #wob").says("@batch=2 PRIVMSG #wob b").says("BATCH -2")
        self.refused("MULTILINE_INVALID")

    def test_too_many_tags(self) -> None:
        self.sends("x", opening=f"@+x={'y' * MAX_TAGS_BYTES} BATCH +1 draft/multiline #wob")
        self.refused("TAGS_TOO_LONG", "#wob")
        self.works()

    def test_to_operators_and_as_a_question(self) -> None:
        """What goes in one line is not cut: it is refused."""
        for target, text in (("@#wob", "a"), ("bob", "\x01PING 1\x01")):
            self.amy.says(f"BATCH +1 draft/multiline {target}")
            self.amy.says(f"@batch=1 PRIVMSG {target} :{text}").says(f"@batch=1 PRIVMSG {target} b")
            self.amy.says("BATCH -1")
            self.refused("MULTILINE_INVALID")
        self.works()

    def test_another_target(self) -> None:
        self.amy.says("BATCH +1 draft/multiline #wob").says("@batch=1 PRIVMSG #wob a").says(
            "@batch=1 PRIVMSG bob b"
        )
        self.amy.says("@batch=1 PRIVMSG #wob c").says("BATCH -1")
        self.refused("MULTILINE_INVALID_TARGET", "#wob", "bob")

    def test_another_verb(self) -> None:
        for line in ("NOTICE #wob b", "TOPIC #wob b", "QUIT", "TAGMSG #wob"):
            self.amy.says("BATCH +1 draft/multiline #wob").says("@batch=1 PRIVMSG #wob a").says(
                f"@batch=1 {line}"
            )
            self.amy.says("BATCH -1")
            self.refused("MULTILINE_INVALID")

    def test_blank(self) -> None:
        for lines in ((), ("",), ("", "", " ")):
            self.sends(*lines)
            self.refused("MULTILINE_INVALID")

    def test_nothing_is_concatenated(self) -> None:
        for lines in (("a", "+"), ("+a",)):
            self.sends(*lines)
            self.refused("MULTILINE_INVALID")

    def test_other_batches(self) -> None:
        for opening in ("BATCH +1 netjoin", "BATCH +1", "BATCH +1 chathistory #wob"):
            self.sends("a", opening=opening)
            (lines, bobs, _) = self.hears_all()
            self.assertEqual(([one.params[1] for one in lines], bobs), (["UNKNOWN_TYPE"], []))

    def test_references(self) -> None:
        for reference in ("+", "+a_b", "+é", f"+{'a' * 65}", "1", "*"):
            self.amy.says(f"BATCH {reference} draft/multiline #wob")
            self.refused("INVALID_REFTAG", reference[1:] or "*")
            self.amy.says(f"BATCH -{reference[1:]}")
            self.hears_all()

    def test_a_batch_without_target(self) -> None:
        self.sends(opening="BATCH +1 draft/multiline")
        self.refused("MULTILINE_INVALID")

    def test_lines_of_no_batch(self) -> None:
        self.amy.says("@batch=9 PRIVMSG #wob a").says("@batch=9 PRIVMSG #wob b")
        self.refused("MULTILINE_INVALID")
        self.amy.says("BATCH -7")
        self.refused("MULTILINE_INVALID")

    def test_the_label_is_answered_once(self) -> None:
        self.sends("a", "+", "b", opening="@label=x BATCH +1 draft/multiline #wob")
        self.assertEqual([one.tags for one in self.hears_all()[0]], [{"label": "x"}])
        self.sends("", opening="@label=y BATCH +1 draft/multiline #wob")
        self.assertEqual([one.tags for one in self.hears_all()[0]], [{"label": "y"}])

    def test_a_label_that_is_too_long(self) -> None:
        self.sends("a", opening=f"@label={'x' * 65} BATCH +1 draft/multiline #wob")
        self.refused("INVALID_LABEL")

    def test_no_line_is_lost_when_the_database_fails(self) -> None:
        """A line that could not be answered is still part of the message, or the message is not sent."""
        self.amy.says("BATCH +1 draft/multiline #wob").says("@batch=1 PRIVMSG #wob a")
        self.stage.writer.error = OSError("disk full")
        self.amy.says("@batch=1 PRIVMSG #wob b")
        self.stage.writer.error = None
        self.stage.wait(10)
        self.amy.says("@batch=1 PRIVMSG #wob c").says("BATCH -1")
        self.assertIn(self.stored(), ([], ["a\nb\nc"]))


class Names(IrcCase):
    """Names so long that hardly anything fits into a line with them."""

    def test_nothing_is_cut(self) -> None:
        nick, group = "𐐨" * 32, "𐐩" * 64
        amy, bob = self.irc("amy"), self.irc("bob", *MULTILINE)
        tom = self.stage.json(nick).asks(action="cgroupe", group=group)
        for one in (amy, bob):
            one.says(f"JOIN #{group}").hears()
        text = "word " * 100
        tom.asks(action="gbroadcast", group=group, msg=text)
        for peer, joint in ((amy, " "), (bob, "")):
            lines = [heard(line) for line in peer.lines()]
            said = [one.params[1] for one in lines if one.verb == "PRIVMSG"]
            self.assertEqual(joint.join(said).split(), text.split())
            self.assertEqual({one.nick for one in lines if one.verb == "PRIVMSG"}, {nick})
