"""Arrivals that wait for a verification, and the phases of a session."""

from __future__ import annotations

from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from chatd.connections.session import NEXT_PHASES, Phase, Session
from chatd.core.commands import Hello
from chatd.core.refusals import Refusal
from tests.support.in_memory_daemon import Peer, Stage


class Authentication(SynchronousTestCase):
    """A step before the login that may take its time: the verification of a password, say."""

    def setUp(self) -> None:
        """A daemon whose verifications the test decides."""
        self.asked: list[tuple[str, Deferred[None]]] = []
        folder = Path(self.mktemp())
        folder.mkdir(parents=True)
        self.stage = Stage(folder / "chat.db", authenticate=self.authenticate)
        self.addCleanup(lambda: self.stage.close())

    def authenticate(self, hello: Hello, peer: str) -> Deferred[None] | None:
        """Verify every name but those that begin with ``guest``."""
        self.assertRegex(peer, r"\A127\.0\.0\.1:\d+\Z")
        if hello.nick.startswith("guest"):
            return None
        verified: Deferred[None] = Deferred()
        self.asked.append((hello.nick, verified))
        return verified

    def hello(self, nick: str) -> Peer:
        """Somebody on JSON who has said hello, and then something to everyone in the same segment."""
        return self.stage.connect("json").says(
            b'{"action":"client-hello","from":"%b","ref":1}\n'
            b'{"action":"client-broadcast","msg":"hi","ref":2}\n' % nick.encode()
        )

    def test_a_hello_waits_and_what_follows_it_waits_too(self) -> None:
        alice = self.hello("alice")
        self.assertEqual((alice.objects(), [nick for nick, _ in self.asked]), ([], ["alice"]))
        self.asked[0][1].callback(None)
        self.stage.settle()
        self.assertEqual(
            [(said["action"], said["ref"]) for said in alice.objects()],
            [("server-hello", 1), ("server-ack", 2)],
        )

    def test_what_needs_no_verification_does_not_wait(self) -> None:
        guest = self.stage.connect("json").asks(action="client-hello", from_="")
        self.assertEqual(self.asked[0][0], "")
        self.asked[0][1].callback(None)
        self.stage.settle()
        self.assertEqual(guest.objects()[0]["user"]["nick"], "guest1")

    def test_a_refused_hello_leaves_the_client_without_a_name(self) -> None:
        """The name stays free; the next hello is verified like the first."""
        alice = self.hello("alice")
        self.asked[0][1].errback(Refusal("not_identified"))
        self.stage.settle()
        self.assertEqual(
            [(said.get("code"), said["ref"]) for said in alice.objects()],
            [("not_identified", 1), ("not_identified", 2)],
        )
        again = self.hello("alice")
        self.asked[1][1].callback(None)
        self.stage.settle()
        self.assertEqual([said["action"] for said in again.objects()], ["server-hello", "server-ack"])

    def test_two_verified_at_once_are_decided_in_their_turn(self) -> None:
        """The name may have been taken meanwhile."""
        first, second = self.hello("alice"), self.hello("alice")
        self.asked[1][1].callback(None)
        self.asked[0][1].callback(None)
        self.stage.settle()
        self.assertEqual([said["action"] for said in second.objects()][:1], ["server-hello"])
        self.assertEqual(first.objects()[0]["code"], "nick_taken")

    def test_a_client_that_leaves_meanwhile_does_not_arrive(self) -> None:
        bob = self.hello("bob")
        self.asked[0][1].callback(None)
        self.stage.settle()
        bob.hears()
        self.hello("alice").hangs_up()
        self.asked[1][1].callback(None)
        self.stage.settle()
        self.assertEqual(bob.objects(), [])

    def test_a_sender_without_a_hello_is_verified_as_well(self) -> None:
        """Then what it said is done, or refused."""
        for outcome, expected in ((None, "server-ack"), (Refusal("bad_request", why="no"), "server-error")):
            client = self.stage.connect("json").asks(
                action="client-broadcast", from_=f"carol{len(self.asked)}", msg="hi", ref=7
            )
            _, verified = self.asked[-1]
            if outcome is None:
                verified.callback(None)
            else:
                verified.errback(outcome)
            self.stage.settle()
            self.assertEqual([(s["action"], s["ref"]) for s in client.objects()], [(expected, 7)])

    def test_a_bug_in_it_is_an_internal_error(self) -> None:
        alice = self.hello("alice")
        self.asked[0][1].errback(ZeroDivisionError())
        self.stage.settle()
        self.assertEqual(alice.objects()[0]["code"], "internal_error")
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)


class Phases(SynchronousTestCase):
    """The table of transitions."""

    def test_every_phase_ends(self) -> None:
        """A closed session stays closed; every other one can be closed."""
        self.assertEqual(NEXT_PHASES.keys(), set(Phase))
        self.assertEqual(NEXT_PHASES[Phase.CLOSED], frozenset())
        for phase in set(Phase) - {Phase.CLOSED}:
            self.assertIn(Phase.CLOSED, NEXT_PHASES[phase])

    def test_a_session_goes_through_them(self) -> None:
        folder = Path(self.mktemp())
        folder.mkdir(parents=True)
        stage = Stage(folder / "chat.db")
        self.addCleanup(stage.close)
        stage.json("alice").hangs_up()
        stage.readers.held = True
        peer = stage.connect("json")
        session: Session = peer.protocol.session  # type: ignore[attr-defined]
        phases = [session.phase]
        peer.asks(action="client-hello", from_="alice")
        phases.append(session.phase)
        stage.readers.held = False
        while stage.readers.waiting:
            stage.readers.run_next()
            stage.settle()
        phases.append(session.phase)
        peer.wire.stuck = True
        peer.asks(action="client-quit")
        phases.append(session.phase)
        peer.hangs_up()
        phases.append(session.phase)
        self.assertEqual(phases[:3], [Phase.CONNECTED, Phase.CATCHING_UP, Phase.NAMED])
        self.assertEqual(phases[3:], [Phase.LEAVING, Phase.CLOSED])
