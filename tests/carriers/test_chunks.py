"""Chunks as they arrive, in one read or several, and how long they may be; the portions that are written."""

from __future__ import annotations

import socket

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from twisted.internet.interfaces import IHalfCloseableProtocol

from chatd.carriers.chunks import MAX_CHUNK_WRITE_BYTES, IdleDelimitedCarrier
from chatd.carriers.detection import Detector
from chatd.carriers.silence_timer import MIN_PAUSE_BETWEEN_FRAMES_SECONDS
from chatd.connections.session import LINGER_AFTER_REFUSAL_SECONDS
from tests.connections.test_outbox import CAP, PACE, Journaled, OutboxTestCase
from tests.support.effort import effort
from tests.support.in_memory_daemon import UNTHROTTLED, Peer, StageTestCase


class ChunksTestCase(StageTestCase):
    """Alice hears on the text wire what bob says in chunks."""

    def setUp(self) -> None:
        """Let them in."""
        super().setUp()
        self.alice = self.stage.text("alice")
        self.bob = self.stage.connect("tp6").says(b"Hello|bob\n")
        self.pause()
        self.alice.hears(), self.bob.hears()

    def pause(self) -> None:
        """A while, after which nothing is under way."""
        self.stage.wait(0.5)

    def heard(self) -> list[str]:
        """What bob has said, in one line each."""
        return [line.removeprefix("MSG bob ") for line in self.alice.lines()]

    def assert_said(self, reads: list[bytes], *messages: str) -> None:
        """These reads are these messages."""
        for read in reads:
            self.bob.says(read)
        self.pause()
        self.assertEqual(self.heard(), list(messages), reads)

    def hang_up(self, peer: Peer) -> None:
        """Send nothing more, and read on."""
        IHalfCloseableProtocol(peer.protocol).readConnectionLost()
        self.stage.settle()

    def chunks_of(self, peer: Peer) -> IdleDelimitedCarrier:
        """The carrier behind the first bytes."""
        assert isinstance(peer.protocol, Detector)
        carrier = peer.protocol._protocol
        assert isinstance(carrier, IdleDelimitedCarrier)
        return carrier


class Cutting(ChunksTestCase):
    """Where a message ends."""

    def test_a_gap(self) -> None:
        """What comes later than it is another message, what comes earlier is not."""
        for wait, messages in (
            (MIN_PAUSE_BETWEEN_FRAMES_SECONDS * 0.9, ["salut"]),
            (MIN_PAUSE_BETWEEN_FRAMES_SECONDS * 1.1, ["sal", "ut"]),
        ):
            self.bob.says(b"sal")
            self.stage.wait(wait)
            self.bob.says(b"ut")
            self.pause()
            self.assertEqual(self.heard(), messages)

    def test_nothing_before_it(self) -> None:
        self.bob.says(b"salut")
        self.stage.wait(MIN_PAUSE_BETWEEN_FRAMES_SECONDS * 0.9)
        self.assertEqual(self.heard(), [])
        self.stage.wait(MIN_PAUSE_BETWEEN_FRAMES_SECONDS * 0.2)
        self.assertEqual(self.heard(), ["salut"])

    def test_a_newline_at_the_end_needs_no_gap(self) -> None:
        """Then every line is a message, CR or not, and empty ones are none."""
        self.bob.says(b"one\ntwo\r\n\n\r\n three \n")
        self.assertEqual(self.heard(), ["one", "two", " three "])

    def test_else_a_newline_is_part_of_the_message(self) -> None:
        self.bob.says(b"one\ntwo")
        self.pause()
        self.assertEqual(self.heard(), ["one", "two"])
        self.assertEqual(self.stage.rows("SELECT body FROM log"), [("one\ntwo",)])

    def test_a_newline_in_a_later_read(self) -> None:
        """Decides for all of the chunk."""
        self.bob.says(b"one\ntwo").says(b" more\n")
        self.assertEqual(self.heard(), ["one", "two more"])

    def test_the_end_of_the_stream(self) -> None:
        """Needs no gap either."""
        self.bob.says(b"salut")
        self.hang_up(self.bob)
        self.assertEqual(self.alice.lines(), ["MSG bob salut", "LFT bob"])

    def test_two_reads_anywhere(self) -> None:
        """In the middle of a character as well, and in single bytes."""
        said = "ça va, 😀 ?".encode()
        for at in range(1, len(said)):
            self.assert_said([said[:at], said[at:]], said.decode())
        self.assert_said([said[at : at + 1] for at in range(len(said))], said.decode())

    def test_a_hello_is_a_line_even_if_more_comes_with_it(self) -> None:
        """Also after one that was refused."""
        carol = self.stage.connect("tp6").says(b"what?\nHello|bob\nHello|carol\none\ntwo")
        self.pause()
        self.assertEqual(self.alice.lines(), ["ARR carol", "MSG carol one", "MSG carol two"])
        self.assertEqual(
            [line[:24] for line in carol.lines()],
            ["Erreur [not_identified] ", "Erreur [nick_taken] : ps", "Annonce : carol a rejoin"],
        )
        self.assertEqual(self.stage.rows("SELECT body FROM log"), [("one\ntwo",)])


