"""The chat as its clients live it: order, durability, coming back, failing."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from chatd.chat import authority, dispatch
from chatd.connections.welcome_buffer import CLIENT_SILENCE_SECONDS, MAX_LINE_BY_LINE_DURATION_SECONDS
from chatd.core.answers import Welcome
from chatd.core.limits import Limits
from chatd.dialects import text
from tests.support.effort import effort
from tests.support.in_memory_daemon import HINT, Peer, Stage, StageTestCase

FULL = sqlite3.OperationalError("database or disk is full")


def ids(objects: list[dict[str, Any]]) -> list[int]:
    """The places in the log that these answers and events name."""
    return [found["id"] for found in objects if "id" in found]


def bodies(objects: list[dict[str, Any]]) -> list[str]:
    """What was said in these."""
    return [found["msg"] for found in objects if found["action"] in ("server-broadcast", "server-send")]


def missed(peer: Peer) -> list[str]:
    """What a returning text client is sent between its welcome and the hint behind its catch-up, if any."""
    _, arrival, back, *lines = peer.lines()
    assert (arrival[:3], back[:3]) == ("ARR", "BCK")
    return [line for line in lines if line != HINT]


class DurableFirst(StageTestCase):
    """Nothing leaves before its commit."""

    def test_neither_ack_nor_delivery_before_the_commit(self) -> None:
        """While the writer is at work, nobody hears anything."""
        alice, bob = self.stage.json("alice"), self.stage.text("bob")
        alice.hears()
        self.stage.writer.held = True
        alice.asks(action="client-broadcast", msg="hello")
        self.assertEqual((alice.hears(), bob.hears()), (b"", b""))
        self.stage.writer.run_next()
        self.stage.settle()
        self.assertEqual(ids(alice.objects()), [1])
        self.assertEqual(bob.lines(), ["MSG alice hello"])

    def test_no_answer_shows_what_is_not_on_disk(self) -> None:
        """Bob asks for groups after alice made one; he is answered when it is on disk."""
        alice, bob = self.stage.text("alice"), self.stage.text("bob")
        self.stage.writer.held = True
        alice.says("cg;wob")
        bob.says("groups;").says("cg;WOB")
        self.assertEqual(bob.hears(), b"")
        self.stage.writer.run_next()
        self.stage.settle()
        self.assertEqual(bob.lines()[:2], ["GRP wob public 1 -", "END groups 1"])

    def test_pipelined_messages_share_transactions(self) -> None:
        """64 messages in one segment: 64 acks in order, one commit."""
        alice = self.stage.json("alice")
        before = self.stage.journal.commits
        requests = [{"action": "client-broadcast", "msg": str(n), "ref": n} for n in range(1, 65)]
        alice.says("\n".join(json.dumps(request) for request in requests))
        acks = alice.objects()
        self.assertEqual([ack["ref"] for ack in acks], list(range(1, 65)))
        self.assertEqual(ids(acks), list(range(1, 65)))
        self.assertEqual(self.stage.journal.commits - before, 1)

    def test_a_commit_is_never_more_than_a_reader_can_take(self) -> None:
        """A flood of long messages makes several, and cuts off nobody who reads."""
        alice, bob = self.stage.json("alice"), self.stage.json("bob")
        alice.hears()
        before = self.stage.journal.commits
        alice.says(b'{"action":"client-broadcast","msg":"%b"}\n' % (b"x" * 8000) * 200)
        self.assertEqual(ids(alice.objects()), list(range(1, 201)))
        self.assertEqual(len(bodies(bob.objects())), 200)
        self.assertEqual(self.stage.journal.commits - before, 13)
        self.assertFalse(bob.closed)

    def test_nor_when_it_is_of_images(self) -> None:
        """Whatever the wire makes of them."""
        alice = self.stage.json("alice")
        readers = [
            self.stage.json("bob"),
            self.stage.text("carol"),
            self.stage.connect("tp6").says("Hello|dave"),
        ]
        before = self.stage.journal.commits
        art = ("\\u0001" * 99 + "\\n") * 90
        alice.says(b'{"action":"client-broadcast","kind":"image","msg":"%b"}\n' % art.encode() * 30)
        self.stage.wait(30)
        self.assertEqual(self.stage.rows("SELECT count(*), sum(length(body)) FROM log"), [(30, 30 * 9000)])
        self.assertEqual(self.stage.journal.commits - before, 3)
        self.assertEqual([reader.closed for reader in readers], [False] * 3)

    def test_what_comes_during_a_commit_is_the_next_one(self) -> None:
        """However many clients, one transaction is under way and one waits."""
        clients = [self.stage.json(f"user{n}") for n in range(5)]
        before = self.stage.journal.commits
        self.stage.writer.held = True
        for client in clients:
            client.asks(action="client-broadcast", msg="hello")
        self.stage.writer.held = False
        self.stage.writer.run_next()
        self.stage.settle()
        self.assertEqual(self.stage.journal.commits - before, 2)
        self.assertEqual(self.stage.rows("SELECT seq FROM log"), [(n,) for n in range(1, 6)])


class InOrder(StageTestCase):
    """Answers come in the order of the requests."""

    def test_writes_reads_and_refusals(self) -> None:
        """One segment with a bit of everything, each deciding on what the one before did."""
        alice = self.stage.json("alice")
        alice.says(
            b'{"action":"cgroupe","group":"wob","ref":1}\n'
            b'{"action":"cgroupe","group":"wob","ref":2}\n'
            b'{"action":"gbroadcast","group":"wob","msg":"one","ref":3}\n'
            b'{"action":"msgs","group":"wob","ref":4}\n'
            b'{"action":"gbroadcast","group":"wob","msg":"two","ref":5}\n'
            b'{"action":"members","group":"wob","ref":6}\n'
            b'{"action":"leave","group":"wob","ref":7}\n'
            b'{"action":"msgs","group":"wob","ref":8}\n'
            b'{"action":"client-quit","ref":9}\n'
        )
        answers = alice.objects()
        self.assertEqual([answer["ref"] for answer in answers], list(range(1, 10)))
        self.assertEqual(answers[1]["code"], "group_exists")
        self.assertEqual([item["msg"] for item in answers[3]["messages"]], ["one"])
        self.assertEqual(answers[7]["code"], "not_member")
        self.assertTrue(alice.closed)

    def test_nothing_after_quitting_counts(self) -> None:
        """What is said behind a BYE in the same segment is not heard."""
        alice, bob = self.stage.text("alice"), self.stage.text("bob")
        alice.says(b"MSG last words\nBYE\nMSG ghost\n")
        self.assertEqual(bob.lines(), ["MSG alice last words", "LFT alice"])

    def test_a_nick_is_free_at_once(self) -> None:
        """Who comes under a nick that has just been left hears no leftovers, and the order is kept."""
        alice, bob = self.stage.text("alice"), self.stage.text("bob")
        self.stage.writer.held = True
        alice.says("MSG going")
        alice.hangs_up()
        again = self.stage.arrives("alice")
        self.stage.writer.run_next()
        self.stage.settle()
        self.assertEqual(bob.lines(), ["MSG alice going", "LFT alice", "ARR alice", "BCK alice"])
        self.stage.wait(CLIENT_SILENCE_SECONDS)
        self.assertEqual(again.lines(), ["WHO", "ARR alice", "BCK alice", HINT])

    def test_a_client_that_sends_too_much_is_not_read(self) -> None:
        """A full queue pauses who fills it, and nothing is lost."""
        self.stage.close()
        self.stage = Stage(self.stage.database, Limits(commit_queue=4))
        alice, bob = self.stage.json("alice"), self.stage.json("bob")
        self.stage.writer.held = True
        for n in range(20):
            alice.asks(action="client-broadcast", msg=str(n))
        self.assertEqual(alice.wire.producerState, "paused")
        self.assertLessEqual(len(self.stage.journal), 6)
        self.stage.writer.held = False
        self.stage.writer.run_next()
        self.stage.settle()
        self.assertEqual(alice.wire.producerState, "producing")
        self.assertEqual(bodies(bob.objects()), [str(n) for n in range(20)])


class Once(StageTestCase):
    """A ref is stored once."""

    def test_sent_twice(self) -> None:
        """In one segment, later, after coming back, after a restart: one entry, one delivery, equal acks."""
        alice, bob = self.stage.json("alice"), self.stage.json("bob")
        alice.hears()
        request = b'{"action":"client-broadcast","msg":"hello","ref":"m1"}\n'
        alice.says(request * 2)
        alice.says(request)
        acks = alice.objects()
        alice.hangs_up()
        alice = self.stage.json("alice")
        acks += alice.says(request).objects()
        self.assertEqual(bodies(bob.objects()), ["hello"])
        self.restart()
        acks += self.stage.json("alice").says(request).objects()
        self.assertEqual(len(acks), 5)
        self.assertEqual([ack for ack in acks if ack != acks[0]], [])
        self.assertEqual(self.stage.rows("SELECT id, seq, body, ref FROM log"), [(1, 1, "hello", "m1")])

    def test_a_ref_is_its_authors_own(self) -> None:
        """Two people may use the same one."""
        alice, bob = self.stage.json("alice"), self.stage.json("bob")
        alice.hears()
        for client in (alice, bob):
            client.asks(action="client-broadcast", msg="hello", ref=1)
        self.assertEqual(ids(alice.objects()), [1, 2])

    def test_a_ref_given_to_another_message(self) -> None:
        """Is refused: an ack would be a lie."""
        alice = self.stage.json("alice")
        alice.asks(action="client-broadcast", msg="one", ref=0).hears()
        alice.asks(action="client-broadcast", msg="two", ref=0)
        alice.asks(action="client-send", to="alice", msg="one", ref=0)
        alice.says(
            b'{"action":"client-broadcast","msg":"three","ref":3}\n'
            b'{"action":"client-broadcast","msg":"four","ref":3}\n'
        )
        self.assertEqual(
            [(found["ref"], found.get("code")) for found in alice.objects()],
            [(0, "ref_reused"), (0, "ref_reused"), (3, None), (3, "ref_reused")],
        )
        self.assertEqual(self.stage.rows("SELECT id, body FROM log"), [(1, "one"), (2, "three")])


class Failing(StageTestCase):
    """A commit fails; the daemon goes on."""

    def test_what_was_in_it_and_behind_it_is_refused(self) -> None:
        """Also an answer that would show it; nobody else notices."""
        alice, bob = self.stage.json("alice"), self.stage.text("bob")
        alice.hears()
        self.stage.writer.error = FULL
        self.stage.writer.held = True
        alice.asks(action="cgroupe", group="wob", ref=1)
        alice.asks(action="gbroadcast", group="wob", msg="hello", ref=2)
        alice.asks(action="groups", ref=3)
        self.stage.writer.run_next()
        self.stage.settle()
        self.assertEqual(
            [(answer["code"], answer["ref"], answer["retry_after"]) for answer in alice.objects()],
            [("storage_failed", n, 1.0) for n in (1, 2, 3)],
        )
        self.assertEqual(bob.hears(), b"")
        self.stage.writer.error = None
        self.stage.writer.held = False
        alice.asks(action="groups").asks(action="cgroupe", group="wob")
        groups, ack = alice.objects()
        self.assertEqual(groups["groups"], [])
        self.assertEqual((ack["id"], ack["seq"]), (1, 1))

    def test_an_arrival_that_is_lost(self) -> None:
        """A newcomer whose name can't be written has none, and may try again."""
        bob = self.stage.text("bob")
        self.stage.writer.error = FULL
        alice = self.stage.connect("text").says(b"IAM alice\nMSG hello\n")
        self.assertEqual([line.split()[:2] for line in alice.lines()[1:]], [["ERR", "storage_failed"]] * 2)
        self.stage.writer.error = None
        alice.says(b"IAM alice\nMSG hello\n")
        self.assertEqual(alice.lines(), ["ARR alice"])
        self.assertEqual(bob.lines(), ["ARR alice", "MSG alice hello"])

    def test_nobody_learns_of_an_arrival_that_was_lost(self) -> None:
        """Not even when the newcomer has hung up meanwhile."""
        alice = self.stage.text("alice")
        self.stage.writer.error = FULL
        self.stage.writer.held = True
        self.stage.arrives("bob").hangs_up()
        self.stage.writer.run_next()
        self.stage.settle()
        self.assertEqual(alice.hears(), b"")

    def test_departures_are_told_all_the_same(self) -> None:
        """Presence is not stored, so a full disk doesn't hide it."""
        alice, bob = self.stage.text("alice"), self.stage.text("bob")
        alice.hears()
        self.stage.writer.error = FULL
        bob.says(b"MSG lost\nBYE\n")
        self.assertEqual(alice.lines(), ["LFT bob"])
        self.assertTrue(bob.closed)

    def test_refusals_come_behind_what_was_told_before(self) -> None:
        """A departure that waits for company is told first, also to who leaves with the lost commit."""
        self.patch(dispatch, "PRESENCE_BATCH_MIN_USERS", 2)
        self.patch(dispatch, "PRESENCE_DELAY_PER_USER_SECONDS", 1.0)
        alice, bob, carol = [self.stage.text(nick) for nick in ("alice", "bob", "carol")]
        self.stage.wait(1)
        for peer in (alice, bob):
            peer.hears()
        carol.hangs_up()
        self.stage.writer.error = FULL
        self.stage.writer.held = True
        alice.says("MSG lost")
        bob.says("BYE")
        self.stage.writer.run_next()
        self.stage.writer.held = False
        self.stage.wait(1)
        self.assertEqual(bob.lines(), ["LFT carol", "LFT bob"])
        self.assertEqual([line.split()[0] for line in alice.lines()], ["LFT", "ERR", "LFT"])

    def test_until_memory_is_read_anew_everything_is_refused(self) -> None:
        """While the disk can't be read either, the daemon says so and tries again."""
        alice = self.stage.text("alice")
        readers = self.stage.readers
        readers.error = self.stage.writer.error = sqlite3.OperationalError("disk I/O error")
        alice.says("MSG one").says("MSG two").says("WHO")
        self.assertEqual([line.split()[1] for line in alice.lines()], ["storage_failed"] * 3)
        readers.error = self.stage.writer.error = None
        self.stage.wait(1.5)
        self.assertEqual(alice.says("WHO").lines(), ["WHO alice", "END WHO 1"])

    def test_a_log_that_cannot_be_read(self) -> None:
        """A question is refused; who comes back is sent away, rather than left with a gap."""
        alice = self.stage.json("alice")
        alice.asks(action="client-broadcast", msg="hello")
        self.stage.json("bob").hangs_up()
        alice.hears()
        readers = self.stage.readers
        readers.error = sqlite3.OperationalError("disk I/O error")
        bob = self.stage.connect("json").asks(action="client-hello", from_="bob", since=0)
        self.assertEqual([found.get("code") for found in bob.objects()], [None, "storage_failed"])
        self.assertTrue(bob.closed)
        alice.hears()
        readers.error = None
        alice.asks(action="history")
        self.assertEqual([len(found["messages"]) for found in alice.objects()], [1])
        readers.error = sqlite3.OperationalError("disk I/O error")
        alice.asks(action="history", ref=1).asks(action="client-list-clients")
        refused, clients = alice.objects()
        self.assertEqual((refused["code"], refused["ref"]), ("storage_failed", 1))
        self.assertEqual(clients["clients"], ["alice"])

    def test_a_mistake_of_ours(self) -> None:
        """Is logged once with its traceback; its client is told, the others are served."""
        alice, bob = self.stage.json("alice"), self.stage.text("bob")
        alice.hears()

        def internal_error(*_: object) -> None:
            raise ZeroDivisionError

        patch = self.patch(authority, "decide", internal_error)
        alice.asks(action="client-broadcast", msg="hello", ref=1)
        patch.restore()
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual([(a["code"], a["ref"]) for a in alice.objects()], [("internal_error", 1)])
        bob.says("MSG still here")
        self.assertEqual(bodies(alice.objects()), ["still here"])

    def test_a_mistake_while_welcoming_somebody_back(self) -> None:
        """Half arrived is nowhere: the connection closes, and the nick is free."""
        self.stage.text("zoe").hangs_up()

        def internal_error(*_: object) -> None:
            raise ZeroDivisionError

        patch = self.patch(text, "_ANSWERS", {**text._ANSWERS, Welcome: internal_error})
        zoe = self.stage.arrives("zoe")
        patch.restore()
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(zoe.lines()[1].split()[:2], ["ERR", "internal_error"])
        self.assertTrue(zoe.closed)
        zoe = self.stage.arrives("zoe")
        self.assertEqual(zoe.lines(), ["WHO", "ARR zoe", "BCK zoe"])


