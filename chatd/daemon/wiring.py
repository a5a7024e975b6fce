"""Puts the daemon together: configuration in, a Twisted service out."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from twisted.internet.endpoints import serverFromString
from twisted.logger import (
    FilteringLogObserver,
    LogLevel,
    LogLevelFilterPredicate,
    globalLogPublisher,
)
from twisted.python.util import initgroups

from chatd.chat.delivery_log import DeliveryLog
from chatd.chat.service import Chat
from chatd.connections.factory import Sessions
from chatd.daemon.certificates import Certificate
from chatd.daemon.config import Config, ConfigError, LogConfig
from chatd.daemon.conversation_log import ConversationLog
from chatd.daemon.lifecycle import Daemon, Listener
from chatd.daemon.logs import JsonLogObserver, LogFile
from chatd.daemon.wires import MakeProtocol, protocol_makers, wire_names
from chatd.store.journal import Journal
from chatd.store.store import Store

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

    The certificate is read by the user who starts the daemon; database and logs are opened as ``user`` (uid
    and gid), if the daemon is to become one.
    """
    certificate = None if config.certificate is None else Certificate(Path(config.certificate))
    makers = protocol_makers(config.limits, certificate)
    listeners = [_listener(listener, makers, reactor) for listener in config.listen]
    with _acting_as(user):
        conversation_log = _open_logs(config.log)
        store = Store(Path(config.database), config.durability, reactor)
        snapshot = store.snapshot()
    archive = store.archive()
    delivery_log = DeliveryLog() if config.log.level == "debug" else None
    writer = store.writer()

    def open_journal(on_failure: Callable[[], None], on_commit: Callable[[], None]) -> Journal:
        return Journal(writer, reactor, snapshot, on_failure, on_commit)

    chat = Chat(
        snapshot, archive, open_journal, reactor, time.time, config.limits, conversation_log, delivery_log
    )
    return Daemon(reactor, listeners, Sessions(chat, reactor, config.limits), chat, store, certificate)


def _listener(listener: str, makers: dict[str, MakeProtocol], reactor: Any) -> Listener:
    wire, description = parse_listener(listener)
    try:
        endpoint = serverFromString(reactor, description)
    except Exception as error:
        # Endpoints come from plugins, and every parser of theirs has its own errors.
        raise ConfigError(f"{listener} is no endpoint that can be listened at: {error}") from None
    return Listener(listener, makers[wire], endpoint)


def _open_logs(log: LogConfig) -> ConversationLog | None:
    """Begin to log to the JSON log; the conversation log. Raises `ConfigError`."""
    if log.json is not None:
        level = LogLevelFilterPredicate(defaultLogLevel=LogLevel.levelWithName(log.level))
        globalLogPublisher.addObserver(FilteringLogObserver(JsonLogObserver(_log_file(log.json)), [level]))
    if log.conversation is None:
        return None
    return ConversationLog(_log_file(log.conversation), log.conversation_private)


def _log_file(path: str) -> LogFile:
    try:
        return LogFile(path)
    except OSError as error:
        raise ConfigError(f"can't write the log {path}: {error.strerror}") from None
