"""Options and configuration in, a daemon out; or one sentence."""

import contextlib
import fcntl
import json
import os
import re
import select
import shutil
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
import tempfile
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

from twisted.internet.endpoints import quoteStringArgument
from twisted.internet.testing import MemoryReactorClock
from twisted.python.usage import UsageError
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from chatd import __version__
from chatd.core.limits import Limits
from chatd.daemon.config import Config, ConfigError, LogConfig, MetricsConfig, TlsConfig
from chatd.daemon.wiring import ParsedListener, build_daemon, parse_listener
from chatd.tap import Options, config_from_options
from tests.support.certificates import self_signed
from tests.support.daemon_process import (
    PATIENCE,
    TAC,
    TWISTD,
    Client,
    Daemon,
    environment,
    twistd,
    without_privileges,
)
from tests.support.fork_server import Forked

NO_LISTENER = "a listener is WIRE=ENDPOINT with one of auto, irc, json, text, tp6, tp6-bonus, web first"


class FolderTestCase(SynchronousTestCase):
    """A folder of its own, which is the working folder."""

    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()
        here = contextlib.chdir(self.folder)
        here.__enter__()
        self.addCleanup(here.__exit__)


class ConfigurationTests(FolderTestCase):
    def configured(self, *arguments: str) -> Config:
        """What the command line asks for."""
        options = Options()
        options.parseOptions(arguments)
        return config_from_options(options)

    def test_nothing_said_means_the_defaults(self) -> None:
        self.assertEqual(
            self.configured(),
            Config(
                database="chat.db",
                listen=(
                    "auto=tcp:7070",
                    "web=tcp:7080",
                    "irc=tcp:6667",
                    "text=tcp:4567",
                    "json=tcp:8080",
                    "tp6=tcp:8888",
                    "tp6-bonus=tcp:8889",
                ),
                durability="full",
                limits=Limits(),
                log=LogConfig(conversation=None, conversation_private=False, json=None, level="info"),
            ),
        )

    def test_every_option_has_its_place(self) -> None:
        self.assertEqual(
            self.configured(
                *("--database", "/srv/a.db"),
                *("--listen", "text=tcp:1"),
                *("--listen", "json=tcp:2"),
                *("--listen", "text=unix:/run/chatd"),
                *("--certificate", "chat.pem"),
                *("--durability", "process"),
                *("--conversation-log", "said.log"),
                "--conversation-log-private",
                *("--log-json", "all.log"),
                *("--log-level", "debug"),
            ),
            Config(
                database="/srv/a.db",
                listen=("text=tcp:1", "json=tcp:2", "text=unix:/run/chatd"),
                tls=TlsConfig(certificate="chat.pem"),
                durability="process",
                limits=Limits(),
                log=LogConfig(
                    conversation="said.log", conversation_private=True, json="all.log", level="debug"
                ),
            ),
        )

    def test_the_short_ones_are_the_long_ones(self) -> None:
        Path("a.toml").write_text("durability = 'process'")
        self.assertEqual(
            self.configured("-c", "a.toml", "-d", "a.db", "-l", "text=tcp:1"),
            Config(database="a.db", listen=("text=tcp:1",), durability="process"),
        )

    def test_options_win_over_chatd_toml_one_by_one(self) -> None:
        Path("chatd.toml").write_text("""
            database = "file.db"
            listen = ["text=tcp:1", "text=tcp:2"]
            durability = "process"
            [limits]
            message = 100
            [log]
            conversation = "file.log"
            conversation_private = true
            level = "debug"
        """)
        from_the_file = Config(
            database="file.db",
            listen=("text=tcp:1", "text=tcp:2"),
            durability="process",
            limits=Limits(message=100),
            log=LogConfig(conversation="file.log", conversation_private=True, level="debug"),
        )
        self.assertEqual(self.configured(), from_the_file)
        self.assertEqual(
            self.configured("--listen=json=tcp:3", "--log-json=option.json", "--log-level=info"),
            Config(
                database="file.db",
                listen=("json=tcp:3",),
                durability="process",
                limits=Limits(message=100),
                log=LogConfig(
                    conversation="file.log", conversation_private=True, json="option.json", level="info"
                ),
            ),
        )

    def test_a_file_that_is_named_is_read_instead_of_chatd_toml(self) -> None:
        Path("chatd.toml").write_text("database = 'default.db'")
        Path("other.toml").write_text("durability = 'process'")
        self.assertEqual(self.configured("--config=other.toml"), Config(durability="process"))

    def test_a_file_that_is_named_must_be_there(self) -> None:
        with self.assertRaises(ConfigError) as caught:
            self.configured("--config=other.toml")
        self.assertEqual(str(caught.exception), "other.toml: No such file or directory")

    def test_a_value_that_is_no_choice_is_refused_with_the_choices(self) -> None:
        for option, sentence in {
            "--durability=none": "--durability must be one of full, process, not none",
            "--log-level=loud": "--log-level must be one of info, debug, not loud",
        }.items():
            with self.assertRaises(ConfigError) as caught:
                self.configured(option)
            self.assertEqual(str(caught.exception), sentence)

    def test_unknown_options_and_arguments_are_refused(self) -> None:
        for argument in ("--port=1", "4567"):
            with self.assertRaises(UsageError):
                self.configured(argument)