class ComingBack(StageTestCase):
    """A returning user gets what was missed, then what is new."""

    def test_live_messages_wait_for_the_replay(self) -> None:
        """What is said while the log is read follows it: no gap, no duplicate."""
        alice = self.stage.json("alice")
        for n in range(5):
            alice.asks(action="client-broadcast", msg=str(n))
        self.stage.json("bob").hangs_up()
        readers = self.stage.readers
        readers.held = True
        bob = self.stage.connect("json").asks(action="client-hello", from_="bob", since=2)
        alice.asks(action="client-broadcast", msg="meanwhile")
        readers.held = False
        readers.run_next()
        self.stage.settle()
        objects = bob.objects()
        self.assertEqual(objects[0]["cursor"], 5)
        self.assertEqual(ids(objects[1:]), [3, 4, 5, 6])

    def test_a_hello_between_two_messages_of_one_commit(self) -> None:
        """The replay ends where the hello had its turn, in the middle of the transaction."""
        alice = self.stage.json("alice")
        self.stage.json("bob").hangs_up()
        self.stage.writer.held = True
        alice.asks(action="client-broadcast", msg="one").asks(action="client-broadcast", msg="two")
        bob = self.stage.connect("json").asks(action="client-hello", from_="bob", since=0)
        alice.asks(action="client-broadcast", msg="three")
        self.stage.writer.held = False
        self.stage.writer.run_next()
        self.stage.settle()
        objects = bob.objects()
        self.assertEqual(objects[0]["cursor"], 2)
        self.assertEqual(ids(objects[1:]), [1, 2, 3])

    def test_more_than_may_be_held_is_read_from_the_log(self) -> None:
        """A slow replay in a busy room takes bounded memory and loses nothing."""
        self.stage.close()
        self.stage = Stage(self.stage.database, Limits(outbox=2000))
        alice = self.stage.json("alice")
        self.stage.json("bob").hangs_up()
        readers = self.stage.readers
        readers.held = True
        bob = self.stage.connect("json").asks(action="client-hello", from_="bob", since=0)
        for n in range(40):
            alice.asks(action="client-broadcast", msg=str(n))
        got: list[dict[str, Any]] = []
        bob.wire.stuck = False
        readers.held = False
        while readers.waiting:
            readers.run_next()
            self.stage.settle()
        got += bob.objects()[1:]
        self.assertEqual(bob.closed, len(ids(got)) < 40)
        seen = ids(got)
        if bob.closed:
            again = self.stage.connect("json").asks(
                action="client-hello", from_="bob", since=max(seen, default=0)
            )
            seen += ids(again.objects()[1:])
        self.assertEqual(seen, list(range(1, 41)))

    def test_a_newcomer_may_ask_for_everything(self) -> None:
        """A hello with since gets what follows, also the first one."""
        self.stage.json("alice").asks(action="client-broadcast", msg="hello")
        bob = self.stage.connect("json").asks(action="client-hello", from_="bob", since=0)
        self.assertEqual(bodies(bob.objects()), ["hello"])

    def test_invitations_and_other_news_about_oneself(self) -> None:
        """Who was away learns what was done to them, once."""
        alice = self.stage.text("alice")
        self.stage.json("bob").hangs_up()
        alice.says("cg;den;private").says("invite;den;bob").says("cg;wob").says("ban;wob;bob;spam")
        bob = self.stage.connect("json").asks(action="client-hello", from_="bob")
        news = [(found.get("event"), found.get("group")) for found in bob.objects() if "event" in found]
        self.assertEqual(news, [("invited", "den"), ("banned", "wob")])
        bob.hangs_up()
        alice.says("MSG the write that holds what bob has seen")
        again = self.stage.connect("json").asks(action="client-hello", from_="bob")
        self.assertEqual([found["action"] for found in again.objects()], ["server-hello", "server-history"])

    def test_a_text_client_gets_every_private_message(self) -> None:
        """However many pages they fill; not what it said itself, and not the lobby."""
        alice, bob = self.stage.json("alice"), self.stage.text("bob")
        bob.says("PRV alice before").says("BYE")
        for n in range(250):
            alice.asks(action="client-send", to="bob", msg=str(n))
        alice.asks(action="client-broadcast", msg="not this")
        bob = self.stage.arrives("bob")
        self.assertEqual(missed(bob), [f"PRV alice {n}" for n in range(250)])

    def test_what_was_heard_is_not_told_again(self) -> None:
        """Whether or not anything was written meanwhile."""
        alice, bob = self.stage.text("alice"), self.stage.text("bob")
        alice.says("PRV bob hi")
        bob.says("BYE")
        self.assertEqual(missed(self.stage.arrives("bob")), [])

    def test_what_was_not_sent_comes_again(self) -> None:
        """To who vanishes in the middle of a replay, or before a paced line had its time."""
        alice, bob = self.stage.json("alice"), self.stage.text("bob")
        bob.says("BYE")
        for n in range(300):
            alice.asks(action="client-send", to="bob", msg=f"{n} {'x' * 2000}")
        bob = self.stage.connect("text")
        bob.wire.stuck = True
        bob.says("IAM bob").hangs_up()
        self.assertLess(len(bob.lines()), 300)
        bob = self.stage.arrives("bob")
        self.assertEqual(len(missed(bob)), 300)
        bob.says("LST").says("BYE")
        self.stage.wait(1)
        course = self.stage.connect("json").says(b'{"from":"carol","action":"client-hello"}')
        self.stage.wait(1)
        for n in range(10):
            alice.asks(action="client-send", to="carol", msg=str(n))
        course.hangs_up()
        carol = self.stage.connect("json").asks(action="client-hello", from_="carol")
        self.assertEqual(len(carol.objects()[1]["messages"]), 10)

    def test_who_breaks_off_has_seen_what_there_was_a_while_before_they_last_said_something(self) -> None:
        """What was written to a connection that then broke may have gone nowhere, so it comes again."""
        alice, bob = self.stage.text("alice"), self.stage.text("bob")
        alice.says("PRV bob one")
        bob.says("WHO")
        alice.says("PRV bob two")
        self.stage.wait(5)
        bob.says("WHO").says("WHO")
        alice.says("PRV bob three")
        bob.breaks()
        bob = self.stage.arrives("bob")
        self.assertEqual(missed(bob), ["PRV alice two", "PRV alice three"])

    def test_what_is_on_its_way_when_somebody_says_something_has_not_arrived(self) -> None:
        alice, bob = self.stage.text("alice"), self.stage.text("bob")
        bob.says("BYE")
        alice.says("PRV bob one")
        bob = self.stage.arrives("bob")
        bob.says("WHO").says("WHO").breaks()
        self.assertEqual(missed(self.stage.arrives("bob")), ["PRV alice one"])

    def test_who_breaks_off_without_a_word_has_seen_nothing_new(self) -> None:
        """Nor does a word count that comes while something waits to be written."""
        alice, bob = self.stage.text("alice"), self.stage.text("bob")
        bob.says("BYE")
        alice.says("PRV bob one")
        self.stage.arrives("bob").breaks()
        bob = self.stage.arrives("bob")
        self.assertEqual(missed(bob), ["PRV alice one"])
        bob.wire.stuck = True
        alice.says("PRV bob two").says("PRV bob three")
        for _ in range(2):
            self.stage.wait(5)
            bob.says("WHO")
        bob.breaks()
        bob = self.stage.arrives("bob")
        self.assertEqual(missed(bob), ["PRV alice one", "PRV alice two", "PRV alice three"])

    def test_a_failed_hello_takes_what_was_seen_along(self) -> None:
        """Who says hello on the same connection under another name has seen nothing of it."""
        alice = self.stage.text("alice")
        self.stage.text("bob").says("BYE")
        alice.says("PRV bob one")
        self.stage.writer.held = True
        nameless = self.stage.arrives("carol")
        for _ in range(2):
            self.stage.wait(5)
            nameless.says("WHO")
        self.stage.writer.error = FULL
        self.stage.writer.run_next()
        self.stage.writer.held, self.stage.writer.error = False, None
        self.stage.wait(5)
        nameless.says("IAM bob").breaks()
        self.assertEqual(missed(self.stage.arrives("bob")), ["PRV alice one"])

    def test_a_goodbye_behind_which_the_connection_breaks(self) -> None:
        """What was to be written before its answer may not have arrived either."""
        alice, bob = self.stage.text("alice"), self.stage.text("bob")
        bob.wire.stuck = True
        alice.says("PRV bob one").says("PRV bob two")
        bob.says("BYE").breaks()
        bob = self.stage.arrives("bob")
        self.assertEqual(missed(bob), ["PRV alice one", "PRV alice two"])

    def test_a_goodbye_behind_a_hello_that_could_not_be_caught_up(self) -> None:
        self.fails_to_catch_up("text", b"IAM bob\nBYE\n")
        bob = self.stage.arrives("bob")
        self.assertEqual(missed(bob), ["PRV alice one"])

    def test_what_is_asked_behind_a_hello_that_could_not_be_caught_up(self) -> None:
        """Is not answered, as if what was missed had come before."""
        hello = b'{"action":"client-hello","from":"bob"}\n{"action":"client-hello"}\n'
        bob = self.fails_to_catch_up("json", hello)
        said = [(found["action"], found.get("code")) for found in bob.objects()]
        self.assertEqual(said, [("server-hello", None), ("server-error", "storage_failed")])
        self.assertTrue(bob.closed)

    def fails_to_catch_up(self, wire: str, hello: bytes) -> Peer:
        """Bob, who has missed a word of alice's, says ``hello`` while the log can't be read."""
        alice = self.stage.text("alice")
        self.stage.text("bob").says("BYE")
        alice.says("PRV bob one")
        readers = self.stage.readers
        readers.held = True
        bob = self.stage.connect(wire).says(hello)
        readers.error = sqlite3.OperationalError("disk I/O error")
        readers.run_next()
        self.stage.settle()
        readers.error, readers.held = None, False
        return bob

    def test_the_daemon_stops_in_the_middle_of_catching_up(self) -> None:
        """What is read then goes nowhere, however orderly the connection is closed."""
        alice = self.stage.text("alice")
        self.stage.text("bob").says("BYE")
        alice.says("PRV bob one")
        readers = self.stage.readers
        readers.held = True
        bob = self.stage.connect("text")
        bob.wire.stuck = True
        bob.says("IAM bob")
        self.stage.sessions.close()
        readers.run_next()
        self.stage.settle()
        bob.wire.unstick()
        self.restart()
        self.assertEqual(missed(self.stage.arrives("bob")), ["PRV alice one"])

    def test_what_was_missed_may_be_kept_for_the_next_session(self) -> None:
        """For a script under a person's name: it gets none of it, and what it hears does not count."""
        alice, bob = self.stage.text("alice"), self.stage.text("bob")
        bob.says("BYE")
        alice.says("PRV bob one")
        script = self.stage.connect("json").asks(action="client-hello", from_="bob", missed="keep")
        self.assertEqual([said["action"] for said in script.objects()], ["server-hello"])
        alice.says("PRV bob two")
        self.assertEqual(bodies(script.asks(action="client-list-clients").objects()), ["two"])
        script.asks(action="client-quit")
        bob = self.stage.arrives("bob")
        self.assertEqual(missed(bob), ["PRV alice one", "PRV alice two"])

    def test_an_id_of_another_log_is_as_good_as_none(self) -> None:
        """Its database was replaced, or an older one was restored."""
        alice = self.stage.text("alice")
        self.stage.text("bob").says("BYE")
        alice.says("PRV bob one")
        script = self.stage.connect("json").asks(action="client-hello", from_="bob", since=99, missed="keep")
        self.assertEqual([said["action"] for said in script.objects()], ["server-hello"])
        script.hangs_up()
        bob = self.stage.connect("json").asks(action="client-hello", from_="bob", since=99)
        self.assertEqual([item["id"] for said in bob.objects() for item in said.get("messages", ())], [1])

    def test_what_follows_an_id_does_not_count_if_it_is_kept(self) -> None:
        alice = self.stage.text("alice")
        self.stage.text("bob").says("BYE")
        alice.says("PRV bob one")
        script = self.stage.connect("json").asks(action="client-hello", from_="bob", missed="keep", since=0)
        self.assertEqual(bodies(script.objects()), ["one"])
        script.hangs_up()
        self.assertEqual(missed(self.stage.arrives("bob")), ["PRV alice one"])

    def test_a_welcome_says_up_to_where_one_has_seen_the_log(self) -> None:
        """From there on everything comes again to who names it; a newcomer has missed nothing."""
        alice, bob = self.stage.json("alice"), self.stage.json("bob")
        alice.asks(action="client-send", to="bob", msg="one")
        bob.hangs_up()
        alice.asks(action="client-send", to="bob", msg="two")
        welcome, *pages = self.stage.connect("json").asks(action="client-hello", from_="bob").objects()
        self.assertEqual((welcome["seen"], welcome["cursor"]), (1, 2))
        direct = next(page for page in pages if page.get("with") == "alice")
        self.assertEqual((direct["seen"], [item["id"] for item in direct["messages"]]), (1, [1, 2]))
        (newcomer,) = self.stage.connect("json").asks(action="client-hello", from_="carol").objects()
        self.assertEqual((newcomer["seen"], newcomer["cursor"]), (2, 2))

    def test_what_was_heard_is_written_down_soon(self) -> None:
        """A crash more than a few seconds after a departure repeats nothing."""
        alice, bob = self.stage.text("alice"), self.stage.text("bob")
        alice.says("PRV bob hi")
        bob.says("BYE")
        self.stage.wait(6)
        self.assertEqual(self.stage.rows("SELECT seen FROM users WHERE nick = 'bob'"), [(1,)])

    def test_one_hello_is_enough(self) -> None:
        """A second one is answered and tells nobody; one under another name is refused."""
        alice, bob = self.stage.text("alice"), self.stage.json("bob")
        alice.hears()
        answers = bob.asks(action="client-hello", from_="bob").asks(action="client-hello").objects()
        self.assertEqual([answer["msg"] for answer in answers], ["Hello bob", "Hello bob"])
        refused = bob.asks(action="client-hello", from_="carol").objects()
        self.assertEqual([answer["code"] for answer in refused], ["not_you"])
        self.assertEqual(alice.hears(), b"")

    def test_guests(self) -> None:
        """Each gets a nick that nobody ever had, under which nobody comes back."""
        add_users(self.stage.database, "guest2")
        self.restart()
        first = self.stage.connect("json").asks(action="client-hello").objects()
        second = self.stage.connect("json").asks(action="client-hello").objects()
        self.assertEqual([first[0]["msg"], second[0]["msg"]], ["Hello guest3", "Hello guest4"])
        for nick in "guest2", "GUEST3", "guest5", "guestl":
            refused = self.stage.connect("json").asks(action="client-hello", from_=nick).objects()
            self.assertEqual([answer["code"] for answer in refused], ["bad_nick"])

    def test_a_guest_may_name_itself(self) -> None:
        """Course work gives its name with every request."""
        guest = self.stage.connect("json").asks(action="client-hello")
        guest.objects()
        answers = guest.asks(action="client-broadcast", from_="Guest1", msg="hi").objects()
        self.assertEqual([answer["action"] for answer in answers], ["server-ack"])


