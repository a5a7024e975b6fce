"""Everything lands in order, once, on disk first; and a commit that fails leaves no trace."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.enterprise.adbapi import Connection
from twisted.internet.defer import Deferred
from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from chatd.core.events import LOBBY, AnsweredMessage, ChatEvent, Conversation, EventKind, User
from chatd.core.moderation import ConversationTrimmed, MessageTextDeleted
from chatd.core.read_marks import ReadMarksDeleted
from chatd.core.records import EntryDraft
from chatd.store.journal import (
    CHARACTERS_BETWEEN_SIZE_MEASUREMENTS,
    READ_MARK_WRITE_DELAY_SECONDS,
    RECORD_OVERHEAD_CHARACTERS,
    WAIT_FOR_MORE_TASKS_SECONDS,
    WAL_TRUNCATE_ATTEMPTS,
    WAL_TRUNCATE_RETRY_SECONDS,
)
from tests.support.effort import effort
from tests.support.in_memory_daemon import ThreadlessPool
from tests.support.journal_case import JournalTestCase, Note, StoreFixture


class Mistake(Exception):
    """One of ours."""


def boom() -> None:
    """Make one."""
    raise Mistake


class MessageChanges(JournalTestCase):
    """What is decided on a message that is gone by the end of the transaction leaves nothing behind."""

    def test_neither_a_reaction_nor_a_text_comes_back(self) -> None:
        for record in (ConversationTrimmed(LOBBY, 1), MessageTextDeleted(4)):
            message = self.fixture.says(self.alice, "one")
            self.fixture.turn()
            id = message.places[0][0]
            answered = AnsweredMessage(id, self.alice)
            reacted = ChatEvent("reacted", LOBBY, self.bob, None, "+1", answered_message=answered)
            edited = ChatEvent("edited", LOBBY, self.alice, None, f"{id} message two")
            self.fixture.submit("react", EntryDraft(reacted, 1_000_000))
            self.fixture.submit("edit", EntryDraft(edited, 1_000_000))
            self.fixture.submit("gone", record)
            self.fixture.turn()
            self.assertEqual(self.fixture.rows("SELECT * FROM reactions"), [])
            texts = self.fixture.rows("SELECT body FROM log WHERE kind = 'message'")
            self.assertEqual(texts, [] if id == 1 else [("",)])


class GroupCommit(JournalTestCase):
    def test_a_turn_of_the_reactor_is_one_transaction(self) -> None:
        before = self.fixture.journal.commits
        for number in range(64):
            self.fixture.says(self.alice, f"m{number}")
        self.assertEqual((self.fixture.turns, self.fixture.logged()), ([], []))
        self.fixture.turn()
        self.assertEqual(self.fixture.journal.commits - before, 1)
        self.assertEqual(
            self.fixture.turns, [f"m{number} committed {number + 1}/{number + 1}" for number in range(64)]
        )
        self.assertEqual(self.fixture.logged(), [(n + 1, LOBBY.id, n + 1, f"m{n}") for n in range(64)])

    def test_what_arrives_meanwhile_is_the_next_one(self) -> None:
        before = self.fixture.journal.commits
        self.fixture.writer.held = True
        self.fixture.says(self.alice, "first")
        self.fixture.turn()
        for word in ("second", "third", "fourth"):
            self.fixture.says(self.bob, word)
            self.fixture.turn()
        self.assertEqual((len(self.fixture.writer.waiting), len(self.fixture.journal)), (1, 3))
        self.fixture.writer.run_next()
        self.assertEqual(self.fixture.turns, ["first committed 1/1"])
        self.assertEqual((len(self.fixture.writer.waiting), len(self.fixture.journal)), (1, 0))
        self.fixture.writer.run_next()
        self.assertEqual(
            self.fixture.turns[1:], ["second committed 2/2", "third committed 3/3", "fourth committed 4/4"]
        )
        self.assertEqual(self.fixture.journal.commits - before, 2)

    def says(self, *clients: str) -> None:
        """Submit a message of each of these clients."""
        for client in clients:
            note = Note(self.fixture, client, (self.fixture.draft(self.alice, client),), None)
            note.client = client
            self.fixture.journal.submit(note)

    def commit_of(self, *clients: str) -> None:
        """Have a transaction with the messages of these under way, and hold the next."""
        self.fixture.writer.held = True
        self.says(*clients)
        self.fixture.turn()

    def test_fewer_than_before_wait_for_the_others(self) -> None:
        """Those who were in the last transaction and write again are in one transaction again."""
        self.commit_of("ann", "bob", "cid", "dan")
        self.says("eve", "fay")
        self.fixture.writer.run_next()
        self.assertEqual(len(self.fixture.journal), 2)
        self.says("ann")
        self.fixture.turn()
        self.assertEqual(self.fixture.writer.waiting, [])
        self.says("bob", "cid")  # as many as before, and one more that comes in the same turn
        self.fixture.turn()
        self.assertEqual((len(self.fixture.writer.waiting), len(self.fixture.journal)), (1, 0))
        self.fixture.writer.run_next()
        self.assertEqual(len(self.fixture.turns), 9)

    def test_fewer_than_before_wait_when_nothing_was_under_way(self) -> None:
        self.commit_of("ann", "bob", "cid")
        self.fixture.writer.run_next()
        self.says("ann", "bob")
        self.fixture.turn()
        self.assertEqual((self.fixture.writer.waiting, len(self.fixture.journal)), ([], 2))
        self.fixture.clock.advance(WAIT_FOR_MORE_TASKS_SECONDS)
        self.assertEqual((len(self.fixture.writer.waiting), len(self.fixture.journal)), (1, 0))

    def test_but_not_for_long(self) -> None:
        self.commit_of("ann", "bob", "cid", "dan")
        self.says("eve", "fay")
        self.fixture.writer.run_next()
        self.fixture.clock.advance(WAIT_FOR_MORE_TASKS_SECONDS * 0.9)
        self.assertEqual(self.fixture.writer.waiting, [])
        self.fixture.clock.advance(WAIT_FOR_MORE_TASKS_SECONDS * 0.2)
        self.assertEqual((len(self.fixture.writer.waiting), len(self.fixture.journal)), (1, 0))

    def test_one_client_alone_never_waits(self) -> None:
        """However many messages it has under way, also after a crowd; nor does one message by itself."""
        self.commit_of("ann", "ann", "ann", "ann")
        self.says("ann", "ann")
        self.fixture.writer.run_next()
        self.assertEqual(len(self.fixture.writer.waiting), 1)
        self.fixture.writer.run_next()
        for alone in (["eve"], ["eve", "eve", "eve"]):
            self.commit_of("ann", "bob", "cid", "dan")
            self.says(*alone)
            self.fixture.writer.run_next()
            self.assertEqual(len(self.fixture.writer.waiting), 1)
            self.fixture.writer.run_next()

    def test_a_transaction_that_is_full_does_not_wait(self) -> None:
        self.commit_of("ann", "bob", "cid", "dan")
        self.says("eve" * 20_000, "fay" * 20_000, "gus" * 20_000)
        self.fixture.writer.run_next()
        self.assertEqual(len(self.fixture.writer.waiting), 1)

    def test_nothing_has_its_turn_before_the_commit(self) -> None:
        self.fixture.writer.held = True
        self.fixture.says(self.alice, "hello")
        self.fixture.submit("who")
        self.fixture.turn()
        self.assertEqual((self.fixture.turns, self.fixture.journal.last_delivered_id), ([], 0))
        self.fixture.writer.run_next()
        self.assertEqual(
            (self.fixture.turns, self.fixture.journal.last_delivered_id),
            (["hello committed 1/1", "who committed"], 1),
        )

    def test_users_and_conversations_are_written_before_what_mentions_them(self) -> None:
        carol = self.fixture.user("carol")
        direct = self.fixture.direct(self.alice, carol)
        self.fixture.says(carol, "hi", direct)
        self.fixture.group("wob", carol)
        self.fixture.turn()
        self.assertEqual(
            self.fixture.turns,
            ["carol committed", "direct committed", "hi committed 1/1", "wob committed 2/1"],
        )
        self.assertEqual(
            self.fixture.rows("SELECT * FROM users WHERE id > 2"), [(3, "carol", "carol", carol.colour, 0)]
        )
        self.assertEqual(
            self.fixture.rows("SELECT * FROM conversations"),
            [(1, "lobby", "", None, None), (2, "direct", "", 1, 3), (3, "group", "wob", None, None)],
        )

    def test_each_conversation_counts_for_itself(self) -> None:
        direct = self.fixture.direct(self.alice, self.bob)
        self.fixture.turn()
        self.fixture.turns.clear()
        for body, conversation in (("a", LOBBY), ("b", direct), ("c", LOBBY), ("d", direct)):
            self.fixture.says(self.alice, body, conversation)
        self.fixture.turn()
        self.fixture.says(self.alice, "e", direct)
        self.fixture.turn()
        self.assertEqual(
            self.fixture.turns,
            ["a committed 1/1", "b committed 2/1", "c committed 3/2", "d committed 4/2", "e committed 5/3"],
        )

    def test_every_column_is_written(self) -> None:
        draft = self.fixture.draft(
            self.alice, "spam", self.fixture.group("wob", self.alice), "banned", self.bob, "r1"
        )
        self.fixture.submit("ban", draft)
        self.fixture.turn()
        self.assertEqual(
            self.fixture.rows("SELECT * FROM log WHERE id = 2"),
            [(2, 2, 2, draft.at, "banned", 1, 2, "spam", "r1", None, None, None)],
        )

    def test_counting_goes_on_after_a_restart(self) -> None:
        direct = self.fixture.direct(self.alice, self.bob)
        self.fixture.says(self.alice, "one")
        self.fixture.says(self.alice, "two", direct)
        self.fixture.turn()
        self.restart()
        self.assertEqual(self.fixture.journal.last_delivered_id, 2)
        self.fixture.says(self.bob, "three", self.fixture.direct(self.alice, self.bob))
        self.fixture.says(self.bob, "four")
        self.fixture.turn()
        self.assertEqual(self.fixture.turns, ["three committed 3/2", "four committed 4/2"])


class Turns(JournalTestCase):
    def test_a_task_that_writes_nothing_has_its_turn_at_once(self) -> None:
        before = self.fixture.journal.commits
        self.fixture.submit("who")
        self.assertEqual(self.fixture.turns, ["who committed"])
        self.assertEqual(self.fixture.journal.commits, before)

    def test_but_not_before_those_before_it(self) -> None:
        self.fixture.says(self.alice, "hello")
        self.fixture.submit("who")
        self.fixture.says(self.alice, "bye")
        self.fixture.submit("end")
        self.assertEqual(self.fixture.turns, [])
        self.fixture.turn()
        self.assertEqual(
            self.fixture.turns, ["hello committed 1/1", "who committed", "bye committed 2/2", "end committed"]
        )

    def test_those_that_write_nothing_wait_for_no_commit_that_is_behind_them(self) -> None:
        self.fixture.writer.held = True
        self.fixture.says(self.alice, "hello")
        self.fixture.turn()
        self.fixture.submit("who")
        self.fixture.says(self.alice, "bye")
        self.fixture.writer.run_next()
        self.assertEqual(self.fixture.turns, ["hello committed 1/1", "who committed"])
        self.fixture.writer.run_next()
        self.assertEqual(self.fixture.turns[2:], ["bye committed 2/2"])

    def test_what_a_task_submits_waits_until_its_turn_is_over(self) -> None:
        def more() -> None:
            self.fixture.submit("inner", then=lambda: self.fixture.turns.append("inner is over"))
            self.fixture.says(self.bob, "written")
            self.fixture.turns.append("outer is over")

        self.fixture.submit("outer", then=more)
        self.assertEqual(
            self.fixture.turns,
            ["outer committed", "outer is over", "inner committed", "inner is over", "written committed 1/1"],
        )

    def test_and_until_those_that_came_before(self) -> None:
        self.fixture.submit(
            "first", self.fixture.draft(self.alice, "x"), then=lambda: self.fixture.submit("last")
        )
        self.fixture.submit("second")
        self.fixture.says(self.alice, "third")
        self.fixture.turn()
        self.assertEqual(
            self.fixture.turns,
            ["first committed 1/1", "second committed", "third committed 2/2", "last committed"],
        )

    def test_a_chain_of_a_thousand_is_no_recursion(self) -> None:
        left = [1_000]

        def next_one() -> None:
            if left[0]:
                left[0] -= 1
                self.fixture.submit("link", then=next_one)

        self.fixture.submit("link", then=next_one)
        self.assertEqual(self.fixture.turns, ["link committed"] * 1_001)

    def test_told_moves_with_the_turns(self) -> None:
        told: list[int] = []
        for body in ("a", "b"):
            self.fixture.says(self.alice, body)
            self.fixture.submit("look", then=lambda: told.append(self.fixture.journal.last_delivered_id))
        self.fixture.turn()
        self.assertEqual(told, [1, 2])


class Refs(JournalTestCase):
    def lands(self, *notes: Note) -> list[tuple[str, list[tuple[int, int, int]]]]:
        """End the turn, and say where these committed."""
        self.fixture.turn()
        return [(note.outcome, note.places) for note in notes]

    def test_sent_twice_in_one_batch_it_is_stored_once(self) -> None:
        first = self.fixture.says(self.alice, "hello", ref="r1")
        other = self.fixture.says(self.alice, "other", ref="r2")
        again = self.fixture.says(self.alice, "hello", ref="r1")
        after = self.fixture.says(self.alice, "after")
        at = self.fixture.at
        self.assertEqual(
            self.lands(first, other, again, after),
            [
                ("committed", [(1, 1, at - 3)]),
                ("committed", [(2, 2, at - 2)]),
                ("committed before", [(1, 1, at - 3)]),
                ("committed", [(3, 3, at)]),
            ],
        )
        self.assertEqual([body for *_, body in self.fixture.logged()], ["hello", "other", "after"])

    def test_an_image_is_another_message_than_its_text(self) -> None:
        art = self.fixture.draft(self.alice, "##", kind="image", ref="r1")
        first, image = self.fixture.says(self.alice, "##", ref="r1"), self.fixture.submit("image", art)
        self.lands(first, image)
        (again,) = self.lands(self.fixture.submit("again", art))
        self.assertEqual(((image.outcome, image.places), again), (("committed before", []),) * 2)
        self.assertEqual(self.fixture.rows("SELECT kind FROM log"), [("message",)])

    def test_an_action_is_the_message_that_it_was_before_there_were_actions(self) -> None:
        """One that was stored by an older daemon, and is sent again to this one."""
        waves = self.fixture.draft(self.alice, "/me waves", kind="action", ref="r1")
        kinds: tuple[EventKind, ...] = ("message", "action")
        for kind, ref in zip(kinds, ("r1", "r2"), strict=True):
            stored = self.fixture.draft(self.alice, "/me waves", LOBBY, kind, ref=ref)
            self.lands(self.fixture.submit(kind, stored))
            (again,) = self.lands(self.fixture.submit("again", msgspec.structs.replace(waves, ref=ref)))
            self.assertEqual((again[0], len(again[1])), ("committed before", 1))
        self.assertEqual(self.fixture.rows("SELECT kind FROM log"), [("message",), ("action",)])

    def test_sent_again_later_it_is_stored_once(self) -> None:
        (first,) = self.lands(self.fixture.says(self.alice, "hello", ref="r1"))
        (again,) = self.lands(self.fixture.says(self.alice, "hello", ref="r1"))
        self.assertEqual((first[0], again[0]), ("committed", "committed before"))
        self.assertEqual(first[1], again[1])
        self.assertEqual(len(self.fixture.logged()), 1)
        self.assertEqual(self.fixture.journal.last_delivered_id, 1)

    def test_sent_again_after_a_restart_it_is_stored_once(self) -> None:
        (first,) = self.lands(self.fixture.says(self.alice, "hello", ref="r1"))
        self.restart()
        (again,) = self.lands(self.fixture.says(self.alice, "hello", ref="r1"))
        self.assertEqual(again, ("committed before", first[1]))
        self.assertEqual(len(self.fixture.logged()), 1)

    def test_an_old_one_does_not_turn_told_back(self) -> None:
        self.lands(self.fixture.says(self.alice, "hello", ref="r1"), self.fixture.says(self.alice, "more"))
        self.lands(self.fixture.says(self.alice, "hello", ref="r1"))
        self.assertEqual(self.fixture.journal.last_delivered_id, 2)

    def test_everyone_has_refs_of_their_own(self) -> None:
        one = self.fixture.says(self.alice, "hello", ref="1")
        other = self.fixture.says(self.bob, "hello", ref="1")
        self.assertEqual([outcome for outcome, _ in self.lands(one, other)], ["committed", "committed"])

    def test_one_lost_with_its_commit_can_be_sent_again(self) -> None:
        self.fixture.writer.error = self.fixture.full_disk
        (lost,) = self.lands(self.fixture.says(self.alice, "hello", ref="r1"))
        self.fixture.writer.error = None
        (again,) = self.lands(self.fixture.says(self.alice, "hello", ref="r1"))
        self.assertEqual((lost, again[0]), (("failed", []), "committed"))
        self.assertEqual(again[1][0][:2], (1, 1))


class FailingCommit(JournalTestCase):
    def test_all_under_way_and_all_behind_it_fail_in_order(self) -> None:
        self.fixture.writer.held = True
        self.fixture.writer.error = self.fixture.full_disk
        self.fixture.says(self.alice, "a")
        self.fixture.submit("b")
        self.fixture.turn()
        self.fixture.says(self.alice, "c")
        self.fixture.submit("d")
        self.fixture.writer.run_next()
        self.assertEqual(self.fixture.turns, ["recover", "a failed", "b failed", "c failed", "d failed"])
        self.assertEqual(
            (self.fixture.logged(), self.fixture.journal.last_delivered_id, len(self.fixture.journal)),
            ([], 0, 0),
        )

    def test_what_waited_for_nothing_had_its_turn(self) -> None:
        self.fixture.writer.error = self.fixture.full_disk
        self.fixture.submit("before")
        self.fixture.says(self.alice, "a")
        self.fixture.turn()
        self.assertEqual(self.fixture.turns, ["before committed", "recover", "a failed"])

    def test_the_next_commit_goes_on_without_a_gap(self) -> None:
        direct = self.fixture.direct(self.alice, self.bob)
        self.fixture.says(self.alice, "a", direct)
        self.fixture.turn()
        self.fixture.writer.error = self.fixture.full_disk
        commits = self.fixture.journal.commits
        for attempt in range(3):
            self.fixture.says(self.alice, f"lost {attempt}", direct)
            self.fixture.says(self.alice, f"lost {attempt}")
            self.fixture.turn()
        self.assertEqual(self.fixture.journal.commits, commits)
        self.fixture.writer.error = None
        self.fixture.turns.clear()
        self.fixture.says(self.alice, "b", direct)
        self.fixture.says(self.alice, "c")
        self.fixture.turn()
        self.assertEqual(self.fixture.turns, ["b committed 2/2", "c committed 3/1"])
        self.assertEqual(self.fixture.logged(), [(1, 2, 1, "a"), (2, 2, 2, "b"), (3, 1, 1, "c")])

    def test_a_new_user_lost_is_no_user(self) -> None:
        self.fixture.writer.error = self.fixture.full_disk
        self.fixture.says(self.fixture.user("carol"), "hello")
        self.fixture.turn()
        self.fixture.writer.error = None
        self.assertEqual(list(self.fixture.state.users), [1, 2])
        self.fixture.says(self.fixture.user("dave"), "hi")
        self.fixture.turn()
        self.assertEqual(self.fixture.rows("SELECT id, nick FROM users WHERE id > 2"), [(3, "dave")])

    def test_what_a_failed_task_submits_comes_after_the_failures(self) -> None:
        self.fixture.writer.error = self.fixture.full_disk

        def more() -> None:
            self.fixture.writer.error = None
            self.fixture.submit("who")
            self.fixture.says(self.bob, "again")

        self.fixture.submit("a", self.fixture.draft(self.alice, "a"), then=more)
        self.fixture.says(self.alice, "b")
        self.fixture.turn()
        self.assertEqual(
            self.fixture.turns, ["recover", "a failed", "b failed", "who committed", "again committed 1/1"]
        )

    def test_a_mistake_while_writing_fails_the_commit_and_is_logged_whole(self) -> None:
        self.fixture.says(self.alice, "fine")
        self.fixture.says(self.alice, "\ud800")
        self.fixture.turn()
        self.assertEqual(self.fixture.turns, ["recover", "fine failed", "\ud800 failed"])
        self.assertEqual(len(self.flushLoggedErrors(UnicodeEncodeError)), 1)
        self.fixture.says(self.alice, "fine")
        self.fixture.turn()
        self.assertEqual(self.fixture.turns[3:], ["fine committed 1/1"])

    def test_a_full_disk_is_no_mistake_of_ours(self) -> None:
        self.fixture.writer.error = self.fixture.full_disk
        self.fixture.says(self.alice, "a")
        self.fixture.turn()
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_a_record_that_the_database_refuses_fails_its_commit(self) -> None:
        self.fixture.submit("impostor", User(1, "mallory", "mallory", "#000000"))
        self.fixture.says(self.alice, "a")
        self.fixture.turn()
        self.assertEqual(self.fixture.turns, ["recover", "impostor failed", "a failed"])
        self.assertEqual(self.fixture.rows("SELECT nick FROM users WHERE id > 0"), [("alice",), ("bob",)])

    def test_a_conversation_with_nobody_known_fails_its_commit(self) -> None:
        ghost = User(9, "ghost", "ghost", "#000000")
        self.fixture.submit("direct", Conversation(2, "direct", pair=(self.alice, ghost)))
        self.fixture.turn()
        self.assertEqual(self.fixture.turns, ["recover", "direct failed"])


class ForgetfulPool(ThreadlessPool):
    """Commits, and then can't say so: what a connection lost in the wrong moment looks like."""

    forgetful = False

    def runInteraction(self, interaction: Callable[..., Any], *args: Any, **named: Any) -> Deferred[Any]:
        def forget(result: Any) -> Any:
            if self.forgetful:
                raise sqlite3.OperationalError("disk I/O error")
            return result

        return super().runInteraction(interaction, *args, **named).addCallback(forget)


