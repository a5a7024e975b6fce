"""The entry point for twistd: it reads the command line and the configuration, and builds the service."""

from __future__ import annotations

import os
import pwd
import sys
import time
import traceback
from pathlib import Path
from typing import Any, Final

import msgspec
from twisted.application.app import ApplicationRunner
from twisted.python import usage

from chatd import __version__
from chatd.daemon.config import Config, ConfigError, read_config
from chatd.daemon.lifecycle import Daemon
from chatd.daemon.wires import wire_names
from chatd.daemon.wiring import build_daemon
from chatd.store.errors import StoreError

DEFAULT_CONFIG_FILE: Final = "chatd.toml"
"""The configuration file that is read from the working folder if the command line names none."""

_DURABILITIES: Final = ("full", "process")
_LEVELS: Final = ("info", "debug")


class Options(usage.Options):
    """The command line options of ``twistd chatd``, which override chatd.toml."""

    synopsis = "[options]"
    longdesc = (
        "A durable chat daemon: all kinds of clients in one chat, stored in one SQLite file or in PostgreSQL."
        f" WIRE is one of {', '.join(wire_names())}. ENDPOINT is a Twisted server endpoint such as tcp:4567"
        " or unix:/run/chatd; ports listen on loopback unless the endpoint has interface=..."
    )

    optParameters = [
        [
            "config",
            "c",
            None,
            f"Configuration file [default: {DEFAULT_CONFIG_FILE}, if it exists]",
        ],
        [
            "database",
            "d",
            None,
            "SQLite database file, or postgresql://USER@HOST/DATABASE [default: chat.db]",
        ],
        [
            "certificate",
            None,
            None,
            "PEM file with certificate, chain and key: the key of [tls]; enables TLS",
        ],
        [
            "durability",
            None,
            None,
            "full: messages survive a power cut; process: a crash of the daemon [default: full]",
        ],
        [
            "conversation-log",
            None,
            None,
            "File that gets the messages of the lobby and of public groups, arrivals and departures",
        ],
        ["log-json", None, None, "File that gets the log as JSON lines, in addition to twistd's log"],
        [
            "log-level",
            None,
            None,
            "info; or debug: each message and its recipients, without private texts [default: info]",
        ],
    ]

    optFlags = [
        [
            "conversation-log-private",
            None,
            "Include private groups and private messages in the conversation log",
        ],
    ]

    def __init__(self) -> None:
        super().__init__()
        self["listen"] = []

    def opt_listen(self, listener: str) -> None:
        """WIRE=ENDPOINT; can be repeated [default: auto=tcp:7070, web=tcp:7080, irc=tcp:6667, text=tcp:4567,
        json=tcp:8080, tp6=tcp:8888 and tp6-bonus=tcp:8889; with a certificate also irc=ssl:6697]
        """
        self["listen"].append(listener)

    opt_l = opt_listen

    def opt_version(self) -> None:
        """Print the version and exit."""
        sys.stdout.write(f"chatd {__version__}\n")
        raise SystemExit(0)


def config_from_options(options: Options, file: Path | None = None) -> Config:
    """Return the configuration from the command line, the configuration file and the defaults.

    ``options`` override the file, which overrides the defaults. The file is ``file`` if given, else the one
    that ``options`` name, else `DEFAULT_CONFIG_FILE`, if that exists. Raises `ConfigError` if the file or an
    option is invalid.
    """
    named = file or options["config"]
    path = Path(named or DEFAULT_CONFIG_FILE)
    config = read_config(path) if named or path.exists() else Config()
    log = {
        "conversation": options["conversation-log"],
        "conversation_private": bool(options["conversation-log-private"]) or None,
        "json": options["log-json"],
        "level": _one_of(options, "log-level", _LEVELS),
    }
    said = {
        "database": options["database"],
        "listen": tuple(options["listen"]) or None,
        "durability": _one_of(options, "durability", _DURABILITIES),
        "tls": msgspec.structs.replace(config.tls, **_given({"certificate": options["certificate"]})),
        "log": msgspec.structs.replace(config.log, **_given(log)),
    }
    return msgspec.structs.replace(config, **_given(said))


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _one_of(options: Options, option: str, values: tuple[str, ...]) -> str | None:
    value: str | None = options[option]
    if value is not None and value not in values:
        raise ConfigError(f"--{option} must be one of {', '.join(values)}, not {value}")
    return value


def makeService(options: Options | None = None) -> Daemon:
    """Return the daemon that ``options`` describe, on the global reactor.

    Raises `SystemExit` with one sentence if the daemon can't be built.
    """
    from twisted.internet import reactor

    # twistd opens its own log later, so this umask makes that file private as well.
    os.umask(0o077)
    options = options or Options()
    file = Path(options["config"] or DEFAULT_CONFIG_FILE).absolute()  # twistd may change the working folder
    existed = file.exists()

    def read_again() -> Config:
        # A file that is gone is an error: its limits must not turn into the defaults.
        return config_from_options(options, file if existed or file.exists() else None)

    try:
        return build_daemon(config_from_options(options), use_monotonic_clock(reactor), _user(), read_again)
    except (ConfigError, StoreError) as error:
        raise SystemExit(f"chatd: {error}") from None


def use_monotonic_clock(reactor: Any) -> Any:
    """Make ``reactor`` take its time from the monotonic clock, and return it.

    Twisted's default is the time of day: if that is set back by a day, timers fire a day late.
    """
    reactor.seconds = time.monotonic
    return reactor


def _user() -> tuple[int, int] | None:
    """Return the uid and gid that twistd changes to after it has opened the ports; None if it does not change
    them.

    Files that root creates before the change would be inaccessible to the daemon afterwards. A .tac file does
    not receive twistd's options, so this function reads them from the twistd runner in the call stack. Raises
    `ConfigError`.
    """
    for frame, _ in traceback.walk_stack(None):
        runner = frame.f_locals.get("self")
        if isinstance(runner, ApplicationRunner):
            uid, gid = runner.config.get("uid"), runner.config.get("gid")
            if uid is None:
                return None
            user = (uid, _group_of(uid) if gid is None else gid)
            if os.geteuid() == 0:
                return user
            if uid != os.geteuid():
                raise ConfigError(f"--uid {uid}: only root can start the daemon for another user")
    return None


def _group_of(uid: int) -> int:
    try:
        return pwd.getpwuid(uid).pw_gid
    except KeyError:
        raise ConfigError(f"--uid {uid}: no such user on this machine") from None
