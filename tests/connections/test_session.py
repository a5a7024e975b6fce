"""One client's session: pauses that count, what is held back, room for answers, mistakes, the end."""

from __future__ import annotations

import sqlite3

from msgspec.structs import replace
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.logger import capturedLogs

from chatd.boundaries import Payloads
from chatd.carriers.carrier import SessionCarrier
from chatd.carriers.detection import Detector
from chatd.connections.session import LINGER_AFTER_REFUSAL_SECONDS, MAX_UNSENT_ANSWER_BYTES, Session
from chatd.core.answers import Answer
from chatd.core.refusals import Refusal
from chatd.core.requests import Request
from chatd.dialects.json import JsonDialect
from chatd.dialects.text import TextDialect
from chatd.dialects.tp6 import Tp6Dialect
from tests.support.in_memory_daemon import UNTHROTTLED, Peer, StageTestCase


def session_of(peer: Peer) -> Session:
    """The session behind this client's connection."""
    assert isinstance(peer.protocol, SessionCarrier)
    return peer.protocol.session


def session_in(peer: Peer) -> Session:
    """The same on a port where the first bytes decide."""
    assert isinstance(peer.protocol, Detector)
    assert isinstance(peer.protocol._protocol, SessionCarrier)
    return peer.protocol._protocol.session


class Pauses(StageTestCase):
    """Whoever pauses a client resumes it; it goes on when all have."""

    def test_they_count(self) -> None:
        """Two pauses need two resumes, in whatever order the two come."""
        bob = self.stage.text("bob")
        session = session_of(bob)
        session._pause()
        session._pause()
        self.assertEqual(bob.wire.producerState, "paused")
        bob.says("WHO")
        session._resume()
        self.assertEqual(bob.wire.producerState, "paused")
        session._pause()
        session._resume()
        self.stage.settle()
        self.assertEqual(bob.hears(), b"")
        session._resume()
        self.stage.settle()
        self.assertEqual(bob.wire.producerState, "producing")
        self.assertEqual(bob.hears(), b"WHO bob\nEND WHO 1\n")

    def test_a_pause_that_outlives_the_connection(self) -> None:
        """Nothing is asked of a connection that is gone."""
        for name in ("text", "json"):
            bob = self.stage.connect(name).says(b'{"from":"bob","action":"client-hello"}\n')
            session = session_of(bob)
            session._pause()
            bob.says("WHO")
            bob.hangs_up()
            session._resume()
            session._pause()
            session._resume()
            self.assertEqual(bob.wire.producerState, "paused")


class HoldingBack(StageTestCase):
    """While a client catches up, what is said now waits behind what was said then."""

    limits = replace(UNTHROTTLED, outbox=10_000)

    def test_entries_wait_and_the_rest_does_not(self) -> None:
        """Answers and presence come at once; messages in order, with what comes after."""
        alice, bob = self.stage.text("alice"), self.stage.json("bob")
        alice.hears()
        session = session_of(alice)
        session.hold_deliveries()
        bob.asks(action="client-broadcast", msg="one")
        alice.says("WHO")
        self.stage.text("carol").says("MSG two")
        self.assertEqual(alice.lines(), ["WHO alice", "WHO bob", "END WHO 2", "ARR carol"])
        self.assertTrue(session.release_deliveries())
        bob.asks(action="client-broadcast", msg="three")
        self.assertEqual(alice.lines(), ["MSG bob one", "MSG carol two", "MSG bob three"])

    def test_more_than_can_be_held(self) -> None:
        """It is forgotten, for the log has it; holding begins anew, and there is an end to it."""
        alice, bob = self.stage.text("alice"), self.stage.json("bob")
        alice.hears()
        session = session_of(alice)
        session.hold_deliveries()
        for _ in range(6):
            bob.asks(action="client-broadcast", msg="x" * 1_000)
        self.assertFalse(session.release_deliveries())
        self.assertEqual(alice.hears(), b"")
        bob.asks(action="client-broadcast", msg="one")
        self.assertEqual(alice.hears(), b"")
        self.assertTrue(session.release_deliveries())
        self.stage.settle()
        self.assertEqual(alice.lines(), ["MSG bob one"])
        alice.hangs_up()
        self.assertEqual(session.last_received_id, 7)

    def test_what_is_held_fits_the_outbox(self) -> None:
        """Half of it is room for the end of a replay: releasing cuts nobody off."""
        alice, bob = self.stage.text("alice"), self.stage.json("bob")
        alice.hears()
        session = session_of(alice)
        alice.wire.stuck = True
        session.hold_deliveries()
        for _ in range(4):
            bob.asks(action="client-broadcast", msg="x" * 1_200)
        session.send_unstored(b"y" * 5_000 + b"\n")
        self.assertTrue(session.release_deliveries())
        self.stage.settle()
        alice.wire.unstick()
        self.stage.settle()
        self.assertFalse(alice.closed)
        self.assertEqual(len(alice.lines()), 5)

    def test_who_leaves_while_it_waits_has_not_seen_it(self) -> None:
        """There is nobody to release it to, and it was never sent."""
        alice, bob = self.stage.text("alice"), self.stage.json("bob")
        session = session_of(alice)
        session.hold_deliveries()
        bob.asks(action="client-broadcast", msg="one")
        alice.hears()
        alice.hangs_up()
        self.assertTrue(session.release_deliveries())
        self.assertEqual(alice.hears(), b"")
        self.assertIsNone(session.last_received_id)
        bob.hangs_up()
        self.assertEqual(session_of(bob).last_received_id, 1)