class SlipperyConnection(Connection):
    """A connection that can fail to roll back."""

    slips = False

    def rollback(self) -> None:
        """Leave the transaction open, once."""
        if SlipperyConnection.slips:
            SlipperyConnection.slips = False
            raise sqlite3.OperationalError("disk I/O error")
        super().rollback()


def slippery_pool(*args: Any, **named: Any) -> ThreadlessPool:
    """A pool of such connections."""
    pool = ThreadlessPool(*args, **named)
    pool.connectionFactory = SlipperyConnection
    return pool


class WorseThanFailing(JournalTestCase):
    def at(self, pool: Callable[..., ThreadlessPool]) -> None:
        """Go on with another pool."""
        self.fixture.close()
        self.fixture = self.fixture_class(self.fixture.place, pool)

    def test_a_commit_that_failed_but_is_on_disk_is_counted(self) -> None:
        self.at(ForgetfulPool)
        assert isinstance(self.fixture.writer, ForgetfulPool)
        self.fixture.writer.forgetful = True
        self.fixture.says(self.alice, "a", ref="r1")
        self.fixture.says(self.alice, "b")
        self.fixture.turn()
        self.fixture.writer.forgetful = False
        self.assertEqual(self.fixture.turns, ["recover", "a failed", "b failed"])
        self.assertEqual(self.fixture.journal.last_delivered_id, 2)
        self.fixture.says(self.alice, "a", ref="r1")
        self.fixture.says(self.alice, "c")
        self.fixture.turn()
        self.assertEqual(self.fixture.turns[3:], ["a committed before 1/1", "c committed 3/3"])
        self.assertEqual([body for *_, body in self.fixture.logged()], ["a", "b", "c"])

    def test_a_connection_left_in_a_transaction_frees_itself(self) -> None:
        self.at(slippery_pool)
        self.fixture.writer.error = self.fixture.full_disk
        self.patch(SlipperyConnection, "slips", True)
        self.fixture.says(self.alice, "a")
        self.fixture.turn()
        self.assertEqual(len(self.flushLoggedErrors(sqlite3.OperationalError)), 1)
        self.fixture.writer.error = None
        self.fixture.says(self.alice, "b")
        self.fixture.turn()
        self.fixture.says(self.alice, "c")
        self.fixture.turn()
        self.assertEqual(
            self.fixture.turns, ["recover", "a failed", "recover", "b failed", "c committed 1/1"]
        )
        self.assertEqual([body for *_, body in self.fixture.logged()], ["c"])


