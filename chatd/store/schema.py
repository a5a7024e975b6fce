"""The database file: its lock, its version, and the migrations to the present version."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from contextlib import closing, suppress
from importlib import resources
from pathlib import Path
from typing import Final

from chatd.files import open_private
from chatd.store.errors import StoreError

SQLITE_APPLICATION_ID: Final = 0x63686174
"""The number that marks an SQLite file as chatd's (PRAGMA application_id): ``chat`` in ASCII."""


class DatabaseLock:
    """A lock that keeps other processes from using a database: daemons, ``chatctl check`` and ``chatctl
    restore``.

    The lock is held until `release`, or until this process ends. It locks a file of its own
    (``chat.db.lock``), because SQLite's locks on the database would be dropped when any other descriptor of
    that file is closed. Raises `StoreError` if the lock can't be taken.
    """

    def __init__(self, database: Path) -> None:
        path = database.with_name(database.name + ".lock")
        try:
            self._descriptor = open_private(path, os.O_RDWR | os.O_CREAT)
        except OSError as error:
            raise StoreError(f"can't use the database {database}: {error.strerror} ({path})") from None
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._descriptor)
            raise StoreError(f"the database {database} is in use by another chatd") from None

    def release(self) -> None:
        """Release the lock on the database."""
        os.close(self._descriptor)


def load_migrations() -> list[str]:
    """Return the numbered SQL scripts that create and upgrade the database, in order.

    Script n upgrades a database of version n-1 to version n.
    """
    folder = resources.files("chatd.store").joinpath("migrations")
    scripts = sorted(
        (file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name
    )
    return [script.read_text("utf-8") for script in scripts]


def create_or_migrate(database: Path, scripts: list[str]) -> None:
    """Create the database, or make a copy of it and upgrade it to version ``len(scripts)``.

    The copy is named after its version, such as ``chat.db.v1``. Each script runs in a transaction of its own:
    if one fails, the database keeps the version before it. Raises `StoreError` if the file is no SQLite
    database, belongs to another program or a newer chatd, or can't be written.
    """
    try:
        # Only the owner may read private talk; SQLite's own files beside it get the same mode.
        os.close(open_private(database, os.O_RDWR | os.O_CREAT))
        with closing(sqlite3.connect(database, isolation_level=None)) as connection:
            _migrate(connection, database, scripts)
    except (sqlite3.Error, OSError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise StoreError(f"can't use the database {database}: {why}") from None


def _migrate(connection: sqlite3.Connection, database: Path, scripts: list[str]) -> None:
    version = _number(connection, "PRAGMA user_version")
    owner = _number(connection, "PRAGMA application_id")
    tables = _number(connection, "SELECT count(*) FROM sqlite_schema")
    if owner != SQLITE_APPLICATION_ID and (owner or version or tables):
        raise StoreError(f"the database {database} is not chatd's: name another file")
    if version > len(scripts):
        raise StoreError(
            f"the database {database} is of a newer chatd (version {version}, this one knows"
            f" {len(scripts)}): update chatd"
        )
    # WAL needs a writable folder, so this is where a read-only one shows.
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("ROLLBACK")
    if 0 < version < len(scripts):
        _keep_copy(connection, database.with_name(f"{database.name}.v{version}"))
    for number in range(version + 1, len(scripts) + 1):
        connection.executescript(
            f"BEGIN IMMEDIATE; {scripts[number - 1]}\n;"
            f"PRAGMA application_id = {SQLITE_APPLICATION_ID}; PRAGMA user_version = {number}; COMMIT;"
        )


def _keep_copy(connection: sqlite3.Connection, path: Path) -> None:
    try:
        with suppress(OSError):  # SQLite, which can't open it either, says why
            os.close(open_private(path, os.O_RDWR | os.O_CREAT))
        with closing(sqlite3.connect(path)) as copy:
            connection.backup(copy)
    except sqlite3.Error as error:
        raise StoreError(
            f"can't keep a copy of the database before its upgrade, at {path}: {error}"
        ) from None


def _number(connection: sqlite3.Connection, query: str) -> int:
    return int(connection.execute(query).fetchone()[0])
