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
    """What was asked for is not possible with this kind of database. The text says what to do instead."""


class MaintenanceInProgress(StoreError):
    """A backup or a check was asked for while another backup or check is under way."""


class NotTheWriter(StoreError):
    """Another chatd writes to the database: it has claimed it when the lease of this one had expired."""


class StateOutdated(StoreError):
    """This chatd has claimed the database again after another one has written to it. What it has in memory is
    older than the database, and has to be read again.
    """


class OutcomeUnknown(StoreError):
    """The connection to the database broke during the commit of a transaction. Whether it is stored is not
    known.

    ``result`` is the result of the transaction if it is stored.
    """

    def __init__(self, result: Any) -> None:
        super().__init__("the connection to the database broke during a commit")
        self.result = result
