"""Exports: all that the log has of a user or a group, one object a line, while the chat goes on."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from chatd.chat import export
from chatd.daemon import exports
from chatd.daemon.control import EXPORT_STALL_TIMEOUT_SECONDS
from chatd.store.errors import ReadFailed
from tests.chat.test_administration import SECRET, AdministrationCase
from tests.support.control_client import heard
from tests.support.in_memory_daemon import Wire

Lines = list[dict[str, Any]]


class ExportCase(AdministrationCase):
    """alice and bob talk in the lobby, in wob and in private; carol is in wob too."""

    def setUp(self) -> None:
        super().setUp()
        self.alice = self.registered("alice")
        self.alice.asks(action="cgroupe", group="wob", visibility="private")  # 1
        self.bob = self.stage.text("bob")
        self.alice.asks(action="invite", group="wob", dest="bob")  # 2
        self.bob.says("j;wob").says("MSG bob to all")  # 3, 4
        self.alice.asks(action="gbroadcast", group="wob", msg="alice in wob")  # 5
        self.bob.says("bg;wob;bob in wob").says("s;alice;bob to alice")  # 6, 7
        self.alice.asks(action="send", dest="bob", msg="alice to bob")  # 8
        self.alice.asks(action="client-broadcast", msg="alice to all")  # 9
        self.alice.asks(action="topic", group="wob", topic="rain")  # 10
        self.alice.hears()
        self.bob.hears()

    def exported(self, kind: str, name: str) -> Lines:
        """The lines of an export."""
        wire = self.asks(kind, name)
        self.stage.wait(1)
        return heard(wire)

    def asks(self, kind: str, name: str) -> Wire:
        """A connection with an export under way."""
        wire = self.desk.connect()
        assert wire.protocol is not None
        request = {"action": "export", "kind": kind, "name": name}
        wire.protocol.dataReceived(json.dumps(request).encode() + b"\n")
        return wire

    def entries(self, lines: Lines) -> list[tuple[Any, ...]]:
        """The entries of an export: id, conversation, author, text or event."""
        return [
            (
                line["id"],
                line["conversation"]["name"],
                line.get("from") or line["actor"],
                line.get("msg", line.get("event")),
            )
            for line in lines
            if "id" in line
        ]


class User(ExportCase):
    def test_actions_and_notices(self) -> None:
        """Whatever one has written, with its kind."""
        self.bob.says("s;alice;/me waves")
        self.alice.asks(action="gbroadcast", group="wob", msg="done", kind="notice")
        lines = self.exported("user", "alice")
        self.assertEqual(
            [(line["msg"], line["kind"]) for line in lines if line.get("id") in (11, 12)],
            [("/me waves", "action"), ("done", "notice")],
        )

    def test_it_has_what_the_user_wrote_and_got_and_no_word_that_others_wrote_to_groups(self) -> None:
        lines = self.exported("user", "ALICE")
        self.assertEqual(
            self.entries(lines),
            [
                (1, "wob", "alice", "created"),
                (2, "wob", "alice", "invited"),
                (5, "wob", "alice", "alice in wob"),
                (7, "bob", "bob", "bob to alice"),
                (8, "bob", "alice", "alice to bob"),
                (9, "lobby", "alice", "alice to all"),
                (10, "wob", "alice", "topic"),
            ],
        )
        self.assertEqual([line["conversation"]["kind"] for line in lines if line.get("id") == 7], ["direct"])

    def test_its_first_and_last_lines(self) -> None:
        head, account, membership, *_, tail = self.exported("user", "alice")
        self.assertEqual(
            {key: head[key] for key in ("action", "format", "user", "last")},
            {"action": "control-export", "format": 1, "user": "alice", "last": 10},
        )
        self.assertRegex(head["at"], r"^2001-")
        self.assertRegex(account["account"].pop("since"), r"^2001-09-09T01:46:40")
        self.assertEqual(
            account["account"],
            {"nick": "alice", "colour": account["account"]["colour"], "registered": True, "ignored": []},
        )
        self.assertEqual(
            membership, {"membership": {"group": "wob", "visibility": "private", "role": "owner"}}
        )
        self.assertEqual(tail, {"action": "control-export", "complete": True, "entries": 7})

    def test_the_hash_is_nowhere(self) -> None:
        (hashed,) = self.stage.rows("SELECT hash FROM credentials")[0]
        said = json.dumps(self.exported("user", "alice"))
        self.assertNotIn(hashed, said)
        self.assertNotIn(SECRET, said)

    def test_when_a_user_registered_outlives_a_new_password(self) -> None:
        since = self.exported("user", "alice")[1]["account"]["since"]
        self.stage.wait(60)
        self.alice.asks(action="passwd", password=SECRET, new="staple of nine")
        self.desk.asks("resetpassword", dest="alice", new="staple of ten")
        self.assertEqual(self.exported("user", "alice")[1]["account"]["since"], since)
        self.restarts()
        self.assertEqual(self.exported("user", "alice")[1]["account"]["since"], since)
        account = self.exported("user", "bob")[1]["account"]
        self.assertEqual((account["registered"], account["since"]), (False, None))

    def test_events_about_the_user_and_deleted_messages(self) -> None:
        self.alice.asks(action="kick", group="wob", dest="bob", reason="late")  # 11
        self.desk.asks("delete", id=4)  # 12
        lines = self.exported("user", "bob")
        about = [line for line in lines if line.get("event") in ("kicked", "deleted")]
        self.assertEqual(
            [(line["actor"], line["subject"]) for line in about], [("alice", "bob"), ("@console", "bob")]
        )
        (gone,) = [line for line in lines if line.get("id") == 4]
        self.assertEqual((gone["msg"], gone["deleted"]), ("", True))

    def test_one_who_has_gone(self) -> None:
        before = self.entries(self.exported("user", "alice"))
        self.alice.asks(action="unregister", password=SECRET)
        lines = self.exported("user", "alice~1")
        self.assertEqual([id for id, *_ in self.entries(lines)][: len(before)], [id for id, *_ in before])
        self.assertEqual(lines[1]["account"]["registered"], False)
        self.assertEqual(self.code(self.exported("user", "alice")[0]), "no_such_user")

    def test_it_is_an_act_in_the_moderation_log(self) -> None:
        self.exported("user", "ALICE")
        self.exported("group", "WOB")
        acts = [(act["operator"], act["act"], act["target"]) for act in self.desk.asks("modlog")["acts"]]
        self.assertEqual(acts, [("@console", "export", "group wob"), ("@console", "export", "user alice")])

    def test_links(self) -> None:
        """All but what one could come in by, or be known by."""
        self.bob.says("invitelink;wob;1d").hears()
        (made,) = self.alice.asks(action="invitelink", group="wob").objects()
        of_alice, of_bob, of_wob = (
            [line["link"] for line in self.exported(*which) if "link" in line]
            for which in (("user", "alice"), ("user", "bob"), ("group", "wob"))
        )
        self.assertEqual([link["maker"] for link in of_wob], ["bob", "alice"])
        self.assertEqual(of_wob[1].keys(), {"number", "maker", "made", "expires", "uses"})
        self.assertEqual(of_alice, [{"group": "wob", **of_wob[1]}])
        self.assertEqual(of_bob, [{"group": "wob", **of_wob[0]}])
        said = json.dumps([self.exported("user", "alice"), self.exported("group", "wob")])
        for (digest,) in self.stage.rows("SELECT digest FROM links"):
            self.assertNotIn(digest, said)
        self.assertNotIn(made["link"][7:], said)

    def test_what_comes_after_its_beginning_is_not_in_it(self) -> None:
        self.patch(export, "EXPORT_PAGE_ENTRIES", 2)
        wire = self.begins("user", "alice")
        for _ in range(3):
            self.stage.readers.run_next()
            self.stage.wait(1)
        self.alice.asks(action="client-broadcast", msg="too late")
        self.stage.readers.held = False
        self.stage.readers.run_next()
        self.stage.wait(1)
        lines = heard(wire)
        self.assertEqual([id for id, *_ in self.entries(lines)], [1, 2, 5, 7, 8, 9, 10])
        self.assertTrue(lines[-1]["complete"])

    def begins(self, kind: str, name: str) -> Wire:
        """A connection with an export under way, whose next page waits for the test to be read."""
        self.stage.readers.held = True
        wire = self.asks(kind, name)
        self.stage.wait(1)
        return wire

    def test_many_pages(self) -> None:
        """Each page and each range that is looked at ends somewhere else."""
        whole = self.entries(self.exported("user", "alice"))
        for entries, size, scanned in ((1, 10**6, 10**6), (3, 10**6, 4), (200, 1, 10**6), (200, 10**6, 1)):
            self.patch(export, "EXPORT_PAGE_ENTRIES", entries)
            self.patch(export, "EXPORT_PAGE_BYTES", size)
            self.patch(export, "MAX_ENTRIES_SCANNED_FOR_EXPORT", scanned)
            self.patch(exports, "STATE_LINES_PER_PAGE", 1)
            self.assertEqual(self.entries(self.exported("user", "alice")), whole)

    def test_a_client_that_does_not_read_is_waited_for_and_cut_in_the_end(self) -> None:
        self.patch(export, "EXPORT_PAGE_ENTRIES", 1)
        wire = self.begins("user", "alice")
        wire.stuck = True
        self.stage.readers.held = False
        self.stage.readers.run_next()
        self.stage.wait(1)
        reads = self.stage.readers.runs
        self.stage.wait(EXPORT_STALL_TIMEOUT_SECONDS - 2)
        self.assertEqual(self.stage.readers.runs, reads)
        wire.unstick()
        self.stage.wait(1)
        self.assertTrue(heard(wire)[-1]["complete"])
        stalled = self.begins("user", "alice")
        stalled.stuck = True
        self.stage.readers.held = False
        self.stage.readers.run_next()
        self.stage.wait(EXPORT_STALL_TIMEOUT_SECONDS + 1)
        self.assertTrue(stalled.aborted)
        self.assertEqual(self.desk.control.connections, set())

    def test_a_client_that_hangs_up_ends_it(self) -> None:
        self.patch(export, "EXPORT_PAGE_ENTRIES", 1)
        wire = self.begins("user", "alice")
        wire.loseConnection()
        self.stage.readers.held = False
        self.stage.readers.run_next()
        self.stage.wait(1)
        reads = self.stage.readers.runs
        self.stage.wait(5)
        self.assertEqual(self.stage.readers.runs, reads)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_a_cut_one_has_no_last_line(self) -> None:
        wire = self.begins("user", "alice")
        self.stage.readers.error = sqlite3.OperationalError("disk gone")
        self.stage.readers.held = False
        self.stage.readers.run_next()
        self.stage.settle()
        self.stage.readers.error = None
        lines = heard(wire)
        self.assertEqual((self.code(lines[-1]), lines[0]["action"]), ("storage_failed", "control-export"))
        self.assertFalse(any(line.get("complete") for line in lines))
        self.assertEqual(self.flushLoggedErrors(ReadFailed), [])

    def test_requests_that_name_nothing(self) -> None:
        for kind, name, code in (
            ("user", "nobody", "no_such_user"),
            ("user", "a b", "no_such_user"),
            ("group", "nothing", "no_such_group"),
            ("room", "wob", "bad_request"),
            ("user", "@console", "no_such_user"),
        ):
            self.assertEqual(self.code(self.exported(kind, name)[-1]), code)
        self.assertEqual(self.desk.asks("modlog")["acts"], [])

    def test_a_failed_act_exports_nothing(self) -> None:
        self.stage.writer.error = sqlite3.OperationalError("disk full")
        (refused,) = self.exported("user", "alice")
        self.assertEqual(self.code(refused), "storage_failed")
        self.stage.writer.error = None


class Group(ExportCase):
    def test_all_of_it(self) -> None:
        lines = self.exported("group", "WOB")
        self.assertEqual((lines[0]["group"], lines[0]["last"]), ("wob", 10))
        self.assertEqual(
            lines[1]["settings"],
            {
                "group": "wob",
                "visibility": "private",
                "topic": "rain",
                "history": "all",
                "keep": 0,
                "owner": "alice",
                "closed": False,
            },
        )
        self.assertEqual(
            [line["member"] for line in lines if "member" in line],
            [
                {"name": "alice", "role": "owner", "registered": True},
                {"name": "bob", "role": "member", "registered": False},
            ],
        )
        self.assertEqual(
            self.entries(lines),
            [
                (1, "wob", "alice", "created"),
                (2, "wob", "alice", "invited"),
                (3, "wob", "bob", "joined"),
                (5, "wob", "alice", "alice in wob"),
                (6, "wob", "bob", "bob in wob"),
                (10, "wob", "alice", "topic"),
            ],
        )
        self.assertEqual(lines[-1]["entries"], 6)

    def test_a_closed_one(self) -> None:
        self.desk.asks("close", group="wob", reason="done")
        lines = self.exported("group", "wob")
        self.assertEqual((lines[1]["settings"]["closed"], lines[1]["settings"]["owner"]), (True, ""))
        self.assertEqual(self.entries(lines)[-1], (11, "wob", "@console", "closed"))
