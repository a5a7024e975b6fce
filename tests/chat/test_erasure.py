"""A user is erased: from the disk, from the memory, and from nowhere where others have their own."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, succeed

from chatd.chat import erasure
from chatd.chat.erasure import WAL_CHECKPOINT_RETRY_SECONDS
from chatd.core.accounts import AccountPolicy
from chatd.core.read_marks import ReadMarkPosition
from chatd.core.state import State
from chatd.store.check import find_file_problems
from tests.chat.test_administration import SECRET, AdministrationCase
from tests.support.control_client import heard
from tests.support.in_memory_daemon import Peer, Stage, Wire

NICK = "Zyxwvonne"
WORD = "xylophonic"
REF = "quuxref"


def contents(state: State) -> dict[str, Any]:
    """All that a state holds, for comparison."""
    return {
        "users": [(user.id, user.nick, user.normalized_nick) for user in state.users.values()],
        "credentials": {id: (one.user.nick, one.hash) for id, one in state.credentials.items()},
        "conversations": [
            (one.id, one.name, [user.nick for user in one.pair]) for one in state.conversations.values()
        ],
        "acts": [
            (act.id, act.operator.nick, act.kind, act.target, act.until, act.reason)
            for act in state.moderations
        ],
        "sanctions": {key: act.id for key, act in state.mutes_and_blocks.items()},
        "networks": {key: act.id for key, act in state.blocked_networks.items()},
        "appointed": dict(state.appointed_operator_nicks),
        "erasing": dict(state.erased_up_to_ids),
        "ignored": {id: sorted(state.ignored_user_ids(user)) for id, user in state.users.items()},
        "tokens": {id: [token.name for token in state.tokens_of(user)] for id, user in state.users.items()},
        "links": {
            number: (one.conversation.name, one.number, one.maker_id, one.use_count)
            for number, one in enumerate(
                sorted(state.invitation_links.values(), key=lambda one: str(one.digest))
            )
        },
        "ignoring": {id: sorted(state.ignored_by.get(id, ())) for id in state.users},
        "invitations": {id: state.count_invitations_to(user) for id, user in state.users.items()},
        "groups": [
            (
                group.name,
                group.owner and group.owner.nick,
                group.topic,
                group.topic_author,
                group.closed,
                [(user.id, user.nick) for user in group.members.values()],
                sorted(group.operator_ids),
                sorted(group.invitations),
                sorted(group.banned_user_ids),
                sorted(group.banned_networks.items()),
            )
            for group in state.all_groups()
        ],
    }


class ErasureCase(AdministrationCase):
    """Zyxwvonne talks to alice and bob in the lobby, in wob, which is hers, and in private."""

    def setUp(self) -> None:
        super().setUp()
        self.patch(erasure, "ERASE_STEP_ENTRIES", 2)
        self.alice = self.registered("alice")
        self.victim = self.registered(NICK)
        self.bob = self.stage.text("bob")
        self.victim.asks(action="cgroupe", group="wob")  # 1
        self.bob.says("j;wob")  # 2
        self.alice.asks(action="join", group="wob")  # 3
        self.writes(action="client-broadcast")  # 4
        self.alice.asks(action="client-broadcast", msg="from alice")  # 5
        self.writes(action="gbroadcast", group="wob", kind="notice")  # 6
        self.bob.says("bg;wob;from bob")  # 7
        self.writes("/me ", action="send", dest="alice")  # 8
        self.alice.asks(action="send", dest=NICK, msg="to her")  # 9
        self.writes(action="send", dest="bob")  # 10
        self.victim.asks(action="topic", group="wob", topic=WORD)  # 11
        self.victim.asks(action="kick", group="wob", dest="bob", reason=WORD)  # 12
        self.bob.says("j;wob")  # 13
        self.bob.says("MSG from bob")  # 14
        for peer in (self.alice, self.victim, self.bob):
            peer.hears()

    def writes(self, before: str = "", **where: str) -> None:
        """Have her write a text of her own, with ``before`` in front."""
        self.victim.asks(**where, msg=f"{before}{WORD} {where}", ref=f"{REF}{where}")

    def erases(self, nick: str = NICK) -> dict[str, Any]:
        """The answer to the erasure, which takes some time."""
        wire = self.begins(nick)
        self.stage.wait(60)
        return heard(wire)[-1]

    def begins(self, nick: str = NICK) -> Wire:
        """A connection on which the erasure is under way."""
        wire = self.desk.connect()
        assert wire.protocol is not None
        wire.protocol.dataReceived(b'{"action":"erase","nick":"%s"}\n' % nick.encode())
        self.stage.settle()
        return wire

    def on_disk(self, text: str) -> list[str]:
        """The files of the database that have ``text`` in them, in any case."""
        files = self.stage.database.parent.glob("chat.db*")
        return [path.name for path in files if text.lower().encode() in path.read_bytes().lower()]

    def check_memory(self) -> None:
        """The state in memory is the one on the disk."""
        read = self.stage.store.read_snapshot().state
        self.assertEqual(contents(self.stage.chat._authority.state), contents(read))

    def check_gone(self) -> None:
        """Nothing is left on the disk, and the mark is gone."""
        for text in (NICK, WORD, REF):
            self.assertEqual(self.on_disk(text), [], text)
        self.assertEqual(self.stage.rows("SELECT * FROM erasures"), [])
        self.check_memory()

    def messages(self, peer: Peer, **asked: str) -> list[tuple[int, int, str, str, bool]]:
        """A page of the log: id, seq, author, text, whether it was deleted."""
        (page,) = peer.asks(**asked).objects()[-1:]
        return [
            (item["id"], item["seq"], item["from"], item["msg"], item.get("deleted", False))
            for item in page["messages"]
        ]


class Erasing(ErasureCase):
    def test_texts_nick_and_refs_are_in_no_file_of_the_database(self) -> None:
        for text in (NICK, WORD, REF):
            self.assertIn("chat.db-wal", self.on_disk(text), text)
        answer = self.erases()
        self.assertEqual(
            {key: answer[key] for key in ("action", "name", "entries", "complete")},
            {"action": "control-erase", "name": "erased~1", "entries": 6, "complete": True},
        )
        self.assertIn("backups", answer["outside"])
        self.check_gone()
        self.assertEqual(find_file_problems(self.stage.database), [])
        self.restarts()
        self.check_gone()

    def test_what_the_user_has_read(self) -> None:
        for peer in (self.alice, self.victim):
            peer.asks(action="markread").asks(action="markread", group="wob")
        self.erases()
        marks = self.stage.rows("SELECT user, conversation, last FROM read_marks")
        self.assertEqual(marks, [(1, 1, 14), (1, 2, 13)])
        self.assertEqual(
            self.stage.journal._read_marks, {1: {1: ReadMarkPosition(14, 0), 2: ReadMarkPosition(13, 0)}}
        )

    def test_what_others_wrote_stays_and_ids_and_seqs_are_exact(self) -> None:
        self.erases()
        gone = ("erased~1", "", True)
        self.assertEqual(
            self.messages(self.alice, action="history"),
            [
                (4, 1, *gone),
                (5, 2, "alice", "from alice", False),
                (14, 3, "bob", "from bob", False),
            ],
        )
        self.assertEqual(
            self.messages(self.alice, action="msgs", group="wob"),
            [(6, 4, *gone), (7, 5, "bob", "from bob", False)],
        )
        self.assertEqual(
            self.messages(self.alice, action="history", **{"with": "erased~1"}),
            [(8, 1, *gone), (9, 2, "alice", "to her", False)],
        )

    def test_a_replay_is_exact(self) -> None:
        self.erases()
        self.alice.hangs_up()
        peer = self.stage.connect("json").asks(action="client-hello", from_="alice", password=SECRET, since=3)
        self.stage.wait(1)
        heard = [one for one in peer.objects() if "id" in one and one["action"] != "server-hello"]
        self.assertEqual([one["id"] for one in heard], [4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15, 16, 17])
        self.assertNotIn(WORD, str(heard))
        self.assertNotIn(NICK, str(heard))
        self.assertEqual([one["id"] for one in heard if one.get("deleted")], [4, 6, 8])

    def test_members_are_told_and_the_group_has_a_new_owner(self) -> None:
        self.erases()
        self.assertEqual(
            [line for line in self.bob.lines() if line.startswith(("GEV", "LFT", "DEP"))][-3:],
            [
                "GEV wob topic @console",
                f"GEV wob left {NICK}",
                f"GEV wob promoted {NICK} alice owner",
            ],
        )
        (page,) = self.alice.asks(action="states", group="wob").objects()[-1:]
        self.assertEqual(
            [(event["event"], event["actor"]) for event in page["events"]][-3:],
            [("topic", "@console"), ("left", "erased~1"), ("promoted", "erased~1")],
        )
        kicked = next(event for event in page["events"] if event["event"] == "kicked")
        self.assertEqual((kicked["reason"], kicked["subject"]), ("", "bob"))

    def test_sessions_end_first_and_the_nick_is_free(self) -> None:
        second = self.stage.json(NICK, password=SECRET)
        self.erases()
        self.assertEqual((self.victim.closed, second.closed), (True, True))
        self.assertEqual(self.victim.objects()[-1]["code"], "account_closed")
        new = self.stage.json(NICK)
        answer = new.asks(action="conversations").objects()[-1]
        self.assertEqual([one["kind"] for one in answer["conversations"]], ["lobby"])
        new.asks(action="register", password=SECRET)
        self.assertEqual(new.objects()[-1]["registered"], True)

    def test_nobody_can_be_or_write_to_the_erased_user(self) -> None:
        self.erases()
        for password in ({}, {"password": SECRET}, {"password": ""}):
            peer = self.stage.connect("json").asks(action="client-hello", from_="erased~1", **password)
            self.assertEqual(peer.objects()[0]["action"], "server-error")
        (refused,) = self.alice.asks(action="send", dest="erased~1", msg="hi").objects()[-1:]
        self.assertEqual(refused["code"], "no_such_user")

    def test_no_password_opens_the_account_again(self) -> None:
        self.erases()
        refused = self.desk.asks("resetpassword", dest="erased~1", new=SECRET)
        self.assertEqual(self.code(refused), "no_such_user")
        peer = self.stage.connect("json").asks(action="client-hello", from_="erased~1", password=SECRET)
        self.assertEqual(peer.objects()[0]["code"], "wrong_password")

    def test_in_the_moderation_log_is_no_nick(self) -> None:
        self.desk.asks("mute", dest=NICK, reason=f"{NICK} again")
        self.desk.asks("appoint", nick=NICK)
        self.erases()
        acts = self.desk.asks("modlog")["acts"]
        self.assertEqual(
            [(act["act"], act["target"]) for act in acts],
            [("dismiss", "erased~1"), ("erase", ""), ("appoint", "erased~1"), ("mute", "erased~1")],
        )
        self.check_gone()
        self.assertEqual(self.desk.asks("operators")["operators"][0]["nick"], "teacher")

    def test_ignores_invitations_and_bans(self) -> None:
        self.alice.asks(action="ignore", dest=NICK)
        self.victim.asks(action="ignore", dest="bob")
        self.alice.asks(action="cgroupe", group="den", visibility="private")
        self.alice.asks(action="invite", group="den", dest=NICK)
        self.alice.asks(action="cgroupe", group="pub")
        self.alice.asks(action="ban", group="pub", dest=NICK, reason=f"{NICK} is loud")
        self.erases()
        self.check_gone()
        self.assertEqual(self.stage.rows("SELECT * FROM ignores"), [])
        self.alice.hears()
        self.assertEqual(self.alice.asks(action="ignored").objects()[0]["ignored"], [])
        banned = self.stage.chat._authority.state.find_group("pub")
        assert banned is not None
        self.assertEqual(len(banned.banned_user_ids), 1)  # of a name that nobody has
        self.alice.asks(action="unban", group="pub", dest="erased~1")
        self.assertEqual(banned.banned_user_ids, set())

    def test_the_users_links_are_dead_and_those_of_others_hold(self) -> None:
        links = [
            peer.asks(action="invitelink", group="wob").objects()[-1]["link"]
            for peer in (self.victim, self.alice)
        ]
        self.erases()
        self.check_gone()
        self.assertEqual(self.stage.rows("SELECT number FROM links"), [(2,)])
        carol = self.stage.json("carol")
        said = [carol.asks(action="uselink", link=link).objects()[0] for link in links]
        self.assertEqual((said[0]["code"], said[1]["action"]), ("bad_link", "server-ack"))

    def test_the_ban_of_an_address_stays(self) -> None:
        mallory = self.stage.connect("json", "192.0.2.7").asks(action="client-hello", from_="mallory")
        mallory.hears()
        self.alice.asks(action="cgroupe", group="pub")
        self.alice.asks(action="ban", group="pub", dest="mallory")
        self.desk.asks("block", target="198.51.100.0/24", duration="1h")
        self.erases("mallory")
        again = self.stage.connect("json", "192.0.2.7").asks(action="client-hello", from_="mallory")
        again.hears()
        self.assertEqual(again.asks(action="join", group="pub").objects()[-1]["code"], "banned")
        blocked = self.stage.connect("json", "198.51.100.3").asks(action="client-hello", from_="eve")
        self.assertEqual(blocked.objects()[0]["code"], "blocked")
        self.check_memory()

    def test_an_operator_who_deleted_and_closed(self) -> None:
        self.desk.asks("appoint", nick=NICK)
        self.victim.asks(action="delete", id=5, reason=WORD)
        self.victim.asks(action="mute", dest="alice")
        self.victim.asks(action="mute", dest="bob", reason=WORD)
        self.victim.asks(action="close", group="wob", reason=WORD)
        self.erases()
        self.check_gone()
        self.assertEqual(
            self.stage.rows("SELECT body FROM log WHERE kind IN ('deleted', 'closed') ORDER BY id"),
            [("5",), ("",)],
        )
        bob = self.bob.says("MSG hi").lines()[-1]
        self.assertIn("ERR muted an operator has muted you (no reason was given)", bob)

    def test_an_operator_whose_deletion_reads_the_message(self) -> None:
        """It would write words and a nick that are erased already."""
        self.desk.asks("appoint", nick=NICK)
        self.stage.readers.held = True
        self.victim.asks(action="delete", id=5, reason=WORD)
        wire = self.begins()
        self.stage.readers.held = False
        while self.stage.readers.waiting:
            self.stage.readers.run_next()
        self.stage.wait(60)
        self.assertEqual(heard(wire)[-1]["complete"], True)
        self.check_gone()
        self.assertEqual(self.stage.rows("SELECT body FROM log WHERE id = 5"), [("from alice",)])

    def test_one_who_has_unregistered_or_is_away(self) -> None:
        self.victim.asks(action="unregister", password=SECRET)
        self.stage.settle()
        self.assertEqual(self.erases(f"{NICK}~1")["complete"], True)
        self.bob.hangs_up()
        self.assertEqual(self.erases("BOB")["name"], "erased~2")
        self.check_memory()

    def test_who_can_not_be_erased(self) -> None:
        self.registered("teacher")
        for nick, code in (
            ("teacher", "configured_operator"),
            ("nobody", "no_such_user"),
            ("@console", "no_such_user"),
            ("a b", "no_such_user"),
        ):
            self.assertEqual(self.code(self.erases(nick)), code)
        self.assertEqual(self.desk.asks("modlog")["acts"], [])
        self.stage.chat.refuse_new_and_drain()
        self.assertEqual(self.code(self.erases()), "shutting_down")


class Interrupted(ErasureCase):
    """The daemon is killed, the disk fails, a reader is in the way."""

    def test_a_kill_in_the_middle(self) -> None:
        """Whatever the disk has after it, the next start finishes what was begun."""
        folders = 0
        states: set[tuple[Any, ...]] = set()
        self.stage.writer.held = True
        wire = self.begins()
        while not heard(wire):
            database = self.stage.database
            copy = database.parent.with_name(f"killed{folders}") / "chat.db"
            copy.parent.mkdir()
            folders += 1
            for path in database.parent.glob("chat.db*"):
                if not path.name.endswith((".lock", "-shm")):
                    shutil.copy(path, copy.with_name(path.name))
            states.update(self.stage.rows("SELECT last FROM erasures"))
            self.check_start_after_kill(copy)
            if self.stage.writer.waiting:
                self.stage.writer.run_next()
            self.stage.wait(1)
        self.assertEqual(sorted(states), [(0,), (6,), (10,), (12,)])
        self.assertGreaterEqual(folders, 6)

    def check_start_after_kill(self, database: Path) -> None:
        """A daemon starts on ``database``, and has erased her after a while, or has her whole."""
        killed, self.stage = self.stage, Stage(database, policy=AccountPolicy())
        try:
            has_begun = self.stage.rows("SELECT id FROM users WHERE nick = ?", NICK) == []
            self.stage.chat.eraser.start()
            self.stage.wait(60)
            if has_begun:
                self.check_gone()
            else:
                self.assertEqual(self.stage.rows("SELECT count(*) FROM log WHERE body LIKE '%xylo%'"), [(6,)])
        finally:
            self.stage.close()
            self.stage = killed

    def test_a_failed_first_transaction_changes_nothing(self) -> None:
        before = contents(self.stage.chat._authority.state)
        self.stage.writer.error = sqlite3.OperationalError("disk full")
        self.assertEqual(self.code(self.erases()), "storage_failed")
        self.stage.writer.error = None
        self.stage.wait(2)
        self.assertEqual(contents(self.stage.chat._authority.state), before)
        self.check_memory()
        self.assertEqual(self.erases()["complete"], True)
        self.check_gone()

    def test_a_failed_step_is_tried_again(self) -> None:
        wire = self.begins()
        self.stage.writer.error = sqlite3.OperationalError("disk full")
        self.stage.wait(1)
        self.assertEqual(len(self.stage.rows("SELECT * FROM erasures")), 1)
        self.assertEqual(self.on_disk(WORD) != [], True)
        self.stage.writer.error = None
        self.stage.wait(60)
        self.assertEqual(heard(wire)[-1]["complete"], True)
        self.check_gone()

    def test_a_reader_keeps_the_write_ahead_log(self) -> None:
        """The mark stays, so that the daemon empties it later."""
        journal = self.stage.journal
        empty = journal.erase_deleted_texts

        def busy() -> Deferred[bool]:
            return succeed(False)

        self.patch(journal, "erase_deleted_texts", busy)
        self.assertEqual(self.erases()["complete"], False)
        self.assertEqual(len(self.stage.rows("SELECT * FROM erasures")), 1)
        self.patch(journal, "erase_deleted_texts", empty)
        self.stage.wait(WAL_CHECKPOINT_RETRY_SECONDS)
        self.check_gone()

    def test_a_stop_in_the_middle(self) -> None:
        wire = self.begins()
        self.stage.chat.refuse_new_and_drain()
        self.stage.wait(60)
        self.assertEqual(self.code(heard(wire)[-1]), "shutting_down")
        self.assertEqual(len(self.stage.rows("SELECT * FROM erasures")), 1)
        self.restarts()
        self.stage.chat.eraser.start()
        self.stage.wait(60)
        self.check_gone()

    def test_two_at_once(self) -> None:
        first, second = self.begins(), self.begins("bob")
        self.stage.wait(60)
        self.assertEqual([heard(wire)[-1]["name"] for wire in (first, second)], ["erased~1", "erased~2"])
        self.check_gone()
        self.assertEqual(self.stage.rows("SELECT count(*) FROM log WHERE body = 'from bob'"), [(0,)])

    def test_the_chat_goes_on_meanwhile(self) -> None:
        wire = self.begins()
        self.assertEqual(heard(wire), [])
        self.alice.asks(action="client-broadcast", msg="still here")
        self.assertIn("MSG alice still here", self.bob.hears().decode())
        self.assertEqual(heard(wire), [])
        self.stage.wait(60)
        self.assertEqual(heard(wire)[-1]["complete"], True)

    def test_one_who_comes_back_at_once_is_a_new_user(self) -> None:
        self.begins()
        new = self.stage.json(NICK).asks(action="client-broadcast", msg="I am new")
        self.stage.wait(60)
        self.assertFalse(new.closed)
        self.assertEqual(self.messages(self.alice, action="history")[-1][2:4], (NICK, "I am new"))
        self.assertEqual(self.on_disk(WORD), [])
