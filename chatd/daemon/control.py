"""The control socket: a Unix socket on which the administrator of the machine commands the daemon.

A connection carries one request, a line with a JSON object, and its answer, one or more such lines. The
requests are those of `chatd.core.control_commands`, and the commands of server operators in the form that
they have on the JSON wire, given by `chatd.core.events.CONSOLE`.
"""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from errno import ENOENT
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

from msgspec import structs
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IAddress, IDelayedCall, IListeningPort, IPushProducer
from twisted.internet.protocol import Factory, connectionDone
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.protocols.basic import LineOnlyReceiver
from twisted.protocols.policies import TimeoutMixin
from twisted.python.failure import Failure
from zope.interface import implementer

from chatd import __version__
from chatd.chat.service import Chat
from chatd.chat.turns import read_failed_refusal
from chatd.connections.factory import Sessions
from chatd.core.answers import Answer
from chatd.core.control_commands import CONTROL_COMMANDS, CONTROL_ERROR_SENTENCES, server_operator_commands
from chatd.core.events import CONSOLE
from chatd.core.refusals import Refusal, TranslatableText, translatable_reason
from chatd.core.requests import Request
from chatd.daemon.config import ConfigError
from chatd.daemon.exports import ExportLines
from chatd.daemon.passwords import PasswordHashQueue
from chatd.daemon.reload import ConfigReloader
from chatd.dialects.json import JsonDialect
from chatd.dialects.json_entries import moderation_object
from chatd.dialects.json_requests import MAX_REPEATED_ACTION_LENGTH, JsonObject, is_valid_ref, parse_object
from chatd.json_wire import objects
from chatd.json_wire.objects import encode
from chatd.store.errors import MaintenanceInProgress, NotSupported, ReadFailed, StoreError
from chatd.store.store import Store

MAX_CONTROL_REQUEST_BYTES: Final = 16 * 1024
"""The maximum number of bytes in a request, without the newline."""

MAX_CONTROL_CONNECTIONS: Final = 16
"""The maximum number of connections to the control socket."""

CONTROL_CLIENT_TIMEOUT_SECONDS: Final = 10.0
"""Seconds that a client has to send its request, and again to read the answer."""

EXPORT_PAUSE_SECONDS: Final = 0.005
"""Pause in seconds after each page of an export, so that clients of the chat need not wait for it."""

EXPORT_STALL_TIMEOUT_SECONDS: Final = 600.0
"""The time in seconds for which a client may stop reading during an export.

After that the connection is aborted.
"""

MAX_LIST_ITEMS_PER_ANSWER_LINE: Final = 500
"""The maximum number of items of a list that are sent in one line, in one iteration of the reactor."""


NOT_ERASED_SENTENCE: Final = (
    "not erased: bans and blocks of addresses, backups and copies from upgrades, the conversation log, the"
    " daemon's logs, what others wrote about the user, and what clients have stored"
)
"""The part of the answer to ``erase`` that lists the data that an erasure does not remove."""


class ControlError(Exception):
    """The error for a failed request on the control socket.

    ``code`` is a key of `CONTROL_ERROR_SENTENCES`, and ``why`` is a sentence.
    """

    def __init__(self, code: str, why: str = "") -> None:
        super().__init__(code, why)
        self.code = code
        self.why = why or CONTROL_ERROR_SENTENCES[code]


class ListResult(NamedTuple):
    """An answer on the control socket that is a list: its key in the JSON object, and its items."""

    json_key: str
    items: Iterator[object]


ControlResult = Mapping[str, object] | ListResult | ExportLines
"""What an answer contains besides its action and ref: one object, a list, or an export."""


