"""Read marks on every wire: what a user has read, who learns of it, and what counts as unread."""

from __future__ import annotations

import sqlite3
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher
from zope.interface import implementer

from chatd.chat.delivery_log import DeliveryLog
from chatd.core.accounts import AccountPolicy
from chatd.core.events import Delivery
from chatd.store.check import find_file_problems
from chatd.store.journal import READ_MARK_WRITE_DELAY_SECONDS
from tests.support.effort import effort
from tests.support.in_memory_daemon import Peer, Stage, StageTestCase, ThreadlessPool

SECRET = "correct horse battery"
FULL = sqlite3.OperationalError("database or disk is full")


class MarkCase(StageTestCase):
    """Alice is registered, and a member of bob's group wob. Each conversation has a message of bob."""

    def setUp(self) -> None:
        super().setUp()
        self.stage.close()
        self.opens()
        self.alice = self.stage.json("alice").asks(action="register", password=SECRET)
        self.bob = self.stage.json("bob").asks(action="cgroupe", group="wob")  # 1
        self.alice.asks(action="join", group="wob")  # 2
        self.bob.asks(action="client-broadcast", msg="to all")  # 3
        self.bob.asks(action="gbroadcast", group="wob", msg="to wob")  # 4
        self.bob.asks(action="send", dest="alice", msg="to alice")  # 5
        self.forget()

    def opens(self) -> None:
        """Start the daemon, with bob as a server operator."""
        self.stage = Stage(self.stage.database, policy=AccountPolicy(operators=("bob",)))

    def forget(self) -> None:
        """Forget what both have heard."""
        self.alice.hears(), self.bob.hears()

    def again(self, **more: Any) -> Peer:
        """One more session of alice."""
        peer = self.stage.json("alice", password=SECRET, **more)
        self.forget()
        return peer

    def mark(self, peer: Peer | None = None, **request: Any) -> dict[str, Any]:
        """The answer to ``markread``, of alice if of nobody else."""
        peer = peer or self.alice
        peer.hears()
        (answer,) = peer.asks(action="markread", **request).objects()
        return answer

    def listed(self, peer: Peer | None = None) -> dict[str, tuple[int, int]]:
        """The mark and the number of unread messages of each conversation."""
        peer = peer or self.alice
        peer.hears()
        (answer,) = peer.asks(action="conversations").objects()
        return {one["name"]: (one["read"], one["unread"]) for one in answer["conversations"]}

    def on_disk(self) -> set[tuple[int, ...]]:
        """User, conversation and id of the marks on disk, which are those in memory."""
        self.stage.wait(READ_MARK_WRITE_DELAY_SECONDS)
        rows = self.stage.rows("SELECT * FROM read_marks")
        marks = self.stage.journal._read_marks
        self.assertCountEqual(
            rows, [(user, place, *mark) for user, found in marks.items() for place, mark in found.items()]
        )
        self.assertNotIn({}, marks.values())
        return {tuple(row[:3]) for row in rows}


