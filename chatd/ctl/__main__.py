"""The command ``chatctl``, also run as ``python -m chatd.ctl``."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable, Sequence
from getpass import getpass
from pathlib import Path
from typing import IO, Any, Final

import msgspec

from chatd.core.control_commands import CONTROL_COMMANDS
from chatd.core.terminal import replace_controls
from chatd.ctl.connection import NoDaemon, request_lines, request_objects
from chatd.ctl.offline import find_database_problems, restore_database, transfer_database
from chatd.ctl.options import DEFAULT_CONFIG_FILE, parse_arguments
from chatd.ctl.render import render_answer_lines
from chatd.daemon.config import Config, ConfigError, control_socket_path, read_config
from chatd.files import open_private
from chatd.store.check import find_file_problems
from chatd.store.errors import StoreError

_MARKED_LINE: Final = b'{"action":'
"""The prefix of the first line and the last line of an export, and of an error object.

A line with a log entry does not have it.
"""

EXIT_REFUSED: Final = 1
EXIT_USAGE: Final = 2
EXIT_NO_DAEMON: Final = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the ``chatctl`` command on the command line, and return the exit code of the process."""
    try:
        options = parse_arguments(sys.argv[1:] if arguments is None else arguments)
        config = _configuration(options)
        if options.command == "restore":
            return _restore(options, config)
        if options.command == "migrate":
            return _migrate(options)
        if options.command == "check":
            return _check(options, config)
        if options.command == "export":
            return _export(options, config)
        if options.command == "erase" and not options.yes and not _is_confirmed(options.nick):
            return _complain("nothing was erased", EXIT_REFUSED)
        return _show(options, _ask(options, config))
    except ConfigError as error:
        return _complain(str(error), EXIT_USAGE)
    except StoreError as error:
        return _complain(str(error), EXIT_REFUSED)
    except NoDaemon as error:
        return _complain(str(error), EXIT_NO_DAEMON)
    except (KeyboardInterrupt, EOFError):
        return EXIT_REFUSED


def _configuration(options: argparse.Namespace) -> Config:
    """Return the configuration of the daemon, as far as ``chatctl`` needs it.

    With ``--socket`` no file is read, unless it is named too: a daemon can be asked while its file is broken.
    Raises `ConfigError`.
    """
    path = options.config or Path(DEFAULT_CONFIG_FILE)
    is_read = options.config or (path.exists() and not options.socket)
    try:
        config = read_config(path) if is_read else Config()
    except ConfigError as error:
        raise ConfigError(f"{error} (to ask a running daemon, name its --socket)") from None
    if options.database is not None:
        config = msgspec.structs.replace(config, database=options.database)
    return config


def _ask(options: argparse.Namespace, config: Config) -> Iterable[dict[str, Any]]:
    return request_objects(*_request(options, config))


def _request(options: argparse.Namespace, config: Config) -> tuple[Path, dict[str, Any], bool]:
    """Return the path of the control socket, what to ask there, and whether that may take long."""
    path = options.socket or control_socket_path(config)
    if path is None:
        raise ConfigError("the configuration has switched the control socket off")
    request = {"action": options.command}
    request |= {name: value for name in options.fields if (value := getattr(options, name)) is not None}
    request |= {name: _read_secret(name) for name in options.secrets}
    command = CONTROL_COMMANDS.get(options.command)
    if options.command == "backup":  # the daemon works in another folder
        request["file"] = os.path.abspath(request["file"])
    return path, request, command is not None and command.is_slow


def _is_confirmed(nick: str) -> bool:
    """Return whether the user of a terminal types ``nick`` again, before all of that user is erased.

    Raises `ConfigError` without a terminal.
    """
    if not sys.stdin.isatty():
        raise ConfigError("erase asks for the nick again on a terminal; without one, give --yes")
    sys.stderr.write(f"All that the database has of {replace_controls(nick)} is erased for good.\n")
    sys.stderr.write("Type the nick again to go on: ")
    sys.stderr.flush()
    return sys.stdin.readline().rstrip("\n") == nick


def _read_secret(name: str) -> str:
    """Return a password that is typed twice on a terminal, or else the first line of the standard input."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    while True:
        secret = getpass(f"{name} password: ")
        if getpass("the same again: ") == secret:
            return secret
        sys.stderr.write("chatctl: the two differ\n")


def _check(options: argparse.Namespace, config: Config) -> int:
    if options.file is not None:
        return _show_problems(options, find_file_problems(options.file))
    try:
        return _show(options, _ask(options, config))
    except (NoDaemon, ConfigError):
        return _show_problems(options, find_database_problems(config.database))


def _export(options: argparse.Namespace, config: Config) -> int:
    """Write the lines of an export, and return the exit code. A file that is incomplete is removed."""
    lines = request_lines(*_request(options, config))
    if options.output is None:
        code = _write_export(lines, sys.stdout.buffer)
        if code:  # the output may be closed: Python must not try to write the rest to it
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return code
    try:
        file = open(options.output, "xb", opener=open_private)
    except OSError as error:
        return _complain(f"can't write {options.output}: {error.strerror}", EXIT_REFUSED)
    code = EXIT_REFUSED
    try:
        with file:
            code = _write_export(lines, file)
    finally:
        if code:
            options.output.unlink(missing_ok=True)
    return code


def _write_export(lines: Iterable[bytes], file: IO[bytes]) -> int:
    """Write ``lines`` to ``file``, and return the exit code: 0 only if the last line came."""
    code, why = EXIT_REFUSED, "the daemon closed the connection: the export is not complete"
    try:
        for line in lines:
            if line.startswith(_MARKED_LINE):
                said = json.loads(line)
                if said["action"] == "server-error":
                    why = f"{said['code']}: {said['msg']}"
                    break
                code = 0 if said.get("complete") else code
            file.write(line)
        file.flush()
    except OSError as error:
        code, why = EXIT_REFUSED, f"the export is not complete: {error.strerror}"
    return _complain(why, code) if code else 0


def _restore(options: argparse.Namespace, config: Config) -> int:
    restored = restore_database(options.file.absolute(), config.database)
    print(f"{restored.database} is restored, up to the id {restored.last_id}")
    if restored.former_database is not None:
        print(f"the former database is kept at {restored.former_database}")
    return 0


def _migrate(options: argparse.Namespace) -> int:
    copied = transfer_database(options.source, options.target)
    if options.json:
        print(json.dumps({table: digest._asdict() for table, digest in copied.items()}))
        return 0
    for table, digest in copied.items():
        print(f"{table}: {digest.rows:,} rows, SHA-256 {digest.digest}")
    print("all of them were read again from the target, and are the same")
    return 0


def _show_problems(options: argparse.Namespace, problems: list[str]) -> int:
    return _show(options, [{"action": "control-check", "problems": problems}])


def _show(options: argparse.Namespace, answers: Iterable[dict[str, Any]]) -> int:
    """Print ``answers`` as they come, and return the exit code."""
    code = 0
    for answer in answers:
        if answer.get("action") == "server-error":
            code = EXIT_REFUSED
        if answer.get("problems"):
            code = EXIT_REFUSED
        if options.json:
            print(json.dumps(answer), flush=True)
        elif answer.get("action") == "server-error":
            _complain(f"{answer['code']}: {answer['msg']}", code)
        else:
            for line in render_answer_lines(answer):
                print(line, flush=True)
    return code


def _complain(why: str, code: int) -> int:
    sys.stderr.write(f"chatctl: {replace_controls(why)}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
