"""Where everything meets: options and configuration in, a service out."""

from __future__ import annotations

import os
import pwd
import re
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
from twisted.application.app import ApplicationRunner
from twisted.internet.endpoints import serverFromString
from twisted.logger import (
    FilteringLogObserver,
    LogLevel,
    LogLevelFilterPredicate,
    globalLogPublisher,
)
from twisted.python import usage
from twisted.python.util import initgroups

from chatd import __version__, certificate
from chatd.chronicle import Chronicle, JsonLines, LogFile, Traffic
from chatd.config import Config, ConfigError, Log, read
from chatd.daemon import Daemon, Listener
from chatd.factory import Sessions, Wire
from chatd.service import Chat
from chatd.store.journal import Journal
from chatd.store.schema import StoreError
from chatd.store.store import Store
from chatd.wires import wire_names, wires

CONFIG_FILE: Final = "chatd.toml"
"""Read from the working folder when no other is named."""

_DURABILITIES: Final = ("full", "process")
_LEVELS: Final = ("info", "debug")


class Options(usage.Options):
    """What can be said on the command line; it wins over chatd.toml."""

    synopsis = "[options]"
    longdesc = (
        "A durable chat daemon: clients of every kind in one conversation, in one SQLite file. WIRE is one"
        f" of {', '.join(wire_names())}. ENDPOINT is any server endpoint of Twisted's, such as tcp:4567"
        " or unix:/run/chatd; it is on loopback unless it says interface=..."
    )

    optParameters = [
        [
            "config",
            "c",
            None,
            f"File to read the configuration from [default: {CONFIG_FILE}, if it is there]",
        ],
        ["database", "d", None, "SQLite file to keep everything in [default: chat.db]"],
        ["certificate", None, None, "PEM file with the certificate, its chain and its key, for TLS at auto"],
        ["durability", None, None, "full: survive a power cut; process: only a crash [default: full]"],
        [
            "conversation-log",
            None,
            None,
            "File to append to what is said in the lobby and in public groups, and who comes and goes",
        ],
        ["log-json", None, None, "File to append the log to as JSON lines, besides twistd's own"],
        [
            "log-level",
            None,
            None,
            "info, or debug to log each message and to whom it is sent, no private text [default: info]",
        ],
    ]

    optFlags = [
        [
            "conversation-log-private",
            None,
            "Append private groups and private messages to the conversation log as well",
        ],
    ]

    def __init__(self) -> None:
        super().__init__()
        self["listen"] = []

    def opt_listen(self, listener: str) -> None:
        """WIRE=ENDPOINT; may be given several times [default: auto=tcp:7070, text=tcp:4567, json=tcp:8080,
        tp6=tcp:8888 and tp6-bonus=tcp:8889]
        """
        self["listen"].append(listener)

    opt_l = opt_listen

    def opt_version(self) -> None:
        """Print the version and exit."""
        sys.stdout.write(f"chatd {__version__}\n")
        raise SystemExit(0)


def configuration(options: Options) -> Config:
    """What ``options`` say, over what chatd.toml says, over the defaults. Raises `ConfigError`."""
    named = options["config"]
    path = Path(named or CONFIG_FILE)
    config = read(path) if named or path.exists() else Config()
    log = {
        "conversation": options["conversation-log"],
        "conversation_private": bool(options["conversation-log-private"]) or None,
        "json": options["log-json"],
        "level": _one_of(options, "log-level", _LEVELS),
    }
    said = {
        "database": options["database"],
        "listen": tuple(options["listen"]) or None,
        "certificate": options["certificate"],
        "durability": _one_of(options, "durability", _DURABILITIES),
        "log": msgspec.structs.replace(config.log, **_given(log)),
    }
    return msgspec.structs.replace(config, **_given(said))


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _one_of(options: Options, option: str, values: tuple[str, ...]) -> str | None:
    value: str | None = options[option]
    if value is not None and value not in values:
        raise ConfigError(f"--{option} is one of {', '.join(values)}, not {value}")
    return value


# What an endpoint that doesn't say it is bound to; and which of its arguments says it without a name.
_LOOPBACK: Final = {
    "tcp": ("127.0.0.1", 2),
    "tcp6": (r"\:\:1", 3),
    "ssl": ("127.0.0.1", 5),
    "tls": ("127.0.0.1", 4),
}


