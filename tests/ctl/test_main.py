"""chatctl as its user runs it: beside a daemon, and without one."""

from __future__ import annotations

import json
import os
import pty
import signal
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from chatd.store.check import find_file_problems
from tests.support.daemon_process import PATIENCE, UNTHROTTLED, Client, Daemon, environment
from tests.support.fork_server import Forked
from tests.support.postgresql_server import new_chat_database


class ChatctlTests(SynchronousTestCase):
    def setUp(self) -> None:
        """A folder with a chatd.toml."""
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir(parents=True)
        self.config = self.folder / "chatd.toml"
        self.config.write_text(Path(UNTHROTTLED).read_text())

    def chatctl(self, *arguments: str, said: str = "", code: int = 0) -> str:
        """What chatctl prints, to either output; it exits with ``code``."""
        program = Forked(
            ["-m", "chatd.ctl", *arguments],
            self.folder,
            environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        output, _ = program.communicate(said, PATIENCE)
        self.assertEqual(program.wait(PATIENCE), code, output)
        return str(output)

    def test_a_daemon_from_its_start_to_its_restored_database(self) -> None:
        self.assertIn("no daemon listens", self.chatctl("status", code=3))
        with Daemon(self.folder, "--durability=process") as daemon:
            with daemon.connect("json") as bob, daemon.connect("json") as alice:
                self.arrive(alice, "alice")
                self.arrive(bob, "bob")
                bob.asks(action="register", password="correct horse battery").object(action="server-account")
                self.assertIn("connections: 2 (json 2)", self.chatctl("status"))
                who = json.loads(self.chatctl("--json", "who"))["sessions"]
                self.assertEqual(
                    sorted((one["nick"], one["account"]) for one in who), [("alice", False), ("bob", True)]
                )
                self.assertIn("@console mute bob", self.chatctl("mute", "bob", "--reason", "loud"))
                refused = bob.asks(action="client-broadcast", msg="hi").object(action="server-error")
                self.assertEqual(refused["code"], "muted")
                self.assertIn("no_such_user", self.chatctl("mute", "nobody", code=1))
                self.chatctl("resetpassword", "bob", said="staple of nine\n")
                self.assertNotIn("staple", daemon.log)
                self.back_up_under_load(alice)
                self.export()
                self.reload(daemon, alice)
                self.flood_the_socket()
                self.assertIn("in use by another chatd", self.chatctl("restore", "copy.db", code=1))
            self.assertEqual(self.chatctl("check"), "the database is sound\n")
            self.assertEqual(self.chatctl("shutdown"), "the daemon stops\n")
            self.assertEqual(daemon.wait(), 0)
            self.assertNotIn("Traceback", daemon.log)
        self.assertEqual(self.chatctl("check"), "the database is sound\n")
        said = self.chatctl("restore", "copy.db")
        self.assertIn("the former database is kept at", said)
        with Daemon(self.folder, "--durability=process") as daemon:
            self.assertIn("@console mute bob", self.chatctl("modlog"))
            with daemon.connect("json") as alice:
                self.arrive(alice, "alice")
                page = alice.asks(action="history").object(action="server-history")
                self.assertNotIn("after the backup", [message["msg"] for message in page["messages"]])

    def arrive(self, client: Client, nick: str) -> None:
        """Log in."""
        client.says(json.dumps({"action": "client-hello", "from": nick}) + "\n").object(action="server-hello")

    def test_a_database_that_moves_to_postgresql_and_back(self) -> None:
        """The password of the URL is nowhere but there."""
        with Daemon(self.folder, "--durability=process") as daemon, daemon.connect("json") as alice:
            self.arrive(alice, "alice")
            alice.asks(action="client-broadcast", msg="hello", ref="1").object(action="server-ack")
            daemon.terminate()
        url = new_chat_database().replace("chatd@", "chatd:hush-hush@")
        self.assertIn("log: 1 rows, SHA-256 ", self.chatctl("migrate", "chat.db", url))
        self.assertIn("name a database that is empty", self.chatctl("migrate", "chat.db", url, code=1))
        options = (f"--database={url}", "--log-json=log.json", "--durability=process")
        with Daemon(self.folder, *options) as daemon, daemon.connect("json") as alice:
            alice.asks(action="client-hello", from_="alice", since=0)
            self.assertEqual(alice.object(action="server-broadcast")["msg"], "hello")
            again = alice.asks(action="client-broadcast", msg="hello", ref="1").object(action="server-ack")
            self.assertEqual(again["id"], 1)
            said = [
                self.chatctl("--database", url, *command) for command in (("--json", "status"), ("check",))
            ]
            self.assertIn("the database is sound", said[-1])
            refused = (("backup", "copy"), ("restore", "chat.db"), ("migrate", url, "new.db"))
            said += [self.chatctl("--database", url, *command, code=1) for command in refused]
            reasons = ("pg_dump", "pg_restore", "in use by another chatd")
            for reason, text in zip(reasons, said[2:], strict=True):
                self.assertIn(reason, text)
            erased = self.chatctl("--database", url, "erase", "alice", "--yes")
            self.assertIn("erased~1", erased)
            self.assertEqual(daemon.terminate(), 0)
            self.assertNotIn("#error", daemon.log)
        copied = json.loads(self.chatctl("--json", "migrate", url, "back.db"))
        self.assertEqual(copied["log"]["rows"], 1)
        self.assertEqual(self.chatctl("check", "back.db"), "the database is sound\n")
        self.assertEqual(self.chatctl("--database", url, "check"), "the database is sound\n")
        written = [daemon.log, (self.folder / "log.json").read_text(), *said]
        self.assertFalse([text for text in written if "hush" in text])

    def back_up_under_load(self, alice: Client) -> None:
        """A copy has every message that was acked before it began, while others are sent."""
        acked = 0
        for number in range(200):
            alice.asks(action="client-broadcast", msg=f"{number} {'x' * 4000}", ref=number)
        while acked < 199:
            acked = int(alice.object(action="server-ack")["ref"])
        for number in range(200, 400):
            alice.asks(action="client-broadcast", msg=str(number), ref=number)
        self.assertIn("checked", self.chatctl("backup", "copy.db"))
        self.assertIn("File exists", self.chatctl("backup", "copy.db", code=1))
        copy = self.folder / "copy.db"
        self.assertEqual((find_file_problems(copy), copy.stat().st_mode & 0o777), ([], 0o600))
        self.assertEqual(self.chatctl("check", "copy.db"), "the database is sound\n")
        with closing(sqlite3.connect(f"{copy.as_uri()}?immutable=1", uri=True)) as database:
            refs = {ref for (ref,) in database.execute("SELECT ref FROM log WHERE ref IS NOT NULL")}
        self.assertEqual({str(number) for number in range(acked + 1)} - refs, set())
        while acked < 399:
            acked = int(alice.object(action="server-ack")["ref"])
        alice.asks(action="client-broadcast", msg="after the backup").object(action="server-ack")

    def export(self) -> None:
        """To the output and to a file; a file is not replaced, nor left behind without its end."""
        lines = [json.loads(line) for line in self.chatctl("export", "user", "alice").splitlines()]
        self.assertEqual((lines[0]["user"], lines[-1]["complete"]), ("alice", True))
        messages = [line["msg"] for line in lines if "msg" in line]
        self.assertEqual(messages[-1], "after the backup")
        self.assertEqual((len(messages), lines[-1]["entries"]), (401, 401))
        self.assertEqual(self.chatctl("export", "user", "alice", "--output", "alice.jsonl"), "")
        file = self.folder / "alice.jsonl"
        self.assertEqual(file.stat().st_mode & 0o777, 0o600)
        self.assertEqual(len(file.read_text().splitlines()), len(lines))
        again = self.chatctl("export", "user", "alice", "--output", "alice.jsonl", code=1)
        self.assertIn("can't write alice.jsonl: File exists", again)
        self.assertIn("no_such_group", self.chatctl("export", "group", "x", "--output", "x.jsonl", code=1))
        self.assertFalse((self.folder / "x.jsonl").exists())
        self.assertIn("invalid choice: 'room'", self.chatctl("export", "room", "x", code=2))

    def test_an_erasure_outlives_a_kill(self) -> None:
        """It goes on at the next start; nothing is left in the files of the database then."""
        with Daemon(self.folder, "--durability=process") as daemon:
            self.talk(daemon)
            self.assertIn("give --yes", self.chatctl("erase", "zyxwvonne", code=2))
            with socket.socket(socket.AF_UNIX) as control:
                control.connect(os.path.relpath(self.folder / "chat.db.control"))
                control.sendall(b'{"action":"erase","nick":"zyxwvonne"}\n')
                while not self.rows("SELECT user FROM erasures WHERE last > 0"):
                    pass
                daemon.kill()
            self.assertEqual(len(self.rows("SELECT user FROM erasures")), 1)
        with Daemon(self.folder, "--durability=process") as daemon:
            daemon.wait_for("the erasure of erased~1 is complete")
            for text in (b"zyxwvonne", b"xylophonic"):
                for file in self.folder.glob("chat.db*"):
                    if file.is_file():
                        self.assertNotIn(text, file.read_bytes(), file.name)
            self.assertIn("no_such_user", self.chatctl("erase", "zyxwvonne", "--yes", code=1))
            said = self.chatctl("erase", "bob", "--yes")
            self.assertIn("erased: 1 entries", said)
            self.assertIn("not erased: bans", said)
        self.assertEqual(self.chatctl("check"), "the database is sound\n")

    def talk(self, daemon: Daemon) -> None:
        """A user writes much, bob once."""
        with daemon.connect("json") as victim, daemon.connect("json") as bob:
            self.arrive(victim, "zyxwvonne")
            self.arrive(bob, "bob")
            for number in range(4000):
                victim.asks(action="client-broadcast", msg=f"xylophonic {number}", ref=number)
                if number % 200 == 199:
                    victim.object(action="server-ack", ref=number)
            bob.asks(action="client-broadcast", msg="from bob").object(action="server-ack")

    def rows(self, query: str) -> list[tuple[object, ...]]:
        """What the database holds."""
        with closing(sqlite3.connect(f"{(self.folder / 'chat.db').as_uri()}?mode=ro", uri=True)) as database:
            return database.execute(query).fetchall()

    def test_a_terminal_is_asked_for_the_nick_again(self) -> None:
        for typed, code, said in (("alic", 1, "nothing was erased"), ("alice", 3, "no daemon listens")):
            master, slave = pty.openpty()
            program = Forked(
                ["-m", "chatd.ctl", "erase", "alice"],
                self.folder,
                environment(),
                stdin=slave,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
            os.write(master, f"{typed}\n".encode())
            output, _ = program.communicate(None, PATIENCE)
            self.assertEqual(program.wait(PATIENCE), code, output)
            self.assertIn("Type the nick again", output)
            self.assertIn(said, output)
            os.close(slave)
            os.close(master)

    def test_an_export_that_breaks_off(self) -> None:
        """The daemon dies in the middle of it: the file is removed, and the exit code is 1."""
        with socket.socket(socket.AF_UNIX) as daemon:
            daemon.bind(os.path.relpath(self.folder / "chat.db.control"))
            daemon.listen()
            program = Forked(
                ["-m", "chatd.ctl", "export", "user", "alice", "--output", "x.jsonl"],
                self.folder,
                environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
            connection, _ = daemon.accept()
            connection.recv(4096)
            connection.sendall(b'{"action":"control-export","user":"alice"}\n{"id":1,"msg":"hi"}\n')
            connection.close()
            output, _ = program.communicate("", PATIENCE)
        self.assertEqual(program.wait(PATIENCE), 1)
        self.assertIn("the export is not complete", output)
        self.assertFalse((self.folder / "x.jsonl").exists())

    def reload(self, daemon: Daemon, alice: Client) -> None:
        """By command and by signal; options win over the file."""
        before = self.config.read_text()
        self.config.write_text(f'durability = "full"\ndatabase = "other.db"\n{before}message = 4\n')
        self.assertEqual(
            self.chatctl("--database", "chat.db", "reload"),
            "changed: limits.message\nneeds a restart: database\n",
        )
        said = alice.asks(action="client-broadcast", msg="12345").object(action="server-error")
        self.assertEqual(said["code"], "too_long")
        self.config.write_text("nonsense")
        answer = self.chatctl("--socket", "chat.db.control", "reload", code=1)
        self.assertIn("bad_config: ", answer)
        self.config.write_text(before)
        daemon.signal(signal.SIGHUP)
        daemon.wait_for("the configuration was read again: limits.message changed\n")

    def flood_the_socket(self) -> None:
        """Two hundred connections are not in the way of the daemon, and go by themselves."""
        address = os.path.relpath(self.folder / "chat.db.control")
        flood = []
        for _ in range(200):
            flood.append(socket.socket(socket.AF_UNIX))
            flood[-1].connect(address)
        for one in flood[16:]:
            self.assertIn(b"too_many_connections", one.recv(4096))
        for one in flood:
            one.close()
        self.chatctl("status")

    def test_the_module_runs_as_a_program(self) -> None:
        ended = subprocess.run(
            [sys.executable, "-m", "chatd.ctl", "--version"],
            env=environment(),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        self.assertEqual((ended.returncode, ended.stderr), (0, ""))
        self.assertTrue(ended.stdout.startswith("chatd "))

    def test_without_a_daemon(self) -> None:
        self.assertIn("there is no such file", self.chatctl("check", code=1))
        self.assertIn("there is no such file", self.chatctl("restore", "missing.db", code=1))
        self.config.write_text("nonsense")
        self.assertIn("name its --socket", self.chatctl("status", code=2))
        self.assertIn("no daemon listens", self.chatctl("--socket=x", "status", code=3))
        self.config.write_text('[control]\nsocket = ""\n')
        self.assertIn("switched", self.chatctl("status", code=2))
        self.assertEqual(sorted(path.name for path in self.folder.iterdir()), ["chat.db.lock", "chatd.toml"])
