"""Searches: everyone finds what they may read now, and nothing else, on every wire."""

from __future__ import annotations

import re
import sqlite3
import unicodedata
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from twisted.internet.defer import Deferred

from chatd.chat import search
from chatd.core.accounts import AccountPolicy
from chatd.store import search_index
from chatd.store.check import find_file_problems
from chatd.store.indexer import INDEX_DELAY_SECONDS
from tests.support.effort import effort
from tests.support.in_memory_daemon import UNTHROTTLED, Peer, Stage, StageTestCase

SECRET = "correct horse battery"
TIME = re.compile(r"2001-09-09T[0-9:.]+Z")
DAY = 86_400


class SearchCase(StageTestCase):
    """Alice owns the private group wob, bob is a member, carol is not."""

    def setUp(self) -> None:
        super().setUp()
        self.alice, self.bob, self.carol = map(self.stage.json, ("alice", "bob", "carol"))
        self.alice.asks(action="cgroupe", group="wob", visibility="private")  # 1
        self.alice.asks(action="invite", group="wob", dest="bob")  # 2
        self.bob.asks(action="join", group="wob")  # 3
        self.forget()

    def forget(self) -> None:
        """Forget what all have heard."""
        for peer in (self.alice, self.bob, self.carol):
            peer.hears()

    def answer(self, peer: Peer, words: str = "word", **fields: Any) -> dict[str, Any]:
        """The answer to a search, or its refusal."""
        peer.hears()
        (answer,) = peer.asks(action="search", words=words, ref="s", **fields).objects()
        self.assertEqual(answer.pop("ref"), "s")
        return answer

    def finds(self, peer: Peer, words: str = "word", **fields: Any) -> list[int]:
        """The ids that a search finds."""
        answer = self.answer(peer, words, **fields)
        self.assertEqual(answer["action"], "server-search")
        return [message["id"] for message in answer["messages"]]

    def code(self, peer: Peer, words: str = "word", **fields: Any) -> str:
        """The code of a refusal."""
        return str(self.answer(peer, words, **fields)["code"])

    def index(self) -> None:
        """Have all that was said indexed."""
        self.stage.wait(INDEX_DELAY_SECONDS + 1)
        self.forget()