class Room(StageTestCase):
    """A client that asks for more than it reads is not heard until it has read that."""

    limits = replace(UNTHROTTLED, outbox=64 * 1024)

    def test_who_asks_and_does_not_read_waits(self) -> None:
        """It is not cut, whatever it asks for; when it reads it gets every answer, in order."""
        bob = self.stage.json("bob")
        for _ in range(4):
            bob.asks(action="client-broadcast", msg="x" * 4_000)
        bob.hears()
        bob.wire.stuck = True
        bob.says(b"".join(b'{"action":"history","ref":%d}\n' % number for number in range(1, 31)))
        self.assertEqual(bob.wire.producerState, "paused")
        self.assertLess(len(bob.wire.value()), 100_000)
        for _ in range(40):
            bob.wire.unstick()
            bob.wire.stuck = True
            self.stage.settle()
        self.assertFalse(bob.closed)
        self.assertEqual([page["ref"] for page in bob.objects()], list(range(1, 31)))
        self.assertEqual(bob.wire.producerState, "producing")

    def test_refusals_count_as_well(self) -> None:
        """Nonsense is answered no faster than it is read."""
        bob = self.stage.text("bob")
        bob.wire.stuck = True
        bob.says(b"nonsense\n" * 10_000)
        self.assertEqual(bob.wire.producerState, "paused")
        bob.wire.unstick()
        self.stage.settle()
        self.assertFalse(bob.closed)
        self.assertEqual(len(bob.lines()), 10_000)

    def test_what_needs_no_answer_waits_for_none(self) -> None:
        """Who is behind with what others say, at our pace, is heard all the same."""
        alice, bob = self.stage.connect("tp6").says(b"Hello|alice\n"), self.stage.text("bob")
        for _ in range(3):
            bob.says("MSG " + "x" * 4_000)
        self.assertTrue(session_in(alice)._outbox.is_congested)
        bob.hears()
        alice.says(b"one\n").says(b"two\n")
        self.assertEqual(bob.lines(), ["MSG alice one", "MSG alice two"])

    def test_what_others_say_does_not_wait_for_it(self) -> None:
        """Who doesn't read is cut at the cap, and the log says why."""
        alice, bob = self.stage.text("alice"), self.stage.text("bob")
        alice.hears()
        alice.wire.stuck = True
        with capturedLogs() as logs:
            for _ in range(20):
                bob.says("MSG " + "x" * 4_000)
        self.assertTrue(alice.wire.aborted)
        self.assertEqual(bob.lines(), ["LFT alice"])
        found = [said["log_format"] for said in logs if "slow_consumer" in said.get("log_format", "")]
        self.assertEqual(found, ["{peer} {nick}: slow_consumer"])

    def test_who_was_cut_has_not_seen_it(self) -> None:
        """When she comes back she gets what she never read."""
        alice, bob = self.stage.text("alice"), self.stage.text("bob")
        alice.wire.stuck = True
        for number in range(20):
            bob.says(f"PRV alice {number:02} " + "x" * 4_000)
        self.assertTrue(alice.closed)
        back = self.stage.connect("text").says("IAM alice")
        heard = [line[:10] for line in back.lines() if line.startswith("PRV")]
        self.assertEqual(heard, [f"PRV bob {number:02}" for number in range(20)])

    def test_hanging_up_while_it_waits(self) -> None:
        """Nothing is left behind."""
        bob = self.stage.text("bob")
        bob.wire.stuck = True
        bob.says(b"nonsense\n" * 1_000)
        bob.hangs_up()
        self.assertEqual(self.stage.text("bob").says("WHO").lines(), ["WHO bob", "END WHO 1"])


