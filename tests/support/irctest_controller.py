"""chatd for irctest, the conformance tests for IRC servers: ``make irctest`` runs them against this checkout.

irctest (https://github.com/progval/irctest) imports this module, with ``--controller``, and asks it for a new
daemon for each test. Our own tests don't import it.

The three sets at the top say what chatd offers on its IRC wire. irctest fails a test if something in them is
missing, and skips the test if something else is missing.
"""

from __future__ import annotations

import atexit
import socket
import subprocess
import time
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from irctest import patma
from irctest.basecontrollers import BaseServerController, DirectoryBasedController
from irctest.runner import NotImplementedByController
from irctest.specifications import Capabilities, OptionalBehaviors

from tests.support.daemon_process import TWISTD, environment
from tests.support.fork_server import Forked

CAPABILITIES: Final = frozenset(
    {
        Capabilities.ACCOUNT_NOTIFY,
        Capabilities.ACCOUNT_TAG,
        Capabilities.AWAY_NOTIFY,
        Capabilities.BATCH,
        Capabilities.ECHO_MESSAGE,
        Capabilities.EXTENDED_JOIN,
        Capabilities.EXTENDED_MONITOR,
        Capabilities.LABELED_RESPONSE,
        Capabilities.MESSAGE_REDACTION,
        Capabilities.MESSAGE_TAGS,
        Capabilities.MULTILINE,
        Capabilities.MULTI_PREFIX,
        Capabilities.READ_MARKER,
        Capabilities.SERVER_TIME,
        Capabilities.SETNAME,
    }
)
"""The capabilities that chatd must acknowledge, of those that irctest knows."""

ISUPPORT: Final = {
    "ACCOUNTEXTBAN": "a,account",
    "BOT": "B",
    "CASEMAPPING": "ascii",
    "CHANTYPES": "#",
    "CHATHISTORY": patma.ANYSTR,
    "EXTBAN": "~,a",
    "MONITOR": patma.StrRe("[0-9]+"),
    "MSGREFTYPES": "msgid,timestamp",
    "PREFIX": "(o)@",
    "STATUSMSG": "@",
    "TARGMAX": patma.ANYSTR,
    "UTF8ONLY": None,
    "WHOX": None,
}
"""The tokens that chatd must advertise in 005: a value, a pattern, or None for a token without a value."""

OPTIONAL_BEHAVIORS: Final = frozenset(
    {
        OptionalBehaviors.CAP_REQ_MINUS,
        OptionalBehaviors.ELIST_C,
        OptionalBehaviors.ELIST_M,
        OptionalBehaviors.ELIST_N,
        OptionalBehaviors.ELIST_T,
        OptionalBehaviors.ELIST_U,
        OptionalBehaviors.INVITE_LIST,
        OptionalBehaviors.MULTI_JOIN,
        OptionalBehaviors.MULTI_KICK,
        OptionalBehaviors.MULTI_NAMES_COMMAND,
        OptionalBehaviors.MULTI_PRIVMSG,
    }
)
"""The behaviours that the specifications leave to the server, and that chatd must have."""

OFFERS_WEBSOCKET: Final = True
"""Whether the IRC wire can be reached over a WebSocket."""

LOOPBACK: Final = "127.0.0.1"

MAX_LINE_BYTES: Final = 510
"""Bytes of a line at most, without its end and without tags."""

STOP_SECONDS: Final = 5.0
"""Seconds that a daemon has to stop before it is killed."""

START_SECONDS: Final = 20.0
"""Seconds in which a daemon must have begun to listen."""

CONFIG: Final = """\
database = "{folder}/chat.db"
durability = "process"

[accounts]
argon2_memory = 8
argon2_time = 1
password_min = 1
operators = ["operuser"]

[control]
socket = ""

[irc]
server = "My.Little.Server"
lobby = "ask"
register_before_login = {registers_before_login}

[web]
hosts = ["0.0.0.0"]

[limits]
password = 4_096
connections_per_address = 100_000
logins_per_address = 1_000_000
new_nicks_per_address = 1_000_000
requests_per_second = 1_000_000
bytes_per_second = 1_000_000_000
reads_per_second = 1_000_000
slow_logins = 10_000
sessions_per_user = 1_000
wrong_passwords = 1_000_000
wrong_passwords_per_nick = 1_000_000
"""
"""chatd.toml: irctest expects that name of the server, and to be in no channel that it has not joined. It
sends as fast as it can, from one address, and registers users with short passwords.
"""

OPERATOR: Final = ("operuser", "operpassword")
"""The nick and the password of the operator of the server that irctest's tests expect."""

CONFIG_TLS: Final = """
[tls]
certificate = "{certificate}"
key = "{key}"
require = true
"""
"""The section of chatd.toml for a test that connects with TLS."""


