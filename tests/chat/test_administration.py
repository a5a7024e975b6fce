"""What the administrator of the machine alone may do: to appoint and dismiss server operators."""

from __future__ import annotations

import sqlite3
from typing import Any

from chatd.core.accounts import AccountPolicy
from chatd.daemon.config import Config
from tests.support.control_client import ControlDesk
from tests.support.in_memory_daemon import Peer, Stage, StageTestCase

SECRET = "correct horse battery"


class AdministrationCase(StageTestCase):
    """A stage with a control socket; chatd.toml names the teacher as an operator."""

    def setUp(self) -> None:
        super().setUp()
        self.stage.close()
        self.opens()

    def opens(self) -> None:
        """Start the daemon, again with the policy of chatd.toml."""
        self.stage = Stage(self.stage.database, policy=AccountPolicy(operators=("teacher",)))
        self.desk = ControlDesk(self.stage, self.stage.database.parent)

    def restarts(self) -> None:
        """Stop the daemon and start it again."""
        self.stage.close()
        self.opens()

    def registered(self, nick: str) -> Peer:
        """A user with a password."""
        peer = self.stage.json(nick).asks(action="register", password=SECRET)
        peer.hears()
        return peer

    def code(self, answer: dict[str, Any]) -> str:
        """The code of an error."""
        self.assertEqual(answer["action"], "server-error", answer)
        return str(answer["code"])

    def is_operator(self, peer: Peer) -> bool:
        """Whether ``peer`` may read the moderation log, as operators may."""
        return bool(peer.asks(action="modlog").objects()[-1]["action"] == "server-modlog")


