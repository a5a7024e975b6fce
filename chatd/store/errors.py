"""Errors that the store raises. The rest of chatd handles these and never sees an error of SQLite or of
PostgreSQL.
"""

from __future__ import annotations

from typing import Any


class StoreError(Exception):
    """The error for a failed operation of the store. Its text says why, for the daemon's log."""


class ReadFailed(StoreError):
    """The error for a failed query of the archive: a disk error, a lock held too long, or a damaged file."""


class NotStored(StoreError):
    """The error for a transaction that was rolled back: neither it nor anything decided after it is on
    disk.
    """


class NotSupported(StoreError):
    """The error for an operation that this kind of database does not support.

    Its text says what to do instead.
    """


class MaintenanceInProgress(StoreError):
    """The error for a backup or a check that is requested while another backup or check is under way."""


class NotTheWriter(StoreError):
    """The error for a write after another chatd has become the writer of the database.

    The other one has claimed the database when the lease of this process had expired.
    """


class StateOutdated(StoreError):
    """The error for a write after another chatd has written to the database.

    This process has become the writer again, but its data in memory are older than the database and must be
    read again.
    """


class OutcomeUnknown(StoreError):
    """The error for a connection that broke during a commit: it is not known whether the transaction is
    stored.

    ``result`` is the result of the transaction if it is stored.
    """

    def __init__(self, result: Any) -> None:
        super().__init__("the connection to the database broke during a commit")
        self.result = result