class Names(StageTestCase):
    """What is refused to new names, and what stays with those who have one."""

    def hello(self, nick: str) -> str:
        """What is said to somebody who arrives under this nick."""
        (answer,) = (
            self.stage.connect("json").asks(action="client-hello", from_=nick, missed="keep").objects()
        )
        return str(answer["msg"])

    def test_a_nick_that_looks_like_a_users_is_refused_while_that_user_is_away_too(self) -> None:
        self.stage.text("alice").says("BYE")
        for nick in "a1ice", "AIice", "аӏісе":
            self.assertEqual(
                self.hello(nick), f"{nick} is not a valid nick: it looks like alice: choose another name"
            )
        self.assertEqual(self.hello("ALICE"), "Welcome back alice !")

    def test_whoever_was_refused_takes_another_name(self) -> None:
        self.stage.text("alice")
        mallory = self.stage.connect("json")
        mallory.asks(action="client-hello", from_="a1ice").asks(action="client-hello", from_="mallory")
        refused, welcome = mallory.objects()[:2]
        self.assertEqual((refused["code"], welcome["msg"]), ("bad_nick", "Hello mallory"))
        self.assertEqual(self.stage.rows("SELECT nick FROM users WHERE id > 0"), [("alice",), ("mallory",)])

    def test_names_that_older_rules_allowed_stay_usable_unless_they_are_reserved(self) -> None:
        stacked = "x\u0334\u0335\u0323y"
        nicks = ["alice", "a1ice", "/root", "&co", stacked, "r00t", "admin", "guest7"]
        add_users(self.stage.database, *nicks)
        groups = ["wob", "w0b", "/etc", "&den", stacked, "Admin", "guest1"]
        for number, name in enumerate(groups, 2):
            with sqlite3.connect(self.stage.database) as connection:
                connection.execute(
                    "INSERT INTO conversations (id, kind, name) VALUES (?, 'group', ?)", (number, name)
                )
                connection.execute(
                    "INSERT INTO log (conversation, seq, at, kind, actor, body)"
                    " VALUES (?, 1, 1, 'created', 1, 'public')",
                    (number,),
                )
            connection.close()
        self.restart()
        for nick in nicks[:6]:
            self.assertEqual(self.hello(nick), f"Welcome back {nick} !")
        for nick in nicks[6:]:
            self.assertEqual(
                self.hello(nick), f'{nick} is not a valid nick: "{nick}" is reserved: choose another name'
            )
        bob = self.stage.json("bob")
        for group in groups:
            for action in "join", "msgs", "leave", "join":
                (answer,) = bob.asks(action=action, group=group).objects()
                self.assertNotEqual(answer["action"], "server-error", answer)
            (answer,) = bob.asks(action="cgroupe", group=group).objects()
            self.assertEqual(answer["code"], "group_exists")
        (answer,) = bob.asks(action="client-send", to="admin", msg="hi").objects()
        self.assertEqual((answer["action"], answer["seq"]), ("server-ack", 1))


