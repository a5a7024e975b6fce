"""Messages of one commit: joined for those who only listen, in place for those who also speak."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from chatd.boundaries import Dialect, FrameFormat, Payloads
from chatd.carriers.carrier import wrap_line
from chatd.carriers.json_stream import payload_as_frame
from chatd.chat import dispatch
from chatd.chat.fanout import Fanout
from chatd.connections.welcome_buffer import CLIENT_SILENCE_SECONDS
from chatd.core.events import (
    LOBBY,
    ChatEvent,
    Conversation,
    Delivery,
    LogEntry,
    User,
    UserArrived,
    UserDeparted,
)
from chatd.core.limits import Limits
from chatd.dialects.json import JsonDialect
from chatd.dialects.text import TextDialect
from tests.support.in_memory_daemon import StageTestCase

NL = "\n"
TEXT = TextDialect(Limits())
COURSE = JsonDialect(Limits())


class Ear:
    """A recipient that keeps what it is given, piece by piece."""

    def __init__(self, dialect: Dialect = TEXT) -> None:
        wrap = payload_as_frame if isinstance(dialect, JsonDialect) else wrap_line
        self.frame_format = FrameFormat(dialect.delivery_encoder, wrap, not dialect.seconds_between_writes)
        self.pieces: list[bytes] = []

    def send_stored(self, frame: bytes) -> None:
        """Keep it."""
        self.pieces.append(frame)

    def send_unstored(self, frame: bytes) -> None:
        """Keep it, marked as no entry of the log."""
        self.pieces.append(b"~" + frame)


class Stammer(TextDialect):
    """A dialect with a mistake: it can't say the second message."""

    def encode_delivery(self, delivery: Delivery) -> Payloads:
        """Fail for one."""
        if isinstance(delivery, LogEntry) and delivery.id == 2:
            raise ZeroDivisionError
        return super().encode_delivery(delivery)


class Addressing(TextDialect):
    """A dialect with words of its own for whom an event is about."""

    def encode_for_subject(self, delivery: Delivery) -> Payloads:
        """Say so."""
        return (b"YOU",)


class Deaf(TextDialect):
    """A dialect that hears nothing."""

    def encode_delivery(self, delivery: Delivery) -> Payloads:
        """Nothing."""
        return ()


ALICE = User(1, "alice", "alice", "#000000")
BOB = User(2, "bob", "bob", "#000000")


def message(id: int, nick: str = "alice") -> LogEntry:
    """A message to the lobby that says its own id."""
    return LogEntry(id, id, 0, ChatEvent("message", LOBBY, User(1, nick, nick, "#000000"), None, f"m{id}"))


def frames(*ids: int) -> list[bytes]:
    """What these messages are as lines of text."""
    return [b"MSG alice m%d\n" % id for id in ids]


class Joined(SynchronousTestCase):
    """Who only listens."""

    def test_gets_one_piece_which_all_of_a_dialect_share(self) -> None:
        """The very same bytes, not equal ones."""
        fanout, author, one, other = Fanout(None, stored=True), Ear(), Ear(), Ear()
        for id in (1, 2, 3):
            fanout.add(message(id), author)
        fanout.flush([one, author, other])
        self.assertEqual(one.pieces, [b"".join(frames(1, 2, 3))])
        self.assertIs(one.pieces[0], other.pieces[0])
        self.assertEqual(author.pieces, [])

    def test_is_given_frame_by_frame_if_written_to_at_a_pace(self) -> None:
        """Two objects in one piece would be one write to a client that takes one read for one object."""
        fanout, course = Fanout(None, stored=True), Ear(COURSE)
        fanout.add(message(1), Ear())
        fanout.add(message(2), Ear())
        fanout.flush([course])
        self.assertEqual(
            course.pieces, [*COURSE.encode_delivery(message(1)), *COURSE.encode_delivery(message(2))]
        )