class WhileWeAreBusy(ChunksTestCase):
    """A gap that the daemon made itself is none."""

    def test_what_is_written_in_a_pause_is_cut_as_ever(self) -> None:
        """The carrier reads on: or else two writes would be one read after it."""
        session = self.chunks_of(self.bob).session
        session._pause()
        for write in (b"sal", b"ut"):
            self.bob.says(write)
        self.pause()
        self.bob.says(b"/help")
        self.pause()
        self.bob.says(b"la")
        self.assertEqual(self.heard(), [])
        session._resume()
        self.stage.settle()
        self.assertEqual(self.heard(), ["salut"])
        self.bob.says(b"!")
        self.pause()
        self.assertEqual(self.heard(), ["la!"])

    def test_no_more_than_a_line_is_read_in_a_pause(self) -> None:
        """Then nothing is read, and that nothing comes means nothing."""
        carrier = self.chunks_of(self.bob)
        timers = self.stage.reactor.getDelayedCalls()
        carrier.session._pause()
        self.bob.says(b"x" * 10)
        self.assertEqual(self.bob.wire.producerState, "producing")
        self.bob.says(b"x" * carrier._limit)
        self.assertEqual(self.bob.wire.producerState, "paused")
        self.pause()
        self.assertEqual(self.stage.reactor.getDelayedCalls(), timers)
        carrier.session._resume()
        self.assertEqual(self.bob.wire.producerState, "producing")

    def test_a_long_turn(self) -> None:
        """A clock that jumps past the gap: what had arrived meanwhile is read before it counts."""
        self.bob.says(b"sal")
        self.stage.reactor.callLater(
            MIN_PAUSE_BETWEEN_FRAMES_SECONDS, self.bob.protocol.dataReceived, b"ut"
        )  # as sockets come after timers
        self.stage.reactor.advance(MIN_PAUSE_BETWEEN_FRAMES_SECONDS)
        self.pause()
        self.assertEqual(self.heard(), ["salut"])

    def test_hanging_up_in_the_middle(self) -> None:
        """Nothing is left that may still happen."""
        self.bob.says(b"sal")
        timer = self.chunks_of(self.bob)._gap._timer
        assert timer is not None
        self.assertTrue(timer.active())
        self.bob.hangs_up()
        self.assertFalse(timer.active())
        self.assertEqual(self.alice.lines(), ["LFT bob"])


