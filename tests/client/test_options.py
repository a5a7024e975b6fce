"""What ``chat`` is told, and by whom."""

from __future__ import annotations

import contextlib
import io
import os
import ssl
from pathlib import Path
from unittest.mock import patch

from twisted.trial.unittest import SynchronousTestCase

from chatd.client.log import open_log
from chatd.client.options import UsageError, parse_options, server_address
from tests.support.certificates import issue
from tests.support.languages import speak


class OptionsTestCase(SynchronousTestCase):
    """With a configuration folder of its own."""

    def setUp(self) -> None:
        """Make it."""
        self.folder = Path(self.mktemp()).absolute()
        (self.folder / "chatd").mkdir(parents=True)
        home = patch.dict(os.environ, XDG_CONFIG_HOME=str(self.folder))
        home.start()
        self.addCleanup(home.stop)

    def write(self, text: str, name: str = "other.conf") -> str:
        """A file of options."""
        path = self.folder / "chatd" / name
        path.write_text(text, "utf-8")
        return str(path)

    def refused(self, *arguments: str) -> str:
        """What argparse says before it exits with 2."""
        said = io.StringIO()
        with contextlib.redirect_stderr(said), self.assertRaises(SystemExit) as caught:
            parse_options(arguments)
        self.assertEqual(caught.exception.code, 2)
        return said.getvalue()


class CommandLine(OptionsTestCase):
    """The seed's options, and ours."""

    def test_defaults(self) -> None:
        options = parse_options([])
        self.assertEqual((options.command, options.address, options.port), ("talk", "127.0.0.1", 8080))
        self.assertEqual((options.name, options.tls), ("", False))

    def test_short_and_long_before_and_behind_the_command(self) -> None:
        for arguments in (
            ["--port", "9999", "--address", "::1", "send", "bob", "hi"],
            ["send", "-p", "9999", "-a", "::1", "bob", "hi"],
            ["-p", "9999", "send", "-a", "::1", "bob", "hi"],
        ):
            options = parse_options(arguments)
            self.assertEqual((options.command, options.address, options.port), ("send", "::1", 9999))
            self.assertEqual(options.words, ["bob", "hi"])

    def test_what_makes_no_sense(self) -> None:
        self.assertIn("0 is no port", self.refused("-p", "0"))
        self.assertIn("70000 is no port", self.refused("-p", "70000"))
        self.assertIn("x is no id", self.refused("tail", "--since", "x"))
        self.assertIn("not allowed with", self.refused("tail", "--lobby", "--group", "wob"))
        self.assertIn("invalid choice", self.refused("fly"))

    def test_in_french(self) -> None:
        """Argparse too; what one types is what it is."""
        speak(self, "fr")
        for arguments, why in {
            ("-p", "0"): "chat: erreur : argument -p/--port : 0 n'est pas un port",
            ("tail", "--since", "x"): "chat tail: erreur : argument --since : x n'est pas un id",
            ("tail", "-l", "-g", "wob"): "argument -g/--group : incompatible avec l'argument -l/--lobby",
            ("fly",): "choix inconnu : 'fly' (à choisir parmi 'send', 'tail')",
            ("send",): "il manque ces arguments : NICK TEXT",
            ("--fly",): "arguments inconnus : --fly",
            ("--name",): "argument -n/--name : il faut une valeur",
            ("--tls=yes",): "argument --tls : ne prend pas la valeur 'yes'",
            ("--c", "x"): "option ambiguë : --c peut être --cafile, --client-certificate, --config",
        }.items():
            self.assertIn(why, self.refused(*arguments))

    def test_the_help_in_french(self) -> None:
        """Nothing in it is English but what one types."""
        speak(self, "fr")
        for command in ([], ["send"], ["tail"]):
            said = io.StringIO()
            with contextlib.redirect_stdout(said), self.assertRaises(SystemExit):
                parse_options([*command, "--help"])
            english = r"usage:|\b(the|show|this|exit|read|arguments:|options:|connection:)\b"
            self.assertRegex(said.getvalue(), "^usage : chat ")
            self.assertNotRegex(said.getvalue(), english)