class Marking(MarkCase):
    def test_each_kind_of_conversation(self) -> None:
        places: tuple[tuple[dict[str, Any], dict[str, str], int], ...] = (
            ({}, {}, 3),
            ({"group": "WOB"}, {"group": "wob"}, 4),
            ({"with": "BOB"}, {"with": "bob"}, 5),
        )
        for where, named, id in places:
            with self.subTest(where):
                answer = self.mark(ref="r", upto=id, **where)
                self.assertEqual(answer, {"action": "server-read", "ref": "r", **named, "id": id})
        self.assertEqual(self.on_disk(), {(1, 1, 3), (1, 2, 4), (1, 3, 5)})

    def test_any_id_up_to_the_last_one(self) -> None:
        """It need not be in the conversation; a larger one, or none, is the last one there."""
        self.assertEqual(self.mark(upto=2)["id"], 2)
        self.assertEqual(self.mark(upto=2**63 - 1)["id"], 3)
        self.assertEqual(self.mark(group="wob")["id"], 4)

    def test_it_never_moves_back(self) -> None:
        self.mark(group="wob", upto=4)
        for upto in (3, 0, 4):
            self.assertEqual(self.mark(group="wob", upto=upto)["id"], 4)
        self.assertEqual(self.listed()["wob"], (4, 0))

    def test_where_nothing_was_said(self) -> None:
        """There is nothing to mark: neither with somebody known, nor with oneself."""
        self.stage.json("carol")
        self.forget()
        for dest in ("carol", "alice"):
            answer = self.mark(dest=dest)
            self.assertEqual(answer, {"action": "server-read", "with": dest, "id": 0})
        self.assertEqual(self.on_disk(), set())

    def test_notes_to_oneself(self) -> None:
        self.alice.asks(action="send", dest="alice", msg="milk")
        self.assertEqual(self.mark(dest="alice"), {"action": "server-read", "with": "alice", "id": 6})

    def test_what_was_sent_before_it_is_marked(self) -> None:
        """Requests are carried out in their order, however many come at once."""
        self.bob.says('{"action":"client-broadcast","msg":"hi"}{"action":"markread"}\n')
        self.assertEqual([said["id"] for said in self.bob.objects()], [6, 6])

    def test_what_is_refused(self) -> None:
        self.bob.asks(action="cgroupe", group="den", visibility="private")
        self.bob.asks(action="cgroupe", group="fans")
        self.forget()
        for request, code in (
            ({"group": "nowhere"}, "no_such_group"),
            ({"group": "den"}, "no_such_group"),
            ({"group": "fans"}, "not_member"),
            ({"dest": "nobody"}, "no_such_user"),
            ({"upto": -1}, "bad_request"),
            ({"upto": 2**63}, "bad_request"),
            ({"upto": "x"}, "bad_request"),
        ):
            with self.subTest(request):
                self.assertEqual(self.mark(**request)["code"], code)
        self.assertEqual(self.on_disk(), set())

    def test_before_the_login(self) -> None:
        nobody = self.stage.connect("json").asks(action="markread")
        self.assertEqual(nobody.objects()[0]["code"], "not_identified")

    def test_text(self) -> None:
        alice = self.stage.text("bob2").says("s;bob;hi").says("j;wob")  # 6, 7
        alice.hears()
        alice.says("markread;").says("markread;;2").says("markread;wob;4").says("markread;;;bob")
        self.assertEqual(alice.lines(), ["RDM * 3", "RDM * 3", "RDM wob 4", "RDM bob 6"])
        self.assertEqual(alice.says("markread;den").lines(), ["ERR no_such_group unknown group: den"])

    def test_the_chat_room(self) -> None:
        """Without a group it is the room where the client is."""
        carol = self.stage.connect("tp6").says("Hello|carol")
        self.stage.wait(1)
        carol.hears()
        for typed, answer in (
            ("/markread", "C'est fait : la chatroom est lue jusqu'au n° 3"),
            ("/join wob", "Vous êtes dans wob"),
            ("/markread", "C'est fait : wob est lu jusqu'au n° 6"),
            ("/markread wob 2", "C'est fait : wob est lu jusqu'au n° 6"),
        ):
            carol.says(typed)
            self.stage.wait(1)
            self.assertEqual(carol.hears().decode().strip(), answer)


