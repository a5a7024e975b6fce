"""The store on PostgreSQL, by psycopg, which only those who use it need."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chatd.store.errors import StoreError

if TYPE_CHECKING:
    from chatd.store.postgresql.store import PostgresqlStore
    from chatd.store.store import Durability


def open_postgresql_store(url: str, durability: Durability, reactor: Any) -> PostgresqlStore:
    """Return the store in the database with the ``url``. Raises `StoreError`."""
    require_psycopg()
    from chatd.store.postgresql.store import PostgresqlStore

    return PostgresqlStore(url, durability, reactor)


def require_psycopg() -> None:
    """Raise `StoreError` if psycopg is not installed, or finds no libpq."""
    try:
        import psycopg  # noqa: F401
    except ImportError:
        raise StoreError(
            "a postgresql:// database needs psycopg: install it with pip install 'chatd[postgresql]'"
        ) from None