class TheFile(OptionsTestCase):
    """``HOST=``, ``PORT=``, ``NAME=`` as the seed has them."""

    def test_it_is_found_and_options_win(self) -> None:
        self.write("# mine\n\nHOST=10.0.0.1\nPORT = 9999\nname=alice\nTLS=yes\n", "client.conf")
        options = parse_options(["--address", "127.0.0.2"])
        self.assertEqual(
            (options.address, options.port, options.name, options.tls), ("127.0.0.2", 9999, "alice", True)
        )

    def test_a_named_one_replaces_it(self) -> None:
        self.write("PORT=9999\n", "client.conf")
        options = parse_options(["-c", self.write("NAME=bob\n")])
        self.assertEqual((options.port, options.name), (8080, "bob"))

    def test_it_may_begin_with_a_mark(self) -> None:
        """As Windows' editors have it."""
        self.assertEqual(parse_options(["-c", self.write("\ufeffNAME=bob\n")]).name, "bob")

    def test_a_folder_with_a_sign_that_means_something_to_argparse(self) -> None:
        with patch.dict(os.environ, XDG_CONFIG_HOME="/100%s", XDG_STATE_HOME="/50%"):
            said = io.StringIO()
            with contextlib.redirect_stdout(said), self.assertRaises(SystemExit):
                parse_options(["--help"])
        self.assertIn("/100%s/chatd/client.conf", said.getvalue())
        self.assertIn("/50%/chatd/client.log", said.getvalue())

    def test_nobody_s_home(self) -> None:
        """Who has none has no file; a log has to be named."""
        with patch.dict(os.environ, clear=True), patch("pwd.getpwuid", side_effect=KeyError):
            self.assertEqual(parse_options([]).port, 8080)
            with self.assertRaisesRegex(UsageError, "can't write the log ~/.local/state/chatd/client.log: "):
                open_log("")

    def test_what_makes_no_sense_is_named_with_its_line(self) -> None:
        for text, why in {
            "HOST=a\nPORT=x": "line 2: x is no port",
            f"PORT={'9' * 5_000}": "line 1: 9",
            "TLS=perhaps": "line 1: perhaps is neither yes nor no",
            "COLOUR=red": "line 1: a line is KEY=VALUE, with one of HOST, PORT, NAME, TLS,",
            "HOST": "line 1: a line is KEY=VALUE",
        }.items():
            with self.subTest(text), self.assertRaises(UsageError) as caught:
                parse_options(["-c", self.write(text)])
            self.assertIn(why, str(caught.exception))

    def test_in_french(self) -> None:
        speak(self, "fr")
        path = self.write("# mine\nTLS=perhaps")
        with self.assertRaises(UsageError) as caught:
            parse_options(["-c", path])
        self.assertEqual(str(caught.exception), f"{path}, ligne 2 : perhaps n'est ni yes ni no")

    def test_one_that_is_not_there(self) -> None:
        with self.assertRaisesRegex(UsageError, "can't read .*none.conf: No such file or directory"):
            parse_options(["-c", str(self.folder / "none.conf")])


class Addresses(OptionsTestCase):
    """Where to, and how sure of it."""

    def test_plain(self) -> None:
        self.assertEqual(str(server_address(parse_options(["-a", "::1"]))), "[::1]:8080")
        self.assertIsNone(server_address(parse_options([])).tls_context)

    def test_tls_checks_the_name_against_the_usual_certificates(self) -> None:
        context = server_address(parse_options(["--tls"])).tls_context
        assert context is not None
        self.assertTrue(context.check_hostname)
        self.assertIs(context.verify_mode, ssl.CERT_REQUIRED)

    def test_certificates_that_are_none(self) -> None:
        with self.assertRaisesRegex(UsageError, "can't read certificates from"):
            server_address(parse_options(["--cafile", self.write("no certificate")]))

    def test_certificates_at_home(self) -> None:
        """Which no shell has found, when the file names them."""
        self.write(issue("chatd", authority=True).pem().decode(), "ca.pem")
        with patch.dict(os.environ, HOME=str(self.folder)):
            context = server_address(parse_options(["-c", self.write("CAFILE=~/chatd/ca.pem\n")])).tls_context
        assert context is not None
        self.assertIn(((("commonName", "chatd"),),), [found["subject"] for found in context.get_ca_certs()])