class ControlSocket:
    """The control socket of one daemon, at ``path``, through which the administrator controls the daemon.

    It has the parts of the daemon that requests need. The daemon sets ``list_ports``, which returns the
    listeners as pairs of a name and an address, and ``stop``, which stops the daemon.
    """

    log = Logger()

    def __init__(
        self,
        path: Path,
        reactor: Any,
        chat: Chat,
        sessions: Sessions,
        store: Store,
        passwords: PasswordHashQueue,
        reloader: ConfigReloader,
    ) -> None:
        self.path = path
        self.reactor = reactor
        self.chat = chat
        self.sessions = sessions
        self.store = store
        self.passwords = passwords
        self.reloader = reloader
        self.dialect = JsonDialect(sessions.limits, newline_delimited=True)
        self.started_at = reactor.seconds()
        self.connections: set[ControlConnection] = set()
        self.list_ports: Callable[[], list[tuple[str, str]]] = list
        self.stop: Callable[[], None] = lambda: None
        self._port: IListeningPort | None = None

    def listen(self) -> None:
        """Open the socket, to which only the daemon's own user can connect.

        Replace the socket of a dead daemon.

        Raises `ConfigError` if the path is used for something else or by another daemon, or can't be used.
        """
        address = shorter_socket_path(self.path)
        _remove_stale(address)
        if not self.path.parent.is_dir():  # Twisted leaves its socket open if it can't be bound
            raise ConfigError(f"can't open the control socket {self.path}: {os.strerror(ENOENT)}")
        # The socket must not be open to others even between its creation and the change of its mode.
        umask = os.umask(0o177)
        try:
            self._port = self.reactor.listenUNIX(address, ControlFactory(self), mode=0o600)
        except CannotListenError as error:
            why = getattr(error.socketError, "strerror", None) or error.socketError
            raise ConfigError(f"can't open the control socket {self.path}: {why}") from None
        finally:
            os.umask(umask)

    def stop_listening(self) -> Deferred[None] | None:
        """Remove the socket. Open connections stay open.

        Return a Deferred that fires when this is done, or None if the socket was not open.
        """
        port, self._port = self._port, None
        return None if port is None else port.stopListening()

    def close_connections(self) -> None:
        """Close the open connections to the control socket."""
        for connection in list(self.connections):
            connection.transport.loseConnection()


def shorter_socket_path(path: Path) -> str:
    """Return the shorter spelling of ``path``, absolute or relative to the working folder.

    The address of a Unix socket has at most about a hundred bytes.
    """
    return min(str(path.absolute()), os.path.relpath(path), key=len)


def _remove_stale(address: str) -> None:
    """Remove the socket of a dead daemon at ``address``, if there is one.

    Raises `ConfigError` if a daemon listens there, or if ``address`` is no socket; a symbolic link is none.
    """
    try:
        if not stat.S_ISSOCK(os.lstat(address).st_mode):
            raise ConfigError(f"can't open the control socket {address}: a file is in the way")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)
        try:
            probe.connect(address)
        except ConnectionRefusedError:
            os.unlink(address)
            return
        except BlockingIOError:
            pass  # somebody listens, with a full queue
        except OSError as error:
            raise ConfigError(f"can't open the control socket {address}: {error.strerror}") from None
    raise ConfigError(f"can't open the control socket {address}: a running daemon has it")


class ControlFactory(Factory):
    """The Twisted factory of the control socket."""

    noisy = False

    def __init__(self, control: ControlSocket) -> None:
        self._control = control

    def buildProtocol(self, addr: IAddress | None) -> ControlConnection:
        """Return the Twisted protocol of a new connection to the control socket."""
        return ControlConnection(self._control)


