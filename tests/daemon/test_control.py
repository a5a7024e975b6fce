"""The control socket: what it answers, and how it bears hostile or broken input."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase, TestCase

from chatd.core.accounts import AccountPolicy
from chatd.core.commands import COMMANDS
from chatd.core.control_commands import CONTROL_COMMANDS, CONTROL_ERROR_SENTENCES
from chatd.core.limits import Limits
from chatd.core.names import BadName, parse_nick
from chatd.daemon import control
from chatd.daemon.config import Config, ConfigError
from chatd.daemon.control import (
    CONTROL_CLIENT_TIMEOUT_SECONDS,
    CONTROL_HANDLERS,
    MAX_CONTROL_CONNECTIONS,
    MAX_CONTROL_REQUEST_BYTES,
    ControlSocket,
    shorter_socket_path,
)
from tests.support.control_client import ControlDesk, heard
from tests.support.in_memory_daemon import UNTHROTTLED, Stage, StageTestCase

SECRET = "correct horse battery"


class ControlCase(StageTestCase):
    """A stage with a control socket, and bob on text."""

    def setUp(self) -> None:
        """Set it up; the teacher may become an operator."""
        super().setUp()
        self.stage.close()
        self.folder = self.stage.database.parent
        limits = Limits(**{name: getattr(UNTHROTTLED, name) for name in UNTHROTTLED.__struct_fields__})
        self.stage = Stage(self.stage.database, limits, policy=AccountPolicy(operators=("teacher",)))
        self.desk = ControlDesk(self.stage, self.folder)
        self.bob = self.stage.text("bob")

    def code(self, answer: dict[str, Any]) -> str:
        """The code of an error."""
        self.assertEqual(answer["action"], "server-error", answer)
        return str(answer["code"])


class Answers(ControlCase):
    def test_each_command_of_the_table_is_carried_out(self) -> None:
        self.assertEqual(set(CONTROL_HANDLERS), set(CONTROL_COMMANDS))

    def test_status(self) -> None:
        self.stage.connect("json")
        self.stage.connect("auto")
        self.bob.says("cg;wob").says("register;" + SECRET).says("MSG hi")
        answer = self.desk.asks("status", ref="a")
        self.assertEqual((answer["action"], answer["ref"]), ("control-status", "a"))
        self.assertEqual(answer["connections"], {"text": 1, "json": 1, "undetected": 1})
        names = ("logged_in", "online", "users", "accounts", "groups", "last_id", "journal_queue")
        self.assertEqual([answer[name] for name in names], [1, 1, 1, 1, 1, 2, 0])
        self.assertEqual(answer["pid"], os.getpid())
        self.assertEqual(answer["database"]["file"], str(self.stage.database.absolute()))
        self.assertGreater(answer["database"]["bytes"], 4096)
        self.assertEqual(answer["listeners"], [{"name": "text=tcp:0", "address": "127.0.0.1:1"}])

    def test_who(self) -> None:
        self.stage.json("alice").asks(action="register", password=SECRET)
        self.stage.connect("json")
        self.stage.wait(61)
        sessions = self.desk.asks("who")["sessions"]
        shown = [(one["nick"], one["wire"], one["account"]) for one in sessions]
        self.assertEqual(shown, [("bob", "text", False), ("alice", "json", True)])
        self.assertGreaterEqual(sessions[0]["seconds"], 61)
        self.assertIn("127.0.0.1:", sessions[0]["address"])

    def test_groups(self) -> None:
        self.bob.says("cg;wob").says("bg;wob;hi").says("cg;den;private")
        self.assertEqual(
            self.desk.asks("groups")["groups"],
            [
                {"group": "den", "visibility": "private", "members": 1, "owner": "bob", "entries": 1},
                {"group": "wob", "visibility": "public", "members": 1, "owner": "bob", "entries": 2},
            ],
        )

    def test_a_long_list_comes_in_pages(self) -> None:
        self.patch(control, "MAX_LIST_ITEMS_PER_ANSWER_LINE", 3)
        for number in range(7):
            self.bob.says(f"cg;g{number}")
        answers = self.desk.says(b'{"action":"groups"}\n')
        self.assertEqual([len(answer["groups"]) for answer in answers], [3, 3, 1])
        self.assertEqual([answer.get("more") for answer in answers], [True, True, None])

    def test_help_names_them_all(self) -> None:
        named = {one["name"] for one in self.desk.asks("help")["commands"]}
        operators = {row.json_actions[0] for row in COMMANDS.values() if row.is_for_server_operators}
        self.assertEqual(named, set(CONTROL_COMMANDS) | operators)

    def test_shutdown(self) -> None:
        wire = self.desk.connect()
        assert wire.protocol is not None
        wire.protocol.dataReceived(b'{"action":"shutdown"}\n')
        self.assertEqual(self.desk.stops, [])
        self.stage.settle()
        self.assertEqual(self.desk.stops, ["stopped"])
        self.assertEqual(heard(wire), [{"action": "control-shutdown"}])
        self.assertFalse(wire.disconnecting)  # until the end
        self.desk.control.close_connections()
        self.assertTrue(wire.disconnecting)


class Operators(ControlCase):
    """The commands of server operators, taken from the table."""

    def test_what_each_wire_can_do_the_console_can(self) -> None:
        (act,) = self.desk.asks("mute", dest="BOB", duration="10m", reason="shouting")["acts"]
        self.assertEqual((act["operator"], act["act"], act["target"]), ("@console", "mute", "bob"))
        self.assertIn("ERR muted", self.bob.says("MSG hi").lines()[0])
        teacher = self.stage.json("teacher").asks(action="register", password=SECRET)
        teacher.hears()
        acts = teacher.asks(action="modlog").objects()[0]["acts"]
        self.assertEqual(acts, self.desk.asks("modlog")["acts"])

    def test_an_operator_may_not_be_touched(self) -> None:
        self.stage.json("teacher").asks(action="register", password=SECRET)
        self.assertEqual(self.code(self.desk.asks("mute", dest="teacher")), "is_server_operator")

    def test_it_is_all_there_after_a_restart(self) -> None:
        self.bob.says("cg;wob")
        self.stage.text("carol")
        self.desk.asks("give", group="wob", dest="carol")
        self.desk.asks("block", target="192.0.2.0/24")
        before = self.desk.asks("modlog")["acts"]
        self.assertEqual([act["operator"] for act in before], ["@console"] * 2)
        self.restart()
        self.assertEqual(ControlDesk(self.stage, self.folder).asks("modlog")["acts"], before)
        carol = self.stage.text("carol")
        self.assertIn("@console", "".join(carol.says("states;wob").lines()))

    def test_nobody_can_be_the_console(self) -> None:
        self.assertRaises(BadName, parse_nick, "@console")
        for nick in ("@console", "＠console", "﹫console"):
            answer = self.stage.connect("json").asks(action="client-hello", from_=nick).objects()[0]
            self.assertEqual(answer["code"], "bad_nick", nick)
        self.assertIn("no_such_user", self.bob.says("s;@console;hi").lines()[0])
        self.assertEqual(self.code(self.desk.asks("mute", dest="@console")), "no_such_user")

    def test_other_commands_are_none_of_the_console(self) -> None:
        for payload in (
            b'{"action":"client-broadcast","msg":"hi"}\n',
            b'{"action":"client-hello","from":"alice"}\n',
            b'{"action":"mute","messageFormat":{"action":"client-broadcast","msg":"hi"}}\n',
            b'{"action":"ack-send"}\n',
            b'{"action":"nonsense"}\n',
        ):
            self.assertEqual(self.code(self.desk.says(payload)[0]), "unknown_action", payload)
        self.assertEqual(self.bob.hears(), b"")

    def test_a_failed_commit_is_said(self) -> None:
        self.stage.writer.error = RuntimeError("no disk")
        self.assertEqual(self.code(self.desk.asks("mute", dest="bob")), "storage_failed")
        self.stage.writer.error = None
        self.flushLoggedErrors(RuntimeError)
        self.stage.wait(2)
        self.assertEqual(self.desk.asks("modlog")["acts"], [])

    def test_a_password_is_in_no_answer(self) -> None:
        self.bob.says("register;" + SECRET)
        wire = self.desk.connect()
        assert wire.protocol is not None
        wire.protocol.dataReceived(b'{"action":"resetpassword","dest":"bob","new":"staple of nine"}\n')
        self.stage.settle()
        self.assertEqual(heard(wire)[0]["acts"][0]["act"], "resetpassword")
        self.assertNotIn(b"staple", wire.value())


class Reloading(ControlCase):
    """chatd.toml is read again: what it says holds at once, for those who are there too."""

    def changes(self, **sections: Any) -> dict[str, Any]:
        """The answer to a reload of a file with these ``sections``."""
        self.desk.file = Config(**{"limits": Limits(), "accounts": AccountPolicy(), **sections})
        return self.desk.asks("reload")

    def test_limits(self) -> None:
        self.assertEqual(self.bob.says("MSG 12345").lines(), [])
        answer = self.changes(limits=Limits(message=4), accounts=AccountPolicy(operators=("teacher",)))
        self.assertIn("limits.message", answer["changed"])
        self.assertEqual(answer["needs_restart"], [])
        self.assertIn("too_long", self.bob.says("MSG 12345").lines()[0])

    def test_an_operator_who_is_removed(self) -> None:
        teacher = self.stage.json("teacher").asks(action="register", password=SECRET)
        teacher.asks(action="mute", dest="bob").hears()
        self.assertIn("accounts.operators", self.changes()["changed"])
        teacher.asks(action="unmute", dest="bob")
        self.assertEqual(teacher.objects()[0]["code"], "not_server_operator")
        self.assertIn("acts", self.desk.asks("unmute", dest="bob"))

    def test_who_may_write(self) -> None:
        self.changes(accounts=AccountPolicy(names="registered"))
        self.assertIn("registered_only", self.bob.says("MSG hi").lines()[0])

    def test_a_broken_file_changes_nothing(self) -> None:
        def broken() -> Config:
            raise ConfigError("chatd.toml: there is no key `x`")

        self.desk.control.reloader._read = broken
        answer = self.desk.asks("reload")
        self.assertEqual((answer["code"], answer["msg"]), ("bad_config", "chatd.toml: there is no key `x`"))


class Hostile(ControlCase):
    """Each gets an error with a code, and nothing is logged as an error."""

    def test_broken_requests(self) -> None:
        for line, code in (
            (b"", "bad_json"),
            (b"status", "bad_json"),
            (b"[]", "bad_json"),
            (b"\xff", "bad_json"),
            (b'{"action":"\xff"}', "bad_utf8"),
            (b'{"action":NaN}', "bad_json"),
            (b'{"action":1e999}', "unknown_action"),
            (b'{"action":"status","action":"who"}', "bad_json"),
            (b"[" * 16_000, "bad_json"),
            (b'{"a":' * 3_000, "bad_json"),
            (b"{}", "bad_request"),
            (b'{"action":null}', "bad_request"),
            (b'{"action":["status"]}', "bad_request"),
            (b'{"action":"backup"}', "bad_request"),
            (b'{"action":"backup","file":7}', "bad_request"),
            (b'{"action":"backup","file":"x.db"}', "bad_request"),
            (b'{"action":"backup","file":"/a\\u0000b"}', "bad_request"),
            (b'{"action":"backup","file":"/nowhere/x.db"}', "backup_failed"),
            (b'{"action":"mute"}', "bad_request"),
            (b'{"action":"mute","dest":7}', "bad_request"),
            (b'{"action":"mute","dest":"bob","duration":"for ever"}', "bad_request"),
            (b'{"action":"mute","dest":"bob","reason":"' + b"x" * 513 + b'"}', "too_long"),
            (b'{"action":"modlog","skip":-1}', "bad_request"),
        ):
            with self.subTest(line[:60]):
                answers = self.desk.says(line + b"\n")
                self.assertEqual(len(answers), 1)
                self.assertIn(self.code(answers[0]), (code, "bad_json" if code == "unknown_action" else code))
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_a_long_line(self) -> None:
        start = b'{"action":"help","x":"'
        fits = start + b"x" * (MAX_CONTROL_REQUEST_BYTES - len(start) - 2) + b'"}'
        self.assertEqual(self.desk.says(fits + b"\n")[0]["action"], "control-help")
        for data in (fits + b" \n", fits + b"    ", b"x" * 10**6):
            self.assertEqual([self.code(answer) for answer in self.desk.says(data)], ["too_long"])

    def test_one_request_a_connection(self) -> None:
        self.assertEqual(len(self.desk.says(b'{"action":"help"}\n' * 50)), 1)

    def test_half_a_line_for_ever(self) -> None:
        wire = self.desk.connect()
        assert wire.protocol is not None
        for _ in range(int(CONTROL_CLIENT_TIMEOUT_SECONDS) - 1):
            wire.protocol.dataReceived(b" ")
            self.stage.wait(1)
        self.assertFalse(wire.disconnecting)
        self.stage.wait(1)
        self.assertEqual([self.code(answer) for answer in heard(wire)], ["request_timeout"])
        self.assertTrue(wire.disconnecting)

    def test_a_hundred_connections(self) -> None:
        wires = [self.desk.connect() for _ in range(100)]
        self.assertEqual(
            [heard(wire) for wire in wires[:MAX_CONTROL_CONNECTIONS]], [[]] * MAX_CONTROL_CONNECTIONS
        )
        for wire in wires[MAX_CONTROL_CONNECTIONS:]:
            self.assertEqual(self.code(heard(wire)[0]), "too_many_connections")
            self.assertTrue(wire.disconnecting)
        self.stage.settle()
        self.assertEqual(len(self.desk.control.connections), MAX_CONTROL_CONNECTIONS)
        wires[0].loseConnection()
        self.stage.settle()
        self.assertEqual(self.desk.asks("help")["action"], "control-help")
        self.stage.wait(CONTROL_CLIENT_TIMEOUT_SECONDS)
        self.assertEqual(self.desk.control.connections, set())

    def test_whoever_hangs_up_stops_nothing(self) -> None:
        wire = self.desk.connect()
        assert wire.protocol is not None
        wire.protocol.dataReceived(b'{"action":"mute","dest":"bob"}\n')
        wire.loseConnection()
        self.stage.settle()
        self.assertIn("ERR muted", self.bob.says("MSG hi").lines()[0])

    def test_a_bug_is_logged_and_answered(self) -> None:
        self.patch(self.desk.control, "list_ports", lambda: 1 / 0)
        self.assertEqual(self.code(self.desk.asks("status")), "internal_error")
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_each_error_is_explained(self) -> None:
        self.assertTrue(all(CONTROL_ERROR_SENTENCES.values()))


class Upkeep(ControlCase):
    def test_a_backup_and_its_check(self) -> None:
        self.bob.says("MSG hi")
        copy = self.folder.absolute() / "copy.db"
        answer = self.desk.asks("backup", file=str(copy))
        self.assertEqual((answer["file"], answer["last_id"]), (str(copy), 1))
        self.assertEqual(answer["bytes"], copy.stat().st_size)
        self.assertEqual(self.code(self.desk.asks("backup", file=str(copy))), "backup_failed")
        self.assertEqual(self.desk.asks("check")["problems"], [])

    def test_one_at_a_time(self) -> None:
        self.stage.store._upkeep = self.stage.writer
        self.assertEqual(self.code(self.desk.asks("check")), "busy")
        self.assertEqual(self.code(self.desk.asks("backup", file="/tmp/x.db")), "busy")
        self.stage.store._upkeep = None


class TheSocket(TestCase):
    """The file: whose it is, and what may be in its place."""

    def setUp(self) -> None:
        """A control socket that is not open yet."""
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.path = self.folder / "control"
        nothing: Any = type("Nothing", (), {"limits": Limits()})()
        self.control = ControlSocket(self.path, reactor, nothing, nothing, nothing, nothing, nothing)

    def opens(self) -> None:
        """Open it, until the end of the test."""
        self.control.listen()
        self.addCleanup(self.control.stop_listening)

    def refuses(self) -> str:
        """The sentence that refuses to open it."""
        return str(self.assertRaises(ConfigError, self.control.listen))

    def test_only_its_owner_may_use_it_whatever_the_umask(self) -> None:
        umask = os.umask(0)
        try:
            self.opens()
        finally:
            os.umask(umask)
        self.assertEqual(stat.S_IMODE(self.path.stat().st_mode), 0o600)

    def test_that_of_a_dead_daemon_is_replaced(self) -> None:
        dead = socket.socket(socket.AF_UNIX)
        dead.bind(shorter_socket_path(self.path))
        dead.close()
        self.opens()

    def test_that_of_a_running_daemon_is_not(self) -> None:
        with socket.socket(socket.AF_UNIX) as alive:
            alive.bind(shorter_socket_path(self.path))
            alive.listen(0)
            for _ in range(3):  # the queue is full then
                self.assertTrue(self.refuses().endswith(": a running daemon has it"))
        self.assertTrue(self.path.exists())

    def test_a_file_or_a_link_in_its_place_is_left_alone(self) -> None:
        target = self.folder / "precious"
        target.write_text("data")
        for make in (
            lambda: self.path.symlink_to(target),
            lambda: self.path.write_text("x"),
            self.path.mkdir,
        ):
            make()
            self.assertTrue(self.refuses().endswith(": a file is in the way"))
            self.path.rmdir() if self.path.is_dir() else self.path.unlink()
        self.path.symlink_to(self.folder / "missing")
        self.assertTrue(self.refuses().endswith(": a file is in the way"))
        self.assertEqual(target.read_text(), "data")

    def test_a_folder_that_is_missing(self) -> None:
        self.control.path = self.folder / "nowhere" / "control"
        self.assertTrue(self.refuses().endswith(": No such file or directory"))

    def test_it_is_gone_when_it_is_closed(self) -> Deferred[None]:
        self.control.listen()
        closing = self.control.stop_listening()
        assert closing is not None
        return closing.addCallback(lambda _: self.assertFalse(self.path.exists()))


class Spelling(SynchronousTestCase):
    def test_the_shorter_path(self) -> None:
        self.assertEqual(shorter_socket_path(Path("chat.db.control").absolute()), "chat.db.control")
        self.assertEqual(shorter_socket_path(Path("/run/x")), "/run/x")
