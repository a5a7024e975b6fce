"""JSON values as they arrive: how the client's framing is found out, pauses, faults, the end."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace
from twisted.internet.interfaces import IHalfCloseableProtocol

from chatd.connections.session import LINGER_AFTER_REFUSAL_SECONDS
from chatd.core.limits import Limits
from tests.support.in_memory_daemon import UNTHROTTLED, Peer, StageTestCase

GROUPS = b'{"action":"server-groups","groups":[]}'


def hello(nick: str = "alice") -> bytes:
    """The first object of most clients."""
    return f'{{"from":"{nick}","action":"client-hello"}}'.encode()


def three_keys(nick: str = "alice") -> bytes:
    """The answer to course work."""
    return f'{{"from":"server","action":"server-hello","msg":"Hello {nick}"}}'.encode()


def half_closes(peer: Peer) -> None:
    """The client sends nothing more and reads on."""
    IHalfCloseableProtocol(peer.protocol).readConnectionLost()
    peer.stage.settle()


class Framing(StageTestCase):
    """Newline-delimited or course work: the first object tells, or what follows it."""

    def assert_lines(self, peer: Peer, nick: str) -> None:
        """The client was answered in lines."""
        heard = peer.hears()
        self.assertTrue(heard.startswith(three_keys(nick)[:-1] + b',"user":'), heard)
        self.assertTrue(heard.endswith(b"}\n"), heard)

    def test_a_newline_in_the_same_segment(self) -> None:
        """It is known at once."""
        for nick, end in zip("abcde", (b"\n", b"\r\n", b" \t\n", b"\n\n", b'\n{"action":"gr'), strict=True):
            client = self.stage.connect("json").says(hello(nick) + end)
            self.assert_lines(client, nick)
            client.hangs_up()

    def test_a_newline_in_the_next_segment(self) -> None:
        """It may come up to 40 ms later; meanwhile the first object waits."""
        for nick, blanks in zip("abc", ([b"\n"], [b"\r", b"\n"], [b" ", b" ", b"\r\n"]), strict=True):
            client = self.stage.connect("json").says(hello(nick))
            self.assertEqual(client.hears(), b"")
            self.stage.reactor.advance(0.03)
            self.assertEqual(client.hears(), b"")
            for segment in blanks:
                client.says(segment)
            self.assert_lines(client, nick)
            client.hangs_up()

    def test_a_newline_that_is_late(self) -> None:
        """Then it is course work, as after any pause between two objects."""
        client = self.stage.connect("json").says(hello())
        self.stage.reactor.advance(0.041)
        self.stage.settle()
        self.assertEqual(client.hears(), three_keys())
        client.says(b'\n{"action":"groups"}\n')
        self.stage.wait(0.1)
        self.assertEqual(client.hears(), GROUPS)

    def test_anything_else_that_follows(self) -> None:
        """Course work, known at once: two objects in a segment, or in two soon after each other."""
        for nick, segments in {
            "a": [hello("a") + b'{"action":"groups"}'],
            "b": [hello("b") + b' {"action":"groups"}'],
            "c": [hello("c"), b'{"action":"groups"}'],
            "d": [hello("d") + b" ", b'  {"action":"groups"}'],
            "e": [hello("e") + b'{"action":', b'"groups"}'],
            "f": [hello("f") + b'{"action":"groups"}\n'],
        }.items():
            client = self.stage.connect("json")
            for segment in segments:
                client.says(segment)
            self.assertEqual(client.hears(), three_keys(nick), segments)
            self.stage.wait(0.1)
            self.assertEqual(client.hears(), GROUPS)
            client.hangs_up()

    def test_newlines_before_or_inside_prove_nothing(self) -> None:
        """Only one behind the first object does."""
        for nick, request in {
            "a": b"\n" + hello("a"),
            "b": b'\r\n {\n"from":"b",\r\n"action":"client-hello"\n}',
        }.items():
            client = self.stage.connect("json").says(request)
            self.assertEqual(client.hears(), b"")
            self.stage.wait(0.05)
            self.assertEqual(client.hears(), three_keys(nick))
            client.hangs_up()

    def test_framing_lines(self) -> None:
        """Said in the first object, it needs no newline; what follows in the same segment is answered so."""
        said = b'{"from":"alice","action":"client-hello","framing":"lines"}{"action":"groups"}'
        client = self.stage.connect("json").says(said)
        first, second = client.hears().splitlines(keepends=True)
        self.assertTrue(first.startswith(three_keys()[:-1] + b',"user":'))
        self.assertEqual(second, GROUPS + b"\n")

    def test_framing_lines_without_a_hello(self) -> None:
        """All that a returning user gets at once comes in lines, history too, and stays so."""
        bob = self.stage.json("bob")
        self.stage.json("alice").hangs_up()
        bob.asks(action="client-broadcast", msg="meanwhile")
        said = b'{"from":"alice","action":"groups","framing":"lines"}'
        alice = self.stage.connect("json").says(said + b'{"name":"alice","action":"client-hello"}')
        self.stage.wait(0.1)
        *frames, rest = alice.hears().split(b"\n")
        self.assertEqual(rest, b"")
        self.assertEqual(
            [frame[: frame.index(b",")] for frame in frames],
            [b'{"action":"server-history"', b'{"action":"server-groups"', b'{"from":"server"'],
        )
        bob.asks(action="client-broadcast", msg="now")
        self.assertEqual(alice.hears()[-2:], b"}\n")

    def test_hanging_up_before_it_is_known(self) -> None:
        """Nothing is left behind, and nobody hears of it."""
        bob = self.stage.text("bob")
        timers = self.stage.reactor.getDelayedCalls()
        client = self.stage.connect("json").says(hello())
        client.hangs_up()
        self.assertEqual(self.stage.reactor.getDelayedCalls(), timers)
        self.assertEqual(bob.hears(), b"")

    def test_half_closing_before_it_is_known(self) -> None:
        """Nothing can follow, so it is course work at once: answered, then closed."""
        for nick, said in {"a": hello("a"), "b": hello("b") + b" ", "c": b" " + hello("c")}.items():
            client = self.stage.connect("json").says(said)
            half_closes(client)
            self.assertEqual(client.hears(), three_keys(nick))
            self.assertTrue(client.closed)

    def test_half_closing_with_nothing_said(self) -> None:
        """Or nothing whole: closed without a word."""
        for said in (b"", b"\n", b'{"from":"alice"', b"12"):
            client = self.stage.connect("json")
            if said:
                client.says(said)
            half_closes(client)
            self.assertEqual(client.hears(), b"")
            self.assertTrue(client.closed)


class Pausing(StageTestCase):
    """A client is not heard while too much of what it said waits."""

    limits = replace(UNTHROTTLED, commit_queue=3)

    ten = b"".join(b'{"action":"client-broadcast","msg":"%d"}' % number for number in range(10))

    def test_in_the_middle_of_a_segment(self) -> None:
        """What was read already, and what still arrives, waits its turn in the carrier."""
        alice, bob = self.stage.text("alice"), self.stage.json("bob")
        alice.hears()
        self.stage.writer.held = True
        bob.says(self.ten + b'{"action":')
        self.assertEqual(bob.wire.producerState, "paused")
        bob.says(b'"client-list-clients","ref":"last"}')
        self.assertEqual((alice.hears(), bob.hears()), (b"", b""))
        while self.stage.writer.waiting:
            self.stage.writer.run_next()
            self.stage.settle()
        self.assertEqual(bob.wire.producerState, "producing")
        self.assertEqual(alice.lines(), [f"MSG bob {number}" for number in range(10)])
        answers = bob.objects()
        self.assertEqual([said.get("seq") for said in answers], [*range(1, 11), None])
        self.assertEqual(answers[-1]["ref"], "last")

    def test_many_that_are_answered_at_once(self) -> None:
        """A read pauses and goes on by itself: a segment full of them is a loop, not calls in calls."""
        bob = self.stage.json("bob").says(b'{"action":"history","ref":1}' * 1_000)
        self.assertEqual(len(bob.objects()), 1_000)

    def test_the_end_of_the_stream_waits_as_well(self) -> None:
        """All that was sent before is done, then the connection closes."""
        alice, bob = self.stage.text("alice"), self.stage.json("bob")
        alice.hears()
        self.stage.writer.held = True
        bob.says(self.ten)
        half_closes(bob)
        while self.stage.writer.waiting:
            self.assertFalse(bob.closed)
            self.stage.writer.run_next()
            self.stage.settle()
        self.assertEqual(alice.lines(), [f"MSG bob {number}" for number in range(10)] + ["LFT bob"])
        self.assertEqual(len(bob.objects()), 10)
        self.assertTrue(bob.closed)


class Faults(StageTestCase):
    """What can't be cut is refused, and what can be goes on."""

    limits = Limits(json=200, depth=4)

    def codes(self, peer: Peer) -> list[Any]:
        """The actions, or codes of refusals, that came."""
        return [said.get("code", said["action"]) for said in peer.objects()]

    def test_broken(self) -> None:
        """Refused once; the next request is served, in order."""
        alice = self.stage.json("alice")
        alice.says(
            b'{"action":"client-broadcast","msg":"half\n'
            b'{"action":"groups"}\n'
            b'{"action":"client-broadcast"\n{"action":"groups"}\n'
            b"nonsense\n"
            b'{"action":"groups"}\n'
        )
        self.assertEqual(
            self.codes(alice),
            ["bad_json", "server-groups", "bad_json", "server-groups", "bad_json", "server-groups"],
        )
        self.assertFalse(alice.closed)

    def test_broken_from_the_start(self) -> None:
        """The first value of all may be broken as well."""
        client = self.stage.connect("json").says(b'{"from":"alice\n').says(hello() + b"\n")
        self.assertEqual(self.codes(client), ["bad_json", "server-hello"])

    def test_too_long(self) -> None:
        """What came before is answered, then it is refused and the connection closes: no input counts."""
        bob = self.stage.text("bob")
        for segments in (
            [
                b'{"action":"groups"}\n{"action":"'
                + b"x" * 200
                + b'"}\n{"action":"client-broadcast","msg":"hi"}\n'
            ],
            [
                b'{"action":"groups"}\n{"action":"' + b"x" * 100,
                b"x" * 100,
                b'"}{"action":"client-broadcast","msg":"hi"}',
            ],
            [b'{"action":"groups"} ' + b"1" * 250],
        ):
            alice = self.stage.json("alice")
            bob.hears(), alice.hears()
            for segment in segments:
                alice.says(segment)
            self.assertEqual(self.codes(alice), ["server-groups", "too_long"])
            self.stage.wait(LINGER_AFTER_REFUSAL_SECONDS)
            self.assertTrue(alice.closed)
            self.assertFalse(alice.wire.aborted)
            self.assertEqual(bob.hears(), b"LFT alice\n")

    def test_up_to_the_limit(self) -> None:
        """A value of exactly so many bytes, and exactly so many levels, is fine."""
        alice = self.stage.json("alice")
        value = b'{"action":"groups","x":"'
        value += b"x" * (200 - len(value) - 2) + b'"}'
        for segments in (
            [value + b"\n"],
            [value],
            [value[:100], value[100:]],
            [b'{"action":"groups","x":[[[]]]}'],
        ):
            for segment in segments:
                alice.says(segment)
            self.assertEqual(self.codes(alice), ["server-groups"], segments)

    def test_too_deep(self) -> None:
        """The same for depth, in objects and in lists, at once and not when they end."""
        for bomb in (b"[" * 5, b'{"a":' * 5, b'{"action":"groups","x":[[[[', b'[{"a":[{"b":[' + b"x" * 50):
            alice = self.stage.json("alice")
            alice.hears()
            alice.says(b'{"action":"groups"}\n' + bomb)
            heard = alice.objects()
            self.assertEqual([said.get("code") for said in heard], [None, "bad_json"])
            self.assertIn("more than 4 levels deep", heard[1]["msg"])
            self.stage.wait(LINGER_AFTER_REFUSAL_SECONDS)
            self.assertTrue(alice.closed)

    def test_a_bomb_for_a_beginning(self) -> None:
        """It need not even say hello."""
        client = self.stage.connect("json").says(b"[" * 100_000)
        self.assertEqual(self.codes(client), ["bad_json"])
        self.stage.wait(LINGER_AFTER_REFUSAL_SECONDS)
        self.assertTrue(client.closed)

    def test_nothing_counts_while_the_refusal_waits(self) -> None:
        """The connection is still there, as a commit is under way: what arrives is dropped."""
        bob, alice = self.stage.text("bob"), self.stage.json("alice")
        bob.hears(), alice.hears()
        self.stage.writer.held = True
        alice.says(b'{"action":"client-broadcast","msg":"one"}\n' + b"[" * 10)
        alice.says(b'{"action":"client-broadcast","msg":"two"}\n' * 3)
        half_closes(alice)
        self.stage.writer.held = False
        self.stage.writer.run_next()
        self.stage.settle()
        self.assertEqual(self.codes(alice), ["server-ack", "bad_json"])
        self.assertEqual(bob.hears(), b"MSG alice one\nLFT alice\n")
        self.stage.wait(LINGER_AFTER_REFUSAL_SECONDS)
        self.assertTrue(alice.closed)