def add_users(database: Path, *nicks: str) -> None:
    """Let an older chatd have known these."""
    connection = sqlite3.connect(database)
    with connection:
        connection.executemany(
            "INSERT INTO users (nick, key, colour) VALUES (?, ?, '#123456')",
            [(nick, nick.casefold()) for nick in nicks],
        )
    connection.close()


class Reader:
    """Somebody who notes every place in the log that they are told of, over many sessions."""

    def __init__(self, nick: str) -> None:
        self.nick = nick
        self.peer: Peer | None = None
        self.seen: list[int] = []

    def note(self) -> None:
        """Read what has come. A place may be told twice only by the ack of what was resent."""
        assert self.peer is not None
        for found in self.peer.objects():
            if "id" in found:
                self.seen.append(found["id"])


class Exactness(StageTestCase):
    """Whatever happens, who resumes from the largest id has seen everything once, in order."""

    @settings(max_examples=effort(150), deadline=None)
    @given(
        st.lists(
            st.tuples(
                st.sampled_from(["say", "send", "drop", "back", "fail", "hold", "go"]), st.integers(0, 2)
            ),
            max_size=40,
        )
    )
    def test_any_history(self, acts: list[tuple[str, int]]) -> None:
        """Random talk, departures, returns and failing commits."""
        self.restart_empty()
        readers = [Reader(nick) for nick in ("alice", "bob", "carol")]
        for reader in readers:
            self.come(reader)
        for act, who in acts:
            self.act(act, readers[who], readers[who - 1])
        self.act("go", readers[0], readers[1])
        for reader in readers:
            self.act("drop", reader, reader)
        for reader in readers:
            self.come(reader)
            reader.note()
            visible = self.stage.rows(
                "SELECT log.id FROM log JOIN conversations AS c ON c.id = log.conversation"
                " WHERE c.kind = 'lobby' OR ? IN (SELECT nick FROM users WHERE id IN (c.low, c.high))"
                " ORDER BY log.id",
                reader.nick,
            )
            self.assertEqual(reader.seen, [id for (id,) in visible])

    def restart_empty(self) -> None:
        """A new database for each example."""
        self.stage.close()
        self.stage = Stage(Path(self.mktemp()))

    def come(self, reader: Reader) -> None:
        """Say hello with the largest id so far."""
        reader.peer = self.stage.connect("json").asks(
            action="client-hello", from_=reader.nick, since=max(reader.seen, default=0)
        )

    def act(self, act: str, reader: Reader, other: Reader) -> None:
        """Do one thing that may happen."""
        writer = self.stage.writer
        peer = reader.peer
        if act == "back" and peer is None:
            self.come(reader)
        elif act == "fail":
            writer.error = FULL if writer.error is None else None
        elif act == "hold":
            writer.held = True
        elif act == "go":
            writer.held = False
            while writer.waiting:
                writer.run_next()
            self.stage.settle()
            writer.error = None
        elif peer is not None and act == "say":
            peer.asks(action="client-broadcast", msg="hello")
        elif peer is not None and act == "send":
            peer.asks(action="client-send", to=other.nick, msg="hello")
        elif peer is not None and act == "drop":
            reader.note()
            peer.hangs_up()
            reader.peer = None