class Everywhere(SearchCase):
    """Something was said in the lobby, in the group, and in private."""

    def setUp(self) -> None:
        super().setUp()
        self.carol.asks(action="client-broadcast", msg="a word in the lobby")  # 4
        self.bob.asks(action="gbroadcast", group="wob", msg="a word in the group")  # 5
        self.alice.asks(action="client-send", to="bob", msg="a word in private")  # 6
        self.carol.asks(action="client-send", to="carol", msg="a word to myself")  # 7
        self.carol.asks(action="client-send", to="bob", msg="a word of carol's")  # 8

    def test_who_finds_what(self) -> None:
        dave = self.stage.json("dave")
        for _ in range(2):
            self.assertEqual(self.finds(self.alice), [6, 5, 4])
            self.assertEqual(self.finds(self.bob), [8, 6, 5, 4])
            self.assertEqual(self.finds(self.carol), [8, 7, 4])
            self.assertEqual(self.finds(dave), [4])
            self.index()

    def test_what_is_told_of_a_message(self) -> None:
        (message,) = self.answer(self.bob, "private")["messages"]
        self.assertEqual(
            {key: message[key] for key in ("conversation", "id", "seq", "from", "msg", "kind")},
            {
                "conversation": {"kind": "direct", "name": "alice"},
                "id": 6,
                "seq": 1,
                "from": "alice",
                "msg": "a word in private",
                "kind": "message",
            },
        )
        names = [one["conversation"] for one in self.answer(self.alice)["messages"]]
        self.assertEqual(
            names,
            [
                {"kind": "direct", "name": "bob"},
                {"kind": "group", "name": "wob"},
                {"kind": "lobby", "name": "lobby"},
            ],
        )

    def test_a_message_that_was_edited_or_answers_another(self) -> None:
        """It is shown as in a page."""
        self.carol.asks(action="edit", id=4, msg="an edited text")
        self.bob.asks(action="gbroadcast", group="wob", msg="an answer", reply_to=5)
        self.index()
        (edited,) = self.answer(self.alice, "edited")["messages"]
        self.assertEqual((edited["edited"], edited["msg"]), (True, "an edited text"))
        (answer,) = self.answer(self.alice, "answer")["messages"]
        self.assertEqual((answer["reply_to"], answer["reply_from"]), (5, "bob"))

    def test_in_one_conversation(self) -> None:
        for _ in range(2):
            self.assertEqual(self.finds(self.bob, group="lobby"), [4])
            self.assertEqual(self.finds(self.bob, group="LOBBY"), [4])
            self.assertEqual(self.finds(self.bob, group="WOB"), [5])
            self.assertEqual(self.finds(self.bob, dest="alice"), [6])
            self.assertEqual(self.finds(self.carol, **{"with": "carol"}), [7])
            self.assertEqual(self.finds(self.carol, dest="alice"), [])
            self.index()

    def test_where_one_may_not_look(self) -> None:
        self.assertEqual(self.code(self.carol, group="wob"), "no_such_group")
        self.assertEqual(self.code(self.carol, group="nowhere"), "no_such_group")
        self.assertEqual(self.code(self.carol, dest="nobody"), "no_such_user")
        self.assertEqual(self.code(self.carol, author="nobody"), "no_such_user")
        self.alice.asks(action="cgroupe", group="pub")
        self.assertEqual(self.code(self.carol, group="pub"), "not_member")

    def test_of_one_author(self) -> None:
        for _ in range(2):
            self.assertEqual(self.finds(self.bob, author="CAROL"), [8, 4])
            self.assertEqual(self.finds(self.bob, author="carol", group="lobby"), [4])
            self.assertEqual(self.finds(self.bob, "", author="carol"), [8, 4])
            self.assertEqual(self.finds(self.alice, "", group="wob"), [5])
            self.assertEqual(self.finds(self.alice, author="bob", group="lobby"), [])
            self.index()

    def test_without_words_and_a_place(self) -> None:
        self.assertEqual(self.code(self.alice, ""), "bad_request")
        self.assertEqual(self.code(self.alice, "…"), "bad_request")
        self.assertEqual(self.code(self.alice, "x" * 513), "too_long")
        self.assertEqual(self.code(self.alice, "x " * 33), "bad_request")

    def test_a_page_at_a_time(self) -> None:
        for _ in range(2):
            answer = self.answer(self.bob, limit=2)
            self.assertEqual([one["id"] for one in answer["messages"]], [8, 6])
            self.assertEqual((answer["more"], answer["before"]), (True, 6))
            answer = self.answer(self.bob, limit=2, before=6)
            self.assertEqual([one["id"] for one in answer["messages"]], [5, 4])
            self.assertNotIn("more", answer)
            answer = self.answer(self.bob, limit=2, after=0)
            self.assertEqual([one["id"] for one in answer["messages"]], [4, 5])
            self.assertEqual((answer["more"], answer["after"]), (True, 5))
            self.assertEqual(self.finds(self.bob, after=5), [6, 8])
            self.assertEqual(self.finds(self.bob, after=4, before=8), [6, 5])
            self.assertEqual(self.finds(self.bob, before=1), [])
            self.assertEqual(self.finds(self.bob, after=2**63 - 1), [])
            self.index()

    def test_between_times(self) -> None:
        self.stage.wait(10)
        self.alice.asks(action="client-broadcast", msg="a later word")  # 9
        (late,) = self.answer(self.alice, "later")["messages"]
        self.assertEqual(self.finds(self.alice, before_time=late["ts"]), [6, 5, 4])
        self.assertEqual(self.finds(self.alice, after_time="2001-09-09T01:46:45.000Z"), [9])

    def test_what_is_no_word(self) -> None:
        """Nothing that is typed is syntax for the index, and none of it is an error."""
        for words in (
            '" OR 1',
            'a" AND "b',
            "body:word",
            "place : c2",
            "c2",
            "u1*",
            "word NOT carol",
            "NEAR(word lobby)",
            "{word}",
            "-word -lobby",
            "word + nonsense",
            "\0word\0 nothing",
            "word); DROP TABLE log; --",
            "^word",
        ):
            self.assertEqual([one for one in self.finds(self.carol, words) if one in (5, 6)], [], words)
        self.assertEqual(self.finds(self.carol, "wo\0rd"), [])
        self.assertEqual(self.finds(self.carol, '"word'), [8, 7, 4])

    def test_before_the_login(self) -> None:
        answer = self.stage.connect("json").asks(action="search", words="word").objects()
        self.assertEqual(answer[0]["code"], "not_identified")


