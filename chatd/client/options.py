"""The options of the ``chat`` command, from the command line and from a file of ``KEY=VALUE`` lines."""

from __future__ import annotations

import argparse
import os
import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from chatd import __version__
from chatd.client.connection import Address
from chatd.client.language import _, translate_argparse, translated_os_error

DEFAULT_OPTION_VALUES: Final = {
    "address": "127.0.0.1",
    "port": 8080,
    "name": "",
    "tls": False,
    "cafile": "",
    "client_certificate": "",
    "log": "",
    "plain": False,
    "ask_password": False,
}
"""The default values of the options that the configuration file or the top command line may set.

The options of ``chat send`` and ``chat tail`` alone have theirs in the parser.
"""

OPTION_NAMES_BY_CONFIG_KEY: Final = {
    "HOST": "address",
    "PORT": "port",
    "NAME": "name",
    "TLS": "tls",
    "CAFILE": "cafile",
    "CLIENT_CERTIFICATE": "client_certificate",
    "LOG": "log",
}
"""The keys of the configuration file, with the option that each key sets."""

_YES: Final = {
    "yes": True,
    "true": True,
    "1": True,
    "on": True,
    "no": False,
    "false": False,
    "0": False,
    "off": False,
}


PASSWORD_ENVIRONMENT_VARIABLE: Final = "CHATD_PASSWORD"
"""The environment variable that may hold the password of the nick."""


class UsageError(Exception):
    """The error for options or input that the ``chat`` command can't use.

    Its text is in the user's language.
    """


def build_parser() -> argparse.ArgumentParser:
    """Return the parser for the command lines of ``chat``, ``chat send`` and ``chat tail``."""
    translate_argparse()
    common = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    connection = common.add_argument_group(_("connection"))
    connection.add_argument(
        "-a",
        "--address",
        metavar="HOST",
        help=_("where the daemon is [{address}]").format(**DEFAULT_OPTION_VALUES),
    )
    connection.add_argument(
        "-p",
        "--port",
        type=_port,
        help=_("the port of its JSON wire [{port}]").format(**DEFAULT_OPTION_VALUES),
    )
    connection.add_argument("-n", "--name", help=_("the nick to be known by"))
    connection.add_argument(
        "--ask-password",
        action="store_true",
        help=_("ask for the password of a registered nick; the variable {name} may have it instead").format(
            name=PASSWORD_ENVIRONMENT_VARIABLE
        ),
    )
    connection.add_argument("--tls", action="store_true", help=_("encrypt, and check who the daemon is"))
    connection.add_argument(
        "--cafile", metavar="PEM", help=_("certificates to trust besides the system's; means --tls")
    )
    connection.add_argument(
        "--client-certificate",
        metavar="PEM",
        help=_("certificate and key that the daemon takes for a password; means --tls"),
    )
    connection.add_argument(
        "-c",
        "--config",
        metavar="FILE",
        help=_("KEY=VALUE lines ({keys}) [{path}]").format(
            keys=", ".join(OPTION_NAMES_BY_CONFIG_KEY), path=_shown(default_config_path())
        ),
    )

    top = argparse.ArgumentParser(
        "chat", description=_("Talk to a chatd from the terminal."), parents=[common]
    )
    top.add_argument(
        "--version",
        action="version",
        version=f"chat {__version__}",
        help=_("show program's version number and exit"),
    )
    top.set_defaults(command="talk")
    top.add_argument(
        "--plain",
        action="store_true",
        default=argparse.SUPPRESS,
        help=_("a line in, a line out: for pipes and screen readers"),
    )
    top.add_argument(
        "--log",
        metavar="FILE",
        default=argparse.SUPPRESS,
        help=_("where to keep what is said [{path}]").format(path=_shown(default_log_path())),
    )
    commands = top.add_subparsers(metavar="send | tail", title=_("for scripts"))

    send = commands.add_parser(
        "send", parents=[common], help=_("say one thing, and wait until it is on disk"),
        usage="chat send [options] (NICK | --group GROUP | --lobby) TEXT",
        epilog=_(
            "TEXT is read from standard input if it is -. The exit code is 0 once the message is stored, 1"
            " without a connection, 2 for what makes no sense, 3 for what the daemon refuses."
        ),
    )  # fmt: skip
    send.set_defaults(command="send")
    _conversation(send)
    send.add_argument(
        "words", nargs="+", metavar="NICK TEXT", help=_("to whom, unless an option says so, and what")
    )

    tail = commands.add_parser(
        "tail", parents=[common], help=_("print what is said, until interrupted"),
        epilog=_("A lost connection is made again, and nothing is printed twice or left out."),
    )  # fmt: skip
    tail.set_defaults(command="tail")
    where = _conversation(tail)
    where.add_argument(
        "--with", dest="friend", metavar="NICK", help=_("what NICK and oneself say to each other")
    )
    tail.add_argument(
        "--since", type=_id, metavar="ID", help=_("begin behind this entry of the log, not now")
    )
    tail.add_argument("--json", action="store_true", help=_("one JSON object per line, with ids and times"))
    return top