class TooLong(ChunksTestCase):
    """Nothing grows without bound."""

    limits = replace(UNTHROTTLED, line=20)
    refusal = "Erreur [too_long] : le message dépasse 20 octets : raccourcissez, ou envoyez en plusieurs fois"

    def test_up_to_the_limit(self) -> None:
        """Exactly as long as allowed, in any two reads, with each end."""
        said = b"x" * 20
        for end in (b"", b"\n", b"\r\n"):
            for at in range(len(said + end)):
                self.assert_said([(said + end)[:at], (said + end)[at:]], said.decode())
                self.assertEqual(self.bob.hears(), b"")

    def test_one_more(self) -> None:
        """Is refused, after what was said before it; then the connection ends."""
        for said, messages in (
            (b"x" * 21, []),
            (b"x" * 21 + b"\n", []),
            (b"one\n" + b"x" * 21, ["one"]),
            (b"one\n" + b"x" * 21 + b"\ntwo\n", ["one"]),
            (b"one\n" + b"x" * 100_000, ["one"]),
        ):
            for reads in ([said], [said[:7], said[7:]]):
                carol = self.stage.connect("tp6").says(b"Hello|carol\n")
                self.pause()
                carol.hears(), self.alice.hears()
                for read in reads:
                    carol.says(read)
                self.stage.wait(MIN_PAUSE_BETWEEN_FRAMES_SECONDS * 1.1)
                self.assertEqual(carol.lines(), [self.refusal])
                self.assertEqual(self.alice.lines()[: len(messages)], [f"MSG carol {m}" for m in messages])
                self.stage.wait(LINGER_AFTER_REFUSAL_SECONDS + 0.1)
                self.assertEqual((carol.closed, carol.wire.aborted), (True, False))
                self.pause()
                self.alice.hears()

    def test_a_long_stream_of_lines_needs_no_end(self) -> None:
        """Cut into reads anywhere, it is lines as soon as it can't be one chunk."""
        stream = b"".join(b"line %d\n" % n for n in range(40)) + b"rest"
        for size in (1, 7, 50):
            self.assert_said(
                [stream[at : at + size] for at in range(0, len(stream), size)],
                *(f"line {n}" for n in range(40)),
                "rest",
            )

    def test_little_is_kept(self) -> None:
        """Of a stream that is not answered."""
        chunks = self.chunks_of(self.bob)
        for _ in range(100):
            self.bob.says(b"x" * 15 + b"\nyy")
            self.assertLessEqual(len(chunks._open), 21)


