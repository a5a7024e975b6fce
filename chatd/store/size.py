"""The size of the database on the disk."""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress

from twisted.enterprise.adbapi import Transaction


def measure_database_bytes(cursor: Transaction | sqlite3.Cursor) -> int:
    """Return the size of the database in bytes: its used pages plus its write-ahead log.

    Free pages are not counted, because SQLite reuses them before the file grows. Inside a transaction, the
    pages that the transaction has added are counted; what its commit will add to the write-ahead log is not.
    """
    pages, free, page_size = (
        _number(cursor, f"PRAGMA {name}") for name in ("page_count", "freelist_count", "page_size")
    )
    cursor.execute("PRAGMA database_list")
    path = next(path for _, name, path in cursor.fetchall() if name == "main")
    log = 0
    with suppress(OSError):  # there is none before the first write
        log = os.stat(f"{path}-wal").st_size
    return (pages - free) * page_size + log


def _number(cursor: Transaction | sqlite3.Cursor, query: str) -> int:
    cursor.execute(query)
    ((number,),) = cursor.fetchall()
    return int(number)