class Visibility(SearchCase):
    """A search finds what may be read when it is asked for."""

    def test_who_leaves_finds_nothing_more(self) -> None:
        self.alice.asks(action="gbroadcast", group="wob", msg="word")  # 4
        self.index()
        self.assertEqual(self.finds(self.bob), [4])
        self.bob.asks(action="leave", group="wob")
        self.assertEqual(self.finds(self.bob), [])
        self.assertEqual(self.code(self.bob, group="wob"), "no_such_group")

    def test_who_is_put_out_meanwhile(self) -> None:
        """Between two steps of a search."""
        self.alice.asks(action="gbroadcast", group="wob", msg="word")  # 4
        self.alice.asks(action="client-broadcast", msg="word")  # 5
        searchers = self.stage.searchers
        for fields, expected in (({"group": "wob"}, "no_such_group"), ({}, [5])):
            self.forget()
            searchers.held = True
            self.bob.asks(action="search", words="word", **fields)
            self.alice.asks(action="kick", group="wob", dest="bob")
            searchers.held = False
            while searchers.waiting:
                searchers.run_next()
                self.stage.settle()
            answer = self.bob.objects()[-1]
            if isinstance(expected, str):
                self.assertEqual(answer["code"], expected)
            else:
                self.assertEqual([one["id"] for one in answer["messages"]], expected)
            self.alice.asks(action="invite", group="wob", dest="bob")
            self.bob.asks(action="join", group="wob")

    def test_a_limited_history(self) -> None:
        """Only what came since the last time that one has joined."""
        self.patch(
            search_index, "MAX_INDEX_BLOCK_CHARACTERS", 3 * search_index.INDEXED_MESSAGE_OVERHEAD_CHARACTERS
        )
        self.alice.asks(action="gbroadcast", group="wob", msg="word one")  # 4
        self.alice.asks(action="sethistory", group="wob", mode="since_joining")  # 5
        self.bob.asks(action="leave", group="wob")  # 6
        self.alice.asks(action="gbroadcast", group="wob", msg="word two")  # 7
        self.alice.asks(action="invite", group="wob", dest="bob")  # 8
        self.bob.asks(action="join", group="wob")  # 9
        self.alice.asks(action="gbroadcast", group="wob", msg="word three")  # 10
        for _ in range(2):
            self.assertEqual(self.finds(self.bob), [10])
            self.assertEqual(self.finds(self.bob, group="wob"), [10])
            self.assertEqual(self.finds(self.bob, group="wob", limit=1), [10])
            self.assertEqual(self.finds(self.bob, group="wob", after=0), [10])
            self.assertEqual(self.finds(self.alice), [10, 7, 4])
            self.index()
        self.alice.asks(action="sethistory", group="wob", mode="all")
        self.assertEqual(self.finds(self.bob), [10, 7, 4])

    def test_ignored_users(self) -> None:
        """Their messages are hidden as in history, also those of before."""
        self.bob.asks(action="client-broadcast", msg="word of bob")  # 4
        self.alice.asks(action="client-broadcast", msg="word of alice")  # 5
        self.carol.asks(action="ignore", dest="bob")
        for _ in range(2):
            self.assertEqual(self.finds(self.carol), [5])
            self.assertEqual(self.finds(self.carol, author="bob"), [])
            self.assertEqual(self.finds(self.alice), [5, 4])
            self.index()
        self.carol.asks(action="unignore", dest="bob")
        self.assertEqual(self.finds(self.carol), [5, 4])

    def test_deleted_messages(self) -> None:
        self.bob.asks(action="client-broadcast", msg="first word")  # 4
        self.bob.asks(action="client-broadcast", msg="second word")  # 5
        for deleted in (4, 5):
            self.bob.asks(action="delete", id=deleted, reason="a word too much")
            self.assertNotIn(deleted, self.finds(self.alice))
            self.assertEqual(self.finds(self.alice, "", author="bob", group="lobby"), [5] * (deleted == 4))
            self.index()
        self.assertEqual(self.finds(self.alice), [])

    def test_deleted_while_it_is_searched(self) -> None:
        self.bob.asks(action="client-broadcast", msg="word")  # 4
        self.forget()
        readers = self.stage.readers
        readers.held = True
        self.alice.asks(action="search", words="word")
        self.bob.asks(action="delete", id=4)
        self.assertEqual(len(readers.waiting), 2)
        readers.waiting.reverse()
        readers.held = False
        while readers.waiting:
            readers.run_next()
            self.stage.settle()
        event, answer = self.alice.objects()
        self.assertEqual((event["event"], answer["messages"]), ("deleted", []))

    def test_a_tokens_scope(self) -> None:
        self.alice.asks(action="register", password=SECRET)
        self.alice.asks(action="gbroadcast", group="wob", msg="word")  # 4
        self.alice.asks(action="client-broadcast", msg="word")  # 5
        self.alice.asks(action="client-send", to="bob", msg="word")  # 6
        self.alice.hears()
        found = {"wob": [4], "lobby": [5], "wob,lobby": [5, 4], "*": [6, 5, 4]}
        for number, (groups, ids) in enumerate(found.items()):
            made = self.alice.asks(
                action="maketoken", token=f"t{number}", scope="read", groups=groups
            ).objects()[-1]
            bot = self.stage.json("alice", password=made["secret"])
            self.assertEqual(self.finds(bot), ids, groups)
            self.assertEqual(self.finds(bot, author="alice"), ids)
            for name in ("wob", "lobby"):
                asked = self.answer(bot, group=name)
                is_covered = name in groups or groups == "*"
                self.assertEqual("messages" in asked, is_covered, (groups, name))
            if groups != "*":
                self.assertEqual(self.code(bot, dest="bob"), "out_of_scope")
                self.assertEqual(self.code(bot, group="other"), "no_such_group")

    def test_a_closed_group(self) -> None:
        self.stage.policy.operators = ("carol",)
        self.carol.asks(action="register", password=SECRET)
        self.alice.asks(action="gbroadcast", group="wob", msg="word")  # 4
        self.carol.asks(action="close", group="wob")
        for peer in (self.alice, self.bob, self.carol):
            self.assertEqual(self.finds(peer), [])

    def test_a_session_that_has_left_the_lobby(self) -> None:
        """On IRC, it finds what was said there if it asks for the lobby, as it can read that page."""
        self.alice.asks(action="client-broadcast", msg="word")
        dan = self.stage.connect("irc").says("NICK dan").says("USER d 0 * :D")
        dan.says("PART #lobby")
        dan.hears()
        self.assertEqual(dan.says("SEARCH text=word").lines(), [])
        (found,) = dan.says("SEARCH text=word;in=#lobby").lines()
        self.assertTrue(found.endswith("PRIVMSG #lobby :[01:46] word"), found)
        self.assertEqual(dan.says("CHATHISTORY LATEST #lobby * 1").lines(), [found])


