"""Hostile bytes on every wire, a bounded number of them; ``make fuzz`` runs the same for longer."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.trial.unittest import SynchronousTestCase

from chatd.carriers.lines import LineCarrier
from chatd.connections.factory import Sessions
from chatd.connections.outbox import Outbox
from chatd.core.requests import Request
from chatd.daemon.wires import wire_names
from chatd.dialects.text import TextDialect
from tests.support import fuzz
from tests.support.effort import effort
from tests.support.wire_samples import SAMPLES

SEED = 7

_SPECIAL = st.sampled_from(
    [b"\n", b"\r\n", b"\x00", b"\xc3", b"{", b"}", b'"', b"\\", b"[", b";", b" ", b"/", b"|"]
    + [bytes((kind,)) for kind in (1, 2, 3, 4, 255)]
    + [said for sample in SAMPLES.values() for said in (sample.hello(b"alice"), sample.says(b"salut"))]
)

SEGMENTS = st.lists(
    st.lists(st.one_of(_SPECIAL, st.binary(max_size=12)), max_size=8).map(b"".join), max_size=5
)
"""What one client sends."""


class EveryWire(SynchronousTestCase):
    """See `fuzz.Round` for what has to hold."""

    def test_some_rounds(self) -> None:
        for wire in wire_names():
            with self.subTest(wire):
                for number in range(3):
                    fuzz.play(wire, SEED, number, effort(1000))

    def test_any_client(self) -> None:
        """Hypothesis makes them up, and shrinks them to the shortest that does harm."""
        for wire in wire_names():
            with self.subTest(wire):
                self._play(wire)

    def _play(self, wire: str) -> None:
        folder = Path(self.mktemp())
        folder.mkdir(parents=True)
        with fuzz.Round(folder, wire) as played:

            @settings(max_examples=effort(200), deadline=None)
            @given(SEGMENTS, st.booleans())
            def play(segments: list[bytes], half_closes: bool) -> None:
                peer = played.stage.connect(wire)
                for segment in segments:
                    played.send(peer, segment)
                if half_closes and not peer.closed:
                    IHalfCloseableProtocol(peer.protocol).readConnectionLost()
                played.stage.wait(0.6)
                played.check(peer)
                peer.hangs_up()
                self.assertEqual(len(played.stage.sessions), 0)

            play()
            played.ends()


class TheFuzz(SynchronousTestCase):
    """One that finds nothing would prove nothing."""

    def finds(self, wrong: str) -> None:
        """A round ends with this."""
        with self.assertRaises(fuzz.Failure) as caught:
            fuzz.play("text", SEED, 0, 100)
        self.assertIn(wrong, str(caught.exception))
        self.assertEqual(
            caught.exception.__notes__, [f"python -m tests.support.fuzz --wire text --seed {SEED} --round 0"]
        )

    def test_a_mistake_in_the_log(self) -> None:
        """Though the client was told in order that there was one."""

        def decode(dialect: TextDialect, frame: bytes) -> Request:
            raise ZeroDivisionError

        self.patch(TextDialect, "decode", decode)
        self.finds("logged as an error")
        self.assertTrue(self.flushLoggedErrors(ZeroDivisionError))

    def test_an_exception_that_comes_out(self) -> None:
        """At the very byte."""
        self.patch(LineCarrier, "dispatch_next_frame", lambda carrier: 1 // 0)
        with self.assertRaises(ZeroDivisionError):
            fuzz.play("text", SEED, 0, 100)

    def test_a_session_that_stays(self) -> None:
        self.patch(Sessions, "_closed", lambda sessions, transport, session: None)
        self.finds("sessions are left")

    def test_a_buffer_without_end(self) -> None:
        def keep(carrier: LineCarrier, data: bytes) -> None:
            carrier._lines.extend([data] * 1000)

        self.patch(LineCarrier, "buffer", keep)
        self.patch(LineCarrier, "dispatch_next_frame", lambda carrier: False)
        self.finds("bytes are kept by the carrier")

    def test_an_outbox_without_end(self) -> None:
        self.patch(Outbox, "queue_frame", lambda outbox, frame: setattr(outbox, "queued_bytes", 2**40))
        self.finds("bytes wait for")
