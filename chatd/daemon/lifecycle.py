"""The daemon as a Twisted service: it listens, serves clients, and stops only after all accepted messages are
on disk.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any, Final, NoReturn

import msgspec
from twisted.application.service import Service
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.defer import Deferred, gatherResults, maybeDeferred
from twisted.internet.error import CannotListenError, ReactorNotRunning
from twisted.internet.interfaces import IListeningPort, IProtocolFactory, IStreamServerEndpoint
from twisted.logger import Logger
from twisted.python.failure import Failure

from chatd import __version__
from chatd.chat.service import Chat
from chatd.connections.factory import Sessions
from chatd.daemon.config import ConfigError
from chatd.daemon.control import ControlSocket
from chatd.daemon.passwords import PasswordHashQueue
from chatd.daemon.reload import ConfigReloader
from chatd.store.errors import StoreError
from chatd.store.store import Store

NEW_OBJECTS_BEFORE_GARBAGE_COLLECTION: Final = 10_000
"""The number of new objects after which Python looks for garbage among them; its own default is 700.

A login makes some hundred objects that stay, and hardly anything here needs the collector to be freed. With
the default it takes an eighth of the time of 5,000 logins.
"""

DRAIN_TIMEOUT_SECONDS: Final = 2.2
"""Seconds that the daemon waits at its stop for accepted commands to be stored on disk. It is longer than the
wait for a locked database.
"""

STOP_TIMEOUT_SECONDS: Final = 4.5
"""Seconds after which a stopping daemon is killed, even if the disk does not respond."""


class Listener(msgspec.Struct, frozen=True, eq=False):
    """A port on which the daemon listens.

    ``name`` is its text in the configuration, such as ``text=tcp:4567``. ``make_factory`` makes the Twisted
    factory of its connections. ``web_page_scheme`` is ``http`` or ``https`` if browsers get the web page on
    this port, and otherwise empty.
    """

    name: str
    make_factory: Callable[[Sessions], IProtocolFactory]
    endpoint: IStreamServerEndpoint
    web_page_scheme: str = ""


class CannotStart(SystemExit, Exception):
    """The error if the daemon can't start. The process exits with code 1.

    The text is one sentence, which was already printed. The class is an `Exception` as well as a
    `SystemExit`. Because of this, twistd removes its pid file, and passes the sentence on to the process that
    has started the daemon in the background.
    """

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.code = 1


class Daemon(Service):
    """The whole daemon as a Twisted service. ``ports`` are the open listening ports.

    At SIGHUP, ``reloader`` reads the configuration again. If the daemon runs in a terminal, SIGHUP stops it
    instead. ``control`` is the control socket, or None if there is none.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        listeners: list[Listener],
        sessions: Sessions,
        chat: Chat,
        store: Store,
        passwords: PasswordHashQueue,
        reloader: ConfigReloader,
        control: ControlSocket | None,
    ) -> None:
        self.ports: list[IListeningPort] = []
        self.sessions = sessions
        self._reactor = reactor
        self._listeners = listeners
        self._chat = chat
        self._store = store
        self._passwords = passwords
        self._reloader = reloader
        self._control = control
        self._names: dict[IListeningPort, str] = {}
        if control is not None:
            control.list_ports = self.list_ports
            control.stop = self._end

    def privilegedStartService(self) -> None:
        """Open all listening ports, before twistd drops its root privileges. Raises `CannotStart`."""
        for listener in self._listeners:
            listening = listener.endpoint.listen(listener.make_factory(self.sessions))
            failed: list[str] = []
            listening.addCallback(self._listens, listener).addErrback(self._fails, listener, failed)
            if failed:
                self._refuse(failed[0])

    def _listens(self, port: IListeningPort, listener: Listener) -> None:
        self.ports.append(port)
        self._names[port] = listener.name
        host = port.getHost()
        self._log.info("listening on {name} at {address}", name=listener.name, address=_address(host))
        if listener.web_page_scheme and isinstance(host, IPv4Address | IPv6Address):
            name = "localhost" if ip_address(host.host).is_unspecified else _address(host).rpartition(":")[0]
            self._log.info(
                "the page is at {scheme}://{name}:{port}/",
                scheme=listener.web_page_scheme,
                name=name,
                port=host.port,
            )

    def list_ports(self) -> list[tuple[str, str]]:
        """Return the name and the address of each open listening port."""
        return [(self._names[port], _address(port.getHost())) for port in self.ports]

    def _fails(self, failure: Failure, listener: Listener, failed: list[str]) -> None:
        failed.append(f"can't listen on {listener.name}: {_reason(failure)}")

    def _refuse(self, sentence: str) -> NoReturn:
        self._log.critical("{sentence}", sentence=sentence)
        if sys.__stderr__ is not None:  # the log may be a file, which the user does not see
            sys.__stderr__.write(f"chatd: {sentence}\n")
        raise CannotStart(sentence)

    def startService(self) -> None:
        """Start the daemon: check the database, open the control socket, and start the background work.

        The background work is hashing passwords, deleting old messages, and unfinished erasures. Signal
        handlers are set when the reactor runs. Raises `CannotStart` if the database is not accessible or the
        control socket can't be opened.
        """
        gc.set_threshold(NEW_OBJECTS_BEFORE_GARBAGE_COLLECTION)
        try:
            # A .tac file may set a user of its own, which was not known when the database was opened.
            self._store.check_access()
            # Opened as the user that the daemon has become, who may then remove it.
            if self._control is not None:
                self._control.listen()
        except (StoreError, ConfigError) as error:
            self._refuse(str(error))
        if os.geteuid() == 0:
            self._log.warn("chatd runs as root, which it has no need of: start twistd with --uid")
        # By default, these signals kill the process. If twistd logs to a file, it has set its own handler for
        # SIGUSR1, which rotates the log.
        for number in (signal.SIGUSR1, signal.SIGUSR2):
            if signal.getsignal(number) is signal.SIG_DFL:
                signal.signal(number, signal.SIG_IGN)
        super().startService()
        self._passwords.start()
        self._chat.journal.start_indexing()
        self._chat.retention.start()
        self._chat.eraser.start()
        self._reactor.callWhenRunning(self._take_signals)

    def _take_signals(self) -> None:
        """Install signal handlers: SIGTERM and SIGINT stop the daemon with exit code 0. (With twistd's own
        handlers, the process would die of the signal after an orderly stop.)
        """

        def stop(number: int, frame: object) -> None:
            self._reactor.callFromThread(self._end)

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, stop)

        def reload(number: int, frame: object) -> None:
            self._reactor.callFromThread(self._reload)

        # SIGHUP from a closing terminal stops the daemon; without a terminal it asks to reload.
        signal.signal(signal.SIGHUP, stop if os.isatty(0) else reload)
        self._log.info("chatd {version} is ready", version=__version__)

    def _reload(self) -> None:
        with contextlib.suppress(ConfigError):  # which is logged
            self._reloader.reload()

    def _end(self) -> None:
        try:
            self._reactor.stop()
        except ReactorNotRunning:
            return  # the stop was requested twice
        # SIGALRM kills the process, even if a thread hangs.
        signal.setitimer(signal.ITIMER_REAL, STOP_TIMEOUT_SECONDS)

    def stopService(self) -> Deferred[None]:
        """Stop listening, store all accepted messages, notify the clients, and close their connections.

        Return a Deferred that fires when this is done. A failure is logged, and the Deferred fires
        nevertheless.
        """
        super().stopService()
        return Deferred.fromCoroutine(self._stop()).addErrback(
            lambda failure: self._log.failure("the end was not orderly", failure)
        )

    async def _stop(self) -> None:
        self._store.cancel_backups_and_checks()
        closing = [port.stopListening for port in self.ports]
        if self._control is not None:
            closing.append(self._control.stop_listening)
        await gatherResults([Deferred.fromCoroutine(self._close(stop)) for stop in closing])
        self._passwords.stop()
        finished = self._chat.refuse_new_and_drain()
        finished.addTimeout(
            DRAIN_TIMEOUT_SECONDS,
            self._reactor,
            onTimeoutCancel=lambda *_: self._log.error("the disk is stuck"),
        )
        await finished
        await self.sessions.close()
        await self._chat.close()
        self._store.unlock()
        if self._control is not None:
            self._control.close_connections()
        self._log.info("all that was accepted is on disk")

    async def _close(self, stop_listening: Callable[[], Deferred[None] | None]) -> None:
        try:
            await maybeDeferred(stop_listening)
        except Exception as error:
            # For instance, a socket that was deleted. The other ports must still be closed in order.
            self._log.warn("a port was not closed well: {why}", why=str(error))


def _address(host: Any) -> str:
    if isinstance(host, UNIXAddress):
        return os.fsdecode(host.name or b"")
    if isinstance(host, IPv6Address):
        return f"[{host.host}]:{host.port}"
    return f"{host.host}:{host.port}" if isinstance(host, IPv4Address) else str(host)


def _reason(failure: Failure) -> str:
    error = failure.value
    if isinstance(error, CannotListenError):
        return str(getattr(error.socketError, "strerror", None) or error.socketError)
    return failure.getErrorMessage()