class Mistakes(JournalTestCase):
    """A task that raises, in whatever turn, is its own affair."""

    def test_one_that_raises_when_it_landed_stumbles_and_the_others_go_on(self) -> None:
        self.fixture.submit("a", self.fixture.draft(self.alice, "a"), then=boom)
        self.fixture.says(self.alice, "b")
        self.fixture.submit("c", then=boom)
        self.fixture.turn()
        self.assertEqual(
            self.fixture.turns,
            ["a committed 1/1", "a crashed", "b committed 2/2", "c committed", "c crashed"],
        )
        self.fixture.says(self.alice, "d")
        self.fixture.turn()
        self.assertEqual(self.fixture.turns[5:], ["d committed 3/3"])

    def test_so_does_one_that_raises_when_it_failed(self) -> None:
        self.fixture.writer.error = self.fixture.full_disk
        self.fixture.submit("a", self.fixture.draft(self.alice, "a"), then=boom)
        self.fixture.says(self.alice, "b")
        self.fixture.turn()
        self.assertEqual(self.fixture.turns, ["recover", "a failed", "a crashed", "b failed"])

    def test_one_that_even_stumbles_badly_is_logged(self) -> None:
        class Clumsy(Note):
            def on_bug(self) -> None:
                boom()

        clumsy = Clumsy(self.fixture, "clumsy", (), boom)
        self.fixture.journal.submit(clumsy)
        self.fixture.says(self.alice, "a")
        self.fixture.turn()
        self.assertEqual(len(self.flushLoggedErrors(Mistake)), 1)
        self.assertEqual(self.fixture.turns, ["clumsy committed", "a committed 1/1"])


