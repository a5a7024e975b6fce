"""Which process may write to a PostgreSQL database: it claims the database, and each of its transactions
checks that the claim is still the last one.

A claim has a number, the epoch. It is in the only row of the table ``head``, with the number of transactions
that were stored. Each transaction locks this row first, if it still has the epoch of this process, and counts
itself there. So a process whose claim is not the last one can't store anything, however long it was stopped.
The lease, which each transaction renews, only says when another process may claim the database. Times are
those of the server's clock.
"""

from __future__ import annotations

import secrets
import socket
import time
from typing import Any, Final

import psycopg
from twisted.enterprise.adbapi import Transaction

from chatd.store.errors import NotTheWriter, OutcomeUnknown, StateOutdated, StoreError
from chatd.store.postgresql.connections import is_without_answer

LEASE_SECONDS: Final = 3.0
"""The time in seconds from the last transaction of a process until another one may claim the database."""

RENEWAL_SECONDS: Final = 1.0
"""The maximum interval in seconds between two transactions of a process."""

CLAIM_POLL_SECONDS: Final = 0.1
"""The pause in seconds between two looks at the lease of another process."""

_UNTIL: Final = f"clock_timestamp() + interval '{LEASE_SECONDS} seconds'"

_CLAIM: Final = (
    f"UPDATE head SET epoch = epoch + 1, owner = %s, until = {_UNTIL}"
    " WHERE owner = %s OR until < clock_timestamp() RETURNING epoch, commits"
)
_NOTE_CLAIM: Final = "INSERT INTO claims (epoch, owner, commits) VALUES (%s, %s, %s)"


class WriteLease:
    """The exclusive right of this process to write to the PostgreSQL database, which it must renew regularly.

    The methods that take a cursor are called in the writer's thread. ``owner`` names the process.
    """

    def __init__(self) -> None:
        self.owner = f"{socket.gethostname()} ({secrets.token_hex(8)})"
        self._epoch: int | None = None
        self._commits = 0

    def claim_at_start(self, connection: psycopg.Connection[Any], name: str) -> None:
        """Claim the database ``name`` when the daemon starts, before anything is read. The call blocks.

        If a process that has ended has left a lease, wait until it expires. Raises `StoreError` as soon as
        another process renews its lease.
        """
        former = None
        while not self._claim(connection.cursor()):
            owner, until = connection.execute("SELECT owner, until FROM head").fetchone() or ("", None)
            if former is not None and until != former:
                raise StoreError(f"the database {name} is in use by another chatd, on {_shown(owner)}")
            former = until
            time.sleep(CLAIM_POLL_SECONDS)

    def begin_transaction(self, cursor: Transaction) -> None:
        """Begin a transaction that writes.

        If this process is no longer the writer, it first claims the database again. Raises `NotTheWriter` if
        another process is the writer. Raises `StateOutdated` if another process has written meanwhile, or if
        the database has lost transactions: after a power failure without ``synchronous_commit``, or because a
        standby server that did not have them has taken over.
        """
        if self._epoch is None:
            self._claim_again(cursor)
        cursor.execute(f"BEGIN; SELECT commits FROM head WHERE epoch = {self._epoch} FOR UPDATE")
        cursor.nextset()
        row = cursor.fetchone()
        if row is None:
            self._epoch = None
            cursor.execute("ROLLBACK")
            raise NotTheWriter(f"the database has been claimed by another chatd, on {self._owner(cursor)}")
        (commits,) = row
        if commits != self._commits:
            self._commits = commits
            raise StateOutdated("the database is not as this chatd has left it: reading its state")

    def finish_transaction(self, cursor: Transaction, result: object) -> None:
        """Increase the transaction counter, renew the lease, and commit.

        Raises `OutcomeUnknown` with ``result`` if the connection breaks, and `psycopg.Error` if the
        transaction was rolled back.
        """
        try:
            cursor.execute(f"UPDATE head SET commits = {self._commits + 1}, until = {_UNTIL}; COMMIT")
        except psycopg.OperationalError as error:
            if not is_without_answer(error) and not cursor.connection.closed:
                raise
            raise OutcomeUnknown(result) from None
        self._commits += 1

    def find_transaction_outcome(self, cursor: Transaction) -> bool:
        """Claim the database again, and return whether the last transaction is stored.

        The commit of that transaction was not confirmed. It has ended, because it had locked the row that
        this method locks.
        """
        assert self._epoch is not None
        cursor.execute("BEGIN; SELECT epoch, commits FROM head FOR UPDATE")
        cursor.nextset()
        epoch, commits = cursor.fetchone()
        is_writer = epoch == self._epoch
        if is_writer:
            cursor.execute(f"UPDATE head SET epoch = {epoch + 1}, until = {_UNTIL}")
            cursor.execute(_NOTE_CLAIM, (epoch + 1, self.owner, commits))
        else:
            cursor.execute("SELECT commits FROM claims WHERE epoch = %s", (self._epoch + 1,))
            (commits,) = cursor.fetchone() or (0,)  # a standby server may know nothing of this claim
        cursor.execute("COMMIT")
        is_stored: bool = commits > self._commits
        self._epoch = epoch + 1 if is_writer else None
        # If there are fewer than there were, `begin` is to notice.
        self._commits = max(commits, self._commits)
        return is_stored

    def release(self, cursor: Transaction) -> None:
        """Give up the lease, so that another process can claim the database at once."""
        if self._epoch is not None:
            cursor.execute(f"UPDATE head SET until = clock_timestamp() WHERE epoch = {self._epoch}")

    def _claim_again(self, cursor: Transaction) -> None:
        commits = self._commits
        if not self._claim(cursor):
            raise NotTheWriter(f"the database is in use by another chatd, on {self._owner(cursor)}")
        if self._commits != commits:
            raise StateOutdated(
                "this chatd writes again, after another one: reading the state of the database"
            )

    def _claim(self, cursor: Transaction | psycopg.Cursor[Any]) -> bool:
        """Claim the database, in a transaction of its own. Return whether it could be claimed."""
        cursor.execute("BEGIN")
        cursor.execute(_CLAIM, (self.owner, self.owner))
        row = cursor.fetchone()
        if row is None:
            cursor.execute("ROLLBACK")
            return False
        cursor.execute(_NOTE_CLAIM, (row[0], self.owner, row[1]))
        cursor.execute("COMMIT")
        self._epoch, self._commits = row
        return True

    def _owner(self, cursor: Transaction) -> str:
        cursor.execute("SELECT owner FROM head")
        (owner,) = cursor.fetchone()
        return _shown(owner)


def _shown(owner: str) -> str:
    """Return the name of ``owner`` without its random part."""
    return owner.rpartition(" ")[0] or owner
