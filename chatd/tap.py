"""Where everything meets: options and configuration in, a service out."""

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
from chatd.daemon.config import Config, ConfigError, read
from chatd.daemon.lifecycle import Daemon
from chatd.daemon.wires import wire_names
from chatd.daemon.wiring import assemble
from chatd.store.errors import StoreError

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