class ListenerTests(FolderTestCase):
    def test_is_a_wire_and_an_endpoint_on_loopback_unless_it_says_more(self) -> None:
        for listener, wire, endpoint in (
            ("text=tcp:4567", "text", "tcp:4567:interface=127.0.0.1"),
            ("json=tcp:port=8080", "json", "tcp:port=8080:interface=127.0.0.1"),
            ("text=tcp:1:backlog=9", "text", "tcp:1:backlog=9:interface=127.0.0.1"),
            ("text=tcp:1:interface=0.0.0.0", "text", "tcp:1:interface=0.0.0.0"),
            ("text=tcp:interface=0.0.0.0:port=1", "text", "tcp:interface=0.0.0.0:port=1"),
            ("text=tcp:1:interface=", "text", "tcp:1:interface="),
            ("text=tcp:1:10.0.0.1", "text", "tcp:1:10.0.0.1"),
            (r"text=tcp:1:interface=\:\:1", "text", r"tcp:1:interface=\:\:1"),
            ("text=tcp6:1", "text", r"tcp6:1:interface=\:\:1"),
            (r"text=tcp6:1:interface=\:\:", "text", r"tcp6:1:interface=\:\:"),
            ("json=systemd:domain=INET:index=0", "json", "systemd:domain=INET:index=0"),
        ):
            with self.subTest(listener):
                self.assertEqual(parse_listener(listener), ParsedListener(wire, endpoint))

    def test_whose_tls_it_has(self) -> None:
        """``ssl:`` without a key has that of the configuration, whose address may come behind a proxy."""
        loopback = ":interface=127.0.0.1"
        for listener, expected in {
            "json=ssl:1": ParsedListener("json", f"tcp:1{loopback}", tls="always"),
            "json=SSL:port=1": ParsedListener("json", f"tcp:port=1{loopback}", tls="always"),
            r"json=ssl:1:interface=\:\:1": ParsedListener("json", r"tcp:1:interface=\:\:1", tls="always"),
            "json=haproxy:ssl:1": ParsedListener("json", f"tcp:1{loopback}", True, "always"),
            "text=haproxy:tcp:1": ParsedListener("text", f"tcp:1{loopback}", True),
            "text=haproxy:unix:s": ParsedListener("text", "unix:s", True, "never"),
            "json=ssl:1:privateKey=a.pem": ParsedListener(
                "json", f"ssl:1:privateKey=a.pem{loopback}", tls="never"
            ),
            r"json=ssl:1:C\:/a.pem:C\:/b.pem": ParsedListener(
                "json", rf"ssl:1:C\:/a.pem:C\:/b.pem{loopback}", tls="never"
            ),
            "json=tls:folder:1": ParsedListener("json", f"tls:folder:1{loopback}", tls="never"),
            "text=unix:/run/chatd": ParsedListener("text", "unix:/run/chatd", tls="never"),
            "json=systemd:UNIX:0": ParsedListener("json", "systemd:UNIX:0", tls="never"),
        }.items():
            with self.subTest(listener):
                self.assertEqual(parse_listener(listener), expected)

    def test_tls_needs_a_certificate(self) -> None:
        for config, sentence in (
            (
                Config(listen=("json=ssl:1",)),
                "json=ssl:1 needs a certificate: name it under [tls], or in the endpoint",
            ),
            (Config(tls=TlsConfig(require=True)), "`require` under [tls] needs a `certificate` there"),
            (Config(tls=TlsConfig(key="a.key")), "`key` under [tls] needs a `certificate` there"),
            (Config(tls=TlsConfig(client_ca="a.pem")), "`client_ca` under [tls] needs a `certificate` there"),
        ):
            with self.assertRaises(ConfigError) as caught:
                build_daemon(config, MemoryReactorClock())
            self.assertEqual(str(caught.exception), sentence)
        self.assertEqual(os.listdir(), [])

    def test_what_is_none_is_refused_by_name_before_anything_is_opened(self) -> None:
        for listener, sentence in {
            "tcp:4567": f"{NO_LISTENER}, not tcp:4567",
            "text=": f"{NO_LISTENER}, not text=",
            "mail=tcp:1": f"{NO_LISTENER}, not mail=tcp:1",
            "text=carrier-pigeon:1": "text=carrier-pigeon:1 is no endpoint that can be listened at: "
            "Unknown endpoint type: 'carrier-pigeon'",
            "text=tcp:http": "text=tcp:http is no endpoint that can be listened at: "
            "invalid literal for int() with base 10: 'http'",
        }.items():
            with self.subTest(listener), self.assertRaises(ConfigError) as caught:
                build_daemon(Config(listen=("text=tcp:0", listener)), MemoryReactorClock())
            self.assertEqual(str(caught.exception), sentence)
        with self.assertRaises(ConfigError) as caught:
            build_daemon(Config(listen=("json=ssl:1:privateKey=none.pem",)), MemoryReactorClock())
        self.assertIn("json=ssl:1:privateKey=none.pem is no endpoint", str(caught.exception))
        self.assertIn("No such file or directory", str(caught.exception))
        with self.assertRaises(ConfigError) as caught:
            build_daemon(Config(metrics=MetricsConfig("tcp:many")), MemoryReactorClock())
        self.assertRegex(str(caught.exception), r"\Atcp:many is no endpoint that can be listened at: ")
        self.assertEqual(os.listdir(), [])


