"""The command line of chatctl: every command of the tables, and what it makes of them."""

from __future__ import annotations

import contextlib
import io

from twisted.trial.unittest import SynchronousTestCase

from chatd.core.control_commands import CONTROL_COMMANDS, server_operator_commands
from chatd.ctl.options import parse_arguments


class CommandLine(SynchronousTestCase):
    def fails(self, *arguments: str) -> str:
        """What a wrong command line is answered; it exits with 2."""
        with contextlib.redirect_stderr(io.StringIO()) as said:
            error = self.assertRaises(SystemExit, parse_arguments, arguments)
        self.assertEqual(error.code, 2)
        return said.getvalue()

    def test_every_command_of_the_tables_has_its_help(self) -> None:
        for name in (*CONTROL_COMMANDS, *server_operator_commands(), "restore", "migrate"):
            with contextlib.redirect_stdout(io.StringIO()) as said:
                error = self.assertRaises(SystemExit, parse_arguments, (name, "--help"))
            self.assertEqual(error.code, 0)
            self.assertIn(f"usage: chatctl {name}", said.getvalue())

    def test_needed_fields_are_arguments_and_the_others_options(self) -> None:
        options = parse_arguments(("mute", "bob", "--duration", "10m", "--reason", "too loud"))
        self.assertEqual((options.dest, options.duration, options.reason), ("bob", "10m", "too loud"))
        self.assertEqual(options.fields, ("dest", "duration", "reason"))
        self.assertIsNone(parse_arguments(("mute", "bob")).reason)

    def test_a_password_is_no_argument(self) -> None:
        options = parse_arguments(("resetpassword", "bob"))
        self.assertEqual((options.fields, options.secrets), (("dest",), ("new",)))
        self.fails("resetpassword", "bob", "secret")

    def test_what_is_no_command(self) -> None:
        self.assertIn("COMMAND", self.fails())
        self.assertIn("broadcast", self.fails("broadcast", "hi"))
        self.assertIn("DEST", self.fails("mute"))
