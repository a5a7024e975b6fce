"""The store as a whole: the database file, opened once, with separate connections for journal and archive."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from errno import EACCES
from pathlib import Path
from typing import Any, Final, Literal

from twisted.enterprise.adbapi import ConnectionPool

from chatd.core.records import Snapshot
from chatd.files import make_private_folder
from chatd.store.archive import Archive, load_snapshot
from chatd.store.errors import StoreError
from chatd.store.schema import DatabaseLock, create_or_migrate, load_migrations

Durability = Literal["full", "process"]

BUSY_TIMEOUT_SECONDS: Final = 1.0
"""Seconds to wait while another program has the database locked. A stopping daemon has five seconds in all.
"""

_MIGRATIONS: Final = load_migrations()  # read now: a user that the daemon becomes may not be able to

_SYNCHRONOUS: Final = {"full": "FULL", "process": "NORMAL"}


class Store:
    """One database file, locked by this process. Its folder is created if it is missing.

    With ``durability`` ``full`` a commit survives a power cut, with ``process`` only the end of the process.
    ``pool`` makes a pool of connections from the arguments of adbapi's ``ConnectionPool``. Raises
    `StoreError` if the file can't be used.
    """

    def __init__(
        self,
        path: Path,
        durability: Durability,
        reactor: Any,
        pool: Callable[..., ConnectionPool] = ConnectionPool,
    ) -> None:
        path = self._path = path.absolute()
        try:
            make_private_folder(path.parent)
        except OSError as error:
            raise StoreError(f"can't use the database {path}: {error.strerror} ({error.filename})") from None
        self._lock = DatabaseLock(path)
        try:
            create_or_migrate(path, _MIGRATIONS)
        except BaseException:
            self._lock.release()
            raise
        self._uri = path.as_uri()
        self._durability = durability
        self._pool = pool
        self._reactor = reactor

    def read_snapshot(self) -> Snapshot:
        """Return the state that the daemon keeps in memory, read from the database. Raises `StoreError`.

        The call blocks, so use it only when the daemon starts.
        """
        try:
            with closing(sqlite3.connect(f"{self._uri}?mode=ro", uri=True)) as connection:
                return load_snapshot(connection.cursor())
        except sqlite3.Error as error:
            raise StoreError(f"can't read the database {self._path}: {error}") from None

    def writer_pool(self) -> ConnectionPool:
        """Return a pool with the only connection that writes to the database, in a thread of its own."""

        def prepare_writer(connection: sqlite3.Connection) -> None:
            connection.execute(f"PRAGMA synchronous = {_SYNCHRONOUS[self._durability]}")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA secure_delete = ON")  # the text of a deleted message is overwritten

        return self._connections("rw", 1, prepare_writer)

    def archive(self) -> Archive:
        """Return the archive, which reads pages of the log on connections that can't write."""
        return Archive(self._connections("ro", 2))

    def check_access(self) -> None:
        """Raise `StoreError` if the user of this process may not write to the database file or its folder."""
        for path, needed in ((self._path, os.R_OK | os.W_OK), (self._path.parent, os.W_OK | os.X_OK)):
            if not os.access(path, needed, effective_ids=True):
                raise StoreError(f"can't use the database {self._path}: {os.strerror(EACCES)} ({path})")

    def unlock(self) -> None:
        """Release the lock on the database. Call this when the journal and the archive are closed."""
        self._lock.release()

    def _connections(
        self, mode: str, most: int, opened: Callable[[sqlite3.Connection], None] | None = None
    ) -> ConnectionPool:
        return self._pool(
            "sqlite3",
            f"{self._uri}?mode={mode}",
            uri=True,
            check_same_thread=False,
            isolation_level=None,
            timeout=BUSY_TIMEOUT_SECONDS,
            cp_min=1,
            cp_max=most,
            cp_openfun=opened,
            cp_noisy=False,
            cp_reactor=self._reactor,
        )
