"""The commands of the control socket that are not commands of a server operator.

The daemon, ``chatctl`` and SPEC.md take them from this table. To add a command, add a row here, and the
function that carries it out to `chatd.daemon.control.CONTROL_HANDLERS`; ``chatctl`` prints its answer as it
is, unless `chatd.ctl.render` has a form for it. The commands of server operators are taken from
`chatd.core.commands`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from chatd.core.commands import COMMANDS
from chatd.core.declarations import CommandDeclaration


class ControlCommand(msgspec.Struct, frozen=True):
    """The declaration of a command of the control socket, by which the administrator controls the daemon.

    ``help`` says what the command does, and ``answer_description`` what its answer contains. ``fields`` maps
    the name of each field to its description; every field is a text and must be given. ``choices`` maps the
    names of fields with a limited choice to the possible values. ``is_slow`` says that a client must wait for
    the answer without a timeout, because it depends on the size of the database.
    """

    name: str
    help: str
    answer_description: str
    fields: Mapping[str, str] = {}
    choices: Mapping[str, tuple[str, ...]] = {}
    is_slow: bool = False


CONTROL_COMMANDS: Final[dict[str, ControlCommand]] = {
    command.name: command
    for command in (
        ControlCommand(
            "status",
            "show the state of the daemon in figures",
            "`version`, `pid`, `uptime` (seconds), `database` (`file`, or a URL without its password;"
            " `bytes`, `durability`), `connections` (by wire; those that have not shown theirs are"
            " `undetected`), `logged_in` (sessions), `online`,"
            " `users`, `accounts`, `groups` (numbers), `last_id`, `journal_queue`, `password_queue` and"
            " `listeners` (`name`, `address`)",
        ),
        ControlCommand(
            "who",
            "list the sessions that are logged in, with their addresses",
            "`sessions`: `nick`, `wire`, `address`, `seconds` (since the connection), `account` (whether the"
            " nick is registered)",
        ),
        ControlCommand(
            "groups",
            "list all groups, private ones too",
            "`groups`: `group`, `visibility`, `members` (number), `owner`, `entries` (number of messages and"
            " events)",
        ),
        ControlCommand(
            "operators",
            "list who is named as a server operator, by chatd.toml or by `appoint`",
            "`operators`: `nick`, `configured`, `appointed`, `registered` (whether it is in force)",
        ),
        ControlCommand(
            "appoint",
            "make a nick a server operator, once it is registered",
            "`acts`: the entry of the moderation log",
            {"nick": "the nick, in use or not"},
        ),
        ControlCommand(
            "dismiss",
            "take the rights of a server operator from a nick that `appoint` gave them to",
            "`acts`: the entry of the moderation log",
            {"nick": "the nick"},
        ),
        ControlCommand(
            "backup",
            "copy the database to a new file while the daemon runs, and check the copy",
            "`file`, `bytes` and `last_id` of the copy",
            {"file": "the absolute path of the new file, in a folder in which the daemon may write"},
            is_slow=True,
        ),
        ControlCommand(
            "export",
            "send all that the log has of a user or a group, one object a line",
            "see Export",
            {"kind": "`user` or `group`", "name": "the nick or the name of the group"},
            choices={"kind": ("user", "group")},
            is_slow=True,
        ),
        ControlCommand(
            "erase",
            "erase all that the database has of a user, for good, and free the nick",
            "`name` (the neutral nick that replaces the user's), `entries` (whose texts were erased),"
            " `complete` (false if the write-ahead log could not be emptied yet), `outside` (a sentence about"
            " what is not erased)",
            {"nick": "the nick"},
            is_slow=True,
        ),
        ControlCommand(
            "check",
            "check the database while the daemon runs",
            "`problems`: sentences; none if the database is sound",
            is_slow=True,
        ),
        ControlCommand(
            "reload",
            "read chatd.toml and the certificate again, as SIGHUP does",
            "`changed` and `needs_restart`: names of keys",
        ),
        ControlCommand(
            "shutdown",
            "stop the daemon in an orderly way, as SIGTERM does",
            "nothing; the connection ends when the daemon has stopped",
        ),
        ControlCommand(
            "help", "list the commands of the control socket", "`commands`: `name`, `fields`, `help`"
        ),
    )
}
"""The commands by name."""

CONTROL_ERROR_SENTENCES: Final = {
    "bad_config": "chatd.toml or the certificate can't be used; nothing has changed",
    "backup_failed": "no backup was made",
    "check_failed": "the database could not be checked",
    "busy": "a backup or a check is under way: wait for its end",
    "request_timeout": "no complete request within ten seconds",
    "too_many_connections": "too many connections to the control socket",
}
"""The error codes that only the control socket has, with what they mean."""


def server_operator_commands() -> dict[str, CommandDeclaration]:
    """Return the declarations of all commands of server operators, by their name in JSON."""
    return {row.json_actions[0]: row for row in COMMANDS.values() if row.is_for_server_operators}
