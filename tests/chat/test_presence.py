"""Logins that wait for a password, several sessions of one user, and the phases of a session."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from twisted.internet.defer import Deferred, fail
from twisted.trial.unittest import SynchronousTestCase

from chatd.connections.session import ALLOWED_NEXT_PHASES, Session, SessionPhase
from chatd.core.limits import Limits
from chatd.core.refusals import Refusal
from tests.support.in_memory_daemon import Peer, Stage, StageTestCase

SECRET = "correct horse battery"


class Verification(StageTestCase):
    """A login waits until its password is verified."""

    def setUp(self) -> None:
        """Have alice registered, and every further password wait."""
        super().setUp()
        self.stage.json("alice").asks(action="register", password=SECRET).hangs_up()
        self.stage.passwords.held = True

    def hello(self, nick: str, password: str = SECRET) -> Peer:
        """Somebody on JSON who has said hello, and then something to everyone in the same segment."""
        return self.stage.connect("json").says(
            b'{"action":"client-hello","from":"%b","password":"%b","history":"none","ref":1}\n'
            b'{"action":"client-broadcast","msg":"hi","ref":2}\n' % (nick.encode(), password.encode())
        )

    def verify_next(self) -> None:
        """Verify the password that has waited longest."""
        self.stage.passwords.run_next()
        self.stage.settle()

    def test_a_hello_waits_and_what_follows_it_waits_too(self) -> None:
        alice = self.hello("alice")
        self.assertEqual((alice.objects(), len(self.stage.passwords.waiting)), ([], 1))
        self.verify_next()
        self.assertEqual(
            [(said["action"], said["ref"]) for said in alice.objects()],
            [("server-hello", 1), ("server-ack", 2)],
        )

    def test_a_hello_without_a_password_does_not_wait(self) -> None:
        guest = self.stage.connect("json").asks(action="client-hello", from_="")
        self.assertEqual(guest.objects()[0]["user"]["nick"], "guest2")

    def test_a_refused_hello_leaves_the_client_without_a_name(self) -> None:
        """The next hello is verified like the first."""
        alice = self.hello("alice", "wrong horse")
        self.verify_next()
        self.assertEqual(
            [(said.get("code"), said["ref"]) for said in alice.objects()],
            [("wrong_password", 1), ("not_identified", 2)],
        )
        alice.asks(action="client-hello", from_="alice", password=SECRET, ref=3)
        self.verify_next()
        self.assertEqual(alice.objects()[0]["action"], "server-hello")

    def test_a_client_that_leaves_meanwhile_does_not_arrive(self) -> None:
        bob = self.stage.json("bob")
        self.hello("alice").hangs_up()
        self.verify_next()
        self.assertEqual(bob.objects(), [])

    def test_a_password_that_was_changed_meanwhile_is_wrong(self) -> None:
        first, second = self.hello("alice"), self.hello("alice")
        self.verify_next()
        first.hears()
        first.asks(action="passwd", password=SECRET, new="staple of nine")
        late = self.stage.passwords.waiting.pop(0)
        self.verify_next()
        self.verify_next()
        self.assertEqual(first.objects()[0]["action"], "server-account")
        late()
        self.stage.settle()
        self.assertEqual(second.objects()[0]["code"], "wrong_password")

    def test_the_disk_fails_meanwhile(self) -> None:
        """While the state is read again nobody is logged in on the old one."""
        self.stage.readers.held = True
        bob, alice = self.stage.json("bob"), self.hello("alice")
        self.stage.writer.error = sqlite3.OperationalError("disk full")
        bob.asks(action="client-broadcast", msg="lost")
        self.stage.writer.error = None
        self.verify_next()
        self.assertEqual(alice.objects()[0]["code"], "storage_failed")

    def test_a_bug_in_it_is_an_internal_error(self) -> None:
        def broken(*arguments: object) -> Deferred[bool]:
            return fail(ZeroDivisionError())

        self.patch(self.stage.passwords, "verify", broken)
        self.assertEqual(self.hello("alice").objects()[0]["code"], "internal_error")
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_too_many_passwords_wait(self) -> None:
        def full(*arguments: object) -> Deferred[bool]:
            return fail(Refusal("rate_limited", why="too many passwords at once", seconds=2))

        self.patch(self.stage.passwords, "verify", full)
        refused = self.hello("alice").objects()[0]
        self.assertEqual((refused["code"], refused["retry_after"]), ("rate_limited", 2))


class SeveralSessions(StageTestCase):
    """A registered user may have several sessions at once, and they are in step."""

    limits = Limits(sessions_per_user=2)

    def setUp(self) -> None:
        """Have alice twice, on JSON and on text, and bob on text."""
        super().setUp()
        self.first = self.stage.json("alice").asks(action="register", password=SECRET)
        self.bob = self.stage.text("bob")
        self.second = self.logs_in()
        self.first.hears(), self.bob.hears()

    def logs_in(self) -> Peer:
        """A further session of alice, on text."""
        peer = self.stage.connect("text").says(f"identify;alice;{SECRET}")
        self.stage.wait(1)
        peer.hears()
        return peer

    def test_others_are_told_of_the_first_arrival_and_the_last_departure_only(self) -> None:
        self.second.says("BYE")
        self.assertEqual(
            (self.bob.lines(), self.bob.says("WHO").lines()[:-1]), ([], ["WHO alice", "WHO bob"])
        )
        self.first.hangs_up()
        self.assertEqual(self.bob.lines(), ["LFT alice"])
        self.logs_in()
        self.assertEqual(self.bob.lines(), ["ARR alice", "BCK alice"])

    def test_each_session_hears_what_the_other_sends(self) -> None:
        self.first.asks(action="client-send", to="bob", msg="psst").asks(action="client-broadcast", msg="all")
        self.assertEqual(self.second.lines(), ["PRV alice psst", "MSG alice all"])
        self.first.hears()
        self.second.says("PRV bob so").says("MSG there")
        self.assertEqual([said["msg"] for said in self.first.objects()], ["so", "there"])
        self.assertEqual(
            self.bob.lines(), ["PRV alice psst", "MSG alice all", "PRV alice so", "MSG alice there"]
        )

    def test_a_group_is_that_of_all_sessions(self) -> None:
        self.first.asks(action="cgroupe", group="wob")
        self.assertEqual(self.second.lines(), ["GEV wob created alice public"])
        self.assertEqual(self.second.says("bg;wob;hi").lines(), ["ACK bg wob 2 2"])
        self.assertEqual(self.first.objects()[-1]["msg"], "hi")

    def test_one_session_too_many_ends_the_oldest(self) -> None:
        third = self.logs_in()
        refused = self.first.objects()[-1]
        self.assertEqual((refused["code"], self.first.closed), ("session_replaced", True))
        self.bob.says("MSG hi")
        self.assertEqual((self.second.lines(), third.lines()), (["MSG bob hi"], ["MSG bob hi"]))

    def test_regain_ends_all_others(self) -> None:
        self.assertEqual(self.second.says("regain;").lines(), ["ACC alice registered"])
        self.assertEqual((self.first.objects()[-1]["code"], self.first.closed), ("session_replaced", True))
        self.assertEqual((self.second.closed, self.bob.lines()), (False, []))

    def test_what_one_session_has_read_the_next_one_has_not_missed(self) -> None:
        """The last seen id is shared: also with sessions that stay open."""
        self.second.says("BYE")
        self.bob.says("PRV alice one")
        self.stage.wait(6)
        self.first.asks(action="help")
        self.stage.wait(6)
        self.first.asks(action="help")
        welcome = self.stage.connect("json").asks(action="identify", from_="alice", password=SECRET).objects()
        pages = [said for said in welcome if said["action"] == "server-history" and said.get("with") == "bob"]
        (item,) = pages[0]["messages"]
        self.assertEqual((item["msg"], item["id"] <= welcome[0]["seen"]), ("one", True))


class Phases(SynchronousTestCase):
    """The table of transitions."""

    def test_every_phase_ends(self) -> None:
        """A closed session stays closed; every other one can be closed."""
        self.assertEqual(ALLOWED_NEXT_PHASES.keys(), set(SessionPhase))
        self.assertEqual(ALLOWED_NEXT_PHASES[SessionPhase.CLOSED], frozenset())
        for phase in set(SessionPhase) - {SessionPhase.CLOSED}:
            self.assertIn(SessionPhase.CLOSED, ALLOWED_NEXT_PHASES[phase])

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
        self.assertEqual(
            phases[:3], [SessionPhase.CONNECTED, SessionPhase.CATCHING_UP, SessionPhase.LOGGED_IN]
        )
        self.assertEqual(phases[3:], [SessionPhase.LEAVING, SessionPhase.CLOSED])
