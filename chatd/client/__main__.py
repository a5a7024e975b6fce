"""The command line of the terminal client: the command ``chat``, also run as ``python -m chatd.client``."""

from __future__ import annotations

import asyncio
import io
import os
import sys
from argparse import Namespace
from collections.abc import Sequence
from getpass import getpass
from typing import Final

from chatd.client import line_mode, scripts
from chatd.client.language import _
from chatd.client.options import UsageError, parse_options
from chatd.client.pending import ConnectionLost, RefusedByServer
from chatd.client.render import sanitize

EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 2
EXIT_REFUSED: Final = 3
EXIT_INTERRUPTED: Final = 130


async def run_interactive(options: Namespace) -> None:
    """Run the interactive client, full screen or, with ``--plain``, in line mode.

    Raises `UsageError` if the client can't run with these options or on this terminal, `RefusedByServer` if
    the daemon refuses the login, and `ConnectionLost` if the connection is lost for good. The full screen
    also raises `ConnectionLost` if it ends with unsent messages, and `SystemExit` after a signal; the line
    mode raises `OutputClosed` if standard output can't be written.
    """
    if options.plain:
        await line_mode.run_line_mode(options)
        return
    terminal = all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout))
    if not terminal or os.environ.get("TERM") == "dumb":
        raise UsageError(_("this is no terminal: chat --plain works with lines"))
    try:
        from chatd.client import fullscreen  # which needs Textual, an optional package
    except ModuleNotFoundError:
        raise UsageError(
            _("the screen needs Textual: {command}, or use chat --plain").format(
                command="pip install 'chatd[client]'"
            )
        ) from None
    await fullscreen.run_full_screen(options)


RUN_FUNCTION_BY_SUBCOMMAND: Final = {
    "send": scripts.run_send,
    "tail": scripts.run_tail,
    "talk": run_interactive,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that the command line names, and return the exit code of the process.

    The reason of a failure is printed to standard error. Raises `SystemExit` for ``--help`` and for a command
    line that argparse refuses.
    """
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        options = parse_options(
            [_readable(one) for one in (sys.argv[1:] if arguments is None else arguments)]
        )
        if options.ask_password:
            options.password = getpass(_("Password: "))
        asyncio.run(RUN_FUNCTION_BY_SUBCOMMAND[options.command](options))
    except UsageError as unclear:
        return _say(str(unclear), EXIT_USAGE)
    except ConnectionLost as lost:
        return _say(str(lost), EXIT_FAILED)
    except RefusedByServer as refused:
        return _say(f"{refused.code}: {refused}", EXIT_REFUSED)
    except scripts.OutputClosed as unread:
        return _say(_("can't write: {why}").format(why=unread), EXIT_FAILED) if str(unread) else EXIT_FAILED
    except (KeyboardInterrupt, EOFError):
        return EXIT_INTERRUPTED
    return 0


def _readable(argument: str) -> str:
    """Return ``argument`` with bytes that are not valid UTF-8 replaced by U+FFFD."""
    try:
        argument.encode()
    except UnicodeEncodeError:  # it holds bytes that the locale's encoding has no character for
        return os.fsencode(argument).decode(errors="replace")
    return argument


def _say(why: str, code: int) -> int:
    sys.stderr.write(sanitize(f"chat: {why}\n"))
    return code


if __name__ == "__main__":
    sys.exit(main())
