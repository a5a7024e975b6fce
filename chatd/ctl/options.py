"""The command line of ``chatctl``, made from the tables of the control socket's commands."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from chatd import __version__
from chatd.core.control_commands import CONTROL_COMMANDS, server_operator_commands
from chatd.core.declarations import FieldDeclaration

DEFAULT_CONFIG_FILE: Final = "chatd.toml"
"""The configuration file that is read from the working folder if the command line names none."""

_DESCRIPTION: Final = (
    "Command a running chatd through its control socket. Run it as the user of the daemon, in the folder of"
    " the daemon or with --config. Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 no daemon."
)


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the options of ``chatctl`` in ``arguments``.

    The result has ``command``, ``socket``, ``config``, ``database`` and ``json``, and ``fields``: the names
    of the command's fields, each an attribute with a text or None. ``secrets`` are the names of fields that
    hold passwords, which are not on the command line. ``check`` and ``restore`` also have ``file``,
    ``migrate`` has ``source`` and ``target``, ``export`` has ``output``, and ``erase`` has ``yes``.
    """
    parser = argparse.ArgumentParser("chatctl", description=_DESCRIPTION)
    parser.add_argument("--version", action="version", version=f"chatd {__version__}")
    parser.add_argument("--socket", type=Path, help="the control socket of the daemon")
    parser.add_argument(
        "--config",
        type=Path,
        help=f"the daemon's configuration file [default: {DEFAULT_CONFIG_FILE}, if it exists]",
    )
    parser.add_argument(
        "--database", help="the daemon's database, if the configuration file does not name it"
    )
    parser.add_argument("--json", action="store_true", help="print the daemon's answers as they are")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in CONTROL_COMMANDS.values():
        sub = commands.add_parser(command.name, help=command.help, description=command.help)
        for name, doc in command.fields.items():
            sub.add_argument(name, metavar=name.upper(), help=doc, choices=command.choices.get(name))
        sub.set_defaults(fields=tuple(command.fields), secrets=())
        if command.name == "check":
            sub.add_argument(
                "file",
                nargs="?",
                type=Path,
                help="another database file, such as a backup; no daemon is asked",
            )
        if command.name == "export":
            sub.add_argument(
                "--output", type=Path, metavar="FILE", help="a new file to write, instead of the output"
            )
        if command.name == "erase":
            sub.add_argument("--yes", action="store_true", help="erase without asking for the nick again")
    restore = "put a backup in the place of the database; the daemon must not run"
    sub = commands.add_parser("restore", help=restore, description=restore)
    sub.add_argument("file", metavar="FILE", type=Path, help="the backup")
    sub.set_defaults(fields=(), secrets=())
    migrate = "copy a database from SQLite to PostgreSQL, or back; no daemon may use it"
    sub = commands.add_parser("migrate", help=migrate, description=migrate)
    sub.add_argument("source", metavar="FROM", help="a database file, or postgresql://USER@HOST/DATABASE")
    sub.add_argument("target", metavar="TO", help="a new file, or the URL of a database that is empty")
    sub.set_defaults(fields=(), secrets=())
    for name, row in server_operator_commands().items():
        sub = commands.add_parser(name, help=row.help, description=row.help)
        fields = row.typeable_fields
        secrets = tuple(field for field in fields if fields[field].value_kind == "secret")
        for field in fields:
            if field not in secrets:
                _add_field(sub, field, fields[field], field in row.required_fields)
        sub.set_defaults(fields=tuple(field for field in fields if field not in secrets), secrets=secrets)
    return parser.parse_args(arguments)


def _add_field(sub: argparse.ArgumentParser, name: str, field: FieldDeclaration, required: bool) -> None:
    help = field.description.replace("%", "%%")
    choices = field.choices or None
    if required:
        sub.add_argument(name, metavar=name.upper(), choices=choices, help=help)
    else:
        sub.add_argument(f"--{name}", metavar=name.upper(), choices=choices, help=help)