class Clumsy(JsonDialect):
    """A dialect with a mistake of ours in it."""

    def decode(self, frame: bytes) -> Request | None:
        """Stumble over one word, before or after it is understood."""
        if b"stumble" in frame:
            raise ZeroDivisionError
        return super().decode(frame)

    def encode_answer(self, request: Request, answer: Answer) -> Payloads:
        """Stumble over one answer."""
        if request.ref == "fall":
            raise ZeroDivisionError
        return super().encode_answer(request, answer)


class Mistakes(StageTestCase):
    """Ours are logged once and told as such; the client and everyone else go on."""

    def test_while_decoding_and_while_answering(self) -> None:
        """The session goes on, in order."""
        alice, bob = self.stage.text("alice"), self.stage.json("bob")
        alice.hears()
        session_of(bob).set_dialect(Clumsy(self.stage.limits, newline_delimited=True))
        bob.says(
            b'{"action":"client-broadcast","msg":"one","ref":1}\n'
            b'{"action":"client-broadcast","msg":"stumble","ref":2}\n'
            b'{"action":"client-broadcast","msg":"two","ref":"fall"}\n'
            b'{"action":"client-broadcast","msg":"three","ref":4}\n'
        )
        heard = bob.objects()
        self.assertEqual(
            sorted((said.get("code", ""), str(said.get("ref"))) for said in heard),
            [("", "1"), ("", "4"), ("internal_error", "None"), ("internal_error", "fall")],
        )
        self.assertEqual(alice.lines(), ["MSG bob one", "MSG bob two", "MSG bob three"])
        self.assertFalse(bob.closed)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)


class Leaving(StageTestCase):
    """Once a client is leaving nothing that it sends counts."""

    def test_a_frame_behind_the_last(self) -> None:
        """In the same segment or in a later one, while a commit is under way."""
        for wire, quitting, saying in (
            ("text", b"BYE\n", b"MSG more\n"),
            ("json", b'{"action":"client-quit"}\n', b'{"action":"client-broadcast","msg":"more"}\n'),
        ):
            alice = self.stage.text("alice")
            bob = self.stage.text("bob") if wire == "text" else self.stage.json("bob")
            alice.hears()
            self.stage.writer.held = True
            bob.says(saying.replace(b"more", b"last") + quitting + saying)
            bob.says(saying)
            IHalfCloseableProtocol(bob.protocol).readConnectionLost()
            self.stage.writer.held = False
            self.stage.writer.run_next()
            self.stage.settle()
            self.assertEqual(alice.hears(), b"MSG bob last\nLFT bob\n")
            self.assertTrue(bob.closed)
            alice.hangs_up()
            self.stage.settle()

    def test_breaking_off_comes_after_what_was_asked(self) -> None:
        """And before nothing: it is the last that the client hears."""
        bob = self.stage.text("bob")
        self.stage.writer.held = True
        bob.says("cg;wob")
        session_of(bob).refuse_and_close(Refusal("too_long", what="it", limit=1))
        bob.says("cg;zoo")
        session_of(bob).end_of_input()
        self.stage.writer.held = False
        self.stage.writer.run_next()
        self.stage.settle()
        self.assertEqual(
            bob.hears(), b"ACK cg wob 1 1\nERR too_long it is longer than 1 bytes: shorten it, or split it\n"
        )
        self.stage.wait(LINGER_AFTER_REFUSAL_SECONDS)
        self.assertTrue(bob.closed)

    def test_who_is_broken_off_is_read_on(self) -> None:
        """For a second: what arrives is dropped, and no reset overtakes the refusal."""
        alice, bob = self.stage.text("alice"), self.stage.text("bob")
        session_of(bob).refuse_and_close(Refusal("empty"))
        self.stage.settle()
        alice.hears()
        self.assertEqual(bob.hears(), b"ERR empty the text is empty: write something\n")
        for _ in range(9):
            bob.says("MSG hello")
            self.stage.wait(LINGER_AFTER_REFUSAL_SECONDS / 10)
            self.assertFalse(bob.closed)
        self.assertEqual(bob.wire.producerState, "producing")
        self.stage.wait(LINGER_AFTER_REFUSAL_SECONDS / 10)
        self.assertTrue(bob.closed)
        self.assertFalse(bob.wire.aborted)
        self.assertEqual(alice.hears(), b"")

    def test_hanging_up_while_leaving(self) -> None:
        """Others hear of one departure."""
        alice, bob = self.stage.text("alice"), self.stage.text("bob")
        alice.hears()
        self.stage.writer.held = True
        bob.says(b"MSG last\nBYE\n")
        bob.hangs_up()
        self.stage.writer.run_next()
        self.stage.settle()
        self.assertEqual(alice.hears(), b"MSG bob last\nLFT bob\n")