def parse_listener(listener: str) -> tuple[str, str]:
    """``text=tcp:4567`` as a wire and an endpoint's description, bound to loopback unless it says more.

    Raises `ConfigError`.
    """
    wire, _, description = listener.partition("=")
    if wire not in wire_names() or not description:
        raise ConfigError(
            f"a listener is WIRE=ENDPOINT with one of {', '.join(wire_names())} first, not {listener}"
        )
    kind, *arguments = re.split(r"(?<!\\):", description.removeprefix("haproxy:"))
    loopback, place = _LOOPBACK.get(kind.lower(), ("", 0))
    unnamed = sum("=" not in argument for argument in arguments)
    if unnamed < place and not any(argument.startswith("interface=") for argument in arguments):
        description += f":interface={loopback}"
    return wire, description


def makeService(options: Options | None = None) -> Daemon:
    """The daemon, as ``options`` have it, on the global reactor. Raises `SystemExit` with one sentence."""
    from twisted.internet import reactor

    # twistd opens its own log after this; that is private as well.
    os.umask(0o077)
    try:
        return assemble(configuration(options or Options()), steady(reactor), _user())
    except (ConfigError, StoreError) as error:
        raise SystemExit(f"chatd: {error}") from None


def steady(reactor: Any) -> Any:
    """``reactor``, timed by a clock that nobody sets.

    Twisted's own is the time of day: what is due now would wait for a day when that is set back by a day.
    """
    reactor.seconds = time.monotonic
    return reactor


def _user() -> tuple[int, int] | None:
    """The user and group that twistd becomes once its ports are open; None if it stays who it is.

    Files that root creates before that would be closed to the daemon after it. A .tac file is not given
    twistd's options, so they are taken from the runner that has called it. Raises `ConfigError`.
    """
    for frame, _ in traceback.walk_stack(None):
        runner = frame.f_locals.get("self")
        if isinstance(runner, ApplicationRunner):
            uid, gid = runner.config.get("uid"), runner.config.get("gid")
            if uid is None:
                return None
            return (uid, _group_of(uid) if gid is None else gid) if os.geteuid() == 0 else None
    return None


def _group_of(uid: int) -> int:
    try:
        return pwd.getpwuid(uid).pw_gid
    except KeyError:
        raise ConfigError(f"--uid {uid} is no user of this machine") from None


@contextmanager
def _acting_as(user: tuple[int, int] | None) -> Iterator[None]:
    """Have root open and create files as ``user`` would."""
    if user is None:
        yield
        return
    uid, gid = user
    group, groups = os.getegid(), os.getgroups()
    os.setegid(gid)
    initgroups(uid, gid)
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)
        os.setgroups(groups)


def assemble(config: Config, reactor: Any, user: tuple[int, int] | None = None) -> Daemon:
    """The daemon of ``config``, on ``reactor``. Raises `ConfigError` and `StoreError`.

    The certificate is read as whoever starts the daemon, database and logs are opened as ``user``
    (uid and gid), if it is to become one.
    """
    tls = None if config.certificate is None else certificate.read(Path(config.certificate))
    ways_in = wires(config.limits, tls)
    listeners = [_listener(listener, ways_in, reactor) for listener in config.listen]
    with _acting_as(user):
        chronicle = _open_logs(config.log)
        store = Store(Path(config.database), config.durability, reactor)
        snapshot = store.snapshot()
    archive = store.archive()
    traffic = Traffic() if config.log.level == "debug" else None
    chat = Chat(snapshot, archive, reactor, time.time, config.limits, chronicle, traffic)
    journal = Journal(store.writer(), reactor, snapshot, chat.recover, chat.end_commit)
    chat.write_to(journal)
    return Daemon(reactor, listeners, Sessions(chat, reactor, config.limits), chat, journal, archive, store)


def _listener(listener: str, ways_in: dict[str, Wire], reactor: Any) -> Listener:
    wire, description = parse_listener(listener)
    try:
        endpoint = serverFromString(reactor, description)
    except Exception as error:
        # Endpoints come from plugins, and every parser of theirs has its own errors.
        raise ConfigError(f"{listener} is no endpoint that can be listened at: {error}") from None
    return Listener(listener, ways_in[wire], endpoint)


def _open_logs(log: Log) -> Chronicle | None:
    """Begin to log to the JSON log; the conversation log. Raises `ConfigError`."""
    if log.json is not None:
        level = LogLevelFilterPredicate(defaultLogLevel=LogLevel.levelWithName(log.level))
        globalLogPublisher.addObserver(FilteringLogObserver(JsonLines(_log_file(log.json)), [level]))
    if log.conversation is None:
        return None
    return Chronicle(_log_file(log.conversation), log.conversation_private)


def _log_file(path: str) -> LogFile:
    try:
        return LogFile(path)
    except OSError as error:
        raise ConfigError(f"can't write the log {path}: {error.strerror}") from None
