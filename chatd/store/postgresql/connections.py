"""Connections to PostgreSQL: the URL, what is set on each connection, and adbapi's classes for them."""

from __future__ import annotations

import select
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, Self
from urllib.parse import quote

import psycopg
from psycopg.adapt import AdaptersMap, Buffer, Loader
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.types.numeric import Int8Dumper
from psycopg.types.string import StrDumper
from twisted.enterprise import adbapi

from chatd.store.archive import JSON_IDS_SQL, JSON_PAIRS_SQL
from chatd.store.errors import StoreError

CONNECT_TIMEOUT_SECONDS: Final = 3
"""The time in seconds that a server may take to accept a connection."""

DEAD_CONNECTION_MILLISECONDS: Final = 5_000
"""The time in milliseconds after which a connection is given up whose server does not confirm what was sent.
"""

WRITE_TIMEOUT_SECONDS: Final = 10
"""The time in seconds that a statement of the writer may take."""

IDLE_TRANSACTION_TIMEOUT_SECONDS: Final = 2
"""The time in seconds after which the server ends a transaction that writes and whose process does nothing.

It is shorter than a lease, so that a process that hangs does not keep the next writer waiting.
"""

_SHOWN: Final = ("user", "host", "port", "dbname")
"""The parts of a URL that are shown."""

_ESCAPE: Final = "\ue000"
"""The character, one for private use, that begins an escape in stored texts.

PostgreSQL stores no U+0000. It is stored as this character and ``0``; this character itself is stored twice.
"""

_SPELLINGS: Final = {
    JSON_IDS_SQL: "SELECT CAST(value AS bigint) FROM json_array_elements_text(CAST(? AS json))",
    JSON_PAIRS_SQL: (
        "SELECT CAST(value ->> 0 AS bigint) AS place, CAST(value ->> 1 AS bigint) AS above"
        " FROM json_array_elements(CAST(? AS json))"
    ),
    "instr(": "strpos(",
}
"""What PostgreSQL spells in another way than SQLite."""


class _TextDumper(StrDumper):
    """Sends texts to PostgreSQL, with U+0000 escaped."""

    def dump(self, obj: str) -> Buffer | None:
        """Return ``obj`` as PostgreSQL reads it."""
        if "\0" in obj or _ESCAPE in obj:
            obj = obj.replace(_ESCAPE, _ESCAPE * 2).replace("\0", f"{_ESCAPE}0")
        return super().dump(obj)


class _TextLoader(Loader):
    """Reads texts from PostgreSQL, with U+0000 escaped."""

    def load(self, data: Buffer) -> str:
        """Return the text that PostgreSQL has sent."""
        text = str(data, "utf-8")
        if _ESCAPE in text:
            text = _ESCAPE.join(part.replace(f"{_ESCAPE}0", "\0") for part in text.split(_ESCAPE * 2))
        return text


def _make_adapters() -> AdaptersMap:
    adapters = AdaptersMap(psycopg.adapters)
    adapters.register_dumper(str, _TextDumper)
    # Else each size of integers would be a type, and each statement prepared for each of them.
    adapters.register_dumper(int, Int8Dumper)
    adapters.register_loader("text", _TextLoader)
    return adapters


_ADAPTERS: Final = _make_adapters()


@lru_cache(maxsize=1024)
def translate_sql(query: str) -> str:
    """Return ``query``, which is SQL for SQLite, as SQL for PostgreSQL with the placeholders of psycopg."""
    for here, there in _SPELLINGS.items():
        query = query.replace(here, there)
    return query.replace("?", "%s")


def _as_sent(query: Any) -> Any:
    return translate_sql(query) if isinstance(query, str) else query


class TranslatingCursor(psycopg.Cursor[Any]):
    """A psycopg cursor that accepts SQL written for SQLite, and translates it."""

    def execute(self, query: Any, params: Any = None, **named: Any) -> Self:
        """Run ``query`` with the values ``params``."""
        return super().execute(_as_sent(query), params, **named)

    def executemany(self, query: Any, params_seq: Any, **named: Any) -> None:
        """Run ``query`` with the values of each item of ``params_seq``."""
        super().executemany(_as_sent(query), params_seq, **named)