class Turns(StageTestCase):
    """Who asks without end takes turns with all others."""

    def setUp(self) -> None:
        super().setUp()
        self.listener = self.stage.text("listener")
        self.bob = self.stage.text("bob")
        self.decoded: list[bytes] = []
        decode = TextDialect.decode

        def count(dialect: TextDialect, frame: bytes) -> Request:
            self.decoded.append(frame)
            return decode(dialect, frame)

        self.patch(TextDialect, "decode", count)

    def test_a_client_that_was_answered_enough_is_not_heard_in_this_turn(self) -> None:
        """What it has sent waits; nothing is lost, and all of it is answered in order."""
        refusal = len(self.bob.says("x").hears())
        self.decoded.clear()
        self.bob.protocol.dataReceived(b"x\n" * 1_000 + b"MSG done\n")
        self.assertLessEqual(len(self.decoded) * refusal, MAX_UNSENT_ANSWER_BYTES + refusal)
        self.assertEqual(self.bob.wire.producerState, "paused")
        self.stage.settle()
        self.assertEqual(self.bob.hears().count(b"ERR unknown_action"), 1_000)
        self.assertIn(b"MSG bob done\n", self.listener.hears())

    def test_a_client_has_one_list_under_way(self) -> None:
        """However short it is: many clients may ask for many."""
        for command, end in ((b"WHO", b"END WHO"), (b"HELP", b"END HELP"), (b"groups;", b"END groups")):
            self.decoded.clear()
            self.bob.protocol.dataReceived((command + b"\n") * 100 + b"MSG done\n")
            self.assertEqual(self.decoded, [command])
            self.assertEqual(self.bob.wire.producerState, "paused")
            self.stage.settle()
            self.assertEqual(self.bob.hears().count(end), 100)
            self.assertEqual(self.listener.lines()[-1], "MSG bob done")


class WithoutAName(StageTestCase):
    """Who is refused too often before it has a name goes."""

    def test_what_the_carrier_refuses_counts(self) -> None:
        """A frame that breaks off is as bad as one that says nothing."""
        peer = self.stage.connect("json").says(b'{"a":"\n' * 5)
        self.stage.wait(1)
        self.assertEqual([said["code"] for said in peer.objects()], ["bad_json"] * 5 + ["too_many_refusals"])

    def test_what_passes_does_not_count(self) -> None:
        """While the disk fails a client may try again as often as it likes."""
        self.stage.chat.refuse_new_and_drain()
        peer = self.stage.connect("text").says(b"IAM bob\n" * 9)
        self.assertEqual(len(peer.lines()), 10)
        self.assertFalse(peer.closed)

    def test_questions_and_thanks_do_not_count(self) -> None:
        peer = self.stage.connect("json").says(b'{"action":"ack-client-send"}' * 9)
        self.stage.wait(1)
        self.assertEqual(peer.hears(), b"")
        peer.says(b'{"action":"help"}' * 9 + b'{"action":"client-hello"}')
        self.stage.wait(1)
        self.assertIn(b"Hello guest1", peer.hears())


