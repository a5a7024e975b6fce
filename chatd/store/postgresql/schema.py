"""The tables in a PostgreSQL database, and the migrations to the present version."""

from __future__ import annotations

from importlib import resources
from typing import Any, Final

import psycopg

from chatd.store.errors import StoreError
from chatd.store.postgresql.connections import error_in_one_line

SCHEMA_LOCK: Final = 0x63686174
"""The number of the advisory lock that is held while tables are made or changed: ``chat`` in ASCII."""


def load_migrations() -> list[str]:
    """Return the numbered SQL scripts that create and upgrade the database, in order.

    Script n upgrades a database of version n-1 to version n.
    """
    folder = resources.files("chatd.store.postgresql").joinpath("migrations")
    scripts = sorted(
        (file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name
    )
    return [script.read_text("utf-8") for script in scripts]


def create_tables(connection: Any, name: str, scripts: list[str]) -> None:
    """Create the tables of the first version in the database ``name``, if it has no tables.

    Raises `StoreError` if it has tables that are not chatd's, belongs to a newer chatd, or can't be used.
    """
    _check_encoding(connection, name)
    with connection.transaction():
        connection.execute(f"SELECT pg_advisory_xact_lock({SCHEMA_LOCK})")
        version = read_version(connection, name)
        if version > len(scripts):
            raise StoreError(
                f"the database {name} is of a newer chatd (version {version}, this one knows"
                f" {len(scripts)}): update chatd"
            )
        if version == 0:
            connection.execute("CREATE TABLE chatd_version (version integer NOT NULL)")
            connection.execute("INSERT INTO chatd_version VALUES (0)")
            _upgrade(connection, 1, scripts)


def migrate(connection: Any, name: str, scripts: list[str]) -> None:
    """Upgrade the database ``name`` to version ``len(scripts)``.

    Each script runs in a transaction of its own: if one fails, the database keeps the version before it. This
    process must be the only one that writes. Raises `StoreError`.
    """
    version = read_version(connection, name)
    for number in range(version + 1, len(scripts) + 1):
        with connection.transaction():
            _upgrade(connection, number, scripts)


def read_version(connection: Any, name: str) -> int:
    """Return the version of the database ``name``, or 0 if it is empty.

    Raises `StoreError` if it has tables that are not chatd's.
    """
    found, tables = connection.execute(
        "SELECT to_regclass('chatd_version'), (SELECT count(*) FROM pg_class"
        " WHERE relnamespace = CAST(current_schema() AS regnamespace) AND relkind IN ('r', 'p'))"
    ).fetchone() or (None, 0)
    if found is None:
        if tables:
            raise StoreError(f"the database {name} is not chatd's: name one that is empty")
        return 0
    row = connection.execute("SELECT version FROM chatd_version").fetchone()
    return 0 if row is None else int(row[0])


def _upgrade(connection: Any, number: int, scripts: list[str]) -> None:
    connection.execute(scripts[number - 1])
    connection.execute(f"UPDATE chatd_version SET version = {number}")


def _check_encoding(connection: Any, name: str) -> None:
    row = connection.execute("SHOW server_encoding").fetchone()
    if row is None or row[0] != "UTF8":
        raise StoreError(f"the database {name} is not in UTF-8: create one with ENCODING 'UTF8'")


def as_store_error(error: psycopg.Error, name: str) -> StoreError:
    """Return the `StoreError` for ``error``, which was raised while the database ``name`` was opened."""
    return StoreError(f"can't use the database {name}: {error_in_one_line(error)}")