class EndpointTests(FolderTestCase):
    """Each kind of endpoint, listened at by a real daemon."""

    def meets(self, client: Client, nick: str) -> None:
        """Say hello on a text wire."""
        with client:
            client.says(f"IAM {nick}")
            self.assertEqual((client.line(), client.line()), ("WHO", f"ARR {nick}"))

    def test_tcp_is_on_loopback(self) -> None:
        with Daemon(self.folder, "--listen=text=tcp:0", "--listen=json=haproxy:tcp:0") as daemon:
            self.assertEqual(daemon.address("text"), f"127.0.0.1:{daemon.port('text')}")
            self.assertEqual(daemon.address("json"), f"127.0.0.1:{daemon.port('json')}")
            self.meets(daemon.connect("text"), "alice")

    def test_ipv6_is_on_loopback(self) -> None:
        try:
            socket.create_server(("::1", 0), family=socket.AF_INET6).close()
        except OSError as error:
            raise SkipTest("this machine has no IPv6") from error
        with Daemon(self.folder, "--listen=text=tcp6:0") as daemon:
            self.assertEqual(daemon.address("text"), f"[::1]:{daemon.port('text')}")
            self.meets(daemon.connect("text"), "alice")

    def test_unix_sockets_come_and_go_with_the_daemon(self) -> None:
        with Daemon(self.folder, "--listen=text=unix:chat.sock") as daemon:
            self.assertEqual(daemon.address("text"), "chat.sock")
            connection = socket.socket(socket.AF_UNIX)
            connection.connect("chat.sock")
            self.meets(Client(connection), "alice")
            self.assertEqual(daemon.terminate(), 0)
        self.assertEqual(sorted(os.listdir()), ["chat.db", "chat.db.lock"])

    def test_a_unix_socket_that_somebody_deleted_does_not_stop_an_orderly_end(self) -> None:
        with Daemon(self.folder, "--listen=text=unix:chat.sock", "--listen=json=tcp:0") as daemon:
            os.unlink("chat.sock")
            with daemon.connect("json") as bob:
                bob.asks(action="client-hello", from_="bob").object(action="server-hello")
                self.assertEqual(daemon.terminate(), 0)
                self.assertEqual(bob.object()["code"], "shutting_down")
            self.assertIn("all that was accepted is on disk", daemon.log)

    def test_sockets_that_systemd_has_opened(self) -> None:
        """Those of one unit, which all have its name: for wires, and for the metrics."""
        (self.folder / "chatd.toml").write_text("[metrics]\nlisten = 'systemd:domain=INET:index=2'\n")
        hand_over = (
            "import fcntl, os, sys;"
            "copies = [fcntl.fcntl(int(number), fcntl.F_DUPFD, 100) for number in sys.argv[1:4]];"
            "[os.dup2(copy, 3 + n) for n, copy in enumerate(copies)];"
            "os.environ.update("
            "LISTEN_PID=str(os.getpid()), LISTEN_FDS='3', LISTEN_FDNAMES=':'.join(['chatd.socket'] * 3));"
            "os.execv(sys.argv[4], sys.argv[4:])"
        )
        listening = [self.enterContext(socket.create_server(("127.0.0.1", 0))) for _ in range(3)]
        numbers = [opened.fileno() for opened in listening]
        with Daemon(
            self.folder,
            "--listen=text=systemd:domain=INET:index=0",
            "--listen=json=systemd:domain=INET:index=1",
            before=[sys.executable, "-c", hand_over, *map(str, numbers)],
            pass_fds=numbers,
        ) as daemon:
            ports = [daemon.port(name) for name in ("text", "json", "metrics")]
            self.assertEqual(ports, [opened.getsockname()[1] for opened in listening])
            self.meets(daemon.connect("text"), "alice")
            self.assertEqual(self.page(daemon, "/healthz").status, 200)
            self.assertEqual(daemon.terminate(), 0)

    def page(self, daemon: Daemon, path: str) -> HTTPResponse:
        """A page of the monitoring endpoint; the connection stays open until the end of the test."""
        connection = HTTPConnection("127.0.0.1", daemon.port("metrics"), timeout=PATIENCE)
        self.addCleanup(connection.close)
        connection.request("GET", path)
        return connection.getresponse()

    def test_metrics_are_on_loopback_and_off_by_default(self) -> None:
        """They tell of what happens, and an open connection to them does not delay the end."""
        with Daemon(self.folder, "--listen=text=tcp:0") as daemon:
            self.assertNotIn("on metrics=", daemon.log)
        (self.folder / "chatd.toml").write_text("[metrics]\nlisten = 'tcp:0'\n")
        with Daemon(self.folder, "--listen=text=tcp:0") as daemon:
            self.assertEqual(daemon.address("metrics"), f"127.0.0.1:{daemon.port('metrics')}")
            with daemon.connect("text") as alice:
                alice.says("IAM alice").says("MSG hello").says("GRP")
                alice.hears_until(b"ERR ")
                page = self.page(daemon, "/metrics").read().decode()
                self.assertIn('\nchatd_messages_total{kind="lobby",wire="text"} 1.0\n', page)
                self.assertIn('\nchatd_connections{wire="text"} 1.0\n', page)
                self.assertNotIn("alice", page)
                self.assertEqual(
                    json.loads(self.page(daemon, "/healthz").read()),
                    {"status": "ok", "problems": [], "database_full": False},
                )
            self.assertEqual(daemon.terminate(), 0)
            self.assertNotRegex(daemon.log, "GET|#error|#critical|Traceback")

    def test_ssl_with_a_certificate(self) -> None:
        certificate = self.folder / "a:b.pem"
        certificate.write_bytes(self_signed("localhost"))
        endpoint = f"ssl:0:privateKey={quoteStringArgument(str(certificate))}"
        context = ssl.create_default_context(cafile=certificate)
        with Daemon(self.folder, f"--listen=text={endpoint}") as daemon:
            self.assertEqual(daemon.address("text"), f"127.0.0.1:{daemon.port('text')}")
            client = daemon.connect("text")
            client.socket = context.wrap_socket(client.socket, server_hostname="localhost")
            self.meets(client, "alice")


