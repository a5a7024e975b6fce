"""The commands of ``chatctl`` that check or restore a database while no daemon uses it."""

from __future__ import annotations

import os
from pathlib import Path

from chatd.store.backup import RestoreResult, restore
from chatd.store.check import find_file_problems
from chatd.store.schema import DatabaseLock


def find_database_problems(database: Path) -> list[str]:
    """Return the problems of the database file ``database``, as sentences. A sound database has none.

    If the process runs as root and the database exists, it first changes to the user who owns the folder of
    the database, and stays that user. Raises `StoreError` if a daemon uses the database, or if it does not
    exist or can't be read.
    """
    if database.exists():  # else the lock would create a file beside nothing
        drop_privileges_to_owner_of(database.absolute().parent)
        lock = DatabaseLock(database)
        try:
            return find_file_problems(database)
        finally:
            lock.release()
    return find_file_problems(database)


def restore_database(backup: Path, database: Path) -> RestoreResult:
    """Replace the database file ``database`` by the backup file ``backup``.

    The old file is kept under another name.

    If the process runs as root, it first changes to the user who owns the folder of the database, and stays
    that user. Raises `StoreError`, and leaves the database as it was, if a daemon uses it, or if ``backup``
    is not sound or can't be copied.
    """
    drop_privileges_to_owner_of(database.absolute().parent)
    return restore(backup, database)


def drop_privileges_to_owner_of(folder: Path) -> None:
    """If the process runs as root, change to the user who owns ``folder``, for the rest of the process.

    A process of root would create files there that the daemon can't access. Nothing changes if the process is
    not root, if root owns the folder, or if the folder does not exist.
    """
    if os.geteuid() == 0 and folder.exists():
        owner = folder.stat()
        if owner.st_uid != 0:
            os.setgroups([])
            os.setgid(owner.st_gid)
            os.setuid(owner.st_uid)