class InPlace(SynchronousTestCase):
    """Who speaks as well."""

    def test_has_heard_what_came_before_when_it_is_their_turn(self) -> None:
        """So the ack of the second message comes between the first and the third."""
        fanout, alice, bob = Fanout(None, stored=True), Ear(), Ear()
        fanout.add(message(1), alice)
        fanout.add(message(2), bob)
        self.assertEqual(bob.pieces, frames(1))
        fanout.add(message(3), alice)
        self.assertEqual(alice.pieces, frames(2))
        fanout.flush([alice, bob])
        self.assertEqual((alice.pieces, bob.pieces), (frames(2), frames(1, 3)))

    def test_whom_an_event_is_about_is_told_in_its_place_and_once(self) -> None:
        """In the words for that; the author, if it is the same, is not told at all."""
        fanout, alice, bob, carol = Fanout((1, 2, 3), stored=True), Ear(), Ear(Addressing(Limits())), Ear()
        kicked = LogEntry(2, 2, 0, ChatEvent("kicked", Conversation(2, "group", "wob"), ALICE, BOB, ""))
        fanout.add(message(1), carol)
        fanout.add(kicked, alice, [bob])
        fanout.add(message(3), alice)
        fanout.add(kicked, bob, [bob])
        fanout.flush([alice, bob, carol])
        event = b"GEV wob kicked alice bob\n"
        self.assertEqual(bob.pieces, [*frames(1), b"YOU\n", *frames(3)])
        self.assertEqual(alice.pieces, [*frames(1), event])
        self.assertEqual(carol.pieces, [event + b"".join(frames(3)) + event])

    def test_what_a_listener_does_not_hear_is_not_written(self) -> None:
        fanout, deaf = Fanout(None, stored=True), Ear(Deaf(Limits()))
        fanout.add(message(1), Ear())
        fanout.flush([deaf])
        self.assertEqual(deaf.pieces, [])

    @settings(deadline=None)
    @given(st.lists(st.integers(0, 3), max_size=30))
    def test_everyone_hears_everything_else_once_in_order(self, authors: list[int]) -> None:
        """Whoever says what."""
        ears = [Ear() for _ in range(6)]
        fanout = Fanout(None, stored=True)
        for id, author in enumerate(authors):
            fanout.add(message(id), ears[author])
        fanout.flush(ears)
        for number, ear in enumerate(ears):
            others = [id for id, author in enumerate(authors) if author != number]
            self.assertEqual(b"".join(ear.pieces), b"".join(frames(*others)))


class PresenceService(SynchronousTestCase):
    """Arrivals and departures."""

    def test_a_newcomer_hears_of_those_who_come_later(self) -> None:
        """And is heard of by those before, and does not wait for its replay to hear."""
        fanout, before, alice, bob = Fanout(None, stored=False), Ear(), Ear(), Ear()
        for user, ear in ((ALICE, alice), (BOB, bob)):
            fanout.add(UserArrived(user, False, 0))
            fanout.add_recipient(ear)
        fanout.add(UserDeparted(ALICE, 0))
        fanout.flush([before, alice, bob])
        self.assertEqual(before.pieces, [b"~ARR alice\nARR bob\nLFT alice\n"])
        self.assertEqual(alice.pieces, [b"~ARR bob\nLFT alice\n"])
        self.assertEqual(bob.pieces, [b"~LFT alice\n"])


class Mistakes(SynchronousTestCase):
    """What one dialect can't say."""

    def test_is_missing_there_and_nowhere_else(self) -> None:
        """The rest of the fanout is told, to those with that dialect as well."""
        fanout, author = Fanout(None, stored=True), Ear()
        stammering, other = Ear(Stammer(Limits())), Ear()
        for id in (1, 2, 3):
            fanout.add(message(id), author)
        fanout.flush([stammering, other])
        self.assertEqual(other.pieces, [b"".join(frames(1, 2, 3))])
        self.assertEqual(stammering.pieces, [b"".join(frames(1, 3))])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)


