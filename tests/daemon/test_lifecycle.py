"""The daemon's life, as its clients and its operator see it."""

import contextlib
import json
import os
import pty
import re
import resource
import select
import signal
import socket
import sqlite3
import ssl
import struct
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from cryptography import x509
from twisted.trial.unittest import SynchronousTestCase

from tests.support.certificates import self_signed
from tests.support.daemon_process import PATIENCE, TAC, Client, Daemon, twistd
from tests.support.in_memory_daemon import StageTestCase

SOON = 5.0
"""Seconds in which a daemon that is told to stop has ended."""


class DaemonTestCase(SynchronousTestCase):
    """A folder for a daemon of its own."""

    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()

    def starts(self, *options: str, **more: Any) -> Daemon:
        """A daemon, until the end of the test."""
        return self.enterContext(Daemon(self.folder, *options, **more))

    def text(self, daemon: Daemon, nick: str) -> Client:
        """Somebody on the text wire who has said who they are."""
        client = self.enterContext(daemon.connect("text"))
        client.says(f"IAM {nick}")
        self.assertEqual((client.line(), client.line()), ("WHO", f"ARR {nick}"))
        return client

    def json(self, daemon: Daemon, nick: str, **more: object) -> Client:
        """Somebody on newline-delimited JSON who has said who they are."""
        client = self.enterContext(daemon.connect("json"))
        client.asks(action="client-hello", from_=nick, **more).object(action="server-hello")
        return client

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What the database holds."""
        with contextlib.closing(sqlite3.connect(self.folder / "chat.db")) as database:
            return database.execute(query).fetchall()

    def says_files(self) -> list[str]:
        """The names of the files in the folder."""
        return sorted(os.listdir(self.folder))


class StopTests(DaemonTestCase):
    def test_everyone_is_told_and_the_end_is_orderly(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(number), Daemon(self.folder) as daemon:
                silent, alice, bob = (
                    daemon.connect("text"),
                    self.text(daemon, f"alice{number}"),
                    self.json(daemon, f"bob{number}"),
                )
                self.addCleanup(silent.close)
                daemon.signal(number)
                self.assertEqual(daemon.wait(), 0)
                told = b"ERR shutting_down the daemon is shutting down: connect again later\n"
                self.assertTrue(alice.hears_rest().endswith(b"\n" + told))
                self.assertEqual(silent.hears_rest(), b"WHO\n" + told)
                self.assertEqual(
                    json.loads(bob.hears_rest().splitlines()[-1]),
                    {
                        "action": "server-error",
                        "code": "shutting_down",
                        "msg": "the daemon is shutting down: connect again later",
                        "retry_after": 5.0,
                    },
                )
                self.assertIn("all that was accepted is on disk", daemon.log)

    def test_what_was_accepted_is_acked_and_on_disk_and_nothing_else_is(self) -> None:
        daemon = self.starts()
        alice = self.json(daemon, "alice")
        asked = (json.dumps({"action": "broadcast", "msg": f"m{ref}", "ref": ref}) for ref in range(1, 1501))
        alice.says("\n".join(asked))
        first = alice.object(action="server-ack")
        self.assertEqual(daemon.terminate(), 0)
        rest = [json.loads(line) for line in alice.hears_rest().splitlines()]
        acks = [first, *(said for said in rest if said["action"] == "server-ack")]
        self.assertEqual(
            [(ack["seq"], f"m{ack['ref']}") for ack in acks],
            self.rows("SELECT seq, body FROM log ORDER BY id"),
        )
        self.assertEqual([ack["seq"] for ack in acks], list(range(1, len(acks) + 1)))
        refused = [said["code"] for said in rest if said["action"] != "server-ack"]
        self.assertEqual(set(refused), {"shutting_down"})

    def test_the_database_alone_holds_everything_afterwards(self) -> None:
        daemon = self.starts()
        alice = self.json(daemon, "alice")
        alice.asks(action="broadcast", msg="kept").object(action="server-ack")
        alice.asks(action="history").object(action="server-history")
        self.assertEqual(daemon.terminate(), 0)
        self.assertEqual(self.says_files(), ["chat.db", "chat.db.lock"])
        self.assertEqual(self.rows("SELECT body FROM log"), [("kept",)])

    def test_clients_that_do_not_read_or_never_speak_do_not_keep_it(self) -> None:
        (self.folder / "chatd.toml").write_text(
            "[limits]\noutbox = 100_000_000\nrequests_per_second = 9_999\nbytes_per_second = 100_000_000\n"
        )
        daemon = self.starts("--durability=process")
        self.enterContext(daemon.connect("json"))
        deaf = self.json(daemon, "deaf")
        deaf.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        alice = self.json(daemon, "alice")
        for _ in range(30):
            alice.says("\n".join([json.dumps({"action": "broadcast", "msg": "x" * 8000})] * 50))
            for _ in range(50):
                alice.object(action="server-ack")
        started = time.monotonic()
        daemon.signal(signal.SIGTERM)
        self.assertIn(b"shutting_down", alice.hears_rest())
        with self.assertRaises(ConnectionRefusedError):
            daemon.connect("text")
        self.assertEqual(daemon.wait(), 0)
        self.assertLess(time.monotonic() - started, SOON)
        self.assertLess(len(deaf.hears_rest()), 1500 * 8000)

    def test_being_asked_more_than_once_changes_nothing(self) -> None:
        daemon = self.starts()
        alice = self.text(daemon, "alice")
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
            daemon.signal(number)
        self.assertEqual(daemon.wait(), 0)
        self.assertIn(b"shutting_down", alice.hears_rest())
        self.assertEqual(daemon.log.count("all that was accepted is on disk"), 1)
        self.assertNotRegex(daemon.log, "#error|#critical|Traceback")

    def test_a_disk_that_does_not_answer_does_not_keep_it(self) -> None:
        daemon = self.starts()
        alice = self.json(daemon, "alice")
        alice.asks(action="broadcast", msg="kept").object(action="server-ack")
        with contextlib.closing(sqlite3.connect(self.folder / "chat.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            alice.asks(action="broadcast", msg="lost")
            alice.asks(action="client-list-clients", ref="next")
            # Once somebody is greeted who came later, it has heard that.
            self.enterContext(daemon.connect("text")).line()
            started = time.monotonic()
            self.assertEqual(daemon.terminate(), 0)
            self.assertLess(time.monotonic() - started, SOON)
        heard = [json.loads(line) for line in alice.hears_rest().splitlines()]
        self.assertEqual(
            [said["code"] for said in heard], ["storage_failed", "storage_failed", "shutting_down"]
        )
        self.assertEqual(self.rows("SELECT body FROM log"), [("kept",)])

    def test_a_hang_up_ends_it_only_when_it_has_a_terminal(self) -> None:
        daemon = self.starts()
        alice = self.text(daemon, "alice")
        daemon.signal(signal.SIGHUP)
        alice.says("s;alice;still there?")
        self.assertEqual(alice.line(), "ACK s alice 1 1")
        daemon.kill()

        outside, inside = pty.openpty()
        self.addCleanup(os.close, outside)
        daemon = self.starts(stdin=inside)
        os.close(inside)
        daemon.signal(signal.SIGHUP)
        self.assertEqual(daemon.wait(), 0)
        self.assertIn("all that was accepted is on disk", daemon.log)


class CertificateTests(DaemonTestCase):
    """TLS on `auto` and on a port of its own: who may shake hands, and a certificate that is renewed."""

    def setUp(self) -> None:
        super().setUp()
        self.file = self.folder / "chat.pem"
        self.write("first.example")
        self.daemon = self.starts("--listen=auto=tcp:0", "--listen=text=ssl:0", f"--certificate={self.file}")

    def write(self, name: str) -> None:
        """Put a new certificate for that name into the file."""
        self.file.write_bytes(self_signed(name))
        self.file.chmod(0o600)

    def shake_hands(self, wire: str = "auto", **wanted: Any) -> ssl.SSLSocket:
        """A connection over TLS to this wire by a client with these properties."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_ciphers(wanted.pop("ciphers", "DEFAULT@SECLEVEL=0"))
        for name, value in wanted.items():
            setattr(context, name, value)
        host, _, port = self.daemon.address(wire).rpartition(":")
        connection = socket.create_connection((host, int(port)), PATIENCE)
        self.addCleanup(connection.close)
        return self.enterContext(context.wrap_socket(connection))

    def name(self, connection: ssl.SSLSocket) -> str:
        """Whose certificate the daemon has shown."""
        shown = connection.getpeercert(binary_form=True)
        assert shown is not None
        return x509.load_der_x509_certificate(shown).subject.rfc4514_string()

    def reload(self, word: str) -> None:
        """Send SIGHUP, and wait until the log says what came of it."""
        self.daemon.signal(signal.SIGHUP)
        self.daemon.wait_for(word)

    def test_a_renewed_certificate_is_shown_and_nobody_is_cut(self) -> None:
        """Handshakes under way meanwhile succeed, with the one or the other."""
        alice = self.enterContext(Client(self.shake_hands()))
        alice.says("IAM alice").hears_until(b"ARR alice\n")
        bob = self.enterContext(Client(self.shake_hands("text")))
        bob.says("IAM bob").hears_until(b"ARR bob\n")
        self.write("second.example")
        shown: list[str] = []

        def arrive(wire: str) -> None:
            while self.name(self.shake_hands(wire)) != "CN=second.example" and len(shown) < 1000:
                shown.append(wire)
                bob.says("MSG hello")

        with ThreadPoolExecutor(1) as threads:
            arriving = [threads.submit(arrive, wire) for wire in ("auto", "text")]
            self.reload("the certificate was read again")
            for arrival in arriving:
                arrival.result(PATIENCE)
        for wire in ("auto", "text"):
            self.assertEqual(self.name(self.shake_hands(wire)), "CN=second.example")
        bob.says("s;bob;still there?").hears_until(b"ACK s bob ")
        alice.says("s;alice;still there?")
        heard = alice.hears_until(b"ACK s alice ")
        self.assertEqual(heard.count(b"MSG bob hello\n"), len(shown))

    def test_a_file_that_can_not_be_used_is_not(self) -> None:
        """A renewal that went wrong takes nobody's encryption away."""
        self.file.write_bytes(b"half a certif")
        self.reload("the present configuration stays")
        self.assertEqual(self.name(self.shake_hands()), "CN=first.example")
        self.assertNotIn("#error]", self.daemon.log)

    def test_only_what_is_forward_secret_and_authenticated(self) -> None:
        """TLS 1.2 and 1.3; older versions and other ciphers are refused by the daemon."""
        new, old = ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2
        self.assertEqual(self.shake_hands(minimum_version=new).version(), "TLSv1.3")
        self.assertEqual(self.shake_hands(maximum_version=old).version(), "TLSv1.2")
        for wanted in (
            {"ciphers": "ECDHE-ECDSA-AES128-SHA@SECLEVEL=0", "maximum_version": old},
            {"ciphers": "AES128-SHA@SECLEVEL=0", "maximum_version": old},
            {"maximum_version": ssl.TLSVersion.TLSv1_1, "minimum_version": ssl.TLSVersion.TLSv1_1},
        ):
            with warnings.catch_warnings(), self.assertRaises((ssl.SSLError, ConnectionError)):
                warnings.simplefilter("ignore", DeprecationWarning)
                self.shake_hands(**wanted)