class OtherSessions(MarkCase):
    """Who is told that a mark has moved."""

    def test_the_other_sessions_of_the_user(self) -> None:
        second, web = self.again(), self.stage.connect("web", subprotocol="chatd.json")
        third = self.again(missed="keep")
        for group, upto in (("wob", 2), ("wob", 4)):
            self.mark(second, group=group, upto=upto)
            told = {"action": "server-read", "group": "wob", "id": upto}
            for peer in (self.alice, third):
                self.assertEqual(peer.objects(), [told])
        self.mark(second, dest="bob")
        self.assertEqual(third.objects(), [{"action": "server-read", "with": "bob", "id": 5}])
        self.mark(second)
        self.assertEqual(third.objects(), [{"action": "server-read", "id": 3}])
        self.assertEqual(self.bob.objects(), [])
        self.assertEqual(web.hears(), b"", "it has not logged in")

    def test_nobody_is_told_of_a_mark_that_stays(self) -> None:
        second = self.again()
        self.mark(upto=3)
        second.hears()
        self.mark(upto=1)
        self.mark(upto=99)
        self.assertEqual(second.objects(), [])

    def test_clients_that_do_not_know_it(self) -> None:
        """Neither course-work clients, nor text, nor the chat room; nor a program with a token."""
        (made,) = self.alice.asks(action="maketoken", token="bot", scope="write").objects()
        peers = [
            self.stage.json("alice", password=made["secret"]),
            self.stage.connect("json").says(
                b'{"from":"alice","action":"client-hello","password":"%b"}' % SECRET.encode()
            ),
            self.stage.connect("text").says(f"PWD {SECRET}").says("IAM alice"),
            self.stage.connect("tp6").says(f"/login alice {SECRET}"),
            self.stage.connect("tp6-bonus").says(f"/login alice {SECRET}"),
        ]
        self.stage.wait(60)
        for peer in peers:
            peer.hears()
        self.assertEqual(self.mark(group="wob")["id"], 4)
        self.stage.wait(60)
        self.assertEqual([peer.hears() for peer in peers], [b""] * len(peers))
        self.bob.asks(action="send", dest="alice", msg="hi")
        self.stage.wait(60)
        for peer in peers:
            self.assertNotEqual(peer.hears(), b"", "it hears what it knows")

    def test_a_course_work_client_is_answered(self) -> None:
        peer = self.stage.connect("json").says(b'{"from":"carol","action":"client-hello"}')
        self.stage.wait(1)
        peer.hears()
        peer.says(b'{"action":"markread","upto":3}')
        self.stage.wait(1)
        self.assertEqual(peer.objects(), [{"action": "server-read", "id": 3}])

    def test_no_log_has_it(self) -> None:
        delivered: list[Delivery] = []
        logged: list[str] = []

        @implementer(ILogObserver)
        def note(event: LogEvent) -> None:
            logged.append(str(formatEvent(event)))

        self.stage.close()
        self.stage = Stage(
            self.stage.database, None, lambda delivery, _: delivered.append(delivery), DeliveryLog()
        )
        self.alice, second = (self.stage.json("alice", password=SECRET) for _ in range(2))
        delivered.clear()
        globalLogPublisher.addObserver(note)
        self.addCleanup(globalLogPublisher.removeObserver, note)
        self.mark(group="wob")
        self.assertEqual(second.objects(), [{"action": "server-read", "group": "wob", "id": 4}])
        self.assertEqual((delivered, logged), ([], []))
        second.asks(action="client-broadcast", msg="hi")
        self.assertEqual((len(delivered), len(logged)), (1, 2), "both are kept")


class Tokens(MarkCase):
    """A program with a token has no part in what its user has read."""

    def test_it_is_refused_and_shown_no_marks(self) -> None:
        self.mark(group="wob", upto=1)
        for scope in ("read", "write"):
            secret = self.alice.asks(action="maketoken", token=scope, scope=scope).objects()[-1]["secret"]
            bot = self.stage.json("alice", password=secret)
            self.assertEqual(self.mark(bot, group="wob")["code"], "out_of_scope")
            self.assertEqual(self.listed(bot), {"bob": (0, 0), "wob": (0, 0), "lobby": (0, 0)})
        self.assertEqual(self.on_disk(), {(1, 2, 1)})