class ChatdController(BaseServerController, DirectoryBasedController):  # type: ignore[misc]
    """Starts and stops the daemon of one test."""

    software_name = "chatd"
    supported_sasl_mechanisms = {"PLAIN"}
    supports_sts = False
    capabilities = CAPABILITIES
    isupport = ISUPPORT
    optional_behaviors = OPTIONAL_BEHAVIORS
    proc: Forked | None
    _port_wait_interval = 0.01

    def run(
        self,
        hostname: str,
        port: int,
        *,
        password: str | None,
        ssl: bool,
        run_services: bool,
        faketime: str | None,
        websocket_hostname: str | None,
        websocket_port: int | None,
    ) -> None:
        """Start a daemon, whose database has one operator of the server, with its IRC wire on ``port``.

        irctest's host is 0.0.0.0; the daemon listens on loopback only, where irctest's connections arrive.
        ``run_services`` needs nothing: accounts are a part of chatd.
        Raises `NotImplementedByController`, which skips the test, if it needs what chatd doesn't have, such
        as a clock that can be changed.
        """
        for what, is_needed in (
            ("a password of the server", password is not None),
            ("a clock that runs faster", faketime is not None),
            ("WebSocket", websocket_port is not None and not OFFERS_WEBSOCKET),
            ("addresses of users", self.test_config.account_registration_requires_email),
        ):
            if is_needed:
                raise NotImplementedByController(what)
        self.hostname, self.port = hostname, port
        self.create_config()
        folder = Path(self.directory)
        before_login = self.test_config.account_registration_before_connect
        config = CONFIG.format(folder=folder, registers_before_login=str(before_login).lower())
        if ssl:
            self.gen_ssl()
            config += CONFIG_TLS.format(certificate=self.pem_path, key=self.key_path)
        folder.joinpath("chatd.toml").write_text(config, "utf-8")
        folder.joinpath("chat.db").write_bytes(_database_with_operator())
        self._listeners = [f"--listen=irc=tcp:{port}:interface={LOOPBACK}"]
        if websocket_port is not None:
            self._listeners.append(f"--listen=web=tcp:{websocket_port}:interface={LOOPBACK}")
        self._start()

    def restart(self) -> None:
        """Stop the daemon, and start it again with its database."""
        self.kill_proc()
        self.port_open = False
        self._start()
        self.wait_for_port()

    def _start(self) -> None:
        """Start the daemon; irctest's ``IRCTEST_DEBUG_LOGS=1`` shows its log.

        It is forked from a process that has imported everything, because an import for each test would take
        longer than the tests.
        """
        output = None if self.debug_mode else subprocess.DEVNULL
        self.proc = Forked(
            [TWISTD, "--nodaemon", "--pidfile=", "chatd", "--config=chatd.toml", *self._listeners],
            Path(self.directory),
            environment(),
            stdout=output,
            stderr=output,
        )
        atexit.register(self.proc.kill)  # irctest does not stop the daemon of a test whose setup fails

    def kill_proc(self) -> None:
        """Stop the daemon. It starts no processes, and is in the process group of the tests."""
        assert self.proc is not None
        self.proc.terminate()
        try:
            self.proc.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.proc.kill()
            self.proc.wait(STOP_SECONDS)
        self.proc = None

    def terminate(self) -> None:
        """Stop the daemon, and keep its folder."""
        self.kill_proc()

    def wait_for_services(self) -> None:
        """Do nothing: accounts are there as soon as the port is open."""

    # irctest's name and signature; `case` is its test case.
    def registerUser(self, case: Any, username: str, password: str | None = None) -> None:  # noqa: N802
        """Register a user with a password on a connection of its own, as an IRC client does.

        Raises `NotImplementedByController`, which skips the test, for a password that a line can't contain.
        """
        command = f"REGISTER * * {password}"
        if len(command.encode()) > MAX_LINE_BYTES:
            raise NotImplementedByController("a password that is longer than a line")
        client = case.addClient()
        case.sendLine(client, f"NICK {username}")
        case.sendLine(client, "USER u s e r")
        case.skipToWelcome(client)
        case.getMessages(client)
        case.sendLine(client, command)
        answers = [case.getMessage(client, synchronize=False)]
        while answers[-1].command not in ("REGISTER", "FAIL", "421"):
            answers.append(case.getMessage(client, synchronize=False))
        case.assertMessageMatch(answers[-1], command="REGISTER", params=["SUCCESS", username, patma.ANYSTR])
        case.sendLine(client, "QUIT")
        case.assertDisconnected(client)


@cache
def _database_with_operator() -> bytes:
    """Return the database of a daemon where only `OPERATOR` has registered. It is made once in a process."""
    nick, password = OPERATOR
    with TemporaryDirectory() as name, socket.create_server((LOOPBACK, 0)) as reserved:
        folder, port = Path(name), reserved.getsockname()[1]
        reserved.close()
        folder.joinpath("chatd.toml").write_text(
            CONFIG.format(folder=folder, registers_before_login="false"), "utf-8"
        )
        daemon = Forked(
            [
                TWISTD,
                "--nodaemon",
                "--pidfile=",
                "chatd",
                "--config=chatd.toml",
                f"--listen=irc=tcp:{port}:interface={LOOPBACK}",
            ],
            folder,
            environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            with _connect(port) as connection, connection.makefile("r", encoding="utf-8") as lines:
                said = f"NICK {nick}\r\nUSER u 0 * :R\r\nREGISTER * * {password}\r\nQUIT\r\n"
                connection.sendall(said.encode())
                assert any(" REGISTER SUCCESS " in line for line in lines)
        finally:
            daemon.terminate()
            daemon.wait(STOP_SECONDS)
        return folder.joinpath("chat.db").read_bytes()


def _connect(port: int) -> socket.socket:
    """Return a connection to the daemon on ``port``, which has just been started."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            return socket.create_connection((LOOPBACK, port), STOP_SECONDS)
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def get_irctest_controller_class() -> type[ChatdController]:
    """The class that irctest makes a controller of, for each test. irctest calls this function."""
    return ChatdController
