"""Errors that the store raises. The rest of chatd handles these and never sees an ``sqlite3.Error``."""

from __future__ import annotations


class StoreError(Exception):
    """The error for a failed operation of the store. Its text says why, for the daemon's log."""


class ReadFailed(StoreError):
    """The error for a failed query of the archive: a disk error, a lock held too long, or a damaged file."""


class NotStored(StoreError):
    """The error for a transaction that was rolled back: neither it nor anything decided after it is on
    disk.
    """


class MaintenanceInProgress(StoreError):
    """The error for a backup or a check that is requested while another backup or check is under way."""