class Seen(JournalTestCase):
    def seen(self) -> dict[str, int]:
        """Up to where everyone has seen the log, on disk."""
        return dict(self.fixture.rows("SELECT nick, seen FROM users WHERE id > 0"))

    def test_it_goes_with_the_next_commit(self) -> None:
        self.fixture.says(self.alice, "a")
        self.fixture.turn()
        commits = self.fixture.journal.commits
        self.fixture.sees(self.bob)
        self.fixture.submit("who")
        self.fixture.turn()
        self.assertEqual((self.seen(), self.fixture.journal.commits), ({"alice": 0, "bob": 0}, commits))
        self.fixture.says(self.alice, "b")
        self.fixture.turn()
        self.assertEqual(self.seen(), {"alice": 0, "bob": 1})

    def test_it_counts_from_now_on_and_after_a_restart(self) -> None:
        self.fixture.says(self.alice, "a")
        self.fixture.turn()
        self.assertEqual(self.fixture.journal.get_last_seen_id(self.bob), 0)
        self.fixture.sees(self.bob)
        self.assertEqual(self.fixture.journal.get_last_seen_id(self.bob), 1)
        self.restart()
        self.assertEqual(
            (
                self.fixture.journal.get_last_seen_id(self.alice),
                self.fixture.journal.get_last_seen_id(self.bob),
            ),
            (0, 1),
        )

    def test_a_failed_commit_does_not_forget_it(self) -> None:
        self.fixture.says(self.alice, "a")
        self.fixture.turn()
        self.fixture.sees(self.bob)
        self.fixture.writer.error = self.fixture.full_disk
        self.fixture.says(self.alice, "b")
        self.fixture.turn()
        self.fixture.writer.error = None
        self.assertEqual(self.fixture.journal.get_last_seen_id(self.bob), 1)

    def test_it_is_never_ahead_of_what_was_told(self) -> None:
        self.fixture.says(self.alice, "a")
        self.fixture.submit("bob leaves", then=lambda: self.fixture.sees(self.bob))
        self.fixture.says(self.alice, "b")
        self.fixture.turn()
        self.fixture.says(self.alice, "c")
        self.fixture.turn()
        self.assertEqual(self.seen()["bob"], 1)

    def test_a_failed_commit_keeps_it_for_the_next(self) -> None:
        self.fixture.says(self.alice, "a")
        self.fixture.turn()
        self.fixture.sees(self.bob)
        self.fixture.writer.error = self.fixture.full_disk
        self.fixture.says(self.alice, "b")
        self.fixture.turn()
        self.fixture.writer.error = None
        self.assertEqual(self.seen()["bob"], 0)
        self.fixture.says(self.alice, "c")
        self.fixture.turn()
        self.assertEqual(self.seen()["bob"], 1)

    def test_a_newer_one_is_not_undone_by_a_failed_commit(self) -> None:
        self.fixture.says(self.alice, "a")
        self.fixture.turn()
        self.fixture.sees(self.bob)
        self.fixture.says(self.alice, "b")
        self.fixture.turn()
        self.fixture.writer.held = True
        self.fixture.sees(self.bob)
        self.fixture.says(self.alice, "c")
        self.fixture.turn()
        self.fixture.writer.error = self.fixture.full_disk
        self.fixture.journal.last_delivered_id = 7
        self.fixture.sees(self.bob)
        self.fixture.writer.run_next()
        self.fixture.writer.error, self.fixture.writer.held = None, False
        self.fixture.says(self.alice, "d")
        self.fixture.turn()
        self.assertEqual(self.seen()["bob"], 7)

    def test_closing_writes_it(self) -> None:
        self.fixture.says(self.alice, "a")
        self.fixture.turn()
        self.fixture.sees(self.bob)
        self.restart()
        self.assertEqual(self.seen(), {"alice": 0, "bob": 1})