class Bounds(SearchCase):
    """What a search may cost."""

    def setUp(self) -> None:
        self.limits = replace(UNTHROTTLED, page=2, page_max=3)
        super().setUp()

    def test_a_limit_that_is_too_large_is_lowered(self) -> None:
        for number in range(5):
            self.alice.asks(action="client-broadcast", msg=f"word {number}")
        self.assertEqual(len(self.finds(self.bob)), 2)
        self.assertEqual(len(self.finds(self.bob, limit=500)), 3)

    def test_a_search_that_takes_too_many_steps(self) -> None:
        """It says where to go on, though it has found nothing yet."""
        self.patch(search_index, "MAX_UNINDEXED_IDS_PER_SEARCH_STEP", 3)
        self.patch(search, "MAX_SEARCH_STEPS", 2)
        self.alice.asks(action="client-broadcast", msg="rare")
        for number in range(9):
            self.alice.asks(action="client-broadcast", msg=f"word {number}")
        answer = self.answer(self.bob, "rare")
        self.assertEqual((answer["messages"], answer["more"], answer["before"]), ([], True, 8))
        self.assertEqual(self.finds(self.bob, "rare", before=8), [4])
        answer = self.answer(self.bob, "8", after=0)
        self.assertEqual((answer["messages"], answer["after"]), ([], 6))

    def test_searches_wait_for_each_other(self) -> None:
        """However many search: a page can be read meanwhile."""
        searchers = self.stage.searchers
        searchers.held = True
        for peer in (self.alice, self.bob, self.carol):
            peer.asks(action="search", words="word")
        self.assertEqual(len(searchers.waiting), 3)
        (page,) = self.stage.json("dave").asks(action="history").objects()
        self.assertEqual(page["action"], "server-history")
        searchers.held = False
        while searchers.waiting:
            searchers.run_next()
            self.stage.settle()
        for peer in (self.alice, self.bob, self.carol):
            self.assertEqual(peer.objects()[-1]["action"], "server-search")

    def test_who_hangs_up_is_not_searched_for(self) -> None:
        self.patch(search_index, "MAX_UNINDEXED_IDS_PER_SEARCH_STEP", 1)
        for number in range(9):
            self.alice.asks(action="client-broadcast", msg=f"word {number}")
        searchers = self.stage.searchers
        searchers.held = True
        self.bob.asks(action="search", words="rare")
        self.bob.hangs_up()
        runs = 0
        while searchers.waiting:
            searchers.run_next()
            self.stage.settle()
            runs += 1
        self.assertLess(runs, 4)
        searchers.held = False

    def test_an_answer_that_is_too_long(self) -> None:
        """It is cut, and says where to go on: on each wire as it has room."""
        self.stage.limits.page_max = 500
        for number in range(12):
            self.alice.asks(action="client-broadcast", msg=f"word {number} {'x' * 8000}")
        course = self.stage.connect("json").says(b'{"action": "client-hello", "from": "dave"}')
        self.stage.wait(1)
        course.hears()
        course.says(b'{"action": "search", "words": "word", "limit": 50}')
        self.stage.wait(1)
        (answer,) = course.objects()
        ids = [one["id"] for one in answer["messages"]]
        self.assertEqual(answer["before"], ids[-1])
        self.assertEqual(ids, list(range(15, 15 - len(ids), -1)))
        self.assertLess(len(ids), 12)
        text = self.stage.text("eve")
        lines = text.says("search;limit:50 word").lines()
        self.assertEqual([line.split()[0] for line in lines[:-1]], ["FND"] * 12)
        self.assertEqual(lines[-1], "END search 12")

    def test_a_read_that_fails(self) -> None:
        self.stage.searchers.error = sqlite3.OperationalError("disk I/O error")
        self.assertEqual(self.code(self.alice), "storage_failed")
        self.stage.searchers.error = None
        self.flushLoggedErrors()
        self.assertEqual(self.finds(self.alice), [])


