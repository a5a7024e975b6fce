"""Assembly of the daemon: from a configuration to a Twisted service."""

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
    Logger,
    LogLevel,
    LogLevelFilterPredicate,
    globalLogPublisher,
)
from twisted.python.util import initgroups

from chatd.chat.delivery_log import DeliveryLog
from chatd.chat.service import Chat
from chatd.connections.factory import Sessions
from chatd.daemon.certificates import Certificate
from chatd.daemon.config import Config, ConfigError, LogConfig, control_socket_path
from chatd.daemon.control import Control, shortest
from chatd.daemon.conversation_log import ConversationLog
from chatd.daemon.lifecycle import Daemon, Listener
from chatd.daemon.logs import JsonLogObserver, LogFile
from chatd.daemon.passwords import PasswordPool
from chatd.daemon.reload import Reloader
from chatd.daemon.wires import MakeProtocol, protocol_makers, wire_names
from chatd.store.journal import Journal
from chatd.store.store import Store

MAX_SOCKET_PATH_BYTES: Final = 103
"""The number of bytes that the path of a Unix socket may have on every system."""

_log = Logger()

# Endpoint type -> the loopback interface that an endpoint without an interface is bound to, and the position
# of the interface among the unnamed arguments.
_LOOPBACK: Final = {
    "tcp": ("127.0.0.1", 2),
    "tcp6": (r"\:\:1", 3),
    "ssl": ("127.0.0.1", 5),
    "tls": ("127.0.0.1", 4),
}


def parse_listener(listener: str) -> tuple[str, str]:
    """Split a listener such as ``text=tcp:4567`` into the wire's name and the description of a Twisted
    endpoint. A port without an interface is bound to loopback.

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
    """Give a process that runs as root the identity ``user`` (uid and gid) while the block runs, so that it
    opens and creates files as that user.
    """
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


def assemble(
    config: Config,
    reactor: Any,
    user: tuple[int, int] | None = None,
    read_again: Callable[[], Config] | None = None,
) -> Daemon:
    """Build the daemon that ``config`` describes, on ``reactor``, and return it. Raises `ConfigError` and
    `StoreError`.

    ``read_again`` reads the configuration again; without it, a reload reads only the certificate.

    The certificate is read with the rights of the user who starts the daemon. The database and the logs are
    opened with the rights of ``user`` (uid and gid), if the daemon will change to that user.
    """
    certificate = None if config.certificate is None else Certificate(Path(config.certificate))
    makers = protocol_makers(config.limits, certificate)
    listeners = [_listener(listener, makers, reactor) for listener in config.listen]
    with _acting_as(user):
        json_level = LogLevelFilterPredicate(defaultLogLevel=LogLevel.levelWithName(config.log.level))
        conversation_log = _open_logs(config.log, json_level)
        store = Store(Path(config.database), config.durability, reactor)
        snapshot = store.read_snapshot()
    archive = store.archive()
    delivery_log = DeliveryLog() if config.log.level == "debug" else None
    writer = store.writer_pool()

    def open_journal(on_failure: Callable[[], None], on_commit: Callable[[], None]) -> Journal:
        return Journal(writer, reactor, snapshot, on_failure, on_commit)

    passwords = PasswordPool(reactor, config.accounts, config.limits)
    chat = Chat(
        snapshot,
        archive,
        open_journal,
        reactor,
        time.time,
        config.limits,
        passwords,
        config.accounts,
        conversation_log,
        delivery_log,
    )
    sessions = Sessions(chat, reactor, config.limits)

    def set_log_level(level: str) -> None:
        json_level.setLogLevelForNamespace("", LogLevel.levelWithName(level))
        chat.set_delivery_log(DeliveryLog() if level == "debug" else None)

    reloader = Reloader(config, read_again or (lambda: config), certificate, set_log_level)
    path = _control_path(config)
    control = None if path is None else Control(path, reactor, chat, sessions, store, passwords, reloader)
    return Daemon(reactor, listeners, sessions, chat, store, passwords, reloader, control)


def _control_path(config: Config) -> Path | None:
    """Return the path of the control socket, or None if there is none. Raises `ConfigError`."""
    path = control_socket_path(config)
    if path is None or len(os.fsencode(shortest(path))) <= MAX_SOCKET_PATH_BYTES:
        return None if path is None else path.absolute()
    sentence = f"the path of the control socket is too long: {path}"
    if config.control.socket is not None:
        raise ConfigError(sentence)
    _log.warn("{sentence}; name another in [control], until then there is none", sentence=sentence)
    return None


def _listener(listener: str, makers: dict[str, MakeProtocol], reactor: Any) -> Listener:
    wire, description = parse_listener(listener)
    try:
        endpoint = serverFromString(reactor, description)
    except Exception as error:
        # Endpoint parsers come from plugins, and each raises errors of its own.
        raise ConfigError(f"{listener} is no endpoint that can be listened at: {error}") from None
    return Listener(listener, makers[wire], endpoint)


def _open_logs(log: LogConfig, level: LogLevelFilterPredicate) -> ConversationLog | None:
    """Start the JSON log, if there is one, with the events of ``level`` and above. Return the conversation
    log, or None. Raises `ConfigError`.
    """
    if log.json is not None:
        globalLogPublisher.addObserver(FilteringLogObserver(JsonLogObserver(_log_file(log.json)), [level]))
    if log.conversation is None:
        return None
    return ConversationLog(_log_file(log.conversation), log.conversation_private)


def _log_file(path: str) -> LogFile:
    try:
        return LogFile(path)
    except OSError as error:
        raise ConfigError(f"can't write the log {path}: {error.strerror}") from None