class SignalTests(DaemonTestCase):
    def test_user_signals_do_not_end_it(self) -> None:
        for options in ((), ("--logfile=-",)):
            daemon = self.starts(f"--database={len(options)}.db", twistd_options=options)
            alice = self.text(daemon, "alice")
            for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGUSR1):
                daemon.signal(number)
                alice.says("groups")
                alice.hears_until(b"END groups ")
            self.assertEqual(daemon.terminate(), 0)
            self.assertNotRegex(daemon.log, "#error|#critical|Traceback")


class BackgroundTests(DaemonTestCase):
    def setUp(self) -> None:
        super().setUp()
        (self.folder / "chatd.toml").write_text("listen = ['text=tcp:0', 'json=tcp:0']\n")

    def test_a_log_file_of_twistds_is_still_rotated(self) -> None:
        started = twistd(self.folder, "-y", TAC)
        self.assertEqual(started.returncode, 0)
        process = os.pidfd_open(int((self.folder / "twistd.pid").read_text()))
        self.addCleanup(os.close, process)
        before = (self.folder / "twistd.log").read_text()
        found = re.search(r"listening on text=tcp:0 at 127\.0\.0\.1:(\d+)", before)
        assert found is not None, before
        try:
            with Client(socket.create_connection(("127.0.0.1", int(found[1])), PATIENCE)) as silent:
                self.assertEqual(silent.line(), "WHO")
                for number in (signal.SIGUSR2, signal.SIGUSR1, signal.SIGTERM):
                    signal.pidfd_send_signal(process, number)
                self.assertIn(b"shutting_down", silent.hears_rest())
            self.assertTrue(select.select([process], [], [], SOON)[0], "it is still there")
        finally:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(process, signal.SIGKILL)
        self.assertIn("is ready", (self.folder / "twistd.log.1").read_text())
        log = (self.folder / "twistd.log").read_text()
        self.assertIn("all that was accepted is on disk", log)
        self.assertNotIn("is ready", log)

    def test_starts_serves_and_is_stopped_by_its_pid_file(self) -> None:
        started = twistd(self.folder, "-y", TAC)
        self.assertEqual((started.returncode, started.stdout, started.stderr), (0, "", ""))
        pid = int((self.folder / "twistd.pid").read_text())
        process = os.pidfd_open(pid)
        self.addCleanup(os.close, process)
        try:
            log = (self.folder / "twistd.log").read_text()
            found = re.search(r"listening on text=tcp:0 at 127\.0\.0\.1:(\d+)", log)
            assert found is not None, log
            address = ("127.0.0.1", int(found[1]))
            alice = self.enterContext(Client(socket.create_connection(address, PATIENCE)))
            alice.says("IAM alice").says("s;alice;a note")
            self.assertEqual([alice.line() for _ in range(3)], ["WHO", "ARR alice", "ACK s alice 1 1"])

            # The lock has come along into the background.
            second = twistd(self.folder, "--pidfile=other.pid", "-y", TAC)
            self.assertEqual(second.returncode, 1)
            self.assertIn("is in use by another chatd", second.stderr)

            signal.pidfd_send_signal(process, signal.SIGTERM)
            self.assertIn(b"shutting_down", alice.hears_rest())
            self.assertTrue(select.select([process], [], [], SOON)[0], "it is still there")
        finally:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(process, signal.SIGKILL)
        self.assertEqual(self.rows("SELECT body FROM log"), [("a note",)])
        self.assertEqual(self.says_files(), ["chat.db", "chat.db.lock", "chatd.toml", "twistd.log"])
        log = (self.folder / "twistd.log").read_text()
        self.assertIn("all that was accepted is on disk", log)
        self.assertNotRegex(log, "#error|#critical|Traceback")


