"""Only one process writes; one that was stopped stores nothing; and a broken commit is found out."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import psycopg
from twisted.enterprise.adbapi import Transaction
from twisted.internet.testing import MemoryReactorClock

from chatd.core.events import LOBBY
from chatd.store.errors import StoreError
from chatd.store.journal import OUTCOME_RETRY_SECONDS
from chatd.store.postgresql.lease import RENEWAL_SECONDS
from chatd.store.postgresql.store import PostgresqlStore
from tests.support.postgresql_case import PostgresqlFixture, PostgresqlTestCase
from tests.support.postgresql_server import execute, rows

EXPIRE: Final = "UPDATE head SET until = clock_timestamp() - interval '1 second'"


class LeaseTestCase(PostgresqlTestCase):
    """A process that writes, and another one."""

    def other(self) -> PostgresqlFixture:
        """Another process, which claims the database once the lease of the first one has expired."""
        execute(str(self.fixture.place), EXPIRE)
        other = PostgresqlFixture(self.fixture.place)
        self.addCleanup(lambda: other.close())
        return other

    def head(self) -> tuple[int, int]:
        """The number of claims, and that of commits."""
        ((epoch, commits),) = rows(str(self.fixture.place), "SELECT epoch, commits FROM head")
        return epoch, commits


class Claims(LeaseTestCase):
    def test_a_second_one_is_refused_when_it_sees_that_the_first_one_lives(self) -> None:
        url = str(self.fixture.place)

        def renew(seconds: float) -> None:
            self.fixture.clock.advance(RENEWAL_SECONDS)

        self.patch(time, "sleep", renew)
        error = self.assertRaises(StoreError, PostgresqlStore, url, "full", MemoryReactorClock())
        self.assertRegex(str(error), r"^the database postgresql://.* is in use by another chatd, on [^()]+$")
        self.assertEqual(self.head()[0], 1)

    def test_one_that_has_ended_well_leaves_no_lease(self) -> None:
        self.fixture.close()
        self.patch(time, "sleep", lambda seconds: self.fail("there is nothing to wait for"))
        self.fixture = PostgresqlFixture(self.fixture.place)

    def test_a_stopped_one_stores_nothing(self) -> None:
        self.fixture.says(self.alice, "before")
        self.fixture.turn()
        other = self.other()
        other.says(other.user("alice"), "by the other")
        other.turn()
        self.fixture.turns.clear()
        for word in ("late", "later"):
            self.fixture.says(self.alice, word)
            self.fixture.turn()
        self.assertEqual(self.fixture.turns, ["recover", "late failed", "recover", "later failed"])
        self.assertEqual([body for *_, body in other.logged()], ["before", "by the other"])
        self.assertFalse(self.successResultOf(self.fixture.index_messages().addErrback(lambda _: False)))
        self.assertEqual(self.fixture.rows("SELECT id FROM search_words"), [])

    def test_it_writes_again_when_nobody_else_does(self) -> None:
        """Its state is read again before anything is decided on it."""
        self.fixture.journal.move_read_mark(self.alice, LOBBY, 1)
        other = self.other()
        other.says(other.user("carol"), "by the other")
        other.journal.move_read_mark(self.alice, LOBBY, 7)
        other.turn()
        self.fixture.says(self.alice, "late")
        self.fixture.turn()
        other.close()
        self.fixture.turns.clear()
        self.fixture.clock.advance(RENEWAL_SECONDS)
        self.assertEqual(self.fixture.turns, ["recover"])
        self.assertIn("carol", [user.nick for user in self.fixture.state.users.values()])
        self.assertEqual(self.fixture.journal.get_read_mark(self.alice, LOBBY).entry_id, 7)
        self.fixture.says(self.alice, "again")
        self.fixture.turn()
        self.assertEqual(self.fixture.turns, ["recover", "again committed 2/2"])
        self.assertEqual(self.head()[0], 3)

    def test_a_claim_by_one_that_wrote_nothing_changes_nothing(self) -> None:
        self.other()
        execute(str(self.fixture.place), EXPIRE)
        self.fixture.turns.clear()
        self.fixture.says(self.alice, "late")
        self.fixture.turn()
        self.fixture.says(self.alice, "again")
        self.fixture.turn()
        self.assertEqual(self.fixture.turns, ["recover", "late failed", "again committed 1/1"])

    def test_a_database_that_has_lost_something_is_read_again(self) -> None:
        self.fixture.says(self.alice, "lost")
        self.fixture.turn()
        execute(str(self.fixture.place), "DELETE FROM log; UPDATE head SET commits = commits - 1")
        self.fixture.turns.clear()
        for word in ("a", "b"):
            self.fixture.says(self.alice, word)
            self.fixture.turn()
        self.assertEqual(self.fixture.turns, ["recover", "a failed", "b committed 1/1"])


class _BreakingCursor(Transaction):
    """Breaks the connection at the next commit: before it gets there, or behind it."""

    breaks: str | None = None
    between: Callable[[], None] = staticmethod(lambda: None)

    def execute(self, query: str, values: Sequence[object] | None = None) -> Any:
        cursor: Any = self.__getattr__("connection").cursor()
        how = type(self).breaks
        if not query.endswith("COMMIT") or how is None:
            return self.__getattr__("execute")(query, values)
        type(self).breaks = None
        if how == "behind":
            cursor.execute(query)
        self.__getattr__("connection").close()
        type(self).between()
        raise psycopg.OperationalError("server closed the connection unexpectedly")


class UnknownOutcomes(LeaseTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.fixture.writer.transactionFactory = _BreakingCursor

    def tearDown(self) -> None:
        """Break nothing any more."""
        _BreakingCursor.breaks = None
        _BreakingCursor.between = staticmethod(lambda: None)

    def test_what_was_stored_is_acked(self) -> None:
        _BreakingCursor.breaks = "behind"
        self.fixture.says(self.alice, "a", ref="r1")
        self.fixture.turn()
        self.fixture.says(self.alice, "b")
        self.fixture.turn()
        self.assertEqual(self.fixture.turns, ["a committed 1/1", "b committed 2/2"])
        self.assertEqual(self.head()[0], 2)

    def test_what_was_not_stored_is_refused(self) -> None:
        _BreakingCursor.breaks = "before"
        self.fixture.says(self.alice, "a", ref="r1")
        self.fixture.turn()
        self.fixture.says(self.alice, "a", ref="r1")
        self.fixture.turn()
        self.assertEqual(self.fixture.turns, ["recover", "a failed", "a committed 1/1"])

    def test_until_it_is_known_nobody_is_answered(self) -> None:
        _BreakingCursor.breaks = "behind"
        find = self.fixture.journal._database.find_transaction_outcome
        asked: list[None] = []

        def fail_twice(cursor: Transaction) -> bool:
            asked.append(None)
            if len(asked) < 3:
                raise psycopg.OperationalError("the database system is starting up")
            return find(cursor)

        self.patch(self.fixture.journal._database, "find_transaction_outcome", fail_twice)
        self.fixture.says(self.alice, "a")
        self.fixture.turn()
        self.fixture.submit("who")
        self.fixture.turn()
        self.assertEqual(self.fixture.turns, [])
        self.fixture.clock.pump([OUTCOME_RETRY_SECONDS] * 2)
        self.assertEqual(self.fixture.turns, ["a committed 1/1", "who committed"])

    def test_a_standby_server_that_knows_nothing_of_it(self) -> None:
        """It has taken over, and lacks the last commits and claims."""
        self.fixture.says(self.alice, "lost")
        self.fixture.turn()

        def fail_over() -> None:
            lost = "UPDATE head SET commits = commits - 1, epoch = epoch - 1"
            execute(str(self.fixture.place), f"{lost}; DELETE FROM claims; DELETE FROM log")

        _BreakingCursor.between = staticmethod(fail_over)
        _BreakingCursor.breaks = "before"
        self.fixture.turns.clear()
        for word in ("a", "b", "c"):
            self.fixture.says(self.alice, word)
            self.fixture.turn()
        self.assertEqual(
            self.fixture.turns, ["recover", "a failed", "recover", "b failed", "c committed 1/1"]
        )

    def test_another_one_that_has_claimed_the_database_meanwhile_has_noted_it(self) -> None:
        for how, outcome in (("behind", "committed"), ("before", "failed")):
            others: list[PostgresqlFixture] = []

            def claim() -> None:
                other = self.other()
                other.says(other.user("alice"), "by the other")
                other.turn()
                others.append(other)  # noqa: B023

            _BreakingCursor.between = staticmethod(claim)
            _BreakingCursor.breaks = how
            note = self.fixture.says(self.alice, how)
            self.fixture.turn()
            self.assertEqual(note.outcome, outcome)
            late = self.fixture.says(self.alice, "late")
            self.fixture.turn()
            self.assertEqual(late.outcome, "failed")
            others[0].close()
            for _ in range(3):
                self.fixture.clock.advance(RENEWAL_SECONDS)
            self.assertFalse(self.fixture.journal.is_failing)
        self.assertEqual(
            [body for *_, body in self.fixture.logged()], ["behind", "by the other", "by the other"]
        )
