"""What a client reads from the log: its conversations when it returns, and pages within bounds."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from chatd.boundaries import Payloads
from chatd.chat import replay
from chatd.chat.fair_queue import FairQueue
from chatd.core.limits import Limits
from chatd.core.records import entry_from_row
from chatd.dialects import text
from tests.support.in_memory_daemon import HINT, Peer, Stage, StageTestCase

reactor: Any = _reactor


def pages(objects: list[dict[str, Any]]) -> list[tuple[str, list[str], int, bool]]:
    """Each page: whose conversation, what was said, up to where it was seen, whether there is more."""
    return [
        (
            page.get("group") or page.get("with") or "lobby",
            [item["msg"] for item in page["messages"]],
            page["seen"],
            page.get("more", False),
        )
        for page in objects
        if page["action"] == "server-history"
    ]


def listed(objects: list[dict[str, Any]]) -> list[tuple[str, str, int, int]]:
    """The conversations that the last of ``objects`` lists."""
    assert objects[-1]["action"] == "server-conversations", objects[-1]
    return [(one["kind"], one["name"], one["last"], one["unread"]) for one in objects[-1]["conversations"]]


SECRET = "correct horse battery"


class Returning(StageTestCase):
    """A JSON client gets back what it sent and received with all its friends and in its groups."""

    def setUp(self) -> None:
        super().setUp()
        self.alice, bob = self.stage.json("alice"), self.stage.json("bob")
        bob.asks(action="register", password=SECRET)
        self.carol = self.stage.json("carol")
        self.alice.asks(action="client-broadcast", msg="hello all")  # 1
        bob.asks(action="client-send", to="alice", msg="salut")  # 2
        self.alice.asks(action="client-send", to="bob", msg="ça va ?")  # 3
        bob.asks(action="cgroupe", group="wob")  # 4
        bob.asks(action="gbroadcast", group="wob", msg="mine")  # 5
        self.carol.asks(action="client-send", to="alice", msg="psst")  # 6
        self.alice.asks(action="cgroupe", group="den", visibility="private")  # 7
        bob.hangs_up()
        self.alice.asks(action="client-send", to="bob", msg="are you there?")  # 8

    def back(self, **more: Any) -> list[dict[str, Any]]:
        """What bob gets when he returns."""
        return (
            self.stage.connect("json")
            .asks(action="client-hello", from_="bob", password=SECRET, **more)
            .objects()
        )

    def test_a_page_of_each_conversation_the_most_recent_first(self) -> None:
        """Both sides' messages, seen ones as well; nothing of what others said to each other."""
        self.assertEqual(
            pages(self.back()),
            [
                ("alice", ["salut", "ça va ?", "are you there?"], 7, False),
                ("wob", ["mine"], 7, False),
                ("lobby", ["hello all"], 7, False),
            ],
        )

    def test_as_course_work(self) -> None:
        """One object a write, as everything else."""
        bob = self.stage.connect("json").says(
            b'{"from":"bob","action":"client-hello","password":"%s"}' % SECRET.encode()
        )
        self.stage.wait(1)
        self.assertEqual([len(json.loads(write)) >= 3 for write in bob.wire.writes], [True] * 4)
        self.assertEqual(
            [page[:1] + page[2:] for page in pages(bob.objects())],
            [("alice", 7, False), ("wob", 7, False), ("lobby", 7, False)],
        )

    def test_a_group_without_a_message_and_an_invitation(self) -> None:
        self.alice.asks(action="invite", group="den", dest="bob")  # 9
        found = self.back()
        self.assertEqual([page[0] for page in pages(found)], ["alice", "wob", "lobby"])
        self.assertEqual((found[-1]["event"], found[-1]["group"]), ("invited", "den"))
        bob = self.stage.json("carol2")
        bob.asks(action="cgroupe", group="empty").hangs_up()
        again = self.stage.connect("json").asks(action="client-hello", from_="carol2").objects()
        self.assertEqual(pages(again)[0], ("empty", [], 10, False))

    def test_a_page_has_as_many_entries_as_a_page_has(self) -> None:
        self.stage.close()
        self.stage = Stage(self.stage.database, Limits(page=2))
        self.assertEqual(pages(self.back())[0], ("alice", ["ça va ?", "are you there?"], 7, True))

    def test_no_more_pages_than_the_limit_and_a_list_of_the_others(self) -> None:
        self.patch(replay, "MAX_LOGIN_PAGES", 1)
        found = self.back()
        self.assertEqual([page[0] for page in pages(found)], ["alice"])
        self.assertEqual(listed(found), [("group", "wob", 5, 0), ("lobby", "lobby", 1, 0)])
        self.assertNotIn("more", found[-1])

    def test_no_more_bytes_than_the_limit(self) -> None:
        self.patch(replay, "MAX_LOGIN_PAGES_BYTES", len("ça va ?are you there?".encode()))
        found = self.back()
        self.assertEqual(pages(found), [("alice", ["ça va ?", "are you there?"], 7, True)])
        self.assertEqual(listed(found), [("group", "wob", 5, 0), ("lobby", "lobby", 1, 0)])

    def test_no_longer_a_list_than_the_limit(self) -> None:
        self.patch(replay, "MAX_LOGIN_PAGES", 0)
        self.patch(replay, "MAX_LISTED_CONVERSATIONS", 2)
        found = self.back()
        self.assertEqual(listed(found), [("direct", "alice", 8, 1), ("group", "wob", 5, 0)])
        self.assertTrue(found[-1]["more"])
        self.carol.hears()
        self.carol.asks(action="conversations", skip=1)
        self.assertEqual(listed(self.carol.objects()), [("lobby", "lobby", 1, 0)])

    def test_none_if_the_hello_says_so(self) -> None:
        """The events about oneself come all the same, and what was missed is seen with this session."""
        self.alice.asks(action="invite", group="den", dest="bob")  # 9
        bob = self.stage.connect("json").asks(
            action="client-hello", from_="bob", password=SECRET, history="none"
        )
        self.assertEqual([said.get("event") for said in bob.objects()], [None, "invited"])
        self.assertEqual(
            listed(bob.asks(action="conversations").objects()),
            [("direct", "alice", 8, 1), ("group", "wob", 5, 0), ("lobby", "lobby", 1, 0)],
        )
        bob.hangs_up()
        self.assertEqual(pages(self.back())[0][2], 9)

    def test_none_with_a_since(self) -> None:
        """Exactly what follows."""
        self.assertEqual([said.get("id") for said in self.back(since=5)], [None, 8])

    def test_what_else_a_hello_may_not_say(self) -> None:
        (refused,) = self.back(history="all")
        self.assertEqual(
            (refused["code"], refused["msg"]), ("bad_request", "history must be one of send, none")
        )

    def test_a_newcomer_gets_none(self) -> None:
        found = self.stage.connect("json").asks(action="client-hello", from_="dave").objects()
        self.assertEqual([said["action"] for said in found], ["server-hello"])

    def test_a_group_that_was_left_is_not_among_them(self) -> None:
        self.stage.json("bob", password=SECRET).asks(action="leave", group="wob").hangs_up()
        self.assertEqual([page[0] for page in pages(self.back())], ["alice", "lobby"])

    def banned_meanwhile(self, **hello: Any) -> bytes:
        """What alice gets who is banned from wob, where "secret" was said, before her log is read."""
        self.stage.json("bob", password=SECRET).asks(
            action="gbroadcast", group="wob", msg="secret"
        ).hangs_up()
        self.alice.asks(action="join", group="wob").hangs_up()
        self.stage.readers.held = True
        back = self.stage.connect("json").asks(action="client-hello", from_="alice", **hello)
        self.stage.json("bob", password=SECRET, missed="keep").asks(action="ban", group="wob", dest="alice")
        while self.stage.readers.waiting:
            self.stage.readers.run_next()
            self.stage.settle()
        self.stage.readers.held = False
        return back.hears()

    def test_a_group_from_which_one_is_banned_meanwhile_is_not_in_its_page(self) -> None:
        heard = self.banned_meanwhile()
        self.assertIn(b"banned", heard)
        self.assertNotIn(b"secret", heard)

    def test_what_has_a_page_is_not_listed_besides(self) -> None:
        """Though a group before it has none, because one is out of it by then."""
        self.patch(replay, "MAX_LOGIN_PAGES", 2)
        said = [json.loads(line) for line in self.banned_meanwhile().splitlines()]
        (others,) = [one["conversations"] for one in said if one["action"] == "server-conversations"]
        paged = {page[0] for page in pages(said)}
        self.assertEqual(len(paged), 1)
        self.assertFalse(paged & {one["name"] for one in others})

    def test_nor_in_what_follows_an_id(self) -> None:
        heard = self.banned_meanwhile(since=0)
        self.assertIn(b"banned", heard)
        self.assertNotIn(b"secret", heard)

    def test_who_asks_without_a_hello_is_answered_behind_it(self) -> None:
        """A first request that names a known sender."""
        carol, self.carol = self.carol, self.stage.connect("json")
        carol.asks(action="join", group="wob").hangs_up()
        self.carol.asks(action="groups", from_="carol")
        self.assertEqual(
            [said["action"] for said in self.carol.objects()], ["server-history"] * 3 + ["server-groups"]
        )