class NothingLeftOut(StageTestCase):
    """Whatever happens, who remembers nothing has been told every private message at least once."""

    @settings(max_examples=effort(300), deadline=None)
    @given(
        st.lists(
            st.sampled_from(
                [
                    *("send", "send", "come", "come", "come and go", "word", "goodbye", "hang up", "break"),
                    *("stick", "unstick", "hold", "go", "fail", "restart"),
                ]
            ),
            max_size=40,
        )
    )
    def test_any_history(self, acts: list[str]) -> None:
        """Talk, returns, departures of every kind, reads that wait or fail, a daemon that is restarted."""
        self.stage.close()
        self.stage = Stage(Path(self.mktemp()))
        self.bob = self.stage.text("bob")
        self.heard = b""
        for act in (*acts, "go", "unstick", "goodbye", "restart", "come"):
            self.act(act)
        self.stage.wait(CLIENT_SILENCE_SECONDS + MAX_LINE_BY_LINE_DURATION_SECONDS)
        self.heard += self.bob.hears()
        told = {line.split()[-1] for line in self.heard.decode().splitlines() if line.startswith("PRV ")}
        stored = {body for (body,) in self.stage.rows("SELECT body FROM log")}
        self.assertEqual(told, stored)

    def act(self, act: str) -> None:
        """Do one thing that may happen. What bob has not read when the connection breaks is lost."""
        stage, bob = self.stage, self.bob
        readers = stage.readers
        if act == "send":
            number = stage.rows("SELECT count(*) FROM log")[0][0]
            stage.json("alice").asks(action="client-send", to="bob", msg=f"m{number}").hangs_up()
        elif act in ("come", "come and go"):
            if bob.closed:
                self.heard += bob.hears()
                goodbye = "\nBYE" if act == "come and go" else ""
                self.bob = stage.connect("text").says(f"IAM bob{goodbye}")
        elif act == "restart":
            self.act("go")
            stage.sessions.close()
            self.act("unstick")
            self.restart()
        elif act == "hold":
            readers.held = True
        elif act == "fail":
            readers.error = sqlite3.OperationalError("disk I/O error")
        elif act == "go":
            while readers.waiting:
                readers.run_next()
                stage.settle()
            readers.held, readers.error = False, None
        elif act == "stick":
            bob.wire.stuck = True
        elif act == "unstick":
            bob.wire.unstick()
        elif not bob.closed:
            unread = bob.hears()
            self.heard += b"" if act == "break" else unread
            if act == "break":
                bob.breaks()
            elif act == "hang up":
                bob.hangs_up()
            else:
                bob.says("BYE" if act == "goodbye" else "groups;")
