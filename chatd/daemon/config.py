"""The daemon's configuration: the keys of chatd.toml, with their defaults."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec

from chatd.core.accounts import AccountPolicy
from chatd.core.declarations import parse_duration
from chatd.core.irc_policy import DEFAULT_IRC_POLICY, IrcPolicy
from chatd.core.limits import Limits, PositiveInt
from chatd.core.names import BadName, parse_nick
from chatd.core.refusals import Refusal
from chatd.store.store import is_postgresql_url
from chatd.web.policy import WebPolicy


class ConfigError(Exception):
    """The error for a configuration that can't be used.

    The text of the exception is one sentence that names the file, the key or the option.
    """


class LogConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The section ``[log]`` of chatd.toml.

    ``conversation`` and ``json`` are the paths of the conversation log and of the JSON log. The level
    ``debug`` logs every message. ``conversation_private`` says whether the conversation log contains private
    groups and private messages. Each of the two files is rotated before it would have more than
    ``rotate_bytes`` bytes; ``keep`` earlier files of each are kept.
    """

    conversation: str | None = None
    conversation_private: bool = False
    json: str | None = None
    level: Literal["info", "debug"] = "info"
    rotate_bytes: PositiveInt = 64 * 1024**2
    keep: PositiveInt = 5


class MetricsConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The section ``[metrics]`` of chatd.toml.

    ``listen`` is a Twisted server endpoint, such as ``tcp:9464``, on which the metrics and the health of the
    daemon are served over HTTP. If it is None, they are not served.
    """

    listen: str | None = None


class TlsConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The section ``[tls]`` of chatd.toml. All values except ``require`` are paths of PEM files.

    ``certificate`` has the daemon's certificate and its chain. The private key is in ``key``, or also in
    ``certificate`` if there is no ``key``. ``require`` says whether clients without TLS are refused.
    ``client_ca`` has the CA certificates that sign the certificates of users.
    """

    certificate: str | None = None
    key: str | None = None
    require: bool = False
    client_ca: str | None = None


class ControlConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The section ``[control]`` of chatd.toml.

    ``socket`` is the path of the control socket. The default is the database's path with ``.control``
    appended, or `POSTGRESQL_CONTROL_SOCKET` if the database is no file. An empty text means that there is no
    control socket.
    """

    socket: str | None = None


POSTGRESQL_CONTROL_SOCKET: Final = "chatd.control"
"""The control socket, in the working folder, of a daemon whose database is no file."""

DEFAULT_LISTENERS: Final = (
    "auto=tcp:7070",
    "web=tcp:7080",
    "irc=tcp:6667",
    "text=tcp:4567",
    "json=tcp:8080",
    "tp6=tcp:8888",
    "tp6-bonus=tcp:8889",
)
"""The wires that are served unless the configuration says otherwise, each with its endpoint."""

DEFAULT_TLS_LISTENERS: Final = ("irc=ssl:6697",)
"""The listeners that are served besides the default ones if the daemon has a certificate."""


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The configuration in chatd.toml. Each attribute is a key or a section.

    ``database`` is the path of the SQLite file, or the ``postgresql://`` URL of a database. Each item of
    ``listen`` is WIRE=ENDPOINT, with a Twisted server endpoint. ``keep`` is the time for which messages are
    stored, such as ``90d``; without it they are never deleted, unless a group has its own value.
    ``durability`` says what a commit survives: a power cut ("full") or only the end of the process
    ("process"). The other values are the sections.
    """

    database: str = "chat.db"
    listen: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)] = DEFAULT_LISTENERS
    keep: str | None = None
    durability: Literal["full", "process"] = "full"
    limits: Limits = msgspec.field(default_factory=Limits)
    accounts: AccountPolicy = msgspec.field(default_factory=AccountPolicy)
    control: ControlConfig = ControlConfig()
    tls: TlsConfig = TlsConfig()
    log: LogConfig = LogConfig()
    metrics: MetricsConfig = MetricsConfig()
    web: WebPolicy = msgspec.field(default_factory=WebPolicy)
    irc: IrcPolicy = DEFAULT_IRC_POLICY


def configured_listeners(config: Config) -> tuple[str, ...]:
    """Return the listeners of ``config``, each as WIRE=ENDPOINT."""
    if config.listen == DEFAULT_LISTENERS and config.tls.certificate is not None:
        return DEFAULT_LISTENERS + DEFAULT_TLS_LISTENERS
    return config.listen


def control_socket_path(config: Config) -> Path | None:
    """Return the path of the control socket that ``config`` describes, or None if there is none."""
    if config.control.socket is None and is_postgresql_url(config.database):
        return Path(POSTGRESQL_CONTROL_SOCKET)
    if config.control.socket is None:
        return Path(f"{config.database}.control")
    return Path(config.control.socket) if config.control.socket else None


def read_config(path: Path) -> Config:
    """Return the configuration in the TOML file at ``path``; keys that it does not have get their defaults.

    Raises `ConfigError` if the file can't be read, is no TOML, or has an unknown key or an invalid value.
    """
    try:
        values = tomllib.loads(path.read_text("utf-8"))
        if "certificate" in values:
            raise ConfigError(f"{path}: `certificate` is a key of the section [tls] now: move it there")
        config = msgspec.convert(values, Config)
        if config.keep is not None:
            parse_duration("keep", config.keep)
        for nick in config.accounts.operators:
            parse_nick(nick)
        config.web.check()
        config.irc.check()
        return config
    except BadName as bad:
        raise ConfigError(f"{path}: {bad.reason} - at `$.accounts.operators`") from None
    except Refusal as bad:
        raise ConfigError(f"{path}: {bad.text}") from None
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except msgspec.ValidationError as error:
        reason = str(error).replace("Object contains unknown field", "there is no key")
        raise ConfigError(f"{path}: {reason}") from None
    except ValueError as error:  # no TOML, no UTF-8
        raise ConfigError(f"{path}: {error}") from None
