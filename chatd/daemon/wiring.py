"""Assembly of the daemon: from a configuration to a Twisted service."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IProtocolFactory, IStreamServerEndpoint
from twisted.logger import (
    FilteringLogObserver,
    Logger,
    LogLevel,
    LogLevelFilterPredicate,
    globalLogPublisher,
)
from twisted.python.util import initgroups

from chatd.boundaries import Archive
from chatd.carriers.detection import Detector, HttpProtocol, WireChoice
from chatd.chat.delivery_log import DeliveryLog
from chatd.chat.fair_queue import FairQueue
from chatd.chat.service import Chat
from chatd.connections.factory import ChatFactory, Sessions
from chatd.connections.outbox import FlushQueue
from chatd.connections.proxied import ProxiedFactory
from chatd.core.declarations import parse_duration
from chatd.core.limits import Limits
from chatd.daemon.certificates import Certificate
from chatd.daemon.config import (
    Config,
    ConfigError,
    LogConfig,
    TlsConfig,
    configured_listeners,
    control_socket_path,
)
from chatd.daemon.control import ControlSocket, shorter_socket_path
from chatd.daemon.conversation_log import ConversationLog
from chatd.daemon.health import Health
from chatd.daemon.lifecycle import Daemon, Listener
from chatd.daemon.logs import JsonLogObserver, LogFile
from chatd.daemon.passwords import PasswordHashQueue
from chatd.daemon.reload import ConfigReloader
from chatd.daemon.wires import (
    WEB_WIRE_NAME,
    MakeHttpProtocolFunction,
    choices_by_subprotocol,
    choices_by_wire,
    declared_wires,
    protocol_maker,
    wire_names,
)
from chatd.store.journal import Journal
from chatd.store.store import open_store
from chatd.web.connection import HttpConnection, HttpService
from chatd.web.pages import make_site, read_static_files

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


class ParsedListener(msgspec.Struct, frozen=True):
    """The parts of the text of a listener in the configuration, such as ``text=tcp:4567``.

    ``wire`` is the name of the wire, ``endpoint`` the description of a Twisted endpoint.
    ``expects_proxy_header`` says whether a proxy sends a PROXY header first.

    ``tls`` says whether clients must use the daemon's TLS. It is ``always`` for ``ssl:`` without a key of its
    own. It is ``never`` for a Unix socket, and for an endpoint of Twisted with its own TLS. Otherwise it is
    ``configured``, and ``require`` in ``[tls]`` decides.
    """

    wire: str
    endpoint: str
    expects_proxy_header: bool = False
    tls: Literal["always", "configured", "never"] = "configured"


def parse_listener(listener: str) -> ParsedListener:
    """Return the parts of ``listener``, such as ``text=tcp:4567``.

    A port without an interface is bound to loopback.

    Raises `ConfigError` if ``listener`` is malformed.
    """
    wire, _, description = listener.partition("=")
    if wire not in wire_names() or not description:
        raise ConfigError(
            f"a listener is WIRE=ENDPOINT with one of {', '.join(wire_names())} first, not {listener}"
        )
    endpoint = description.removeprefix("haproxy:")
    kind, *arguments = _split_endpoint(endpoint)
    unnamed = sum("=" not in argument for argument in arguments)
    tls: Literal["always", "configured", "never"] = "configured"
    if kind == "ssl" and unnamed < 2 and not any(one.startswith("privateKey=") for one in arguments):
        endpoint, tls = ":".join(("tcp", *arguments)), "always"
    elif kind in ("ssl", "tls", "unix") or {"UNIX", "domain=UNIX"} & set(arguments):
        tls = "never"
    return ParsedListener(wire, _on_loopback(endpoint), description.startswith("haproxy:"), tls)


def _on_loopback(endpoint: str) -> str:
    """Return the description of an endpoint, bound to loopback if it is a port without an interface."""
    kind, *arguments = _split_endpoint(endpoint)
    loopback, place = _LOOPBACK.get(kind, ("", 0))
    unnamed = sum("=" not in argument for argument in arguments)
    if unnamed < place and not any(argument.startswith("interface=") for argument in arguments):
        endpoint += f":interface={loopback}"
    return endpoint


def _split_endpoint(endpoint: str) -> list[str]:
    """Return the type of an endpoint in lower case, followed by its arguments."""
    kind, *arguments = re.split(r"(?<!\\):", endpoint)
    return [kind.lower(), *arguments]


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


def build_daemon(
    config: Config,
    reactor: Any,
    run_as: tuple[int, int] | None = None,
    read_again: Callable[[], Config] | None = None,
) -> Daemon:
    """Build the daemon that ``config`` describes, on ``reactor``, and return it without starting it.

    The database is locked and, if necessary, created or migrated; the log files are opened. ``read_again``
    returns the configuration as it is at a reload; without it, a reload reads only the certificate.

    The certificate and its key are read with the rights of the user who starts the daemon. The database and
    the logs are opened with the rights of ``run_as`` (uid and gid), if the daemon will change to that user.
    Raises `ConfigError` and `StoreError`.
    """
    certificate = _certificate(config.tls)
    choices = choices_by_wire(config.limits, config.irc)

    def make_http(detector: Detector) -> HttpProtocol:
        return HttpConnection(http_service, detector)

    listeners = [
        _listener(listener, choices, make_http, certificate, config.tls.require, reactor)
        for listener in configured_listeners(config)
    ]
    metrics = config.metrics.listen
    monitoring = None if metrics is None else _endpoint(metrics, _on_loopback(metrics), reactor)
    with _acting_as(run_as):
        json_level = LogLevelFilterPredicate(defaultLogLevel=LogLevel.levelWithName(config.log.level))
        conversation_log = _open_logs(config.log, json_level)
        store = open_store(config.database, config.durability, reactor)
        snapshot = store.read_snapshot()
    archive = store.open_archive()
    delivery_log = DeliveryLog() if config.log.level == "debug" else None

    def open_journal(on_failure: Callable[[], None], on_commit: Callable[[], None]) -> Journal:
        return store.open_journal(reactor, snapshot, on_failure, on_commit)

    flush_queue = FlushQueue(reactor)
    passwords = PasswordHashQueue(reactor, config.accounts, config.limits)
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
        None if config.keep is None else parse_duration("keep", config.keep),
        flush_queue.deliver_to_all,
    )
    sessions = Sessions(chat, flush_queue, reactor, config.limits)
    site = make_site(read_static_files(), Health(chat.journal, archive, reactor).is_healthy, reactor)
    http_service = HttpService(
        site, choices_by_subprotocol(config.limits, config.irc), config.web, reactor, FairQueue(reactor)
    )
    if metrics is not None and monitoring is not None:
        factory = _monitoring_factory(chat, archive, sessions, passwords, config.limits, reactor)
        listeners.append(Listener(f"metrics={metrics}", lambda _: factory, monitoring))

    def set_log_level(level: str) -> None:
        json_level.setLogLevelForNamespace("", LogLevel.levelWithName(level))
        chat.set_delivery_log(DeliveryLog() if level == "debug" else None)

    reloader = ConfigReloader(config, read_again or (lambda: config), certificate, set_log_level)
    path = _control_path(config)
    control = (
        None if path is None else ControlSocket(path, reactor, chat, sessions, store, passwords, reloader)
    )
    return Daemon(reactor, listeners, sessions, chat, store, passwords, reloader, control)


def _control_path(config: Config) -> Path | None:
    """Return the path of the control socket, or None if there is none. Raises `ConfigError`."""
    path = control_socket_path(config)
    if path is None or len(os.fsencode(shorter_socket_path(path))) <= MAX_SOCKET_PATH_BYTES:
        return None if path is None else path.absolute()
    sentence = f"the path of the control socket is too long: {path}"
    if config.control.socket is not None:
        raise ConfigError(sentence)
    _log.warn("{sentence}; name another in [control], until then there is none", sentence=sentence)
    return None


def _certificate(tls: TlsConfig) -> Certificate | None:
    if tls.certificate is not None:
        key, client_ca = (None if path is None else Path(path) for path in (tls.key, tls.client_ca))
        return Certificate(Path(tls.certificate), key, client_ca)
    for name in ("key", "require", "client_ca"):
        if getattr(tls, name):
            raise ConfigError(f"`{name}` under [tls] needs a `certificate` there")
    return None


def _listener(
    listener: str,
    choices: dict[str, list[WireChoice]],
    make_http: MakeHttpProtocolFunction,
    certificate: Certificate | None,
    require_tls: bool,
    reactor: Any,
) -> Listener:
    parsed = parse_listener(listener)
    tls_only = parsed.tls == "always" or (parsed.tls == "configured" and require_tls)
    if tls_only and certificate is None:
        raise ConfigError(f"{listener} needs a certificate: name it under [tls], or in the endpoint")
    endpoint = _endpoint(listener, parsed.endpoint, reactor)
    maker = protocol_maker(parsed.wire, choices, make_http, certificate, tls_only)

    def make_factory(sessions: Sessions) -> IProtocolFactory:
        factory = ChatFactory(sessions, maker)
        return ProxiedFactory(sessions, factory) if parsed.expects_proxy_header else factory

    web_page_scheme = "https" if tls_only else "http"
    return Listener(listener, make_factory, endpoint, web_page_scheme if parsed.wire == WEB_WIRE_NAME else "")


def _endpoint(name: str, description: str, reactor: Any) -> IStreamServerEndpoint:
    """Return the Twisted endpoint of ``description``, which the configuration calls ``name``.

    Raises `ConfigError`.
    """
    try:
        endpoint: IStreamServerEndpoint = serverFromString(reactor, description)
    except Exception as error:
        # Endpoint parsers come from plugins, and each raises errors of its own.
        raise ConfigError(f"{name} is no endpoint that can be listened at: {error}") from None
    return endpoint


def _monitoring_factory(
    chat: Chat,
    archive: Archive,
    sessions: Sessions,
    passwords: PasswordHashQueue,
    limits: Limits,
    reactor: Any,
) -> IProtocolFactory:
    # Imported here, because prometheus-client takes 60 ms to import.
    from chatd.daemon.metrics import MonitoredParts, ReactorLag
    from chatd.daemon.monitoring import MonitoringFactory

    wires = tuple(sorted({wire.name for wire in declared_wires()}))
    monitored = MonitoredParts(chat, sessions, passwords, limits, wires, ReactorLag(reactor))
    return MonitoringFactory(monitored, Health(chat.journal, archive, reactor), reactor)


def _open_logs(log: LogConfig, level: LogLevelFilterPredicate) -> ConversationLog | None:
    """Start the JSON log, if there is one, with the events of ``level`` and above. Return the conversation
    log, or None. Raises `ConfigError`.
    """
    if log.json is not None:
        observer = JsonLogObserver(_log_file(log, log.json))
        globalLogPublisher.addObserver(FilteringLogObserver(observer, [level]))
    if log.conversation is None:
        return None
    return ConversationLog(_log_file(log, log.conversation), log.conversation_private)


def _log_file(log: LogConfig, path: str) -> LogFile:
    try:
        return LogFile(path, log.rotate_bytes, log.keep)
    except OSError as error:
        raise ConfigError(f"can't write the log {path}: {error.strerror}") from None