class Portions(OutboxTestCase):
    """Clients that take one read, of whatever size, for whole lines in whole characters."""

    def setUp(self) -> None:
        """Set the pace."""
        super().setUp()
        self.transport = Journaled()
        self.outbox = self.make(self.transport, IdleDelimitedCarrier.dequeue_next_write)
        self.outbox.max_bytes = 100 * CAP
        self.outbox.seconds_between_writes = PACE

    def writes(self, *frames: bytes) -> list[bytes]:
        """How these are written."""
        self.put(*frames)
        self.clock.advance(0)
        self.clock.pump([PACE] * 500)
        done, self.transport.done = self.transport.done, []
        return [write for write in done if isinstance(write, bytes)]

    def test_whole_lines_as_many_as_fit(self) -> None:
        """Whichever frames they came in; a portion may be full to the last byte."""
        lines = [b"%03d\n" % n for n in range(600)]
        self.assertEqual(
            self.writes(*lines[:100], b"".join(lines[100:])),
            [b"".join(lines[:250]), b"".join(lines[250:500]), b"".join(lines[500:])],
        )
        self.assertEqual(self.writes(b"x" * 999 + b"\n", b"y\n"), [b"x" * 999 + b"\n", b"y\n"])
        self.assertEqual(self.writes(b"x\n", b"y" * 999 + b"\n"), [b"x\n", b"y" * 999 + b"\n"])

    def test_a_longer_line_is_cut(self) -> None:
        """What is left of it may share a write with the next."""
        self.assertEqual(self.writes(b"x" * 2001 + b"\n", b"y\n"), [b"x" * 1000, b"x" * 1000, b"x\ny\n"])

    def test_they_are_a_pace_apart(self) -> None:
        self.put(b"x" * 1500 + b"\n")
        self.clock.advance(0)
        self.assert_done(b"x" * 1000)
        self.clock.advance(PACE / 2)
        self.assert_done()
        self.clock.advance(PACE / 2)
        self.assert_done(b"x" * 500 + b"\n")

    def test_sixteen_characters_of_four_bytes_across_the_end(self) -> None:
        for ahead in range(960, 1004):
            text = b"x" * ahead + "😀".encode() * 16 + b"\n"
            writes = self.writes(text)
            self.assertEqual(b"".join(writes), text)
            self.assert_readable(writes)

    @settings(deadline=None, max_examples=effort(50))
    @given(st.lists(st.text("aé€😀\n", max_size=400), max_size=8))
    def test_any_text_read_100_128_255_or_1024_bytes_at_a_time(self, texts: list[str]) -> None:
        frames = [f"{text}\n".encode() for text in texts]
        writes = self.writes(*frames)
        self.assertEqual(b"".join(writes), b"".join(frames))
        self.assert_readable(writes)

    def test_french_lines_stay_whole(self) -> None:
        """Only a character in the very place where a read may end has a line cut."""
        line = "Annonce : alice a quitté la chatroom\n".encode()
        writes = self.writes(*[line] * 50)
        self.assertTrue(all(write.endswith(b"\n") for write in writes), writes)

    def assert_readable(self, writes: list[bytes]) -> None:
        """Each write fits, and each read of it is text by itself."""
        for write in writes:
            self.assertLessEqual(len(write), MAX_CHUNK_WRITE_BYTES)
            for size in (100, 128, 200, 255, 256, 512, 1000, 1024):
                for start in range(0, len(write), size):
                    write[start : start + size].decode()


class ToASocket(Journaled):
    """A transport that writes to a socket at once."""

    def __init__(self, connection: socket.socket) -> None:
        super().__init__()
        self._connection = connection

    def write(self, data: bytes) -> None:
        """Send it."""
        self.done.append(data)
        self._connection.sendall(data)


class StrictReaders(OutboxTestCase):
    """Clients on real sockets that decode each read by itself."""

    def test_reads_of_100_and_of_255_and_of_1024_bytes(self) -> None:
        """Accents, and sixteen characters of four bytes across the end of a portion."""
        texts = [f"{'x' * ahead}{'😀' * 16}\n" for ahead in range(936, 1004)]
        texts += [f"{'é' * length}\n" for length in (49, 50, 500, 1000)] + [
            "Annonce : bob a quitté wob\n"
        ] * 20
        for size in (100, 255, 1024):
            with socket.create_server(("127.0.0.1", 0)) as server:
                reader = socket.create_connection(server.getsockname())
                writer, _ = server.accept()
                with reader, writer:
                    self.assertEqual(
                        self.read_strictly(reader, ToASocket(writer), size, texts), "".join(texts)
                    )

    def read_strictly(self, reader: socket.socket, transport: ToASocket, size: int, texts: list[str]) -> str:
        """What a client reads so much of at a time, as it is written."""
        outbox = self.make(transport, IdleDelimitedCarrier.dequeue_next_write)
        outbox.max_bytes, outbox.seconds_between_writes = 1000 * CAP, PACE
        for text in texts:
            outbox.queue_frame(text.encode())
        heard, left, written = "", sum(len(text.encode()) for text in texts), 0
        while left:
            self.clock.advance(PACE)
            data = b"".join(transport.done[written:])  # type: ignore[arg-type]
            written = len(transport.done)
            unread = len(data)
            while unread:
                read = reader.recv(min(size, unread))
                heard += read.decode()
                unread -= len(read)
            left -= len(data)
        outbox.abort()
        return heard
