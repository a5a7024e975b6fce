"""The daemon's life: listen, serve, and end with everything accepted on disk."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any, Final, NoReturn

import msgspec
from twisted.application.service import Service
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.defer import Deferred, gatherResults, maybeDeferred
from twisted.internet.error import CannotListenError, ReactorNotRunning
from twisted.internet.interfaces import IListeningPort, IStreamServerEndpoint
from twisted.logger import Logger
from twisted.python.failure import Failure

from chatd import __version__
from chatd.chat.service import Chat
from chatd.connections.factory import ChatFactory, Sessions
from chatd.daemon.certificates import Certificate
from chatd.daemon.passwords import PasswordPool
from chatd.daemon.wires import MakeProtocol
from chatd.store.errors import StoreError
from chatd.store.store import Store

COMMIT_TIMEOUT_SECONDS: Final = 2.2
"""How long accepted commands have to get to disk at the stop: longer than a locked database is waited for."""

STOP_TIMEOUT_SECONDS: Final = 4.5
"""How long the stop takes at most, even when the disk never answers."""


class Listener(msgspec.Struct, frozen=True, eq=False):
    """A place to listen at; ``name`` is its text in the configuration."""

    name: str
    make_protocol: MakeProtocol
    endpoint: IStreamServerEndpoint


class CannotStart(SystemExit, Exception):
    """The daemon ends with exit code 1; the text is one sentence that was shown already.

    It is an `Exception` as well: so twistd removes its pid file, and passes the sentence to the process that
    waits for a daemon in the background.
    """

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.code = 1


class Daemon(Service):
    """chatd as a Twisted service. ``ports`` holds the ports that it listens on.

    SIGHUP has ``certificate`` read again, unless the daemon has a terminal.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        listeners: list[Listener],
        sessions: Sessions,
        chat: Chat,
        store: Store,
        certificate: Certificate | None,
        passwords: PasswordPool,
    ) -> None:
        self.ports: list[IListeningPort] = []
        self.sessions = sessions
        self._reactor = reactor
        self._listeners = listeners
        self._chat = chat
        self._store = store
        self._certificate = certificate
        self._passwords = passwords

    def privilegedStartService(self) -> None:
        """Listen, before twistd drops its privileges. Raises `CannotStart`."""
        for listener in self._listeners:
            listening = listener.endpoint.listen(ChatFactory(self.sessions, listener.make_protocol))
            failed: list[str] = []
            listening.addCallback(self._listens, listener).addErrback(self._fails, listener, failed)
            if failed:
                self._refuse(failed[0])

    def _listens(self, port: IListeningPort, listener: Listener) -> None:
        self.ports.append(port)
        self._log.info(
            "listening on {name} at {address}", name=listener.name, address=_address(port.getHost())
        )

    def _fails(self, failure: Failure, listener: Listener, failed: list[str]) -> None:
        failed.append(f"can't listen on {listener.name}: {_reason(failure)}")

    def _refuse(self, sentence: str) -> NoReturn:
        self._log.critical("{sentence}", sentence=sentence)
        if sys.__stderr__ is not None:  # since the log may be a file that nobody looks at
            sys.__stderr__.write(f"chatd: {sentence}\n")
        raise CannotStart(sentence)

    def startService(self) -> None:
        """Serve until the stop. Raises `CannotStart`."""
        try:
            # A .tac file may give its application a user of its own, of whom nobody knew before this.
            self._store.check_access()
        except StoreError as error:
            self._refuse(str(error))
        if os.geteuid() == 0:
            self._log.warn("chatd runs as root, which it has no need of: start twistd with --uid")
        # These would kill. twistd rotates its log at SIGUSR1 if that is a file, and has its handler already.
        for number in (signal.SIGUSR1, signal.SIGUSR2):
            if signal.getsignal(number) is signal.SIG_DFL:
                signal.signal(number, signal.SIG_IGN)
        super().startService()
        self._passwords.start()
        self._reactor.callWhenRunning(self._take_signals)

    def _take_signals(self) -> None:
        """End with 0 when asked to end: twistd itself would die of the signal after an orderly stop."""

        def stop(number: int, frame: object) -> None:
            self._reactor.callFromThread(self._end)

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, stop)

        def reload(number: int, frame: object) -> None:
            self._reactor.callFromThread(self._reload)

        # A terminal that is closed takes its daemon along; without one there is nothing to hang up.
        signal.signal(signal.SIGHUP, stop if os.isatty(0) else reload)
        self._log.info("chatd {version} is ready", version=__version__)

    def _reload(self) -> None:
        if self._certificate is not None:
            self._certificate.reload()

    def _end(self) -> None:
        try:
            self._reactor.stop()
        except ReactorNotRunning:
            return  # asked twice
        # SIGALRM kills, whatever thread hangs.
        signal.setitimer(signal.ITIMER_REAL, STOP_TIMEOUT_SECONDS)

    def stopService(self) -> Deferred[None]:
        """Accept no clients, commit what was accepted, notify the clients, close."""
        super().stopService()
        return Deferred.fromCoroutine(self._stop()).addErrback(
            lambda failure: self._log.failure("the end was not orderly", failure)
        )

    async def _stop(self) -> None:
        await gatherResults([Deferred.fromCoroutine(self._close(port)) for port in self.ports])
        self._passwords.stop()
        finished = self._chat.stop()
        finished.addTimeout(
            COMMIT_TIMEOUT_SECONDS,
            self._reactor,
            onTimeoutCancel=lambda *_: self._log.error("the disk is stuck"),
        )
        await finished
        await self.sessions.close()
        await self._chat.close()
        self._store.unlock()
        self._log.info("all that was accepted is on disk")

    async def _close(self, port: IListeningPort) -> None:
        try:
            await maybeDeferred(port.stopListening)
        except Exception as error:
            # A socket that somebody deleted, for instance; it must not keep the rest from an orderly end.
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