@implementer(IPushProducer)
class ControlConnection(LineOnlyReceiver, TimeoutMixin):
    """The Twisted protocol of a connection to the control socket, which reads one request and sends the
    answer.

    It implements `chatd.boundaries.Requester`, for the commands of server operators.
    """

    _log = Logger()

    transport: Any
    delimiter = b"\n"
    MAX_LENGTH = MAX_CONTROL_REQUEST_BYTES

    user = CONSOLE
    token = None
    peer = "control socket"
    client_network = None

    def __init__(self, control: ControlSocket) -> None:
        self._control = control
        self._has_request = False
        self._name = ""
        self._ref: str | int | None = None
        self._writable: Deferred[None] | None = None

    # From the client.

    def connectionMade(self) -> None:
        """Wait for a request.

        If there are too many connections, close this one with ``too_many_connections``.
        """
        connections = self._control.connections
        connections.add(self)
        self.setTimeout(CONTROL_CLIENT_TIMEOUT_SECONDS)
        if len(connections) > MAX_CONTROL_CONNECTIONS:
            self._has_request = True
            self._fail(ControlError("too_many_connections"))

    def callLater(self, period: float, func: Callable[[], None]) -> IDelayedCall:
        """Start a timer that calls ``func`` after ``period`` seconds.

        Twisted's `TimeoutMixin` calls this method.

        It uses the daemon's reactor instead of the global one.
        """
        timer: IDelayedCall = self._control.reactor.callLater(period, func)
        return timer

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Remove this connection from the open ones.

        A requested action continues, except an export, which ends.
        """
        self._control.connections.discard(self)
        self.setTimeout(None)
        self.resumeProducing()

    def timeoutConnection(self) -> None:
        """Refuse the request with ``request_timeout`` if it was not received in time.

        If the client did not read the answer in time, abort the connection.
        """
        if self._has_request:
            self.transport.abortConnection()
        else:
            self._has_request = True
            self._fail(ControlError("request_timeout"))

    def pauseProducing(self) -> None:
        """Pause an export, because the client reads too slowly.

        After `EXPORT_STALL_TIMEOUT_SECONDS` the connection is aborted.
        """
        if self._writable is None:
            self._writable = Deferred()
            self.setTimeout(EXPORT_STALL_TIMEOUT_SECONDS)

    def resumeProducing(self) -> None:
        """Resume a paused export, because the client has read enough, or has disconnected."""
        waiting, self._writable = self._writable, None
        if waiting is not None:
            self.setTimeout(None)
            waiting.callback(None)

    def stopProducing(self) -> None:
        """Do nothing, because Twisted calls `connectionLost` afterwards."""

    def dataReceived(self, data: bytes) -> None:
        """Read the request, and ignore all data behind it."""
        if not self._has_request:
            super().dataReceived(data)

    def lineReceived(self, line: bytes) -> None:
        """Serve the request in ``line``."""
        if self._has_request:
            return
        self._has_request = True
        self.setTimeout(None)
        Deferred.fromCoroutine(self._serve(line)).addErrback(
            lambda failure: self._log.failure("bug on the control socket", failure)
        )

    def lineLengthExceeded(self, line: bytes) -> None:
        """Refuse the request, which is too long."""
        if not self._has_request:
            self._has_request = True
            self.refuse(
                None, Refusal("too_long", what=TranslatableText("a request"), limit=MAX_CONTROL_REQUEST_BYTES)
            )

    async def _serve(self, line: bytes) -> None:
        try:
            request_object = parse_object(line)
            name, ref = request_object.get("action"), request_object.get("ref")
            self._name = name[:MAX_REPEATED_ACTION_LENGTH] if isinstance(name, str) else ""
            self._ref = ref if is_valid_ref(ref) else None
            command = CONTROL_COMMANDS.get(self._name)
            if command is None:
                request = self._control.dialect.decode(line)
                if request is None:
                    raise Refusal("unknown_action", name=self._name)
                self._control.chat.submit_operator_command(self, request)
                return
            for field in command.fields:
                if not isinstance(request_object.get(field), str) or not request_object[field]:
                    raise Refusal(
                        "bad_request",
                        why=translatable_reason("missing", command=self._name, name=TranslatableText(field)),
                    )
                choices = command.choices.get(field, (request_object[field],))
                if request_object[field] not in choices:
                    why = translatable_reason(
                        "no_choice", name=TranslatableText(field), choices=", ".join(choices)
                    )
                    raise Refusal("bad_request", why=why)
            result = await CONTROL_HANDLERS[self._name](self._control, request_object)
            await self._send_result(result)
        except Refusal as refusal:
            self.refuse(None, refusal)
        except ControlError as error:
            self._fail(error)
        except ReadFailed as error:
            self._log.error("can't read the database: {why}", why=str(error))
            self.refuse(None, read_failed_refusal())
        except Exception:
            self.internal_error(None)

    # To the client.

    async def _send_result(self, result: ControlResult) -> None:
        head: dict[str, object] = {"action": f"control-{self._name}"}
        if self._ref is not None:
            head["ref"] = self._ref
        if isinstance(result, ExportLines):
            await self._send_export(head, result)
        elif isinstance(result, ListResult):
            page, rest = (
                list(islice(result.items, MAX_LIST_ITEMS_PER_ANSWER_LINE)),
                [*islice(result.items, MAX_LIST_ITEMS_PER_ANSWER_LINE)],
            )
            while rest:
                self._write(encode({**head, result.json_key: page, "more": True}))
                # A long list must not keep the clients of the chat waiting.
                await deferLater(self._control.reactor, 0)
                page, rest = rest, [*islice(result.items, MAX_LIST_ITEMS_PER_ANSWER_LINE)]
            self._write(encode({**head, result.json_key: page}))
        else:
            self._write(encode({**head, **result}))
        if self._name != "shutdown":  # that connection ends with the daemon
            self._end()

    async def _send_export(self, head: dict[str, object], export: ExportLines) -> None:
        """Send ``export`` as fast as the client reads, until its end or until the client is gone."""
        self._write(encode({**head, **export.header}))
        self.transport.registerProducer(self, True)
        try:
            while self in self._control.connections and (lines := await export.next_lines()):
                self._write(*map(encode, lines))
                if self._writable is not None:
                    await self._writable
                # A fast client must not keep the clients of the chat waiting.
                await deferLater(self._control.reactor, EXPORT_PAUSE_SECONDS)
            self._write(encode({**head, **export.footer}))
        finally:
            self.transport.unregisterProducer()

    def answer(self, request: Request, answer: Answer) -> None:
        """Send the answer to an operator's command, as on the JSON wire, and close the connection."""
        self._write(*self._control.dialect.encode_answer(request, answer))
        self._end()

    def refuse(self, request: Request | None, refusal: Refusal) -> None:
        """Send ``refusal`` as a ``server-error``, as on the JSON wire, and close the connection."""
        self._fail_with(refusal.code, refusal.text, refusal.retry_after)

    def internal_error(self, request: Request | None) -> None:
        """Log the exception that is being handled, which is a bug, send an internal error, and close the
        connection.
        """
        self._log.failure("bug on the control socket")
        self.refuse(request, Refusal("internal_error"))

    def pausing_input(self) -> AbstractContextManager[None]:
        """Return a context manager that does nothing, because a connection has only one request."""
        return nullcontext()

    def _fail(self, error: ControlError) -> None:
        self._fail_with(error.code, error.why, None)

    def _fail_with(self, code: str, why: str, retry_after: float | None) -> None:
        error = objects.Error(
            action="server-error",
            code=code,
            msg=why,
            request=self._name,
            ref=self._ref,
            retry_after=retry_after,
        )
        self._write(encode(error))
        self._end()

    def _write(self, *payloads: bytes) -> None:
        for payload in payloads:
            self.transport.write(payload + b"\n")

    def _end(self) -> None:
        """Close the connection when the answer is written. Cut it if the client does not read."""
        if self in self._control.connections:
            self.setTimeout(CONTROL_CLIENT_TIMEOUT_SECONDS)
            self.transport.loseConnection()