class Keeping(StageTestCase):
    """Old messages that are deleted are not found, nor is a word of them in the file."""

    def test_a_day(self) -> None:
        self.stage.close()
        self.stage = Stage(self.stage.database, policy=AccountPolicy(), retention_seconds=DAY)
        self.stage.chat.retention.start()
        self.stage.json("alice").asks(action="client-broadcast", msg="xylophone word").hangs_up()
        self.stage.wait(DAY - 3600)
        self.stage.json("alice").asks(action="client-broadcast", msg="new word").hangs_up()
        self.stage.wait(2 * 3600)
        self.assertEqual(self.stage.rows("SELECT first, last, indexed FROM search_blocks"), [(1, 2, 2)])
        files = self.stage.database.parent.glob("chat.db*")
        self.assertFalse(any(b"xylophone" in path.read_bytes() for path in files))
        bob = self.stage.json("bob")
        (answer,) = bob.asks(action="search", words="word").objects()
        self.assertEqual([one["msg"] for one in answer["messages"]], ["new word"])


class OnEveryWire(SearchCase):
    """The same search, typed."""

    def setUp(self) -> None:
        super().setUp()
        self.alice.asks(action="gbroadcast", group="wob", msg="Un été à la plage")  # 4
        self.alice.asks(action="client-broadcast", msg="/me loves the summer, été")  # 5
        self.carol.asks(action="client-send", to="bob", msg="two lines\nof été")  # 6

    def test_on_text(self) -> None:
        self.bob.hangs_up()
        bob = self.stage.text("bob")
        at = "TIME"

        def typed(line: str) -> list[str]:
            return [TIME.sub("TIME", told) for told in bob.says(line).lines()]

        self.assertEqual(
            typed("search;ete"),
            [
                f"FND carol 6 1 {at} carol two lines",
                f"FND carol 6 1 {at} carol of été",
                f"FND * 5 1 {at} alice /me loves the summer, été",
                f"FND wob 4 4 {at} alice Un été à la plage",
                "END search 3",
            ],
        )
        self.assertEqual(typed("search;in:wob plag*")[1:], ["END search 1"])
        self.assertEqual(typed('search;"la été"'), ["END search 0"])
        self.assertEqual(
            typed("search;from:alice limit:1"),
            [f"FND * 5 1 {at} alice /me loves the summer, été", "END search 1 more 5"],
        )
        self.assertEqual(typed("search;from:alice limit:1 before:5")[1:], ["END search 1"])
        self.assertEqual(typed("search;with:carol in:lobby ete")[1:], ["END search 1"])
        self.assertEqual(typed("search;"), ["ERR bad_request search needs words"])
        self.assertIn("search;words", bob.says("HELP").hears().decode())

    def test_in_the_chat_room(self) -> None:
        room = self.stage.connect("tp6").says("Hello|dave")
        self.stage.wait(1)
        room.hears()

        def says(line: str) -> list[str]:
            room.says(line)
            self.stage.wait(1)
            return [TIME.sub("TIME", told) for told in room.lines()]

        self.assertEqual(
            says("/search été"),
            [
                "Messages trouvés : 1",
                "  TIME la chatroom (n° 5) : * alice loves the summer, été",
            ],
        )
        self.assertEqual(says("/search in:wob x"), ["Erreur [no_such_group] : salon inconnu : wob"])
        self.assertEqual(says("/search rien"), ["Messages trouvés : 0"])
        self.assertEqual(says("/search"), ["Erreur [bad_request] : usage : /search mots"])
        self.assertEqual(
            says("/search !!"),
            ["Erreur [bad_request] : mots doit contenir un mot avec une lettre ou un chiffre"],
        )
        self.alice.asks(action="client-broadcast", msg="été encore")
        says("")
        self.assertEqual(
            says("/search limit:1 été"),
            [
                "Messages trouvés : 1 (et plus)",
                "  TIME la chatroom (n° 7) : alice a dit : été encore",
                "Pour chercher la suite, ajoutez before:7",
            ],
        )