class Unread(MarkCase):
    """What counts as unread in a list of conversations."""

    def talk(self) -> None:
        """One more message of bob in each conversation."""
        self.bob.asks(action="client-broadcast", msg="to all")  # 6
        self.bob.asks(action="gbroadcast", group="wob", msg="to wob")  # 7
        self.bob.asks(action="send", dest="alice", msg="to alice")  # 8

    def test_without_a_mark_it_is_what_was_missed(self) -> None:
        self.alice.hangs_up()
        self.talk()
        self.alice = self.again()
        self.talk()
        self.assertEqual(self.listed(), {"bob": (0, 1), "wob": (0, 1), "lobby": (0, 1)})

    def test_a_mark_is_the_truth(self) -> None:
        """Whatever was sent to which session: what follows the mark is unread, up to now."""
        self.mark(group="wob", upto=3)
        self.talk()
        self.assertEqual(self.listed(), {"bob": (0, 0), "wob": (3, 2), "lobby": (0, 0)})
        self.mark(group="wob", upto=4)
        self.alice.hangs_up()
        self.talk()
        self.alice = self.again()
        self.assertEqual(self.listed(), {"bob": (0, 1), "wob": (4, 2), "lobby": (0, 1)})
        self.mark(group="wob")
        self.assertEqual(self.listed(self.again())["wob"], (10, 0))

    def test_a_mark_before_everything_is_one(self) -> None:
        """What was delivered is unread from the first message on; where there is none, nothing is kept."""
        self.assertEqual(self.mark(upto=0), {"action": "server-read", "id": 0})
        self.assertEqual(self.mark(dest="alice", upto=0)["id"], 0)
        self.assertEqual(self.on_disk(), {(1, 1, 0)})
        self.talk()
        self.assertEqual(self.listed()["lobby"], (0, 2))
        conversations = self.alice.asks(action="conversations").objects()[-1]["conversations"]
        self.assertEqual([one["name"] for one in conversations if one.get("marked")], ["lobby"])
        self.alice.hangs_up()
        self.alice = self.again()
        self.assertEqual(self.listed()["lobby"], (0, 2))
        self.mark()
        self.assertEqual(self.listed()["lobby"], (6, 0))
        self.assertEqual(self.mark(upto=0)["id"], 6)

    def test_own_and_ignored_messages_do_not_count(self) -> None:
        self.mark(group="wob", upto=4)
        self.alice.asks(action="gbroadcast", group="wob", msg="mine")
        self.talk()
        self.assertEqual(self.listed()["wob"], (4, 1))
        self.alice.asks(action="ignore", dest="bob")
        self.assertEqual(self.listed()["wob"], (4, 0))

    def test_nor_does_what_a_member_may_not_read(self) -> None:
        self.bob.asks(action="sethistory", group="wob", mode="since_joining")
        carol = self.stage.json("carol").asks(action="join", group="wob")
        self.mark(carol, group="wob", upto=1)
        self.assertEqual(self.listed(carol)["wob"], (1, 0))
        self.talk()
        self.assertEqual(self.listed(carol)["wob"], (1, 1))

    def test_on_text(self) -> None:
        """There private messages count as read, unless the user says otherwise."""
        text = self.stage.text("dan")
        self.bob.asks(action="send", dest="dan", msg="one")  # 6
        self.bob.asks(action="send", dest="dan", msg="two")  # 7
        text.hears()
        self.assertEqual(
            text.says("conversations;").lines(),
            ["CNV direct bob 7 0", "CNV lobby lobby 3 0", "END conversations 2"],
        )
        text.says("markread;;6;bob").says("conversations;")
        self.assertEqual(
            text.lines(),
            ["RDM bob 6", "CNV direct bob 7 1", "CNV lobby lobby 3 0", "END conversations 2"],
        )

    def test_the_mark_of_one_user_is_none_of_another(self) -> None:
        self.mark(group="wob")
        self.assertEqual(self.listed(self.bob)["wob"], (0, 0))
        self.assertEqual(self.mark(self.bob, group="wob", upto=2)["id"], 2)