# What the commands do.


async def _status(control: ControlSocket, request_object: JsonObject) -> ControlResult:
    store, sessions = control.store, control.sessions
    size = await store.disk_bytes()
    return {
        "version": __version__,
        "pid": os.getpid(),
        "uptime": round(control.reactor.seconds() - control.started_at),
        "database": {"file": store.name, "bytes": size, "durability": store.durability},
        "connections": sessions.count_by_wire(),
        **structs.asdict(control.chat.overview.counts()),
        "password_queue": len(control.passwords),
        "listeners": [{"name": name, "address": address} for name, address in control.list_ports()],
    }


async def _who(control: ControlSocket, request_object: JsonObject) -> ControlResult:
    def items() -> Iterator[object]:
        now = control.reactor.seconds()
        for session in control.sessions.all_sessions():
            user = session.user
            if user is not None:
                yield {
                    "nick": user.nick,
                    "wire": session.dialect.wire,
                    "address": session.peer,
                    "seconds": round(now - session.connected_at),
                    "account": control.chat.overview.is_registered(user),
                }

    return ListResult("sessions", items())


async def _groups(control: ControlSocket, request_object: JsonObject) -> ControlResult:
    return ListResult("groups", iter(control.chat.overview.groups()))


async def _operators(control: ControlSocket, request_object: JsonObject) -> ControlResult:
    return ListResult("operators", iter(control.chat.administrator.operators()))