class Conversations(StageTestCase):
    """One's conversations, on every wire."""

    def setUp(self) -> None:
        super().setUp()
        alice, bob = self.stage.json("alice"), self.stage.json("bob")
        alice.asks(action="client-broadcast", msg="one")  # 1
        alice.asks(action="cgroupe", group="wob")  # 2
        bob.asks(action="join", group="wob").hangs_up()  # 3
        alice.asks(action="gbroadcast", group="wob", msg="two")  # 4
        alice.asks(action="client-send", to="bob", msg="three")  # 5
        alice.asks(action="client-send", to="bob", msg="four")  # 6
        alice.asks(action="client-send", to="alice", msg="a note to myself")  # 7
        self.alice = alice

    def test_in_json(self) -> None:
        bob = self.stage.json("bob")
        self.assertEqual(
            listed(bob.asks(action="conversations").objects()),
            [("direct", "alice", 6, 2), ("group", "wob", 4, 1), ("lobby", "lobby", 1, 0)],
        )
        self.assertEqual(listed(bob.asks(action="conversations", skip=2).objects())[0][0], "lobby")

    def test_in_text(self) -> None:
        bob = self.stage.text("bob")
        self.assertEqual(
            bob.says("conversations;").lines(),
            ["CNV direct alice 6 0", "CNV group wob 4 1", "CNV lobby lobby 1 0", "END conversations 3"],
        )
        self.assertEqual(bob.says("conversations;2").lines(), ["CNV lobby lobby 1 0", "END conversations 1"])

    def test_in_the_chat_room(self) -> None:
        bob = self.stage.connect("tp6").says("Hello|bob")
        self.stage.wait(1)
        bob.hears()
        bob.says("/conversations")
        self.stage.wait(1)
        self.assertEqual(
            bob.lines(),
            [
                "Conversations : 3",
                "  alice (privé, n° 6, 0 non lu)",
                "  wob (salon, n° 4, 1 non lu)",
                "  la chatroom (n° 1, 0 non lu)",
            ],
        )

    def test_what_is_delivered_is_read(self) -> None:
        """Unread is what came while one was away."""
        bob = self.stage.json("bob")
        self.alice.asks(action="client-send", to="bob", msg="five")  # 8
        bob.hears()
        self.assertEqual(listed(bob.asks(action="conversations").objects())[0], ("direct", "alice", 8, 2))

    def test_for_a_script_that_takes_nothing_away_all_is_unread(self) -> None:
        script = self.stage.json("bob", missed="keep")
        self.alice.asks(action="client-send", to="bob", msg="five")  # 8
        script.hears()
        self.assertEqual(listed(script.asks(action="conversations").objects())[0], ("direct", "alice", 8, 3))

    def test_a_note_to_oneself_has_ones_own_name(self) -> None:
        self.alice.hears()
        self.assertEqual(
            listed(self.alice.asks(action="conversations").objects())[0], ("direct", "alice", 7, 0)
        )

    def test_a_newcomer_has_the_lobby(self) -> None:
        dave = self.stage.json("dave")
        self.assertEqual(listed(dave.asks(action="conversations").objects()), [("lobby", "lobby", 1, 0)])

    def test_after_a_restart(self) -> None:
        self.restart()
        bob = self.stage.json("bob")
        self.assertEqual(
            listed(bob.asks(action="conversations").objects())[:2],
            [("direct", "alice", 6, 2), ("group", "wob", 4, 1)],
        )