class CommandLineTests(FolderTestCase):
    """What twistd prints, and how it ends, when there is nothing to serve."""

    def refuses(self, *arguments: str) -> str:
        """The one sentence that a start with these arguments ends with."""
        ended = twistd(self.folder, "-n", *arguments)
        self.assertEqual((ended.returncode, ended.stdout), (1, ""))
        self.assertFalse(Path("twistd.pid").exists())
        name, _, sentence = ended.stderr.partition(": ")
        self.assertEqual((name, sentence.count("\n"), sentence[-1]), ("chatd", 1, "\n"))
        return sentence[:-1]

    def test_help_names_every_option_and_says_what_it_is_when_not_given(self) -> None:
        shown = twistd(self.folder, "chatd", "--help")
        self.assertEqual((shown.returncode, shown.stderr), (0, ""))
        words = " ".join(shown.stdout.split())
        for option, default in {
            "-c, --config=": "[default: chatd.toml, if it exists]",
            "-d, --database=": "[default: chat.db]",
            "-l, --listen=": (
                "[default: auto=tcp:7070, web=tcp:7080, irc=tcp:6667, text=tcp:4567, json=tcp:8080,"
                " tp6=tcp:8888 and tp6-bonus=tcp:8889; with a certificate also irc=ssl:6697]"
            ),
            "--certificate=": "",
            "--durability=": "[default: full]",
            "--log-level=": "[default: info]",
            "--log-json=": "",
            "--conversation-log=": "",
            "--conversation-log-private": "",
        }.items():
            self.assertIn(option, words)
            self.assertIn(default, words.partition(option)[2])

    def test_version_is_ours(self) -> None:
        shown = twistd(self.folder, "chatd", "--version")
        self.assertEqual((shown.returncode, shown.stdout), (0, f"chatd {__version__}\n"))

    def test_twistd_lists_it_among_its_commands(self) -> None:
        shown = twistd(self.folder, "--help").stdout
        self.assertRegex(shown, r"(?m)^    chatd +A durable chat daemon")

    def test_a_chatd_toml_that_cannot_be_used(self) -> None:
        Path("chatd.toml").write_text("[limits]\nlines = 3\n")
        sentence = "chatd.toml: there is no key `lines` - at `$.limits`"
        self.assertEqual(self.refuses("-y", TAC), sentence)
        self.assertEqual(self.refuses("chatd"), sentence)
        self.assertEqual(sorted(os.listdir()), ["chatd.toml"])

    def test_a_listener_that_cannot_be_understood(self) -> None:
        self.assertEqual(
            self.refuses("chatd", "--listen=tcp:4567"),
            f"{NO_LISTENER}, not tcp:4567",
        )
        self.assertEqual(os.listdir(), [])

    def test_a_certificate_that_cannot_be_used(self) -> None:
        self.assertEqual(
            self.refuses("chatd", "--certificate=none.pem"),
            "can't read the certificate none.pem: No such file or directory",
        )
        self.assertEqual(os.listdir(), [])

    def test_a_log_that_cannot_be_written(self) -> None:
        Path("file").touch()
        for option in ("--conversation-log", "--log-json"):
            for name in ("file/a.log", "file/nowhere/a.log"):
                self.assertEqual(
                    self.refuses("chatd", f"{option}={name}"),
                    f"can't write the log {name}: Not a directory",
                )

    def test_a_database_that_cannot_be_used(self) -> None:
        Path("text.db").write_text("certainly no database, and long enough not to look like an empty one" * 9)
        for name, pragma in (("newer.db", "user_version = 999"), ("foreign.db", "application_id = 7")):
            with contextlib.closing(sqlite3.connect(name)) as database:
                if name == "newer.db":
                    database.execute(f"PRAGMA application_id = {0x63686174}")
                database.execute(f"PRAGMA {pragma}")
                database.execute("CREATE TABLE t (x)")
        for name, sentence in {
            "text.db": "can't use the database {}: file is not a database",
            "newer.db": "the database {} is of a newer chatd (version 999, this one knows 16): update chatd",
            "foreign.db": "the database {} is not chatd's: name another file",
        }.items():
            before = Path(name).read_bytes()
            self.assertEqual(self.refuses("chatd", f"--database={name}"), sentence.format(self.folder / name))
            self.assertEqual(Path(name).read_bytes(), before)

    def test_a_database_where_nothing_can_be_written(self) -> None:
        locked = self.folder / "locked"
        locked.mkdir(mode=0o555)
        self.addCleanup(locked.chmod, 0o755)
        ended = twistd(self.folder, "-n", "chatd", "--database=locked/chat.db", preexec_fn=without_privileges)
        database, lock = locked / "chat.db", locked / "chat.db.lock"
        sentence = f"chatd: can't use the database {database}: Permission denied ({lock})\n"
        self.assertEqual((ended.returncode, ended.stdout, ended.stderr), (1, "", sentence))

    def test_a_database_that_another_chatd_has(self) -> None:
        with open("chat.db.lock", "wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            sentence = f"the database {self.folder / 'chat.db'} is in use by another chatd"
            self.assertEqual(self.refuses("chatd"), sentence)
        with Daemon(self.folder):
            self.assertEqual(self.refuses("-y", TAC), sentence)

    def test_a_port_in_use_names_its_listener_and_leaves_no_pid_file(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            listener = f"json=tcp:{taken.getsockname()[1]}"
            others = [f"--listen={name}=tcp:0" for name in ("auto", "text", "tp6")]
            ended = twistd(self.folder, "-n", "chatd", *others[:2], f"--listen={listener}", *others[2:])
        sentence = f"can't listen on {listener}: Address already in use"
        self.assertEqual((ended.returncode, ended.stderr), (1, f"chatd: {sentence}\n"))
        self.assertEqual(ended.stdout.count(sentence), 1)
        self.assertNotIn("Traceback", ended.stdout)
        self.assertNotIn("twistd.pid", os.listdir())

    def test_a_port_in_use_is_told_by_a_daemon_in_the_background_too(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            listener = f"text=tcp:{taken.getsockname()[1]}"
            Path("chatd.toml").write_text(f"listen = ['{listener}']")
            ended = twistd(self.folder, "-y", TAC)
        sentence = f"can't listen on {listener}: Address already in use"
        self.assertEqual((ended.returncode, ended.stdout), (1, ""))
        self.assertIn(sentence, ended.stderr)
        with open("chat.db.lock", "wb") as lock:  # which it has until it has ended
            fcntl.flock(lock, fcntl.LOCK_EX)
        log = Path("twistd.log").read_text()
        self.assertEqual(log.count(sentence), 1)
        self.assertNotIn("Traceback", log)
        self.assertNotIn("twistd.pid", os.listdir())

    def test_a_port_that_cannot_be_is_one_sentence_too(self) -> None:
        ended = twistd(self.folder, "-n", "chatd", "--listen=text=tcp:99999")
        self.assertEqual(
            (ended.returncode, ended.stderr),
            (1, "chatd: can't listen on text=tcp:99999: bind(): port must be 0-65535.\n"),
        )

    def test_serves_from_the_tac_file_wherever_the_working_folder_is(self) -> None:
        Path("chatd.toml").write_text("listen = ['text=tcp:0', 'json=tcp:0']")
        with Daemon(self.folder, tac=True) as daemon, daemon.connect("text") as alice:
            alice.says("IAM alice")
            self.assertEqual((alice.line(), alice.line()), ("WHO", "ARR alice"))
            with daemon.connect("json") as bob:
                bob.asks(action="client-hello", from_="bob")
                self.assertEqual(alice.line(), "ARR bob")
            self.assertEqual(daemon.terminate(), 0)
        self.assertEqual(sorted(os.listdir()), ["chat.db", "chat.db.lock", "chatd.toml"])

    def test_the_tac_file_needs_no_python_path(self) -> None:
        Path("chatd.toml").write_text("nonsense = 1")
        ended = twistd(self.folder, "-ny", TAC, path="")
        self.assertEqual(ended.stderr, "chatd: chatd.toml: there is no key `nonsense`\n")


class UserTests(FolderTestCase):
    """``twistd --uid``: files belong to the user that the daemon becomes, or the start is refused.

    Root becomes nobody. Whoever else runs the tests becomes who they are, and sees the same.
    """

    def setUp(self) -> None:
        super().setUp()
        self.uid, self.gid = (65534, 65534) if os.geteuid() == 0 else (os.geteuid(), os.getegid())
        self.user = ("--uid", str(self.uid), "--gid", str(self.gid))
        # Not in the working folder, which may be closed to others.
        self.folder = Path(tempfile.mkdtemp()).resolve()
        self.addCleanup(shutil.rmtree, self.folder)
        self.folder.chmod(0o755)
        (self.folder / "chatd.toml").write_text(
            "listen = ['text=tcp:0']\nlog = {conversation = 'logs/said.log', json = 'logs/all.json'}\n"
        )

    def assert_owned(self) -> None:
        """These files are that user's, and nobody else can read them."""
        for name in (
            "chat.db",
            "chat.db-wal",
            "chat.db-shm",
            "chat.db.lock",
            "logs/said.log",
            "logs/all.json",
        ):
            found = (self.folder / name).stat()
            self.assertEqual((found.st_uid, found.st_gid), (self.uid, self.gid), name)
            self.assertEqual(found.st_mode & 0o777, 0o600, name)

    def talks(self, alice: Client) -> None:
        """Say something that has to be stored."""
        with alice:
            alice.says("IAM alice").says("s;alice;a note")
            self.assertEqual([alice.line() for _ in range(2)], ["WHO", "ARR alice"])
            while (line := alice.line()).startswith(("BCK ", "INF ")):
                pass
            self.assertEqual(line[:12], "ACK s alice ")

    def test_in_the_foreground_files_are_that_users(self) -> None:
        os.chown(self.folder, self.uid, self.gid)
        for tac in (False, True):
            options = () if tac else ("--listen=text=tcp:0",)
            with (
                self.subTest(tac=tac),
                Daemon(self.folder, *options, tac=tac, twistd_options=self.user) as daemon,
            ):
                self.talks(daemon.connect("text"))
                self.assert_owned()
                self.assertEqual(daemon.terminate(), 0)
                self.assertNotIn("as root", daemon.log)

    def test_in_the_background_files_are_that_users(self) -> None:
        os.chown(self.folder, self.uid, self.gid)
        for way in (("chatd",), ("-y", TAC)):
            with self.subTest(way):
                started = twistd(self.folder, *self.user, *way)
                self.assertEqual((started.returncode, started.stdout), (0, ""))
                process = os.pidfd_open(int((self.folder / "twistd.pid").read_text()))
                self.addCleanup(os.close, process)
                try:
                    log = (self.folder / "twistd.log").read_text()
                    found = re.findall(r"listening on text=tcp:0 at 127\.0\.0\.1:(\d+)", log)
                    self.talks(Client(socket.create_connection(("127.0.0.1", int(found[-1])), PATIENCE)))
                    self.assert_owned()
                finally:
                    signal.pidfd_send_signal(process, signal.SIGTERM)
                self.assertTrue(select.select([process], [], [], PATIENCE)[0], "it is still there")
        self.assertNotRegex((self.folder / "twistd.log").read_text(), "as root|#error|#critical|Traceback")

    def test_where_that_user_can_not_write_the_start_is_refused_and_leaves_nothing(self) -> None:
        (self.folder / "chatd.toml").write_text("listen = ['text=tcp:0']\n")
        self.folder.chmod(0o555)
        self.addCleanup(self.folder.chmod, 0o755)
        database = self.folder / "chat.db"
        sentence = f"chatd: can't use the database {database}: Permission denied ({database}.lock)\n"
        for way in (("-n", "chatd"), ("chatd",), ("-ny", TAC), ("-y", TAC)):
            with self.subTest(way):
                ended = twistd(self.folder, *self.user, *way)
                self.assertEqual((ended.returncode, ended.stdout), (1, ""))
                # twistd itself warns of a --uid that is nothing new.
                self.assertEqual(ended.stderr.splitlines(keepends=True)[-1:], [sentence])
                self.assertEqual(os.listdir(self.folder), ["chatd.toml"])

    def test_a_user_of_the_applications_own_is_refused_where_it_can_not_write(self) -> None:
        """A .tac file can name one to twistd alone; here it takes the right to write itself."""
        (self.folder / "own.tac").write_text(
            "import os\n"
            "from twisted.application.service import Application\n"
            "from chatd.tap import makeService\n"
            "application = Application('chatd')\n"
            "makeService().setServiceParent(application)\n"
            "os.chmod('chat.db', 0o400)\n"
        )
        ended = twistd(self.folder, "--pidfile=", "-ny", "own.tac", preexec_fn=without_privileges)
        database = self.folder / "chat.db"
        sentence = f"can't use the database {database}: Permission denied ({database})"
        self.assertEqual((ended.returncode, ended.stderr), (1, f"chatd: {sentence}\n"))
        self.assertEqual(ended.stdout.count(sentence), 1)
        self.assertNotIn("is ready", ended.stdout)

    def test_a_user_that_is_none_is_one_sentence(self) -> None:
        for way in (("-n", "chatd"), ("-y", TAC)):
            ended = twistd(self.folder, "--pidfile=", "--uid=3999999999", *way)
            self.assertEqual(
                (ended.returncode, ended.stderr),
                (1, "chatd: --uid 3999999999: no such user on this machine\n"),
            )
            self.assertEqual(os.listdir(self.folder), ["chatd.toml"])

    def test_only_root_can_start_it_for_another_user(self) -> None:
        """Whoever runs the tests: this one is not root, or only appears to be somebody else."""
        (self.folder / "other.py").write_text(
            "import os, runpy, sys\n"
            "os.geteuid = lambda: 4000\n"
            "sys.argv = sys.argv[1:]\n"
            "runpy.run_path(sys.argv[0], run_name='__main__')\n"
        )
        ended = Forked(
            ["other.py", TWISTD, "--pidfile=", "--uid=0", "-n", "chatd"],
            self.folder,
            environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        output = ended.communicate(None, PATIENCE)
        self.assertEqual(
            (ended.wait(PATIENCE), *output),
            (1, "", "chatd: --uid 0: only root can start the daemon for another user\n"),
        )
        self.assertEqual(sorted(os.listdir(self.folder)), ["chatd.toml", "other.py"])

    def test_root_is_warned_once(self) -> None:
        with Daemon(self.folder) as daemon:
            self.assertEqual(daemon.terminate(), 0)
            self.assertEqual(daemon.log.count("chatd runs as root"), int(os.geteuid() == 0))