class Ending(MarkCase):
    """Marks end with the membership, and with the account."""

    def setUp(self) -> None:
        super().setUp()
        self.marks()

    def marks(self) -> None:
        """Have both mark everything."""
        for peer, friend in ((self.alice, "bob"), (self.bob, "alice")):
            peer.asks(action="markread").asks(action="markread", group="wob")
            peer.asks(action="markread", dest=friend)
        self.assertEqual(self.on_disk(), {(u, c, i) for u in (1, 2) for c, i in ((1, 3), (2, 4), (3, 5))})
        self.forget()

    def test_leaving_a_group(self) -> None:
        before = self.on_disk()
        self.alice.asks(action="leave", group="wob")
        self.assertEqual(self.on_disk(), before - {(1, 2, 4)})
        self.alice.asks(action="join", group="wob")
        self.assertEqual(self.listed()["wob"], (0, 0))

    def test_kicks_and_bans(self) -> None:
        before = self.on_disk()
        for action in ("kick", "ban"):
            self.bob.asks(action=action, group="wob", dest="alice")
            self.assertEqual(self.on_disk(), before - {(1, 2, 4)})
            self.alice.asks(action="join", group="wob").asks(action="markread", group="wob")

    def test_a_group_that_is_closed(self) -> None:
        before = self.on_disk()
        self.bob.asks(action="register", password=SECRET).asks(action="close", group="wob")
        self.assertEqual(self.on_disk(), before - {(1, 2, 4), (2, 2, 4)})

    def test_an_account_that_is_closed(self) -> None:
        self.alice.asks(action="unregister", password=SECRET)
        self.assertEqual(self.on_disk(), {(2, 1, 3), (2, 2, 4), (2, 3, 5)})
        self.assertEqual(self.listed(self.bob)["alice~1"], (5, 0))
        new = self.stage.json("alice")
        self.assertEqual(self.listed(new), {"lobby": (0, 0)})

    def test_a_mark_that_follows_the_end_at_once(self) -> None:
        """It is refused, and leaves nothing behind."""
        self.bob.says('{"action":"leave","group":"wob"}{"action":"markread","group":"wob"}\n')
        self.assertEqual(
            [said.get("code") for said in self.bob.objects() if said["action"] != "server-event"],
            [None, "not_member"],
        )
        second = self.again()
        self.alice.asks(action="unregister", password=SECRET)
        self.assertTrue(second.closed)
        self.assertEqual(self.on_disk(), {(2, 1, 3), (2, 3, 5)})

    def test_marks_between_leaving_and_joining(self) -> None:
        """Each falls into its own membership, though all come in one read and go to disk in one commit."""
        carol = self.stage.json("carol").asks(action="join", group="wob")  # 6
        carol.hears()
        commits = self.stage.journal.commits
        carol.says(
            '{"action":"markread","group":"wob","upto":5}{"action":"leave","group":"wob"}'
            '{"action":"join","group":"wob"}{"action":"markread","group":"wob","upto":2}\n'
        )
        self.assertEqual(self.stage.journal.commits, commits + 1)
        answers = [said for said in carol.objects() if said["action"] == "server-read"]
        self.assertEqual([said["id"] for said in answers], [5, 2])
        self.assertIn((3, 2, 2), self.on_disk())

    def test_a_session_that_waits_while_its_account_is_closed(self) -> None:
        second = self.again()
        self.stage.writer.held = True
        self.alice.asks(action="unregister", password=SECRET)
        second.hears()
        second.asks(action="markread")
        self.stage.writer.held = False
        while self.stage.writer.waiting:
            self.stage.writer.run_next()
            self.stage.settle()
        self.assertIn("account_closed", str(second.objects()))
        self.assertEqual(self.on_disk(), {(2, 1, 3), (2, 2, 4), (2, 3, 5)})