class TextReturning(StageTestCase):
    """A text client gets what it missed and one line about the rest."""

    def test_the_hint_comes_last(self) -> None:
        alice, bob = self.stage.text("alice"), self.stage.text("bob")
        bob.says("BYE")
        alice.says("PRV bob hi").says("MSG not this").says("cg;den;private").says("invite;den;bob")
        bob = self.stage.arrives("bob")
        lines = bob.lines()
        self.assertEqual(lines[3:5], ["PRV alice hi", "GEV den invited alice bob"])
        self.assertEqual(lines[5:], [HINT])

    def test_no_hint_where_nothing_was_ever_said(self) -> None:
        self.stage.text("bob").says("BYE")
        self.assertEqual(self.stage.arrives("bob").lines(), ["WHO", "ARR bob", "BCK bob"])

    def test_what_the_hint_names_exists(self) -> None:
        alice = self.stage.text("alice")
        alice.says("cg;wob").says("bg;wob;one").says("PRV alice two").hears()
        for line in ("conversations;", "history;", "history;alice", "messages;wob"):
            self.assertTrue(alice.says(line).lines()[-1].startswith("END "), line)


class Failing(StageTestCase):
    def test_a_read_that_fails_says_so(self) -> None:
        """It is not what is said when something was not stored; and the client may ask again."""
        alice = self.stage.json("alice")
        alice.asks(action="client-broadcast", msg="one").hears()
        self.stage.readers.error = sqlite3.OperationalError("disk I/O error")
        for action in ("history", "conversations"):
            (refused,) = alice.asks(action=action).objects()
            self.assertEqual(
                (refused["code"], refused["msg"], refused["retry_after"]),
                ("storage_failed", "the log could not be read from the disk; try again later", 1.0),
            )
        self.stage.readers.error = None
        self.assertEqual(alice.asks(action="history").objects()[0]["action"], "server-history")

    def test_a_read_that_rests_on_a_lost_commit(self) -> None:
        alice = self.stage.json("alice")
        self.stage.writer.error = sqlite3.OperationalError("database or disk is full")
        said = alice.asks(action="client-broadcast", msg="one").objects()
        self.assertEqual(
            [one["msg"] for one in said],
            ["not stored: the disk could not be written, nothing was sent; try again later"],
        )
        self.stage.writer.held = True
        alice.asks(action="client-broadcast", msg="two").asks(action="history")
        self.stage.writer.run_next()
        self.stage.settle()
        self.assertEqual(
            [one["msg"].partition(":")[0] for one in alice.objects()],
            ["not stored", "the log could not be read from the disk; try again later"],
        )