class Speaking(StageTestCase):
    """The dialect that a client has shown, and from when it is spoken to so."""

    def test_a_named_client_from_the_answer_on(self) -> None:
        """LST behind IAM in one segment: what was asked before is answered as before."""
        self.stage.writer.held = True
        bob = self.stage.connect("text").says(b"IAM bob\nLST\n")
        self.stage.writer.held = False
        self.stage.writer.run_next()
        self.stage.wait(0.1)
        self.assertEqual(bob.hears(), b"WHO\nARR bob\nLST bob \n")
        self.stage.text("carol")
        self.stage.wait(0.1)
        self.assertEqual(bob.hears(), b"ARV carol\n")

    def test_a_nameless_client_at_once(self) -> None:
        """It has been told nothing that the change could come in the middle of."""
        bob = self.stage.connect("text").says(b"LST\nIAM bob\n")
        self.stage.wait(0.1)
        self.assertEqual(bob.hears(), b"WHO\nWHO\nARV bob\n")

    def test_a_refusal_is_an_answer(self) -> None:
        """It is the first to come as the client has shown."""
        bob = self.stage.connect("json").says(b'{"from":"bob","action":"client-hello"}')
        self.stage.wait(0.1)
        bob.hears()
        bob.says(b'{"action":"what","framing":"lines"}{"action":"groups"}')
        refusal, groups, rest = bob.hears().split(b"\n")
        self.assertIn(b"unknown_action", refusal)
        self.assertEqual((groups, rest), (b'{"action":"server-groups","groups":[]}', b""))

    def test_two_hellos_ahead(self) -> None:
        """What the first has shown is not taken back by the second."""
        bob = self.stage.connect("json").says(
            b'{"from":"bob","action":"client-hello","framing":"lines"}{"name":"bob","action":"client-hello"}'
        )
        self.stage.wait(0.1)
        first, second, rest = bob.hears().split(b"\n")
        self.assertIn(b'"cursor"', first)
        self.assertIn(b'"cursor"', second)
        self.assertEqual(rest, b"")


class ClumsyRoom(Tp6Dialect):
    """A chat room with a mistake of ours in one of its answers."""

    def encode_answer(self, request: Request, answer: Answer) -> Payloads:
        """Stumble over whoever goes somewhere."""
        if request.command_word == "/join":
            raise ZeroDivisionError
        return super().encode_answer(request, answer)


NO_ROOM = "vous n'êtes dans aucun salon : /join pour en rejoindre un, /leave pour aller dans la chatroom"