class Storage(MarkCase):
    """A mark goes to disk with the next commit, or some seconds later."""

    def test_it_needs_no_commit_of_its_own(self) -> None:
        commits = self.stage.journal.commits
        for id in (1, 2, 3, 4):
            self.mark(group="wob", upto=id)
        self.assertEqual(self.stage.journal.commits, commits)
        self.assertEqual(self.stage.rows("SELECT * FROM read_marks"), [])
        self.stage.wait(READ_MARK_WRITE_DELAY_SECONDS)
        self.assertEqual(self.stage.rows("SELECT * FROM read_marks"), [(1, 2, 4, 0)])
        self.assertEqual(self.stage.journal.commits, commits + 1)

    def test_marks_that_stay_write_nothing(self) -> None:
        """However often a client sends them."""
        self.mark(group="wob")
        self.stage.wait(READ_MARK_WRITE_DELAY_SECONDS)
        commits = self.stage.journal.commits
        for upto in (1, 4, 99) * 20:
            self.mark(group="wob", upto=upto)
        self.stage.wait(10 * READ_MARK_WRITE_DELAY_SECONDS)
        self.assertEqual(self.stage.journal.commits, commits)

    def test_a_restart(self) -> None:
        self.mark(group="wob", upto=3)
        self.stage.close()
        self.assertEqual(find_file_problems(self.stage.database), [])
        self.opens()
        self.alice = self.stage.json("alice", password=SECRET)
        self.assertEqual(self.listed()["wob"], (3, 1))
        self.assertEqual(self.mark(group="wob", upto=1)["id"], 3)

    def test_while_the_disk_is_full(self) -> None:
        """It counts at once, and is written when there is room again."""
        self.stage.writer.error = FULL
        self.assertEqual(self.mark(group="wob", upto=3)["id"], 3)
        self.stage.wait(3 * READ_MARK_WRITE_DELAY_SECONDS)
        self.assertEqual(
            self.alice.asks(action="client-broadcast", msg="x").objects()[-1]["code"], "storage_failed"
        )
        self.assertEqual(self.listed()["wob"], (3, 1))
        self.stage.writer.error = None
        self.assertEqual(self.on_disk(), {(1, 2, 3)})

    def test_a_departure_that_is_not_stored_ends_nothing(self) -> None:
        self.mark(group="wob", upto=3)
        self.stage.writer.error = FULL
        self.assertEqual(self.alice.asks(action="leave", group="wob").objects()[-1]["code"], "storage_failed")
        self.stage.writer.error = None
        self.assertEqual(self.listed()["wob"], (3, 1))
        self.assertEqual(self.on_disk(), {(1, 2, 3)})

    def test_behind_what_is_not_stored_it_is_refused(self) -> None:
        self.stage.writer.held = True
        self.bob.asks(action="client-broadcast", msg="x")
        self.alice.asks(action="markread")
        self.assertEqual(self.alice.objects(), [])
        self.stage.writer.held, self.stage.writer.error = False, FULL
        self.stage.writer.run_next()
        self.stage.settle()
        self.assertEqual([said["code"] for said in self.alice.objects()], ["storage_failed"])
        self.stage.writer.error = None
        self.assertEqual(self.on_disk(), set())


STEPS = st.lists(
    st.tuples(
        st.sampled_from(("mark", "mark", "leave", "join", "say", "wait", "fail", "mend", "hold", "run")),
        st.sampled_from((0, 1)),
        st.integers(0, 12),
    ),
    max_size=40,
)


class Anything(StageTestCase):
    """Whatever comes, and whatever fails, a mark is that of a member, and memory and disk agree."""

    @given(STEPS)
    @settings(max_examples=effort(60), deadline=None)
    def test_memory_and_disk_agree(self, steps: list[tuple[str, int, int]]) -> None:
        stage = Stage(self.stage.database.with_name(f"{id(steps)}.db"))
        try:
            self.check(stage, steps)
        finally:
            stage.writer.error = None
            self.release(stage.writer, stage)
            stage.close()

    def release(self, writer: ThreadlessPool, stage: Stage) -> None:
        """Let all transactions run."""
        writer.held = False
        while writer.waiting:
            writer.run_next()
            stage.settle()

    def check(self, stage: Stage, steps: list[tuple[str, int, int]]) -> None:
        """Play ``steps``, then compare."""
        peers = [stage.json(nick) for nick in ("alice", "bob", "carol")]
        peers[2].asks(action="cgroupe", group="wob")
        writer = stage.writer
        for step, who, upto in steps:
            peer = peers[who]
            if step == "mark":
                peer.asks(action="markread", group="wob", upto=upto)
            elif step == "say":
                peer.asks(action="gbroadcast", group="wob", msg="x")
            elif step in ("leave", "join"):
                peer.asks(action=step, group="wob")
            elif step == "wait":
                stage.wait(READ_MARK_WRITE_DELAY_SECONDS)
            elif step in ("fail", "mend"):
                writer.error = FULL if step == "fail" else None
            elif step == "hold":
                writer.held = True
            elif writer.waiting:
                writer.run_next()
                stage.settle()
        writer.error = None
        self.release(writer, stage)
        stage.wait(10 * READ_MARK_WRITE_DELAY_SECONDS)
        rows = stage.rows("SELECT user, conversation, last FROM read_marks")
        read = stage.store.read_snapshot()
        self.assertEqual(stage.journal._read_marks, read.read_marks)
        group = read.state.find_group("wob")
        assert group is not None
        self.assertLessEqual({user for user, _, _ in rows}, set(group.members))
        self.assertTrue(all(last <= read.last_ids[2] for _, _, last in rows))