class LargePages(StageTestCase):
    """A page is bounded in bytes as it is in entries, when it is read and when it is formatted."""

    limits = Limits(page_max=500)

    def setUp(self) -> None:
        super().setUp()
        alice = self.stage.json("alice")
        for number in range(12):
            alice.asks(action="client-broadcast", msg=f"{number:02}" + "#" * 40_000, kind="image")

    def rows_read(self, peer: Peer, request: str) -> tuple[int, bytes]:
        """How many rows the answer to ``request`` took, and the answer."""
        found: list[int] = []
        fetch = entry_from_row

        def count(state: Any, row: Any) -> Any:
            found.append(row[0])
            return fetch(state, row)

        self.patch(replay, "entry_from_row", count)
        answer = peer.says(request)
        self.stage.wait(1)
        return len(found), answer.hears()

    def test_text(self) -> None:
        rows, answer = self.rows_read(self.stage.text("bob"), "history;;500")
        self.assertEqual(rows, 6)
        self.assertLess(len(answer), text.MAX_LIST_BYTES + 100)
        self.assertTrue(answer.endswith(b"END history 6 more\n"))

    def test_json(self) -> None:
        rows, answer = self.rows_read(self.stage.json("bob"), '{"action":"history","limit":500}')
        self.assertEqual(rows, 6)
        page = json.loads(answer)
        self.assertEqual([item["msg"][:2] for item in page["messages"]], ["06", "07", "08", "09", "10", "11"])
        self.assertTrue(page["more"])

    def test_forward_from_somewhere(self) -> None:
        rows, answer = self.rows_read(self.stage.json("bob"), '{"action":"history","after":0}')
        page = json.loads(answer)
        self.assertEqual((rows, page["messages"][0]["id"], page["messages"][-1]["id"]), (6, 1, 6))
        self.assertTrue(page["more"])

    def test_a_replay_is_whole_all_the_same(self) -> None:
        bob = self.stage.connect("json").asks(action="client-hello", from_="bob", since=0)
        self.stage.wait(1)
        self.assertEqual([said["id"] for said in bob.objects()[1:]], list(range(1, 13)))

    def test_what_does_not_fit_is_not_formatted(self) -> None:
        """Six of these pages fit into the bytes read, and fewer into an answer that repeats who said it."""
        formatted: list[int] = []
        item = text._message_item

        def count(where: str, entry: Any) -> Payloads:
            formatted.append(entry.id)
            return item(where, entry)

        self.patch(text, "_message_item", count)
        self.patch(text, "MAX_LIST_BYTES", 100_000)
        answer = self.stage.text("bob").says("history;;500").hears()
        self.assertTrue(answer.endswith(b"END history 2 more\n"))
        self.assertEqual(formatted, [12, 11, 10])


class OneAtATime(TestCase):
    """Readers take turns of the reactor, here the real one."""

    async def test_one_in_each_turn_in_the_order_of_asking(self) -> None:
        """Whatever else is due happens in between."""
        turns = FairQueue(reactor)
        happened: list[str] = []

        async def read(name: str) -> None:
            for number in range(2):
                await turns.wait()
                happened.append(f"{name}{number}")

        def tick(left: int) -> None:
            happened.append("-")
            if left:
                reactor.callLater(0, tick, left - 1)

        reading = [Deferred.fromCoroutine(read(name)) for name in "ab"]
        reactor.callLater(0, tick, 3)
        await gatherResults(reading)
        self.assertEqual(happened[:7], ["a0", "-", "b0", "-", "a1", "-", "b1"])
        await deferLater(reactor, 0)
