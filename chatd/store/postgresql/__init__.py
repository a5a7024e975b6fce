"""The store on PostgreSQL, by psycopg, which only those who use it need."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from chatd.store.errors import StoreError

if TYPE_CHECKING:
    from chatd.store.postgresql.store import PostgresqlStore
    from chatd.store.postgresql.transfer import TransferDatabase
    from chatd.store.store import Durability


def open_postgresql_store(url: str, durability: Durability, reactor: Any) -> PostgresqlStore:
    """Open and return the store in the PostgreSQL database with the URL ``url``. Raises `StoreError`."""
    require_psycopg()
    from chatd.store.postgresql.store import PostgresqlStore

    return PostgresqlStore(url, durability, reactor)


def find_database_problems(url: str) -> list[str]:
    """Return the problems of the PostgreSQL database with the URL ``url``, as sentences.

    A daemon may use the database meanwhile. Raises `StoreError`.
    """
    require_psycopg()
    from chatd.store.postgresql import store

    return store.find_database_problems(url)


def open_transfer(url: str) -> AbstractContextManager[TransferDatabase]:
    """Open the PostgreSQL database with the URL ``url`` to copy from it or to it. Raises `StoreError`."""
    require_psycopg()
    from chatd.store.postgresql import transfer

    return transfer.open_transfer(url)


def require_psycopg() -> None:
    """Raise `StoreError` if psycopg is not installed, or finds no libpq."""
    try:
        import psycopg  # noqa: F401
    except ImportError:
        raise StoreError(
            "a postgresql:// database needs psycopg: install it with pip install 'chatd[postgresql]'"
        ) from None