WORDS = ("cat", "Cat", "caterpillar", "dog", "chat été")
NICKS = ("alice", "bob", "carol")
GROUPS = ("wob", "pub")
WHO = st.integers(0, 2)

STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(("lobby", "image", "notice")), WHO, st.sampled_from(WORDS)),
        st.tuples(st.sampled_from(GROUPS), WHO, st.sampled_from(WORDS)),
        st.tuples(st.sampled_from(NICKS), WHO, st.sampled_from(WORDS)),
        st.tuples(st.sampled_from(("join", "leave")), WHO, st.sampled_from(GROUPS)),
        st.tuples(st.just("kick"), WHO, st.sampled_from(GROUPS)),
        st.tuples(st.just("sethistory"), st.just(0), st.sampled_from(GROUPS)),
        st.tuples(st.just("delete"), WHO, st.integers(3, 40)),
        st.tuples(st.sampled_from(("ignore", "unignore")), WHO, st.sampled_from(NICKS)),
        st.tuples(st.just("index"), WHO, st.none()),
    ),
    min_size=5,
    max_size=50,
)


class Anything(StageTestCase):
    """Whatever happens, a search finds what its reader finds who reads all pages of all conversations."""

    @given(STEPS)
    @settings(max_examples=effort(25), deadline=None)
    def test_as_who_reads_everything(self, steps: list[tuple[str, int, Any]]) -> None:
        self.patch(
            search_index, "MAX_INDEX_BLOCK_CHARACTERS", 4 * search_index.INDEXED_MESSAGE_OVERHEAD_CHARACTERS
        )
        self.patch(search_index, "MAX_UNINDEXED_IDS_PER_SEARCH_STEP", 5)
        stage = Stage(self.stage.database.with_name(f"{id(steps)}.db"))
        try:
            peers = [stage.json(nick) for nick in NICKS]
            for group in GROUPS:
                peers[0].asks(action="cgroupe", group=group)
            for step, who, value in steps:
                self.play(stage, peers[who], step, value)
            for peer in peers:
                self.compare(peer)
            Deferred.fromCoroutine(stage.chat.eraser.erase_user("carol"))
            stage.wait(60)
            for peer in peers[:2]:
                self.compare(peer)
            self.assertEqual(find_file_problems(stage.database), [])
        finally:
            stage.close()

    def play(self, stage: Stage, peer: Peer, step: str, value: Any) -> None:
        """Have ``peer`` do something."""
        if step == "lobby":
            peer.asks(action="client-broadcast", msg=value)
        elif step in ("image", "notice"):
            peer.asks(action="client-broadcast", msg=value, kind=step)
        elif step == "kick":
            peer.asks(action=step, group=value, dest="bob")
        elif step in GROUPS:
            peer.asks(action="gbroadcast", group=step, msg=value)
        elif step in NICKS:
            peer.asks(action="client-send", to=step, msg=value)
        elif step in ("join", "leave"):
            peer.asks(action=step, group=value)
        elif step == "sethistory":
            peer.asks(action=step, group=value, mode="since_joining")
        elif step == "delete":
            peer.asks(action=step, id=value)
        elif step == "index":
            stage.wait(INDEX_DELAY_SECONDS + 1)
        else:
            peer.asks(action=step, dest=value)

    def compare(self, peer: Peer) -> None:
        """Compare all searches of ``peer`` with what it can read."""
        peer.hears()
        (listed,) = peer.asks(action="conversations").objects()
        readable: dict[str, list[dict[str, Any]]] = {}
        for one in listed["conversations"]:
            where = {"group": {"group": one["name"]}, "direct": {"with": one["name"]}}
            (page,) = peer.asks(action="history", limit=500, **where.get(one["kind"], {})).objects()
            readable[one["name"] if one["kind"] != "direct" else f"@{one['name']}"] = page["messages"]
        for words in ("cat", "cat*", "dog cat", "ete"):
            for author in (None, "bob"):
                found: list[int] = []
                for place, messages in readable.items():
                    key, name = ("dest", place[1:]) if place[0] == "@" else ("group", place)
                    expected = [
                        one["id"]
                        for one in reversed(messages)
                        if _has(words, one["msg"])
                        and author in (None, one["from"])
                        and one["kind"] != "image"
                    ]
                    self.assertEqual(self.finds(peer, words, author, **{key: name}), expected, (words, place))
                    found += expected
                self.assertEqual(self.finds(peer, words, author), sorted(found, reverse=True), words)

    def finds(self, peer: Peer, words: str, author: str | None, **where: str) -> list[int]:
        """What a search finds, in pages of three."""
        found: list[int] = []
        before = 10**6
        while before:
            asked = {"words": words, "limit": 3, "before": before, **where}
            (page,) = peer.asks(action="search", author=author, **asked).objects()
            found += [one["id"] for one in page["messages"]]
            before = page.get("before", 0)
        return found


def _has(words: str, text: str) -> bool:
    """Return whether ``text`` has all ``words``."""
    plain = unicodedata.normalize("NFD", text).casefold()
    own = re.sub("[\u0300-\u036f]", "", plain).split()
    return all(
        any(one.startswith(word[:-1]) if word.endswith("*") else one == word for one in own)
        for word in words.split()
    )