def _conversation(command: argparse.ArgumentParser) -> argparse._MutuallyExclusiveGroup:
    where = command.add_mutually_exclusive_group()
    where.add_argument("-g", "--group", help=_("in this group, of which one has to be a member"))
    where.add_argument("-l", "--lobby", action="store_true", help=_("in the lobby"))
    where.set_defaults(friend=None)
    return where


def _port(text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) < 6 and 0 < int(text) < 65536:
        return int(text)
    raise argparse.ArgumentTypeError(_("{text} is no port").format(text=text))


def _id(text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) < 19:
        return int(text)
    raise argparse.ArgumentTypeError(_("{text} is no id").format(text=text))


def _yes(text: str) -> bool:
    if text.lower() in _YES:
        return _YES[text.lower()]
    raise argparse.ArgumentTypeError(_("{text} is neither yes nor no").format(text=text))


_TAKES: Final = {"port": _port, "tls": _yes}


def parse_options(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the options from the command line and the configuration file; the command line takes precedence.

    The option ``password`` comes from the environment variable `PASSWORD_ENVIRONMENT_VARIABLE`. A missing
    configuration file counts as empty, unless the command line names the file. Raises `UsageError` for a
    wrong or unreadable file, and `SystemExit` for ``--help`` or a wrong command line.
    """
    given = vars(build_parser().parse_args(arguments))
    path = Path(os.path.expanduser(given.get("config", default_config_path())))
    filed = read_config_file(path) if "config" in given or path.exists() else {}
    password = os.environ.get(PASSWORD_ENVIRONMENT_VARIABLE, "")
    return argparse.Namespace(**{**DEFAULT_OPTION_VALUES, "password": password, **filed, **given})


def read_config_file(path: Path) -> Mapping[str, object]:
    """Return the options that the configuration file at ``path`` sets, as a mapping of names to values.

    Raises `UsageError` if the file can't be read or has a wrong line.
    """
    try:
        lines = path.read_text("utf-8-sig").splitlines()  # some editors write a byte order mark
    except (OSError, UnicodeDecodeError) as error:
        why = translated_os_error(error) if isinstance(error, OSError) else _("it is no text")
        raise UsageError(_("can't read {path}: {why}").format(path=path, why=why)) from None
    found: dict[str, object] = {}
    for number, line in enumerate(lines, 1):
        key, equals, value = (part.strip() for part in line.partition("="))
        if not key or key.startswith("#"):
            continue
        try:
            if not equals or key.upper() not in OPTION_NAMES_BY_CONFIG_KEY:
                raise UsageError(
                    _("a line is KEY=VALUE, with one of {keys} for a key").format(
                        keys=", ".join(OPTION_NAMES_BY_CONFIG_KEY)
                    )
                )
            option = OPTION_NAMES_BY_CONFIG_KEY[key.upper()]
            found[option] = _TAKES.get(option, str)(value)
        except (UsageError, argparse.ArgumentTypeError) as error:
            raise UsageError(
                _("{path}, line {number}: {why}").format(path=path, number=number, why=error)
            ) from None
    return found


def server_address(options: argparse.Namespace) -> Address:
    """Return the daemon's address, with a TLS context if TLS is on.

    Raises `UsageError` if a certificate can't be read.
    """
    if not (options.tls or options.cafile or options.client_certificate):
        return Address(options.address, options.port)
    context = ssl.create_default_context()
    try:
        if options.cafile:
            context.load_verify_locations(os.path.expanduser(options.cafile))
    except OSError as error:
        raise UsageError(
            _("can't read certificates from {path}: {why}").format(
                path=options.cafile, why=translated_os_error(error)
            )
        ) from None
    try:
        if options.client_certificate:
            context.load_cert_chain(os.path.expanduser(options.client_certificate))
    except OSError as error:
        broken = isinstance(error, ssl.SSLError)
        raise UsageError(
            _("can't use the certificate {path}: {why}").format(
                path=options.client_certificate,
                why=_("it holds no certificate with its key") if broken else translated_os_error(error),
            )
        ) from None
    return Address(options.address, options.port, context)


def default_config_path() -> str:
    """Return the default path of the client's configuration file, in which a leading ``~`` is not expanded.

    Source: XDG Base Directory Specification.
    """
    return os.path.join(os.environ.get("XDG_CONFIG_HOME") or "~/.config", "chatd", "client.conf")


def default_log_path() -> str:
    """Return the default path of the client's log file, in which a leading ``~`` is not expanded.

    Source: XDG Base Directory Specification.
    """
    return default_state_path("client.log")


def default_state_path(name: str) -> str:
    """Return the path of the client's state file ``name``, in which a leading ``~`` is not expanded.

    Source: XDG Base Directory Specification.
    """
    return os.path.join(os.environ.get("XDG_STATE_HOME") or "~/.local/state", "chatd", name)


def _shown(path: str) -> str:
    """Return ``path`` with each ``%`` doubled, because argparse expands ``%`` in help texts."""
    return path.replace("%", "%%")