class ReadMarks(JournalTestCase):
    """What users have marked as read, beside the last seen ids."""

    def setUp(self) -> None:
        super().setUp()
        self.wob = self.fixture.group("wob", self.alice)  # 1
        self.fixture.says(self.alice, "a")  # 2
        self.fixture.turn()

    def moves(self, user: User, last: int, conversation: Conversation = LOBBY) -> bool:
        """Move the mark of ``user``; whether it has moved."""
        return self.fixture.journal.move_read_mark(user, conversation, last)

    def marks(self) -> tuple[int, ...]:
        """The marks of alice and bob in the lobby, then in wob, in memory."""
        get = self.fixture.journal.get_read_mark
        return tuple(
            get(user, place).entry_id for place in (LOBBY, self.wob) for user in (self.alice, self.bob)
        )

    def stored(self) -> list[tuple[int, int, int]]:
        """The same on disk: user, conversation and id."""
        return self.fixture.rows(
            'SELECT "user", conversation, last FROM read_marks ORDER BY "user", conversation'
        )

    def deletes(self, user: User | None, conversation: Conversation | None) -> None:
        """Submit a deletion."""
        self.fixture.submit("end", ReadMarksDeleted(user, conversation))

    def test_it_moves_forward_only(self) -> None:
        self.assertEqual(
            [self.moves(self.bob, last) for last in (0, 2, 1, 2, 3)], [False, True, False, False, True]
        )
        self.assertEqual(self.marks(), (0, 3, 0, 0))
        self.assertEqual(self.fixture.journal.get_last_seen_id(self.bob), 0, "that is another thing")

    def test_a_time_moves_with_it(self) -> None:
        """It is kept with the id that it stands for, and moves on its own where no entry follows."""
        move, get = self.fixture.journal.move_read_mark, self.fixture.journal.get_read_mark
        for last, at, moved, mark in (
            (0, 50, True, (0, 50)),
            (0, 40, False, (0, 50)),
            (1, 100, True, (1, 100)),
            (1, 0, False, (1, 100)),
            (0, 120, False, (1, 100)),
            (1, 110, True, (1, 110)),
            (2, 0, True, (2, 110)),
        ):
            self.assertEqual((move(self.bob, LOBBY, last, at), get(self.bob, LOBBY)), (moved, mark))
        self.fixture.clock.advance(READ_MARK_WRITE_DELAY_SECONDS)
        self.assertEqual(self.fixture.rows("SELECT * FROM read_marks"), [(2, 1, 2, 110)])
        self.restart()
        self.assertEqual(self.fixture.journal.get_read_mark(self.bob, LOBBY), (2, 110))

    def test_it_is_written_with_the_next_commit(self) -> None:
        self.moves(self.bob, 2)
        self.fixture.turn()
        self.assertEqual(self.stored(), [])
        self.fixture.says(self.alice, "b")
        self.fixture.turn()
        self.assertEqual(self.stored(), [(2, 1, 2)])

    def test_or_at_the_end(self) -> None:
        self.moves(self.alice, 1)
        self.moves(self.bob, 2, self.wob)
        self.restart()
        self.assertEqual(self.marks(), (1, 0, 0, 2))

    def test_a_failed_commit_keeps_it_for_the_next(self) -> None:
        self.moves(self.bob, 1)
        self.moves(self.bob, 1, self.wob)
        self.fixture.writer.held = True
        self.fixture.says(self.alice, "b")
        self.fixture.turn()
        self.moves(self.bob, 2)
        self.fixture.writer.error, self.fixture.writer.held = self.fixture.full_disk, False
        self.fixture.writer.run_next()
        self.fixture.writer.error = None
        self.assertEqual((self.marks(), self.stored()), ((0, 2, 0, 1), []))
        self.fixture.clock.advance(READ_MARK_WRITE_DELAY_SECONDS)
        self.assertEqual(self.stored(), [(2, 1, 2), (2, 2, 1)])

    def test_what_is_deleted(self) -> None:
        """One, those of a user, or those in a conversation; written before or not."""
        for written in (True, False):
            for user, place, left in (
                (self.bob, self.wob, [(1, 1, 1), (1, 2, 1), (2, 1, 1)]),
                (self.bob, None, [(1, 1, 1), (1, 2, 1)]),
                (None, self.wob, [(1, 1, 1), (2, 1, 1)]),
            ):
                for one in (self.alice, self.bob):
                    for conversation in (LOBBY, self.wob):
                        self.moves(one, 1, conversation)
                if written:
                    self.fixture.clock.advance(READ_MARK_WRITE_DELAY_SECONDS)
                    self.assertEqual(len(self.stored()), 4)
                self.deletes(user, place)
                self.fixture.turn()
                self.assertEqual(self.stored(), left)
                self.assertEqual(sum(self.marks()), len(left))
                self.fixture.clock.advance(READ_MARK_WRITE_DELAY_SECONDS)
                self.assertEqual(self.stored(), left)

    def test_a_deletion_counts_when_it_is_on_disk(self) -> None:
        self.moves(self.bob, 2)
        self.fixture.writer.error = self.fixture.full_disk
        self.deletes(self.bob, None)
        self.fixture.turn()
        self.assertEqual(self.marks(), (0, 2, 0, 0))
        self.fixture.writer.error = None
        self.fixture.clock.advance(READ_MARK_WRITE_DELAY_SECONDS)
        self.assertEqual(self.stored(), [(2, 1, 2)])

    def test_a_mark_before_a_deletion(self) -> None:
        """It is deleted, though its turn comes when the deletion is on disk already."""
        self.fixture.says(self.alice, "b")
        self.fixture.submit("mark", then=lambda: self.moves(self.bob, 2, self.wob))
        self.deletes(self.bob, self.wob)
        self.fixture.turn()
        self.assertEqual(self.marks(), (0, 0, 0, 0))
        self.fixture.clock.advance(READ_MARK_WRITE_DELAY_SECONDS)
        self.assertEqual(self.stored(), [])

    def test_a_mark_behind_a_deletion(self) -> None:
        """It belongs to what came after, though both wait for one commit."""
        self.moves(self.bob, 2, self.wob)
        self.deletes(self.bob, self.wob)
        self.fixture.submit("again", then=lambda: self.moves(self.bob, 1, self.wob))
        self.fixture.turn()
        self.assertEqual((self.marks(), self.stored()), ((0, 0, 0, 1), []))
        self.fixture.clock.advance(READ_MARK_WRITE_DELAY_SECONDS)
        self.assertEqual(self.stored(), [(2, 2, 1)])


