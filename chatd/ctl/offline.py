"""The commands of ``chatctl`` that check or restore a database while no daemon uses it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from chatd.store import postgresql
from chatd.store.backup import RestoreResult, restore_backup
from chatd.store.check import find_file_problems
from chatd.store.errors import StoreError
from chatd.store.schema import DatabaseLock
from chatd.store.store import is_postgresql_url
from chatd.store.transfer import TableDigest, transfer

PG_RESTORE_SENTENCE: Final = (
    "chatd restores no PostgreSQL database: pg_restore does, into one that is empty (docs/OPERATING.md)"
)
"""What a restoration is refused with."""


def find_database_problems(database: str) -> list[str]:
    """Return the problems of ``database``, as sentences. There are none if it is sound.

    It is the path of a file or a ``postgresql://`` URL. What follows is for a file: a PostgreSQL database may
    be in use.

    If the process runs as root and the database exists, it first changes to the user who owns the folder of
    the database, and stays that user. Raises `StoreError` if a daemon uses the database, or if it does not
    exist or can't be read.
    """
    if is_postgresql_url(database):
        return postgresql.find_database_problems(database)
    path = Path(database)
    if path.exists():  # else the lock would create a file beside nothing
        drop_privileges_to_owner_of(path.absolute().parent)
        lock = DatabaseLock(path)
        try:
            return find_file_problems(path)
        finally:
            lock.release()
    return find_file_problems(path)


def transfer_database(source: str, target: str) -> dict[str, TableDigest]:
    """Copy the database ``source`` to ``target`` (see `chatd.store.transfer.transfer`).

    If the process runs as root, it first changes to the user who owns the folder of the database that is a
    file, and stays that user. Raises `StoreError`.
    """
    for database in (source, target):
        if not is_postgresql_url(database):
            drop_privileges_to_owner_of(Path(database).absolute().parent)
    return transfer(source, target)


def restore_database(backup: Path, database: str) -> RestoreResult:
    """Replace ``database`` by the database in the file ``backup``. The old one is kept under another name.

    If the process runs as root, it first changes to the user who owns the folder of the database, and stays
    that user. Raises `StoreError`, and leaves the database as it was, if a daemon uses it, or if ``backup``
    is not sound or can't be copied; and if ``database`` is a ``postgresql://`` URL.
    """
    if is_postgresql_url(database):
        raise StoreError(PG_RESTORE_SENTENCE)
    path = Path(database)
    drop_privileges_to_owner_of(path.absolute().parent)
    return restore_backup(backup, path)


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
