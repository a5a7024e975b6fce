"""A PostgreSQL server of the tests' own, in a temporary folder, with a database for each test."""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final
from unittest import SkipTest

import psycopg
from twisted.internet.testing import MemoryReactorClock

from chatd.store.postgresql.store import PostgresqlStore
from tests.support.daemon_process import PATIENCE

USER: Final = "chatd"

# What makes the server fast, and forgetful if the machine loses its power.
_UNSAFE: Final = ("fsync=off", "full_page_writes=off", "synchronous_commit=off")

_SMALL: Final = (
    "listen_addresses=",
    "wal_level=minimal",
    "max_wal_senders=0",
    "max_connections=60",
    "shared_buffers=32MB",
    "autovacuum=off",
    "logging_collector=off",
)

PR_SET_PDEATHSIG: Final = 1


def find_programs() -> Path | None:
    """The folder with PostgreSQL's programs, those of the newest version; None if there is none."""
    found = shutil.which("initdb")
    if found is not None:
        return Path(found).resolve().parent
    folders = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    newest = sorted(folders, key=lambda path: int(path.parts[-3]) if path.parts[-3].isdigit() else 0)
    return newest[-1].parent if newest else None


class PostgresqlServer:
    """A server that listens on a Unix socket only. It ends with the process that has started it.

    With ``safe`` it waits for the disk, as in production. If root runs the tests, the server runs as
    ``nobody``. Raises `SkipTest` if PostgreSQL is not installed, and `AssertionError` if, besides, the
    environment has ``CHATD_TESTS_NEED_POSTGRESQL``.
    """

    def __init__(self, safe: bool = False) -> None:
        programs = find_programs()
        if programs is None:
            if os.environ.get("CHATD_TESTS_NEED_POSTGRESQL"):
                raise AssertionError("PostgreSQL's server is not installed, and must be")
            raise SkipTest("PostgreSQL's server is not installed")
        self._programs = programs
        self._settings = (*_SMALL, *(() if safe else _UNSAFE))
        self.folder = Path(tempfile.mkdtemp(prefix="chatd-pg-", dir="/tmp"))
        self._numbers = itertools.count(1)
        if os.geteuid() == 0:
            shutil.chown(self.folder, "nobody")
        self._run(
            "initdb",
            f"--pgdata={self.folder}/data",
            f"--username={USER}",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
            "--no-instructions",
        )
        self.start()
        atexit.register(self.close)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = [word for setting in self._settings for word in ("-c", setting)]
        command = [
            f"{self._programs}/postgres",
            "-D",
            f"{self.folder}/data",
            "-k",
            str(self.folder),
            *options,
        ]
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                preexec_fn=_end_with_parent,
                **_user(),
            )
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                psycopg.connect(self.url("postgres")).close()
                return
            except psycopg.OperationalError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise AssertionError((self.folder / "log").read_text()) from None
                time.sleep(0.01)

    def stop(self, number: int = signal.SIGQUIT) -> None:
        """End it: at once, unless another signal is given."""
        self.process.send_signal(number)
        self.process.wait(PATIENCE)

    def kill(self) -> None:
        """End it and all its processes as ``kill -9`` does."""
        pid = self.process.pid
        self.process.send_signal(signal.SIGSTOP)  # it makes no further process then
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for one in (*map(int, children), pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(one, signal.SIGKILL)
        self.process.wait(PATIENCE)
        # A server does not start while a process of another one uses its memory.
        deadline = time.monotonic() + PATIENCE
        while any(_is_alive(child) for child in children) and time.monotonic() < deadline:
            time.sleep(0.005)

    def url(self, database: str) -> str:
        """The URL of ``database``."""
        return f"postgresql://{USER}@/{database}?host={self.folder}"

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run one statement, and return its rows."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def new_database(self) -> str:
        """The URL of a new, empty database."""
        name = f"chat_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE template0")
        return self.url(name)

    def close(self) -> None:
        """End it, and remove its files."""
        if self.process.poll() is None:
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [f"{self._programs}/{program}", *arguments],
            check=True,
            capture_output=True,
            cwd=self.folder,
            **_user(),
        )


def _is_alive(pid: str) -> bool:
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def _user() -> dict[str, Any]:
    return {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGQUIT)


@cache
def shared_server() -> PostgresqlServer:
    """The server of this process, for tests that need not wait for the disk."""
    return PostgresqlServer()


@cache
def _chat_database() -> str:
    url = shared_server().new_database()
    PostgresqlStore(url, "process", MemoryReactorClock())
    return url


_EMPTY: Final = """
    DELETE FROM read_marks; DELETE FROM reactions; DELETE FROM links; DELETE FROM erasures;
    DELETE FROM tokens; DELETE FROM trimmed; DELETE FROM ignores; DELETE FROM ban_origins;
    DELETE FROM moderation; DELETE FROM credentials; DELETE FROM log; DELETE FROM search_words;
    DELETE FROM conversations WHERE id > 1; DELETE FROM users WHERE id > 0; DELETE FROM claims;
    UPDATE search_progress SET indexed = 0;
    UPDATE head SET epoch = 0, owner = '', commits = 0, until = '-infinity';
    ALTER SEQUENCE tokens_id_seq RESTART
"""


def new_chat_database() -> str:
    """The URL of a database as chatd has made it, without anything in it, on the server that the tests share.

    It is always the same database, which is emptied: that takes a tenth of the time of making one.
    """
    execute(_chat_database(), _EMPTY)
    return _chat_database()


def execute(url: str, script: str) -> None:
    """Run the statements of ``script`` in the database with the ``url``, in one transaction."""
    with psycopg.connect(url) as connection:
        connection.execute(script.encode())


def rows(url: str, query: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
    """What ``query`` finds in the database with the ``url``, by another connection."""
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(query.encode(), values)
        return cursor.fetchall() if cursor.description else []
