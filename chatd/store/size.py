"""The size of the database on the disk."""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress

from twisted.enterprise.adbapi import Transaction


def measure_database(cursor: Transaction | sqlite3.Cursor) -> int:
    """Return the bytes that the database takes: its used pages and its write-ahead log.

    Pages that deleted entries have left are not counted, because SQLite uses them again before the file
    grows. A transaction in which this is called is counted with its new pages, but not in the write-ahead
    log.
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