class Operators(AdministrationCase):
    def test_an_appointed_nick_is_an_operator_once_it_is_registered(self) -> None:
        act = self.desk.asks("appoint", nick="CAROL")["acts"][0]
        self.assertEqual((act["operator"], act["act"], act["target"]), ("@console", "appoint", "CAROL"))
        carol = self.stage.json("carol")
        self.assertFalse(self.is_operator(carol))
        carol.asks(action="register", password=SECRET).hears()
        self.assertTrue(self.is_operator(carol))
        bob = self.stage.json("bob")
        carol.hears()
        carol.asks(action="mute", dest="bob")
        self.assertEqual(carol.objects()[0]["action"], "server-moderation")
        self.assertEqual(self.code(self.desk.asks("mute", dest="carol")), "is_server_operator")
        bob.hears()

    def test_it_holds_after_a_restart_and_after_a_reload(self) -> None:
        self.registered("carol")
        self.registered("teacher")
        self.desk.asks("appoint", nick="carol")
        self.restarts()
        carol, teacher = (self.stage.json(nick, password=SECRET) for nick in ("carol", "teacher"))
        self.assertEqual((self.is_operator(carol), self.is_operator(teacher)), (True, True))
        self.desk.file = Config(limits=self.stage.limits, accounts=AccountPolicy(operators=("dave",)))
        self.desk.asks("reload")
        self.assertEqual((self.is_operator(carol), self.is_operator(teacher)), (True, False))

    def test_dismissed(self) -> None:
        carol = self.registered("carol")
        self.desk.asks("appoint", nick="carol")
        self.assertEqual(self.code(self.desk.asks("appoint", nick="Carol")), "already_server_operator")
        act = self.desk.asks("dismiss", nick="Carol")["acts"][0]
        self.assertEqual((act["act"], act["target"]), ("dismiss", "carol"))
        self.assertFalse(self.is_operator(carol))
        self.assertEqual(self.code(self.desk.asks("dismiss", nick="carol")), "not_appointed")
        self.restarts()
        self.assertFalse(self.is_operator(self.stage.json("carol", password=SECRET)))
        self.assertEqual(
            [act["act"] for act in self.desk.asks("modlog")["acts"]], ["dismiss", "appoint"]
        )  # both are in the moderation log for good

    def test_dismissed_while_a_deletion_reads_the_message(self) -> None:
        carol = self.registered("carol")
        self.desk.asks("appoint", nick="carol")
        carol.asks(action="client-broadcast", msg="stays").hears()
        self.stage.readers.held = True
        carol.asks(action="delete", id=1)
        self.desk.asks("dismiss", nick="carol")
        self.stage.readers.run_next()
        self.stage.settle()
        self.assertEqual(self.code(carol.objects()[-1]), "not_server_operator")
        self.assertEqual(self.stage.rows("SELECT body FROM log"), [("stays",)])

    def test_one_that_chatd_toml_names(self) -> None:
        self.assertEqual(self.code(self.desk.asks("appoint", nick="Teacher")), "already_server_operator")
        refused = self.desk.asks("dismiss", nick="Teacher")
        self.assertEqual(self.code(refused), "configured_operator")
        self.assertIn("is named in chatd.toml", refused["msg"])

    def test_names_that_nobody_can_have(self) -> None:
        for nick in ("a b", "root", "guest7", "x" * 33):
            self.assertEqual(self.code(self.desk.asks("appoint", nick=nick)), "bad_nick", nick)
        self.assertEqual(self.code(self.desk.asks("dismiss", nick="a b")), "not_appointed")
        self.registered("alice").asks(action="unregister", password=SECRET)
        self.assertEqual(self.code(self.desk.asks("appoint", nick="alice~1")), "no_such_user")

    def test_who_takes_the_nick_after_its_user_does_not_get_it(self) -> None:
        carol = self.registered("carol")
        self.desk.asks("appoint", nick="carol")
        carol.asks(action="unregister", password=SECRET)
        other = self.registered("carol")
        self.assertFalse(self.is_operator(other))
        (act, *_) = self.desk.asks("modlog")["acts"]
        self.assertEqual((act["operator"], act["act"], act["target"]), ("carol~1", "dismiss", "carol"))
        other.hangs_up()
        self.restarts()
        self.assertFalse(self.is_operator(self.stage.json("carol", password=SECRET)))

    def test_another_session_of_an_operator_who_gives_up_the_nick(self) -> None:
        """Before the closing of the account is on disk."""
        teacher, other = self.registered("teacher"), self.stage.json("teacher", password=SECRET)
        self.stage.text("bob")
        self.stage.writer.held = True
        teacher.asks(action="unregister", password=SECRET)
        other.hears()
        other.asks(action="mute", dest="bob")
        while self.stage.writer.waiting:
            self.stage.writer.run_next()
            self.stage.settle()
        codes = [said["code"] for said in other.objects() if said["action"] == "server-error"]
        self.assertEqual(codes, ["not_server_operator", "account_closed"])
        self.assertEqual(self.stage.rows("SELECT * FROM moderation"), [])

    def test_only_the_console_appoints(self) -> None:
        teacher = self.registered("teacher")
        for action in ("appoint", "dismiss", "operators"):
            (refused,) = teacher.asks(action=action, nick="bob").objects()
            self.assertEqual(refused["code"], "unknown_action")
        bob = self.stage.text("bob")
        self.assertIn("ERR", bob.says("appoint;bob").hears().decode())
        self.assertEqual(self.desk.asks("modlog")["acts"], [])

    def test_the_list(self) -> None:
        self.registered("teacher")
        self.desk.asks("appoint", nick="carol")
        self.assertEqual(
            self.desk.asks("operators")["operators"],
            [
                {"nick": "carol", "configured": False, "appointed": True, "registered": False},
                {"nick": "teacher", "configured": True, "appointed": False, "registered": True},
            ],
        )

    def test_a_failed_transaction_appoints_nobody(self) -> None:
        carol = self.registered("carol")
        self.stage.writer.error = sqlite3.OperationalError("disk full")
        self.assertEqual(self.code(self.desk.asks("appoint", nick="carol")), "storage_failed")
        self.stage.writer.error = None
        self.stage.wait(2)
        self.assertFalse(self.is_operator(carol))

    def test_a_stopping_daemon_appoints_nobody(self) -> None:
        self.stage.chat.refuse_new_and_drain()
        self.assertEqual(self.code(self.desk.asks("appoint", nick="carol")), "shutting_down")
        self.assertEqual(self.code(self.desk.asks("dismiss", nick="teacher")), "configured_operator")