class LogTests(DaemonTestCase):
    def happened(self, log: str) -> list[str]:
        """The lines of the log about clients, without time and place; their addresses by letter."""
        lines = re.findall(r"\[chatd\.(?:connections|chat)\.\S*#(\w+)\] (.*)", log)
        happened = "\n".join(f"{level}: {line}" for level, line in lines)
        for letter, address in zip("ABC", re.findall(r"(\S+) connected", happened), strict=True):
            happened = happened.replace(address, letter)
        return happened.splitlines()

    def converse(self, daemon: Daemon) -> None:
        """Two meet, talk, err and part."""
        with self.text(daemon, "alice") as alice, self.json(daemon, "bob") as bob:
            self.assertEqual(alice.line(), "ARR bob")
            alice.says("cg;wob;private")
            alice.line()
            alice.says("bg;wob;among us")
            alice.line()
            bob.asks(action="join", group="nowhere")
            bob.object(code="no_such_group")
            bob.asks(action="send", dest="alice", msg="the secret")
            bob.object(action="server-ack")
            bob.asks(action="broadcast", msg="hello\nall")
            bob.object(action="server-ack")
            self.assertEqual(
                [alice.line() for _ in range(3)], ["PRV bob the secret", "MSG bob hello", "MSG bob all"]
            )
            bob.asks(action="client-quit")
            bob.hears_rest()
            self.assertEqual(alice.line(), "LFT bob")
            name, port = alice.socket.getsockname()
        daemon.wait_for(f"{name}:{port} disconnected")
        with daemon.connect("text") as carol:
            carol.says("MSG who, me?")
            self.assertEqual((carol.line(), carol.line()), ("WHO", "WHO"))
            name, port = carol.socket.getsockname()
        daemon.wait_for(f"{name}:{port} disconnected")

    def test_has_a_line_for_each_connection_arrival_departure_and_refusal(self) -> None:
        daemon = self.starts()
        self.converse(daemon)
        self.assertEqual(
            self.happened(daemon.log),
            [
                "info: A connected",
                "info: alice arrived from A",
                "info: B connected",
                "info: bob arrived from B",
                "info: B bob: no_such_group",
                "info: bob left",
                "info: B disconnected",
                "info: alice left",
                "info: A disconnected",
                "info: C connected",
                "info: C -: not_identified",
                "info: C disconnected",
            ],
        )

    def test_at_debug_it_has_a_line_for_each_message_and_no_secret(self) -> None:
        daemon = self.starts("--log-level=debug")
        self.converse(daemon)
        self.assertEqual(
            [line for line in self.happened(daemon.log) if line.startswith("debug: ")],
            [
                "debug: bob arrived: sent to A alice",
                "debug: 1 received from A alice: [private] alice created",
                "debug: 2 received from A alice: [private] alice to a group",
                "debug: 3 received from B bob: [private] bob to alice",
                "debug: 3 sent to A alice",
                r"debug: 4 received from B bob: [lobby] bob: hello\nall",
                "debug: 4 sent to A alice",
                "debug: bob left: sent to A alice",
            ],
        )
        self.assertNotRegex(daemon.log, "the secret|among us|wob")

    def test_at_debug_no_private_group_is_in_any_log(self) -> None:
        daemon = self.starts("--log-level=debug", "--log-json=all.json", "--conversation-log=said.log")
        with self.text(daemon, "alice") as alice, self.text(daemon, "bob") as bob:
            for client, line in (
                (alice, "cg;hush1;private"),
                (alice, "topic;hush1;hush2"),
                (alice, "invite;hush1;bob"),
                (bob, "j;hush1"),
                (bob, "bg;hush1;hush3"),
                (bob, "messages;hush1"),
                (alice, "s;bob;hush4"),
                (alice, "kick;hush1;bob;hush5"),
                (bob, "j;hush1"),
                (alice, "ban;hush1;bob;hush6"),
                (bob, "bg;hush1;hush7"),
                (alice, "cg;open"),
                (alice, "bg;open;loud"),
                # In one segment, and so in one commit: the message was private when it was decided.
                (alice, "bg;hush1;hush8\nvisibility;open;private\nbg;open;hush9\nvisibility;open;public"),
            ):
                client.says(line)
                client.says("groups")
                client.hears_until(b"END groups ")
        self.assertEqual(daemon.terminate(), 0)
        logs = [daemon.log, *((self.folder / name).read_text() for name in ("all.json", "said.log"))]
        for log in logs:
            self.assertIn("[group open] alice: loud", log)
            self.assertNotIn("hush", log)
            self.assertIn("[group open] alice visibility public", log)
        self.assertEqual(logs[0].count("[private] alice visibility"), 1)

    def test_at_debug_what_is_sent_to_one_who_comes_back_has_its_lines(self) -> None:
        daemon = self.starts("--log-level=debug")
        alice = self.text(daemon, "alice")
        self.json(daemon, "bob").close()
        self.assertEqual([alice.line(), alice.line()], ["ARR bob", "LFT bob"])
        alice.says("s;bob;one").says("MSG two").says("s;bob;three")
        alice.hears_until(b"ACK s bob 3 2\n")
        bob = self.json(daemon, "bob", since=1)
        bob.object(id=3)
        bob.asks(action="history", dest="alice").object(action="server-history")
        # Another with pages of what was missed.
        bob.close()
        alice.hears_until(b"LFT bob\n")
        alice.says("s;bob;four")
        alice.hears_until(b"ACK s bob 4 3\n")
        bob = self.json(daemon, "bob")
        bob.object(action="server-history", **{"with": "alice"})
        bob.object(action="server-history")
        self.assertEqual(daemon.terminate(), 0)
        sent = re.findall(r"#debug\] (.*) sent to \S+ bob$", daemon.log, re.MULTILINE)
        self.assertEqual(sent, ["2", "3", "page up to 3", "page up to 4", "page up to 2"])

    def test_the_conversation_log_holds_what_is_private_only_if_asked_to(self) -> None:
        for options, private in (
            ((), []),
            (
                ("--conversation-log-private",),
                [
                    "[private group wob] alice created private",
                    "[private group wob] alice: among us",
                    "[private] bob to alice: the secret",
                ],
            ),
        ):
            name = f"{len(options)}.log"
            with Daemon(
                self.folder, f"--conversation-log=logs/{name}", f"--database={name}.db", *options
            ) as daemon:
                self.converse(daemon)
                self.assertEqual(daemon.terminate(), 0)
            said = (self.folder / "logs" / name).read_text("utf-8")
            self.assertEqual(re.findall(r"\[private.*", said), private)
            self.assertEqual("the secret" in said, bool(options))
            self.assertEqual("wob" in said, bool(options))

    def test_the_conversation_log_holds_lobby_and_presence_and_is_appended_to(self) -> None:
        log = self.folder / "said.log"
        for times in (1, 2):
            daemon = self.starts("--conversation-log=said.log")
            if times == 1:
                self.converse(daemon)
            self.assertEqual(daemon.terminate(), 0)
        lines = log.read_text("utf-8").splitlines()
        stamped = [re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (.*)", line) for line in lines]
        self.assertEqual(
            [found and found[1] for found in stamped],
            [
                "alice arrived",
                "bob arrived",
                r"[lobby] bob: hello\nall",
                "bob left",
                "alice left",
            ],
        )

    def test_the_json_log_has_an_object_a_line_at_the_level_asked_for(self) -> None:
        for level in ("info", "debug"):
            path = self.folder / f"{level}.json"
            with Daemon(
                self.folder, f"--log-json={path.name}", f"--log-level={level}", f"--database={level}.db"
            ) as daemon:
                self.converse(daemon)
                self.assertEqual(daemon.terminate(), 0)
            events = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
            arrivals = [
                event["nick"] for event in events if "arrived from" in (event.get("log_format") or "")
            ]
            self.assertEqual(arrivals, ["alice", "bob"])
            said = [
                event.get("line")
                for event in events
                if event["log_namespace"] == "chatd.chat.delivery_log.DeliveryLog"
            ]
            self.assertEqual(said.count(r"[lobby] bob: hello\nall"), int(level == "debug"))
            self.assertNotRegex(path.read_text("utf-8"), "the secret|among us|wob")

    def test_nothing_that_a_client_sends_is_an_error_of_ours(self) -> None:
        daemon = self.starts("--log-level=debug")
        bob = self.json(daemon, "bob")
        hostile = {
            "text": (
                b"\xff\xfe\n",
                b"IAM \x00\n",
                b"IAM\n",
                b"IAM " + b"a" * 40 + b"\n",
                b"MSG\nPRV\n;;;\n\x1b[2J\n",
                b"{}{format} %s %(x)d\n",
                b"x" * 20_000,
            ),
            "json": (
                b'[1,2,3]\nnull\n1e999\nNaN\n"a"\n{}\n',
                b'{"action":1}\n{"action":"nope{}"}\n{"action":"client-hello","from":{}}\n',
                b'{"action":"client-hello","from":"\\ud800"}\n',
                b'{"action":"client-hello","from":"a","from":"b"}\n',
                b'{"action":"client-hello","from":"eve","since":' + b"9" * 400 + b"}\n",
                b'{"action":"broadcast","from":"eve","msg":"\xff"}\n',
                b"[" * 100_000,
                b'{"a":"' + b"x" * 100_000,
            ),
        }
        for wire, frames in hostile.items():
            for frame in frames:
                with self.subTest(frame[:40]), daemon.connect(wire) as eve:
                    with contextlib.suppress(OSError):  # it may have been shown the door already
                        eve.says(frame)
                        eve.socket.shutdown(socket.SHUT_WR)
                    self.assertNotIn(b"internal_error", eve.hears_rest())
        bob.asks(action="client-list-clients", ref="done")
        self.assertEqual(bob.object(ref="done")["clients"], ["bob"])
        self.assertEqual(daemon.terminate(), 0)
        self.assertNotRegex(daemon.log, "#error|#critical|Traceback")


class FullDiskTests(DaemonTestCase):
    def test_senders_are_refused_nobody_hears_of_it_and_it_goes_on_when_there_is_room(self) -> None:
        daemon = self.starts()
        alice, bob = self.json(daemon, "alice"), self.json(daemon, "bob")
        alice.object(event="arrived", actor="bob")
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        limit = (self.folder / "chat.db-wal").stat().st_size + 64 * 1024
        resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, (limit, hard))

        acked: list[str] = []
        refused: list[str] = []
        number = 0
        while len(refused) < 10:
            # Two at a time: both of a failed commit are refused.
            batch = [f"m{number}", f"m{number + 1}"]
            number += 2
            alice.says(
                "\n".join(json.dumps({"action": "broadcast", "msg": ref * 800, "ref": ref}) for ref in batch)
            )
            for ref in batch:
                said = alice.object(ref=ref)
                if said["action"] == "server-ack":
                    acked.append(ref)
                    self.assertEqual(said["seq"], len(acked))
                else:
                    self.assertEqual((said["action"], said["code"]), ("server-error", "storage_failed"))
                    refused.append(ref)
        self.assertGreater(len(acked), 2)
        # A name is a write too.
        resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, (1, hard))
        with daemon.connect("text") as carol:
            carol.says("IAM carol")
            self.assertEqual(carol.line(), "WHO")
            self.assertTrue(carol.line().startswith("ERR storage_failed "))

        resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, (hard, hard))
        for ref in refused:
            alice.asks(action="broadcast", msg=ref * 800, ref=ref)
            while (said := alice.object(ref=ref)).get("code") == "storage_failed":
                # It may still be reading what is on the disk.
                alice.asks(action="broadcast", msg=ref * 800, ref=ref)
            self.assertEqual(said["action"], "server-ack")
            acked.append(ref)
            self.assertEqual(said["seq"], len(acked))

        heard = [bob.object(action="server-broadcast") for _ in acked]
        self.assertEqual([said["msg"] for said in heard], [ref * 800 for ref in acked])
        self.assertEqual([said["seq"] for said in heard], list(range(1, len(acked) + 1)))
        self.text(daemon, "carol")
        self.assertEqual(bob.object()["actor"], "carol")
        self.assertEqual(daemon.terminate(), 0)
        self.assertEqual(self.rows("SELECT seq, ref FROM log ORDER BY id"), list(enumerate(acked, 1)))
        self.assertNotIn("Traceback", daemon.log)