class Counted(SynchronousTestCase):
    """What is sent to each, as the log at debug has it."""

    def setUp(self) -> None:
        self.sent: list[tuple[Ear, int]] = []

    def note(self, ear: Ear, delivery: Delivery) -> None:
        """Keep the id of what is sent."""
        assert isinstance(delivery, LogEntry)
        self.sent.append((ear, delivery.id))

    def test_each_listener_has_each_message_once_whoever_wrote_between(self) -> None:
        fanout = Fanout(None, True, self.note)
        alice, bob, carol = Ear(), Ear(), Ear(COURSE)
        fanout.add(message(1, "alice"), alice)
        fanout.add(message(2, "bob"), bob)
        fanout.add(message(3, "alice"), alice)
        fanout.flush([alice, bob, carol])
        for ear, ids in ((alice, [2]), (bob, [1, 3]), (carol, [1, 2, 3])):
            self.assertEqual([id for who, id in self.sent if who is ear], ids)

    def test_what_a_dialect_does_not_say_is_not_sent(self) -> None:
        fanout = Fanout(None, True, self.note)
        for number in (1, 2, 3):
            fanout.add(message(number))
        fanout.flush([Ear(Stammer(Limits()))])
        self.assertEqual([id for _, id in self.sent], [1, 3])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)


