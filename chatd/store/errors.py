"""Errors of the store. The chat handles these, and no error of SQLite's."""

from __future__ import annotations


class StoreError(Exception):
    """The store can't do what it was asked; its text says why, for the log."""


class ReadFailed(StoreError):
    """A query of the archive failed: the disk, a lock held too long, a damaged file."""


class NotStored(StoreError):
    """A transaction was rolled back: neither it nor anything decided after it is on disk."""