async def _appoint(control: ControlSocket, request_object: JsonObject) -> ControlResult:
    return {
        "acts": [
            moderation_object(
                await control.chat.administrator.appoint_server_operator(request_object["nick"])
            )
        ]
    }


async def _dismiss(control: ControlSocket, request_object: JsonObject) -> ControlResult:
    return {
        "acts": [
            moderation_object(
                await control.chat.administrator.dismiss_server_operator(request_object["nick"])
            )
        ]
    }


async def _export(control: ControlSocket, request_object: JsonObject) -> ControlResult:
    administrator = control.chat.administrator
    begin = administrator.export_user if request_object["kind"] == "user" else administrator.export_group
    return ExportLines(await begin(request_object["name"]))


async def _erase(control: ControlSocket, request_object: JsonObject) -> ControlResult:
    erasure = await control.chat.eraser.erase_user(request_object["nick"])
    return {**structs.asdict(erasure), "outside": NOT_ERASED_SENTENCE}


async def _backup(control: ControlSocket, request_object: JsonObject) -> ControlResult:
    file = request_object["file"]
    if not os.path.isabs(file) or "\0" in file:
        raise Refusal("bad_request", why="file must be an absolute path")
    control.log.info("backup to {file} begins", file=file)
    try:
        backup = await control.store.back_up(Path(file))
    except MaintenanceInProgress as error:
        raise ControlError("busy") from error
    except NotSupported as error:
        raise ControlError("backup_failed", str(error)) from None
    except StoreError as error:
        control.log.error("{why}", why=str(error))
        raise ControlError("backup_failed", str(error)) from None
    control.log.info("backup to {file}: {bytes} bytes", file=file, bytes=backup.bytes)
    return structs.asdict(backup)


async def _check(control: ControlSocket, request_object: JsonObject) -> ControlResult:
    try:
        problems = await control.store.check()
    except MaintenanceInProgress as error:
        raise ControlError("busy") from error
    except StoreError as error:
        raise ControlError("check_failed", str(error)) from None
    for problem in problems:
        control.log.error("the database is damaged: {problem}", problem=problem)
    return {"problems": problems}


async def _reload(control: ControlSocket, request_object: JsonObject) -> ControlResult:
    try:
        return structs.asdict(control.reloader.reload())
    except ConfigError as error:
        raise ControlError("bad_config", str(error)) from None


async def _shutdown(control: ControlSocket, request_object: JsonObject) -> ControlResult:
    control.log.info("shutdown was asked for on the control socket")
    control.reactor.callLater(0, control.stop)
    return {}


async def _help(control: ControlSocket, request_object: JsonObject) -> ControlResult:
    own = [(row.name, list(row.fields), row.help) for row in CONTROL_COMMANDS.values()]
    acts = [(name, list(row.fields), row.help) for name, row in server_operator_commands().items()]
    commands = [{"name": name, "fields": fields, "help": help} for name, fields, help in own + acts]
    return {"commands": commands}


CONTROL_HANDLERS: Final[
    dict[str, Callable[[ControlSocket, JsonObject], Coroutine[Deferred[Any], Any, ControlResult]]]
] = {
    "status": _status,
    "who": _who,
    "groups": _groups,
    "operators": _operators,
    "appoint": _appoint,
    "dismiss": _dismiss,
    "backup": _backup,
    "export": _export,
    "erase": _erase,
    "check": _check,
    "reload": _reload,
    "shutdown": _shutdown,
    "help": _help,
}
"""For each name in `chatd.core.control_commands.CONTROL_COMMANDS`, the coroutine function that runs it.

It is called with the control socket and the request, in which every declared field is a text that is not
empty. It raises `Refusal`, `ControlError` or `ReadFailed`.
"""