class Ending(JournalTestCase):
    def test_at_rest_it_is_drained(self) -> None:
        self.assertIsNone(self.successResultOf(self.fixture.journal.when_drained()))

    def test_it_drains_when_all_that_was_submitted_had_its_turn(self) -> None:
        self.fixture.writer.held = True
        self.fixture.submit(
            "a", self.fixture.draft(self.alice, "a"), then=lambda: self.fixture.says(self.bob, "reply")
        )
        drained = self.fixture.journal.when_drained()
        self.fixture.turn()
        under_way = self.fixture.journal.when_drained()
        self.fixture.writer.run_next()
        self.assertEqual(self.fixture.turns, ["a committed 1/1"])
        self.assertNoResult(drained)
        self.assertNoResult(under_way)
        self.fixture.writer.run_next()
        self.assertEqual(self.fixture.turns[1:], ["reply committed 2/2"])
        self.assertIsNone(self.successResultOf(drained))
        self.assertIsNone(self.successResultOf(under_way))

    def test_it_drains_of_what_fails_too(self) -> None:
        self.fixture.writer.error = self.fixture.full_disk
        self.fixture.says(self.alice, "a")
        drained = self.fixture.journal.when_drained()
        self.fixture.turn()
        self.assertIsNone(self.successResultOf(drained))

    def test_whoever_waits_is_told_in_order_and_again_waits_for_what_the_one_before_did(self) -> None:
        def go_on(_: None, name: str) -> None:
            self.fixture.turns.append(name)
            self.fixture.says(self.bob, f"after-{name}")

        self.fixture.says(self.alice, "a")
        for name in ("one", "two"):
            self.fixture.journal.when_drained().addCallback(go_on, name)
        self.fixture.turn()
        self.assertEqual(
            self.fixture.turns,
            ["a committed 1/1", "one", "after-one committed 2/2", "two", "after-two committed 3/3"],
        )

    def test_one_who_gave_up_waiting_is_no_trouble(self) -> None:
        self.fixture.says(self.alice, "a")
        impatient, patient = self.fixture.journal.when_drained(), self.fixture.journal.when_drained()
        impatient.addErrback(lambda _: None)
        impatient.cancel()
        self.fixture.turn()
        self.assertIsNone(self.successResultOf(patient))

    def test_closing_writes_what_was_accepted_first(self) -> None:
        self.fixture.says(self.alice, "a")
        closed = self.fixture.journal.close()
        self.assertNoResult(closed)
        self.fixture.turn()
        self.assertIsNone(self.successResultOf(closed))
        self.assertEqual(self.fixture.turns, ["a committed 1/1"])
        self.assertEqual(self.fixture.writer.connections, {})

    def test_one_that_never_wrote_closes(self) -> None:
        self.restart()
        self.assertIsNone(self.successResultOf(self.fixture.journal.close()))

    def test_closing_closes_even_when_nothing_can_be_written(self) -> None:
        self.fixture.sees(self.bob)
        self.fixture.writer.error = self.fixture.full_disk
        self.assertIsNone(self.successResultOf(self.fixture.journal.close()))
        self.assertEqual(self.fixture.writer.connections, {})


SAYING = st.tuples(st.sampled_from((1, 2, 3)), st.sampled_from((None, None, None, "r1", "r2")), st.booleans())
HAPPENING = st.one_of(SAYING, SAYING, st.sampled_from(("who", "turn", "turn", "write", "write", "fail")))


