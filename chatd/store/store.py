"""The store as a whole: opened once, its journal and its archive on connections of their own."""

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
from chatd.store.archive import Archive, load
from chatd.store.errors import StoreError
from chatd.store.schema import Lock, migrations, prepare

Durability = Literal["full", "process"]

BUSY_TIMEOUT_SECONDS: Final = 1.0
"""Seconds to wait for another program that has the database locked; a stopping daemon has five in all."""

_MIGRATIONS: Final = migrations()  # read now: a user that the daemon becomes may not be able to

_SYNCHRONOUS: Final = {"full": "FULL", "process": "NORMAL"}


class Store:
    """One database file, locked by this process.

    ``full`` durability survives a power cut, ``process`` only the end of the process. ``pool`` makes
    a pool of connections, with adbapi's arguments. A missing folder is created. Raises `StoreError`.
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
        self._lock = Lock(path)
        try:
            prepare(path, _MIGRATIONS)
        except BaseException:
            self._lock.release()
            raise
        self._uri = path.as_uri()
        self._durability = durability
        self._pool = pool
        self._reactor = reactor

    def snapshot(self) -> Snapshot:
        """Everything that is kept in memory; blocks, so for the start only. Raises `StoreError`."""
        try:
            with closing(sqlite3.connect(f"{self._uri}?mode=ro", uri=True)) as connection:
                return load(connection.cursor())
        except sqlite3.Error as error:
            raise StoreError(f"can't read the database {self._path}: {error}") from None

    def writer(self) -> ConnectionPool:
        """The one connection that writes, in the one thread that does."""

        def prepare_writer(connection: sqlite3.Connection) -> None:
            connection.execute(f"PRAGMA synchronous = {_SYNCHRONOUS[self._durability]}")
            connection.execute("PRAGMA foreign_keys = ON")

        return self._connections("rw", 1, prepare_writer)

    def archive(self) -> Archive:
        """Pages of the log, on connections that can't write."""
        return Archive(self._connections("ro", 2))

    def check(self) -> None:
        """Raises `StoreError` if the user that this process has become may not write here."""
        for path, needed in ((self._path, os.R_OK | os.W_OK), (self._path.parent, os.W_OK | os.X_OK)):
            if not os.access(path, needed, effective_ids=True):
                raise StoreError(f"can't use the database {self._path}: {os.strerror(EACCES)} ({path})")

    def release(self) -> None:
        """Let others have the file; call it when journal and archive are closed."""
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
