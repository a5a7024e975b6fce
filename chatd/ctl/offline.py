"""The commands of ``chatctl`` that check or restore a database while no daemon uses it."""

from __future__ import annotations

import os
from pathlib import Path

from chatd.store.backup import RestoreResult, restore
from chatd.store.check import find_file_problems
from chatd.store.schema import DatabaseLock


def find_database_problems(database: Path) -> list[str]:
    """Return what is wrong with ``database``, as sentences. Raises `StoreError` if a daemon uses it."""
    if database.exists():  # else the lock would create a file beside nothing
        drop_privileges_to_owner_of(database.absolute().parent)
        lock = DatabaseLock(database)
        try:
            return find_file_problems(database)
        finally:
            lock.release()
    return find_file_problems(database)


def restore_database(backup: Path, database: Path) -> RestoreResult:
    """Put the file ``backup`` in the place of ``database``. Raises `StoreError` and changes nothing then."""
    drop_privileges_to_owner_of(database.absolute().parent)
    return restore(backup, database)


def drop_privileges_to_owner_of(folder: Path) -> None:
    """Give a process that runs as root the identity of the owner of ``folder``, if the folder exists.

    Otherwise the files that the process creates there would be inaccessible to the daemon.
    """
    if os.geteuid() == 0 and folder.exists():
        owner = folder.stat()
        if owner.st_uid != 0:
            os.setgroups([])
            os.setgid(owner.st_gid)
            os.setuid(owner.st_uid)
