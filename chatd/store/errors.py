"""Errors that the store raises. The rest of chatd handles these and never sees an ``sqlite3.Error``."""

from __future__ import annotations


class StoreError(Exception):
    """A request to the store failed. The text of the exception says why, for the daemon's log."""


class ReadFailed(StoreError):
    """A query of the archive failed: a disk error, a lock held too long, or a damaged file."""


class NotStored(StoreError):
    """A transaction was rolled back: neither it nor anything decided after it is on disk."""


class MaintenanceInProgress(StoreError):
    """A backup or a check was asked for while another backup or check is under way."""