class GroupCommitTests(DaemonTestCase):
    def commits(self) -> int:
        """How many transactions are in the write-ahead log: each ends with a page that says so."""
        wal = (self.folder / "chat.db-wal").read_bytes()
        (size,) = struct.unpack_from(">I", wal, 8)
        ends = (struct.unpack_from(">I", wal, at + 4)[0] for at in range(32, len(wal), 24 + size))
        return sum(end != 0 for end in ends)

    def test_64_messages_in_one_segment_are_64_acks_in_order_in_far_fewer_transactions(self) -> None:
        daemon = self.starts()
        alice = self.json(daemon, "alice")
        before = self.commits()
        lines = (json.dumps({"action": "broadcast", "msg": f"m{ref}", "ref": ref}) for ref in range(1, 65))
        alice.says("\n".join(lines))
        acks = [alice.object() for _ in range(64)]
        self.assertEqual(
            [(ack["action"], ack["ref"]) for ack in acks], [("server-ack", ref) for ref in range(1, 65)]
        )
        self.assertEqual([ack["seq"] for ack in acks], list(range(1, 65)))
        self.assertLessEqual(self.commits() - before, 4)
        self.assertGreaterEqual(self.commits() - before, 1)


class OneTurnTests(StageTestCase):
    def test_what_arrives_in_one_turn_is_one_transaction_on_either_wire(self) -> None:
        alice, bob = self.stage.text("alice"), self.stage.json("bob")
        alice.hears()
        before = self.stage.journal.commits
        alice.says("".join(f"s;bob;m{number}\n" for number in range(64)).encode())
        self.assertEqual(alice.lines(), [f"ACK s bob {number} {number}" for number in range(1, 65)])
        self.assertEqual(self.stage.journal.commits - before, 1)
        bob.hears()
        bob.says("".join(f'{{"action":"broadcast","msg":"m{number}"}}\n' for number in range(64)).encode())
        self.assertEqual([ack["seq"] for ack in bob.objects()], list(range(1, 65)))
        self.assertEqual(self.stage.journal.commits - before, 2)