class InTheChat(StageTestCase):
    """Bursts begin and end where nobody can tell."""

    def test_what_stands_between_messages_keeps_its_place(self) -> None:
        """Answers, events, arrivals and departures of one commit, among messages to two audiences."""
        alice, bob = self.stage.json("alice"), self.stage.text("bob")
        alice.asks(action="cgroupe", group="wob")
        bob.says("j;wob")
        carol = self.stage.text("carol")
        for peer in (alice, bob):
            peer.hears()
        self.stage.writer.held = True
        alice.asks(action="client-broadcast", msg="one")
        alice.asks(action="client-broadcast", msg="two")
        bob.says("PRV nobody x")
        alice.asks(action="gbroadcast", group="wob", msg="three")
        alice.asks(action="kick", group="wob", dest="bob")
        alice.asks(action="gbroadcast", group="wob", msg="four")
        alice.asks(action="client-broadcast", msg="five")
        carol.says("BYE")
        dave = self.stage.connect("text").says("IAM dave")
        bob.says("MSG six")
        alice.asks(action="client-broadcast", msg="seven")
        self.stage.writer.held = False
        self.stage.writer.run_next()
        self.stage.settle()
        self.assertEqual(
            bob.lines(),
            [
                "MSG alice one",
                "MSG alice two",
                "ERR nobody",
                "GMS wob alice three",
                "GEV wob kicked alice bob",
                "MSG alice five",
                "ARR dave",
                "MSG alice seven",
                "LFT carol",
            ],
        )
        self.assertEqual(carol.lines(), ["MSG alice one", "MSG alice two", "MSG alice five", "LFT carol"])
        self.stage.wait(CLIENT_SILENCE_SECONDS)
        self.assertEqual(dave.lines(), ["WHO", "ARR dave", "MSG bob six", "MSG alice seven", "LFT carol"])
        places = [found["id"] for found in alice.objects() if "id" in found]
        self.assertEqual(places, sorted(places))
        self.assertEqual(len(places), 8)

    def test_a_commit_is_one_write_to_each(self) -> None:
        """However many messages it holds."""
        alice, bob = self.stage.json("alice"), self.stage.text("bob")
        alice.hears()
        alice.says(b'{"action":"client-broadcast","msg":"x"}\n' * 64)
        self.assertEqual(bob.wire.writes, [b"MSG alice x\n" * 64])
        self.assertEqual(len(alice.wire.writes), 1)

    def test_a_crowd_is_told_of_in_one_write(self) -> None:
        """Of all who come in one commit, or in one turn when they are known; of those who go likewise."""
        bob = self.stage.text("bob")
        nicks = [f"u{number}" for number in range(20)]
        for known in (False, True):
            crowd = [self.stage.connect("text") for _ in nicks]
            for peer, nick in zip(crowd, nicks, strict=True):
                peer.protocol.dataReceived(b"IAM %b\n" % nick.encode())
            self.stage.settle()
            told = [f"ARR {nick}{NL}BCK {nick}{NL}" if known else f"ARR {nick}{NL}" for nick in nicks]
            self.assertEqual(bob.wire.writes, ["".join(told).encode()])
            bob.hears()
            self.stage.wait(CLIENT_SILENCE_SECONDS)
            # Each hears its own arrival and those after it.
            for number, peer in enumerate(crowd):
                self.assertEqual(peer.hears().decode(), "WHO\n" + "".join(told[number:]))
            for peer in crowd:
                peer.wire.loseConnection()
            self.stage.settle()
            self.assertEqual(bob.wire.writes, ["".join(f"LFT {nick}{NL}" for nick in nicks).encode()])
            bob.hears()

    def test_in_a_crowd_presence_waits_for_company(self) -> None:
        """Up to a tenth of a second; but what is said next comes behind it, and so do answers."""
        self.patch(dispatch, "PRESENCE_BATCH_MIN_USERS", 2)
        self.patch(dispatch, "PRESENCE_DELAY_PER_USER_SECONDS", 1.0)
        bob = self.stage.text("bob")
        alice = self.stage.connect("text").says("IAM alice")
        self.assertEqual(bob.hears(), b"")
        self.stage.wait(dispatch.PRESENCE_DELAY_MAX_SECONDS)
        self.assertEqual(bob.hears(), b"ARR alice\n")
        self.stage.connect("text").says("IAM carol").hangs_up()
        self.assertEqual(bob.hears(), b"")
        alice.says("MSG hello")
        self.assertEqual(bob.lines(), ["ARR carol", "LFT carol", "MSG alice hello"])
        self.stage.text("dave")
        self.assertEqual(
            bob.says("WHO").lines(), ["ARR dave", "WHO bob", "WHO alice", "WHO dave", "END WHO 3"]
        )
        alice.hangs_up()
        self.stage.wait(dispatch.PRESENCE_DELAY_MAX_SECONDS)
        self.assertEqual(bob.hears(), b"LFT alice\n")

    def test_a_mistake_in_telling_is_nothing_to_whose_turn_it_is(self) -> None:
        """What ends the fanout is answered, and its author hears on."""
        alice, bob = self.stage.json("alice"), self.stage.text("bob")
        alice.hears()
        self.patch(Fanout, "flush_by_frame_format", lambda fanout, groups: 1 / 0)
        self.stage.writer.held = True
        alice.asks(action="client-broadcast", msg="one")
        bob.says("WHO")
        self.stage.writer.held = False
        self.stage.writer.run_next()
        self.stage.settle()
        self.assertEqual(bob.lines(), ["WHO alice", "WHO bob", "END WHO 2"])
        self.assertEqual([said["action"] for said in alice.objects()], ["server-ack"])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_the_answer_to_a_repeated_ref_waits_for_what_was_said_before_it(self) -> None:
        """It is part of no fanout, and overtakes none."""
        alice, bob = self.stage.json("alice"), self.stage.json("bob")
        alice.asks(action="client-broadcast", msg="old", ref=1)
        alice.hears()
        self.stage.writer.held = True
        alice.asks(action="client-broadcast", msg="first")
        bob.asks(action="client-broadcast", msg="two")
        alice.asks(action="client-broadcast", msg="old", ref=1)
        alice.asks(action="client-broadcast", msg="other", ref=1)
        self.stage.writer.held = False
        self.stage.writer.run_next()
        self.stage.settle()
        heard = [
            said.get("msg") or said["id"] for said in alice.objects() if said["action"] != "server-event"
        ]
        self.assertEqual(heard[:3], [2, "two", 1])
        self.assertIn("ref", heard[3])