class Waiting(StageTestCase):
    """Who goes into a room says nothing before it is known whether it is in."""

    def setUp(self) -> None:
        super().setUp()
        self.alice = self.stage.text("alice").says("cg;wob")
        self.bob = self.stage.connect("tp6").says(b"Hello|bob\n")
        self.stage.wait(0.1)
        self.alice.hears(), self.bob.hears()

    def goes(self, *replies: str) -> list[str]:
        """Bob goes to wob and says two things right behind it; what alice hears, once bob has heard these."""
        self.bob.says(b"/join wob\none\n")
        self.bob.says(b"two\n")
        self.stage.wait(2)
        self.assertEqual(self.bob.lines(), list(replies))
        self.assertEqual(session_in(self.bob)._pauses, 0)
        return self.alice.lines()

    def test_granted(self) -> None:
        """What comes behind it is said there, though it was read before."""
        self.stage.writer.held = True
        self.bob.says(b"/join wob\none\n").says(b"two\n")
        self.assertEqual(self.bob.hears(), b"")
        self.stage.writer.held = False
        self.stage.writer.run_next()
        self.stage.wait(0.1)
        self.assertEqual(self.bob.lines(), ["Vous êtes dans wob"])
        self.assertEqual(self.alice.lines(), ["GEV wob joined bob", "GMS wob bob one", "GMS wob bob two"])
        self.assertEqual(self.bob.wire.producerState, "producing")

    def test_granted_without_a_change(self) -> None:
        self.goes("Vous êtes dans wob")
        self.bob.says(b"/join wob\n/all hello\nthree\n")
        self.stage.wait(0.1)
        self.assertEqual(self.alice.lines(), ["MSG bob hello", "GMS wob bob three"])

    def test_refused(self) -> None:
        self.alice.says("ban;wob;bob")
        self.stage.wait(0.1)
        self.alice.hears(), self.bob.hears()
        refusal = (
            f"Erreur [banned] : bob est banni de wob : demandez à un opérateur de lever le ban ; {NO_ROOM}"
        )
        self.assertEqual(self.goes(refusal, *[f"Erreur [no_room] : {NO_ROOM}"] * 2), [])

    def test_lost_with_its_commit(self) -> None:
        """What is behind it is decided when that is known, so it is refused by itself."""
        self.stage.writer.error = sqlite3.OperationalError("disk full")
        self.bob.says(b"/join wob\n")
        self.stage.writer.error = None
        self.stage.wait(2)
        self.bob.says(b"one\n")
        self.stage.wait(0.1)
        lost, refused = self.bob.lines()
        self.assertIn("[storage_failed]", lost)
        self.assertIn("[no_room]", refused)
        self.assertEqual(self.alice.lines(), [])

    def test_stumbled_over(self) -> None:
        """A mistake of ours keeps nobody waiting; where the client was not told to be, it says nothing."""
        session_in(self.bob).set_dialect(ClumsyRoom(self.stage.limits).variant_in_room(None))
        sorry = "erreur interne : le serveur l'a notée ; votre demande n'y est pour rien"
        replies = [f"Erreur [internal_error] : {sorry} ; {NO_ROOM}", *[f"Erreur [no_room] : {NO_ROOM}"] * 2]
        self.assertEqual(self.goes(*replies), ["GEV wob joined bob"])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_stumbled_over_while_it_is_decided(self) -> None:
        session = session_in(self.bob)
        self.patch(session._chat, "submit", lambda client, request: 1 / 0)
        self.bob.says(b"/join wob\none\n")
        self.stage.wait(0.1)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)
        self.assertEqual((session._pauses, len(self.bob.lines())), (0, 2))

    def test_hanging_up_meanwhile(self) -> None:
        """What it had said behind it counts, once it is in."""
        self.stage.writer.held = True
        self.bob.says(b"/join wob\none\n")
        IHalfCloseableProtocol(self.bob.protocol).readConnectionLost()
        self.stage.writer.held = False
        self.stage.writer.run_next()
        self.stage.wait(0.2)
        self.assertEqual(self.alice.lines(), ["GEV wob joined bob", "GMS wob bob one", "LFT bob"])
        self.assertTrue(self.bob.closed)

    def test_a_hello_with_a_room_is_one_wait(self) -> None:
        """For the name, for the room, and what follows is said there."""
        carol = self.stage.connect("tp6")
        self.stage.writer.held = True
        carol.says(b"Hello|carol|wob\none\n")
        self.assertEqual(carol.hears(), b"")
        for _ in range(3):
            self.stage.writer.run_next()
            self.stage.settle()
        self.stage.writer.held = False
        self.stage.wait(0.2)
        self.assertEqual(carol.lines(), ["Annonce : carol a rejoint la chatroom", "Vous êtes dans wob"])
        self.assertEqual(self.alice.lines(), ["ARR carol", "GEV wob joined carol", "GMS wob carol one"])

    def test_a_hello_that_is_refused_goes_nowhere(self) -> None:
        carol = self.stage.connect("tp6").says(b"Hello|bob|wob\nHello|carol\n")
        self.stage.wait(0.1)
        taken = (
            "Erreur [nick_taken] : pseudo déjà pris : bob ;"
            " choisissez-en un autre, ou attendez qu'il soit libre"
        )
        self.assertEqual(carol.lines(), [taken, "Annonce : carol a rejoint la chatroom"])
        self.assertEqual(self.alice.lines(), ["ARR carol"])
