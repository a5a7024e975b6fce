"""Backups of the database while the daemon writes to it, and the way back: restoring one."""

from __future__ import annotations

import os
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from errno import EEXIST
from pathlib import Path
from typing import Final

import msgspec

from chatd.files import make_private_folder
from chatd.store.check import find_problems, interrupt_statements_when, open_read_only
from chatd.store.errors import StoreError
from chatd.store.schema import DatabaseLock

BACKUP_STEP_PAGES: Final = 256
"""The number of pages copied in one step: 1 MiB, with SQLite's default page size."""

BACKUP_PAUSE_SECONDS: Final = 0.005
"""The pause between two steps, in seconds, in which the disk belongs to the daemon's commits."""


class BackupResult(msgspec.Struct, frozen=True):
    """The result of a backup: the path of the new file, its size in bytes, and the last id of its log."""

    file: str
    bytes: int
    last_id: int


class RestoreResult(msgspec.Struct, frozen=True):
    """The result of restoring a database from a backup.

    It has the path of the database, the id of the last log entry in it, and the new path of the database that
    was there before, or None if there was none.
    """

    database: str
    last_id: int
    former_database: str | None


def back_up(source: sqlite3.Connection, target: Path, is_cancelled: Callable[[], bool]) -> BackupResult:
    """Copy the database of ``source`` to the new file ``target``, and check the copy. The call blocks.

    ``source`` must have been opened for this call. The copy has everything that was committed before the
    call. Commits during the call do not wait, but SQLite's write-ahead log grows until the end of the copy.
    ``target`` appears only when the copy is complete and sound. Raises `StoreError` if ``target`` exists or
    can't be written, if the copy is not sound, or if ``is_cancelled()`` becomes true.
    """
    try:
        if target.exists():
            raise FileExistsError(EEXIST, os.strerror(EEXIST))
        with new_file_beside(target) as copy:
            # One read transaction for all steps: else SQLite would begin anew after every commit.
            source.execute("BEGIN")
            source.execute("SELECT max(id) FROM log").fetchone()
            last_id = _copy(source, copy, is_cancelled)
            # The name is taken first, because a rename would replace a file that somebody has made meanwhile.
            os.close(os.open(target, os.O_CREAT | os.O_EXCL, 0o600))
            os.rename(copy, target)
        _sync_folder(target)
        return BackupResult(str(target), target.stat().st_size, last_id)
    except sqlite3.Error as error:
        raise StoreError(f"no backup was made: {error}") from None
    except OSError as error:
        raise StoreError(f"no backup was made at {target}: {error.strerror}") from None


def restore_backup(backup: Path, database: Path) -> RestoreResult:
    """Replace the database at ``database`` by the one in the file ``backup``. The call blocks.

    The file at ``database`` is kept under another name beside it. If the backup is of an older version, it is
    upgraded when the daemon starts next. Raises `StoreError` if a daemon uses the database, if ``backup`` is
    not sound, or if a file can't be read or written; the database is then as before.
    """
    database = database.absolute()
    try:
        make_private_folder(database.parent)
    except OSError as error:
        raise StoreError(f"can't use the database {database}: {error.strerror} ({error.filename})") from None
    lock = DatabaseLock(database)
    try:
        with closing(open_read_only(backup)) as source, new_file_beside(database) as copy:
            last_id = _copy(source, copy, lambda: False)
            former = _set_aside(database) if database.exists() else None
            os.rename(copy, database)
        _sync_folder(database)
    except sqlite3.Error as error:
        raise StoreError(f"can't restore the backup {backup}: {error}") from None
    except OSError as error:
        raise StoreError(f"can't replace the database {database}: {error.strerror}") from None
    finally:
        lock.release()
    return RestoreResult(str(database), last_id, None if former is None else str(former))


@contextmanager
def new_file_beside(path: Path) -> Iterator[Path]:
    """Return a context manager that creates an empty file in the folder of ``path``, with the mode 0600.

    The value of the ``with`` statement is the path of the new file. At the end of the block the file is
    removed, unless it was renamed.
    """
    descriptor, name = tempfile.mkstemp(prefix=f"{path.name}.", suffix=".part", dir=path.parent)
    os.close(descriptor)
    try:
        yield Path(name)
    finally:
        for left in (name, f"{name}-journal"):
            with suppress(FileNotFoundError):
                os.unlink(left)


def _copy(source: sqlite3.Connection, target: Path, is_cancelled: Callable[[], bool]) -> int:
    """Copy the database of ``source`` to the file ``target``, and check the copy. Return its last log id.

    Raises `StoreError` if the copy is not sound, or if ``is_cancelled()`` becomes true, and `sqlite3.Error`.
    """

    def pause(status: int, remaining: int, total: int) -> None:
        if is_cancelled():
            raise StoreError("the copy was cancelled, because the daemon stops")
        # Else one sync at the end would write all of it, and a commit would wait for that.
        os.fsync(written)
        if remaining:
            time.sleep(BACKUP_PAUSE_SECONDS)

    written = os.open(target, os.O_RDWR)
    try:
        with closing(sqlite3.connect(target)) as copy:
            source.backup(copy, pages=BACKUP_STEP_PAGES, progress=pause)
    finally:
        os.close(written)  # after the connection: closing it earlier would drop SQLite's locks
    with closing(open_read_only(target)) as copy:
        interrupt_statements_when(copy, is_cancelled)
        problems = find_problems(copy)
        if problems:
            raise StoreError(f"the copy is not sound: {problems[0]}")
        return int(copy.execute("SELECT coalesce(max(id), 0) FROM log").fetchone()[0])


def _set_aside(database: Path) -> Path:
    """Give the file ``database`` a second name beside it, and return that name.

    SQLite's write-ahead log is moved along: SQLite would apply it to the new file.
    """
    moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    former = database.with_name(f"{database.name}.before-{moment}")
    number = 1
    while former.exists():
        number += 1
        former = database.with_name(f"{database.name}.before-{moment}-{number}")
    os.link(database, former)
    for suffix in ("-wal", "-shm"):
        with suppress(FileNotFoundError):
            os.rename(f"{database}{suffix}", f"{former}{suffix}")
    return former


def _sync_folder(path: Path) -> None:
    """Make the names in the folder of ``path`` survive a power cut."""
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