class DatabaseUrl:
    """A ``postgresql://`` URL. ``name`` is the URL without the password, for messages to people.

    The constructor raises `StoreError` if the URL is invalid.
    """

    def __init__(self, url: str) -> None:
        try:
            given = conninfo_to_dict(url)
        except psycopg.Error:
            given = {}
        user, host, port, database = (str(given.get(name) or "") for name in _SHOWN)
        # libpq takes a part of a password with a slash or an at sign in it for something else.
        is_port = not port or port.replace(",", "0").isdigit()
        if not given or not is_port or "@" in host or set("@/?") & set(database):
            # What libpq says may contain a part of the password.
            raise StoreError(
                "the URL of the database is not valid: it is postgresql://USER:PASSWORD@HOST:PORT/DATABASE,"
                " with special characters written as %XX"
            )
        before = f"{quote(user)}@" if user else ""
        behind = f":{port}" if port.strip(",") else ""
        self.name = f"postgresql://{before}{quote(host, safe=',')}{behind}/{database}"
        usual: dict[str, Any] = {
            "application_name": "chatd",
            "connect_timeout": CONNECT_TIMEOUT_SECONDS,
            "client_encoding": "utf8",
            "keepalives_idle": DEAD_CONNECTION_MILLISECONDS // 1000,
            "keepalives_interval": 1,
            "keepalives_count": 3,
            "tcp_user_timeout": DEAD_CONNECTION_MILLISECONDS,
        }
        self._conninfo = make_conninfo("", **{**usual, **given})

    def __repr__(self) -> str:
        """Return the name, without the password."""
        return f"DatabaseUrl({self.name})"

    def connect(self) -> psycopg.Connection[Any]:
        """Return a new connection to the database, in autocommit mode. The call blocks.

        Raises `StoreError` if no connection can be made.
        """
        try:
            return psycopg.connect(
                self._conninfo, autocommit=True, context=_ADAPTERS, cursor_factory=TranslatingCursor
            )
        except psycopg.OperationalError as error:
            raise StoreError(f"can't use the database {self.name}: {error_in_one_line(error)}") from None

    def pool(
        self,
        make_pool: Callable[..., adbapi.ConnectionPool],
        settings: str,
        most: int,
        reactor: Any,
    ) -> adbapi.ConnectionPool:
        """Return a pool of at most ``most`` connections. Each connection first runs the SQL ``settings``.

        ``make_pool`` makes a pool from the arguments of adbapi's ``ConnectionPool``.
        """

        def prepare(connection: psycopg.Connection[Any]) -> None:
            connection.execute(settings.encode())

        pool = make_pool(
            "psycopg",
            self._conninfo,
            autocommit=True,
            context=_ADAPTERS,
            cursor_factory=TranslatingCursor,
            cp_min=1,
            cp_max=most,
            cp_openfun=prepare,
            cp_noisy=False,
            cp_reactor=reactor,
        )
        pool.connectionFactory = PostgresqlConnection
        return pool


def error_in_one_line(error: psycopg.Error) -> str:
    """Return the text of ``error`` in one line."""
    return "; ".join(line.strip() for line in str(error).splitlines() if line.strip()) or type(error).__name__


_CODES_WITHOUT_ANSWER: Final = ("08", "57")
"""The classes of the errors with which a server ends a connection, or was told to end a statement."""


def is_without_answer(error: psycopg.OperationalError) -> bool:
    """Return whether ``error`` means that the server did not answer the statement.

    That is so if the connection broke, or the server has closed it.
    """
    return error.sqlstate is None or error.sqlstate[:2] in _CODES_WITHOUT_ANSWER


_SESSION: Final = "SET jit = off; SET plan_cache_mode = force_custom_plan; SET timezone = 'UTC';"


def writer_settings(synchronous_commit: bool) -> str:
    """Return the SQL that a connection that writes runs first.

    ``synchronous_commit`` says whether a commit waits until it is on disk.
    """
    return (
        f"{_SESSION} SET synchronous_commit = {'on' if synchronous_commit else 'off'};"
        f"SET statement_timeout = {WRITE_TIMEOUT_SECONDS * 1000};"
        f"SET idle_in_transaction_session_timeout = {IDLE_TRANSACTION_TIMEOUT_SECONDS * 1000};"
        "SET default_transaction_isolation = 'read committed'"
    )


SEARCH_SETTINGS: Final = (
    f"{_SESSION} SET default_transaction_read_only = on;"
    "SET default_transaction_isolation = 'repeatable read'; SET random_page_cost = 1.1"
)
"""The SQL that is run first on a connection that only reads."""

READER_SETTINGS: Final = f"{SEARCH_SETTINGS}; SET enable_bitmapscan = off"
"""The same for pages of the log: each query reads an index in its order, until it has enough.

PostgreSQL would often rather read all of a conversation by a bitmap, and sort it.
"""


class PostgresqlConnection(adbapi.Connection):
    """An adbapi connection to PostgreSQL, which is replaced before its use if the server has closed it."""

    _connection: Any
    _pool: adbapi.ConnectionPool

    def __init__(self, pool: adbapi.ConnectionPool) -> None:
        super().__init__(pool)
        if _is_closed_by_server(self._connection):
            self.reconnect()

    def rollback(self) -> None:
        """Roll back the transaction, if there is one. If that fails, close the connection."""
        try:
            self._connection.rollback()
        except psycopg.Error:
            self._pool.disconnect(self._connection)


def _is_closed_by_server(connection: Any) -> bool:
    """Return whether ``connection``, which is idle, is closed. Then there is something to be read from it."""
    if connection.closed:
        return True
    readable = select.poll()
    readable.register(connection.fileno(), select.POLLIN)
    return bool(readable.poll(0))