class AnyInterleaving(SynchronousTestCase):
    @settings(max_examples=effort(120), deadline=None)
    @given(st.lists(HAPPENING, max_size=40))
    def test_keeps_the_promises(self, happenings: list[Any]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            fixture = StoreFixture(Path(folder) / "chat.db")
            try:
                self.check(fixture, happenings)
            finally:
                fixture.writer.held = False
                fixture.close()

    def check(self, fixture: StoreFixture, happenings: list[Any]) -> None:
        """Let it happen, finish, and look."""
        alice, bob = fixture.user("alice"), fixture.user("bob")
        conversations = {1: LOBBY, 2: fixture.direct(alice, bob), 3: fixture.group("wob", alice)}
        fixture.turn()
        fixture.turns.clear()
        fixture.writer.held = True
        notes: list[tuple[Note, int, str | None]] = []
        for number, happening in enumerate(happenings):
            if happening == "turn":
                fixture.turn()
            elif happening in ("write", "fail"):
                self.finish(fixture, fixture.full_disk if happening == "fail" else None)
            elif happening == "who":
                notes.append((fixture.submit(f"t{number}"), 0, None))
            else:
                where, ref, by_alice = happening
                actor = alice if by_alice else bob
                # The text of what has a ref is always the same, so that it may be the same message.
                draft = fixture.draft(actor, ref or f"t{number}", conversations[where], ref=ref)
                notes.append((fixture.submit(f"t{number}", draft), where, ref and f"{actor.nick} {ref}"))
        fixture.turn()
        while fixture.writer.waiting:
            self.finish(fixture, None)

        turns = [turn.split()[0] for turn in fixture.turns if turn != "recover"]
        self.assertEqual(turns, [note.name for note, _, _ in notes], "each has one turn, in order")
        self.check_refs(notes)
        new_entries = [
            (note, where, ref.split()[1] if ref else note.name)
            for note, where, ref in notes
            if note.outcome == "committed" and where
        ]
        created = (1, 3, 1, "public")
        entries = [(*note.places[0][:2], where, said) for note, where, said in new_entries]
        self.assertEqual(
            fixture.logged(), [created, *((id, where, seq, name) for id, seq, where, name in entries)]
        )
        self.assertEqual([id for id, *_ in entries], list(range(2, len(entries) + 2)))
        for where, first in ((1, 1), (2, 1), (3, 2)):
            seqs = [seq for _, seq, there, _ in entries if there == where]
            self.assertEqual(seqs, list(range(first, len(seqs) + first)))
        self.assertEqual(fixture.journal.last_delivered_id, len(entries) + 1)

    def check_refs(self, notes: list[tuple[Note, int, str | None]]) -> None:
        """The first of each ref that committed is new; later ones are where it is, other messages nowhere."""
        places: dict[str, tuple[int, list[tuple[int, int, int]]]] = {}
        for note, where, ref in notes:
            if ref is None or note.outcome == "failed":
                self.assertIn(note.outcome, ("committed", "failed"))
                continue
            self.assertEqual(note.outcome, "committed before" if ref in places else "committed")
            first_where, first_places = places.setdefault(ref, (where, note.places))
            self.assertEqual(note.places, first_places if where == first_where else [])

    def finish(self, fixture: StoreFixture, error: Exception | None) -> None:
        """Let the transaction that is under way succeed or fail, if there is one."""
        fixture.writer.error = error
        if fixture.writer.waiting:
            fixture.writer.run_next()
        fixture.writer.error = None


class Size(JournalTestCase):
    """The size of the database, as the journal knows it."""

    def test_it_is_that_of_the_files(self) -> None:
        """Whenever enough was written to measure again; the log of the last transaction comes to it."""
        journal, database = self.fixture.journal, self.fixture.database
        before = journal.database_bytes
        # Alice and bob have been written before, and count as much as two entries without a text.
        self.fixture.says(
            self.alice, "x" * (CHARACTERS_BETWEEN_SIZE_MEASUREMENTS - 3 * RECORD_OVERHEAD_CHARACTERS - 1)
        )
        self.fixture.turn()
        self.assertEqual(journal.database_bytes, before)
        log = database.with_name(f"{database.name}-wal").stat().st_size
        self.fixture.says(self.alice, "y")
        self.fixture.turn()
        ((pages,),) = self.fixture.rows("PRAGMA page_count")
        ((page_size,),) = self.fixture.rows("PRAGMA page_size")
        self.assertEqual(journal.database_bytes, pages * page_size + log)

    def test_deleted_pages_do_not_count(self) -> None:
        """They are used before the file grows."""
        for _ in range(10):
            self.fixture.says(self.alice, "x" * 8_000)
        self.fixture.turn()
        self.restart()
        full = self.fixture.journal.database_bytes
        with closing(sqlite3.connect(self.fixture.database)) as other, other:
            other.execute("DELETE FROM log")
        self.restart()
        self.assertLess(self.fixture.journal.database_bytes, full - 10 * 8_000)
        self.assertGreater(self.fixture.database.stat().st_size, full - 10 * 8_000)

    def test_after_a_failed_transaction_it_is_read_again(self) -> None:
        self.fixture.says(self.alice, "x" * CHARACTERS_BETWEEN_SIZE_MEASUREMENTS)
        self.fixture.writer.error = self.fixture.full_disk
        self.fixture.turn()
        self.assertEqual(
            self.fixture.journal.database_bytes, self.fixture.store.read_snapshot().database_bytes
        )


class DeletedTexts(JournalTestCase):
    """The write-ahead log is emptied once for all who have deleted something, when no reader is in it."""

    def setUp(self) -> None:
        """Have something in the log, and a reader of it."""
        super().setUp()
        self.fixture.says(self.alice, "something")
        self.fixture.turn()
        self.reader = sqlite3.connect(self.fixture.database)
        self.addCleanup(self.reader.close)
        self.reader.execute("BEGIN")
        self.reader.execute("SELECT count(*) FROM log").fetchall()
        self.attempts = 0
        self.results: list[object] = []
        run = self.fixture.writer.runInteraction

        def count(*called: Any, **named: Any) -> Deferred[Any]:
            self.attempts += 1
            return run(*called, **named)

        self.patch(self.fixture.writer, "runInteraction", count)

    def erase(self) -> None:
        """Delete something, and note in ``results`` what the journal says of the rest of it."""
        self.fixture.journal.erase_deleted_texts().addBoth(self.results.append)

    def wait(self, attempts: int) -> None:
        """Let so many attempts be made."""
        for _ in range(attempts):
            self.fixture.clock.advance(WAL_TRUNCATE_RETRY_SECONDS)

    def test_they_share_the_attempts(self) -> None:
        for _ in range(20):
            self.erase()
        self.wait(3)
        self.assertEqual((self.attempts, self.results), (4, []))
        self.reader.rollback()
        self.wait(1)
        self.assertEqual((self.attempts, self.results), (5, [True] * 20))
        log = self.fixture.database.with_name(f"{self.fixture.database.name}-wal")
        self.assertEqual(log.stat().st_size, 0)

    def test_each_has_all_attempts(self) -> None:
        """Who comes late does not give up with those who came early."""
        self.erase()
        self.wait(WAL_TRUNCATE_ATTEMPTS - 2)
        self.erase()
        self.wait(1)
        self.assertEqual(self.results, [False])
        self.wait(WAL_TRUNCATE_ATTEMPTS - 2)
        self.assertEqual(self.results, [False])
        self.wait(1)
        self.assertEqual(self.results, [False, False])

    def test_who_comes_in_the_turn_of_another(self) -> None:
        self.reader.rollback()
        self.fixture.journal.erase_deleted_texts().addCallback(lambda _: self.erase())
        self.assertEqual((self.attempts, self.results), (2, [True]))
        self.erase()
        self.assertEqual((self.attempts, self.results), (3, [True, True]))

    def test_errors(self) -> None:
        """One of SQLite is no more than a warning; a bug is for those who wait."""
        self.reader.rollback()
        self.fixture.writer.error = self.fixture.full_disk
        self.erase()
        self.assertEqual(self.results, [False])
        self.fixture.writer.error = Mistake()
        self.fixture.journal.erase_deleted_texts().addErrback(
            lambda failure: self.results.append(failure.type)
        )
        self.fixture.writer.error = None
        self.erase()
        self.assertEqual(self.results, [False, Mistake, True])


class Health(JournalTestCase):
    """Whether the journal can write."""

    def test_a_last_seen_id_that_was_not_written_is_written_later(self) -> None:
        self.fixture.says(self.alice, "hello")
        self.fixture.turn()
        self.fixture.writer.error = self.fixture.full_disk
        self.fixture.sees(self.bob)
        self.fixture.clock.advance(READ_MARK_WRITE_DELAY_SECONDS)
        self.fixture.writer.error = None
        self.fixture.clock.advance(READ_MARK_WRITE_DELAY_SECONDS)
        self.assertEqual(self.fixture.rows("SELECT seen FROM users WHERE id = ?", self.bob.id), [(1,)])

    def test_how_long_a_transaction_takes(self) -> None:
        """What is under way is known while it lasts, and what is done is counted."""
        journal, writer, clock = self.fixture.journal, self.fixture.writer, self.fixture.clock
        before = sum(journal.commit_duration_histogram.counts)
        writer.held = True
        for text in ("one", "two", "three"):
            self.fixture.says(self.alice, text)
        self.fixture.turn()
        clock.advance(3)
        self.assertEqual(journal.current_transaction_seconds, 3)
        writer.run_next()
        self.assertEqual(journal.current_transaction_seconds, 0)
        self.assertEqual(sum(journal.commit_duration_histogram.counts), before + 1)
        self.assertEqual(
            (journal.commit_duration_histogram.counts[-1], journal.commit_duration_histogram.total), (1, 3)
        )
        self.assertEqual(
            journal.commit_size_histogram.counts[journal.commit_size_histogram.bounds.index(4)], 1
        )


class OnSqlite(JournalTestCase):
    """What is written to SQLite, statement by statement, and that nothing is written without a reason."""

    def test_it_goes_once(self) -> None:
        statements: list[str] = []
        self.fixture.sees(self.bob)
        self.fixture.says(self.alice, "a")
        self.fixture.turn()
        (connection,) = self.fixture.writer.connections.values()
        connection.set_trace_callback(statements.append)
        self.fixture.says(self.alice, "b")
        self.fixture.turn()
        self.assertEqual([text.split()[0] for text in statements], ["BEGIN", "INSERT", "COMMIT"])

    def test_a_read_mark_is_written_once(self) -> None:
        commits = self.fixture.journal.commits
        for last in (1, 2):
            self.fixture.journal.move_read_mark(self.bob, LOBBY, last)
        self.fixture.clock.advance(READ_MARK_WRITE_DELAY_SECONDS)
        self.assertEqual(self.fixture.rows("SELECT last FROM read_marks"), [(2,)])
        self.assertEqual(self.fixture.journal.commits, commits + 1)
        self.fixture.clock.advance(10 * READ_MARK_WRITE_DELAY_SECONDS)
        self.assertEqual(self.fixture.journal.commits, commits + 1)

    def test_many_who_leave_at_the_end_are_one_transaction(self) -> None:
        statements: list[str] = []
        for number in range(20):
            self.fixture.sees(self.fixture.user(f"user{number}"))
        self.fixture.turn()
        for number in range(20):
            self.fixture.sees(self.fixture.user(f"user{number}"))
        (connection,) = self.fixture.writer.connections.values()
        connection.set_trace_callback(statements.append)
        self.fixture.journal.close()
        self.assertEqual([s.split()[0] for s in statements], ["BEGIN", *["UPDATE"] * 20, "COMMIT"])

    # What can happen at a journal: a message in a conversation, with one of few refs or none; a task that
    # writes nothing; the end of the reactor's turn; the writer finishing a transaction, well or badly.

    def test_an_attempt_writes_to_the_disk(self) -> None:
        """Else it would succeed on a disk that is full."""
        self.fixture.writer.error = self.fixture.full_disk
        self.fixture.says(self.alice, "lost")
        self.fixture.turn()
        self.fixture.writer.error = None
        log = self.fixture.database.with_name(f"{self.fixture.database.name}-wal")
        before = log.stat().st_size
        self.fixture.clock.advance(READ_MARK_WRITE_DELAY_SECONDS)
        self.assertGreater(log.stat().st_size, before)
        self.assertEqual(self.fixture.logged(), [])

    def test_it_tries_again_by_itself_until_it_can(self) -> None:
        """Nothing is lost by an attempt, so nothing is read anew; the log says each thing once."""
        logged: list[str] = []

        @implementer(ILogObserver)
        def note(event: LogEvent) -> None:
            logged.append(formatEvent(event))

        globalLogPublisher.addObserver(note)
        self.addCleanup(globalLogPublisher.removeObserver, note)
        journal, writer = self.fixture.journal, self.fixture.writer
        self.assertFalse(journal.is_failing)
        writer.error = self.fixture.full_disk
        self.fixture.says(self.alice, "lost")
        self.fixture.turn()
        self.assertEqual((journal.is_failing, journal.failed_commits), (True, 1))
        for attempt in range(3):
            self.fixture.clock.advance(READ_MARK_WRITE_DELAY_SECONDS)
            self.assertEqual((journal.is_failing, journal.failed_commits), (True, attempt + 2))
        writer.error = None
        self.fixture.clock.advance(READ_MARK_WRITE_DELAY_SECONDS)
        self.assertFalse(journal.is_failing)
        runs = writer.runs
        self.fixture.clock.advance(10 * READ_MARK_WRITE_DELAY_SECONDS)
        self.assertEqual(writer.runs, runs)
        self.assertEqual(self.fixture.turns, ["recover", "lost failed"])
        self.assertEqual(
            logged,
            [
                "nothing can be written to the database: database or disk is full",
                "the database can be written again",
            ],
        )
