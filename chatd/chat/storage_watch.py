"""Warnings in the log that the database approaches its maximum size, or has exceeded it."""

from __future__ import annotations

from typing import Final

from twisted.logger import Logger

from chatd.core.limits import Limits

DATABASE_SIZE_WARNING_PERCENT: Final = 80
"""The percentage of ``limits.database_size`` from which on a warning is logged."""


class StorageWatch:
    """Logs a warning when the database grows beyond ``limits.database_size``, or close to it.

    Each change is logged once.
    """

    _log = Logger()

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._level = 0

    def log_size_change(self, size: int) -> None:
        """Log a warning if ``size``, in bytes, has grown beyond the limit or beyond
        `DATABASE_SIZE_WARNING_PERCENT` of it.

        Log also when the size has fallen below the limit again.
        """
        limit = self._limits.database_size
        level = (size > limit * DATABASE_SIZE_WARNING_PERCENT // 100) + (size > limit)
        if level == self._level:
            return
        before, self._level = self._level, level
        if level == 2:
            self._log.warn(
                "the database is full: it has {size} bytes, database_size is {limit}; messages are refused",
                size=size,
                limit=limit,
            )
        elif before == 2:
            self._log.info("the database is no longer full: it has {size} bytes", size=size)
        elif level == 1:
            self._log.warn(
                "the database has {size} bytes, more than {percent} % of database_size ({limit})",
                size=size,
                percent=DATABASE_SIZE_WARNING_PERCENT,
                limit=limit,
            )
