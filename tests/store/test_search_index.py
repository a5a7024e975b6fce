"""The search index: it has what the log has, in blocks, and nothing of what was deleted."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from chatd.core.events import LOBBY, User
from chatd.core.moderation import ConversationTrimmed, MessageTextDeleted, TextsErased, UserErased
from chatd.core.records import NO_LOG_FILTER, EntrySlice, LogFilter, SearchQuery, SearchStep
from chatd.core.search import parse_search_terms
from chatd.store import search_index
from chatd.store.check import find_file_problems, find_problems
from chatd.store.indexer import INDEX_DELAY_SECONDS, INDEX_STEP_PAUSE_SECONDS
from chatd.store.schema import create_or_migrate, load_migrations
from chatd.store.search_index import (
    INDEXED_MESSAGE_OVERHEAD_CHARACTERS,
    MAX_INDEX_BLOCKS_PER_SEARCH_STEP,
    fts5_match_expression,
)
from tests.support.effort import effort
from tests.support.journal_case import JournalTestCase


class IndexCase(JournalTestCase):
    """Alice and bob, and an index that is told when to go on."""

    def says(self, *bodies: str, actor: User | None = None) -> None:
        """Have ``actor`` say something in the lobby."""
        for body in bodies:
            self.fixture.says(actor or self.alice, body)
            self.fixture.turn()

    def index(self) -> int:
        """Index all there is. Return the number of transactions that it takes."""
        count = 0
        while self.successResultOf(self.fixture.index_messages()):
            count += 1
        return count

    def blocks(self) -> list[tuple[int, ...]]:
        """The first id, the last id and the last indexed id of each block."""
        return self.fixture.rows("SELECT first, last, indexed FROM search_blocks ORDER BY first")

    def query(self, words: str, log_filter: LogFilter = NO_LOG_FILTER) -> SearchQuery:
        """A query for ``words`` in the lobby."""
        return SearchQuery(parse_search_terms(words), (LOBBY.id,), log_filter)

    def step(self, words: str, start: int = 10**6, end: int = 1, limit: int = 100) -> SearchStep:
        """One step of a search."""
        reading = self.fixture.archive.search(self.query(words), start, end, limit)
        return self.successResultOf(reading)

    def finds(self, words: str, forward: bool = False) -> list[int]:
        """All that a search finds, in all its steps."""
        last = self.fixture.journal.last_delivered_id
        if not last:
            return []
        place, end = (1, last) if forward else (last, 1)
        found: list[int] = []
        for _ in range(1000):
            step = self.step(words, place, end)
            found += step.message_ids
            if step.resume_id is None:
                return found
            place = step.resume_id
        raise AssertionError("the search does not end")

    def is_on_disk(self, word: str) -> bool:
        """Whether a file of the database has ``word``, after the write-ahead log was emptied."""
        self.successResultOf(self.fixture.journal.erase_deleted_texts())
        files = self.fixture.database.parent.glob("chat.db*")
        return any(word.encode() in path.read_bytes() for path in files)

    def deletes(self, *ids: int) -> None:
        """Delete the texts of messages."""
        self.fixture.submit("deletion", *map(MessageTextDeleted, ids))
        self.fixture.turn()


class Indexing(IndexCase):
    def test_what_is_indexed(self) -> None:
        """Messages, actions and notices; no images, no events, and nothing by the words for places."""
        for kind in ("message", "action", "notice", "image"):
            self.fixture.submit(kind, self.fixture.draft(self.alice, f"art {kind}", kind=kind))
        self.fixture.group("art", self.alice)
        self.fixture.turn()
        for _ in range(2):
            self.assertEqual(self.finds("art"), [3, 2, 1])
            self.assertEqual(self.finds("c1"), [])
            self.assertEqual(self.finds(f"u{self.alice.id}"), [])
            self.index()

    def test_words(self) -> None:
        """Case and diacritics do not count; a word is found whole, or by how it begins."""
        self.says("Un ÉTÉ à la plage", "don't panic", "naïve café-crème", "Straße", "x_y", "日本語")
        self.says("lol🤣 🤔fini", "👩🏽‍🔬science🥰x")  # SQLite takes these for letters, but 😂
        for _ in range(2):
            for words, ids in {
                "lol fini": [7],
                "lol😂": [7],
                "science x": [8],
                "ete": [1],
                "été": [1],
                "et": [],
                "et*": [1],
                '"la plage"': [1],
                '"plage la"': [],
                "plage la": [1],
                "don't": [2],
                "don": [2],
                "café-crème": [3],
                "creme*": [3],
                "strasse": [],
                "STRAßE": [4],
                "x_y": [5],
                "日本*": [6],
                "panic naive": [],
                'pan"ic*': [],
                "panic AND don": [],
                "body:panic": [],
                "panic\0": [2],
            }.items():
                self.assertEqual(self.finds(words), ids, words)
            self.index()


class Limits(IndexCase):
    """Searches of nothing and of much."""

    def test_nothing_is_there(self) -> None:
        step = self.step("word", start=1, end=1)
        self.assertEqual((step.message_ids, step.resume_id), ([], None))
        self.assertEqual(self.index(), 0)

    def test_many_conversations_and_ignored_users(self) -> None:
        """FTS5 takes them all."""
        self.says("word", actor=self.bob)
        self.says("word")
        self.index()
        ignored = LogFilter(0, tuple(range(self.bob.id, self.bob.id + 200)))
        query = SearchQuery(parse_search_terms("word"), tuple(range(1, 3000)), ignored)
        found = self.successResultOf(self.fixture.archive.search(query, 2, 1, 5))
        self.assertEqual(found.message_ids, [2])


class Steps(IndexCase):
    def test_a_search_has_steps(self) -> None:
        """Each reads some blocks, or some entries without index, and ends when it has enough."""
        self.patch(search_index, "MAX_INDEX_BLOCK_CHARACTERS", INDEXED_MESSAGE_OVERHEAD_CHARACTERS)
        self.says(*("word" for _ in range(3 * MAX_INDEX_BLOCKS_PER_SEARCH_STEP)))
        self.index()
        step = self.step("other", start=3 * MAX_INDEX_BLOCKS_PER_SEARCH_STEP)
        self.assertEqual((step.message_ids, step.resume_id), ([], 2 * MAX_INDEX_BLOCKS_PER_SEARCH_STEP))
        step = self.step("word", start=3 * MAX_INDEX_BLOCKS_PER_SEARCH_STEP, limit=2)
        self.assertEqual((step.message_ids, step.resume_id), ([12, 11], 10))
        step = self.step("word", start=2, end=1)
        self.assertEqual((step.message_ids, step.resume_id), ([2, 1], None))
        self.patch(search_index, "MAX_UNINDEXED_IDS_PER_SEARCH_STEP", 4)
        self.says(*("new" for _ in range(10)))
        step = self.step("word", start=22)
        self.assertEqual((step.message_ids, step.resume_id), ([], 18))
        self.assertEqual(self.finds("word new"), [])
        self.assertEqual(self.finds("new"), list(range(22, 12, -1)))
        self.assertEqual(self.finds("new", forward=True), list(range(13, 23)))

    def test_long_texts_without_index_make_more_steps(self) -> None:
        """A step passes over entries by what their texts cost; each passes over one at least."""
        self.patch(search_index, "MAX_UNINDEXED_CHARACTERS_PER_SEARCH_STEP", 10)
        self.says("word", "x" * 5, "word", "x" * 100, "word")
        self.assertEqual(self.step("other", 5, 1).resume_id, 3)
        self.assertEqual(self.step("other", 3, 1).resume_id, None)
        self.assertEqual(self.step("other", 1, 5).resume_id, 4)
        self.assertEqual(self.step("other", 4, 5).resume_id, 5)
        self.assertEqual(self.finds("word"), [5, 3, 1])
        self.assertEqual(self.finds("word", forward=True), [1, 3, 5])

    def test_nowhere_to_look(self) -> None:
        query = SearchQuery(parse_search_terms("x"), (), NO_LOG_FILTER)
        self.assertEqual(fts5_match_expression(query, ()), "")

    def test_many_conversations_that_are_partly_hidden(self) -> None:
        """SQLite takes them all, too."""
        self.says("word", "word")
        query = SearchQuery(parse_search_terms("word"), tuple(range(1, 3000)), NO_LOG_FILTER)
        hidden = dict.fromkeys(query.conversation_ids, 1)
        with closing(sqlite3.connect(self.fixture.database)) as connection:
            search_index.prepare_search_connection(connection)
            cursor: Any = connection.cursor()
            for _ in range(2):
                self.assertEqual(
                    search_index.run_search_step(cursor, query, hidden, 2, 1, 5).message_ids, [2]
                )
                connection.commit()
                self.index()


class Deleting(IndexCase):
    """What is deleted can't be found, and its words are in no file."""

    def setUp(self) -> None:
        super().setUp()
        self.patch(search_index, "MAX_INDEX_BLOCK_CHARACTERS", 3 * INDEXED_MESSAGE_OVERHEAD_CHARACTERS)
        self.says("xylophone one", "other two", "zyzzyva three", "word four", "word five", "quux six")
        self.index()
        self.assertEqual(self.blocks(), [(1, 3, 3), (4, 6, 6)])
        self.assertTrue(self.is_on_disk("xylophone"))

    def test_a_message(self) -> None:
        """Its block is emptied, and indexed again; the others stay."""
        self.deletes(1)
        self.assertFalse(self.is_on_disk("xylophone"))
        self.assertEqual(self.blocks(), [(1, 3, 0), (4, 6, 6)])
        self.assertEqual(self.finds("xylophone"), [])
        self.assertEqual(self.finds("t*"), [3, 2])
        self.index()
        self.assertEqual(self.blocks(), [(1, 3, 3), (4, 6, 6)])
        self.assertEqual((self.finds("t*"), self.finds("one")), ([3, 2], []))
        self.assertFalse(self.is_on_disk("xylophone"))
        self.assertEqual(find_file_problems(self.fixture.database), [])

    def test_several_at_once(self) -> None:
        self.deletes(6, 1, 3)
        self.assertEqual(self.blocks(), [(1, 3, 0), (4, 6, 3)])
        for word in ("xylophone", "zyzzyva", "quux"):
            self.assertFalse(self.is_on_disk(word), word)

    def test_edits_make_no_block_larger(self) -> None:
        """A block that is too large when it is indexed again is cut."""

        def edit(cursor: Any) -> None:
            search_index.remove_messages_from_index(cursor, (2, 3))
            cursor.execute(
                "UPDATE log SET body = ? WHERE id IN (2, 3)",
                ("longer " * INDEXED_MESSAGE_OVERHEAD_CHARACTERS,),
            )

        self.successResultOf(self.fixture.writer.runInteraction(edit))
        self.index()
        self.assertEqual(self.blocks(), [(1, 2, 2), (3, 3, 3), (4, 6, 6)])
        self.assertEqual(self.finds("longer"), [3, 2])
        self.assertEqual(self.finds("longer", forward=True), [2, 3])
        self.assertEqual(find_file_problems(self.fixture.database), [])

    def test_one_that_is_not_indexed(self) -> None:
        self.says("kaleidoscope")
        self.deletes(7)
        self.assertEqual(self.blocks(), [(1, 3, 3), (4, 6, 6)])
        self.index()
        self.assertFalse(self.is_on_disk("kaleidoscope"))

    def test_old_messages(self) -> None:
        self.fixture.submit("trim", ConversationTrimmed(LOBBY, 3))
        self.fixture.turn()
        self.assertEqual(self.blocks(), [(1, 3, 0), (4, 6, 6)])
        self.assertFalse(self.is_on_disk("zyzzyva"))
        self.fixture.clock.advance(INDEX_DELAY_SECONDS)
        self.assertEqual(self.blocks(), [(1, 3, 3), (4, 6, 6)])
        self.assertEqual((self.finds("t*"), self.finds("six")), ([], [6]))
        self.assertEqual(find_file_problems(self.fixture.database), [])

    def test_those_of_a_user(self) -> None:
        erased = User(self.alice.id, "erased", "erased", self.alice.colour)
        self.fixture.submit("erasure", UserErased(erased, ()), TextsErased(erased, (1, 3)))
        self.fixture.turn()
        self.assertEqual(self.blocks(), [(1, 3, 0), (4, 6, 6)])
        self.assertFalse(self.is_on_disk("xylophone"))

    def test_a_transaction_that_fails(self) -> None:
        """The block is as before."""
        self.fixture.writer.error = self.fixture.full_disk
        self.deletes(1)
        self.fixture.writer.error = None
        self.assertEqual(self.blocks(), [(1, 3, 3), (4, 6, 6)])
        self.assertEqual(self.finds("xylophone"), [1])

    def test_the_text_of_a_message_that_a_search_has_found(self) -> None:
        """It is left out: it was deleted before its text is read."""
        self.deletes(3)

        def found(ids: Iterable[int], room: int = 1000) -> EntrySlice:
            return self.successResultOf(self.fixture.archive.found_messages(list(ids), room))

        self.assertEqual([row[0] for row in found([6, 3, 2]).rows], [6, 2])
        some = found([6, 2], 10)
        self.assertEqual(([row[0] for row in some.rows], some.has_more), ([6], True))


class Checking(IndexCase):
    """`find_problems` compares the index with the log."""

    def setUp(self) -> None:
        super().setUp()
        self.patch(search_index, "MAX_INDEX_BLOCK_CHARACTERS", 2 * INDEXED_MESSAGE_OVERHEAD_CHARACTERS)
        self.says("one", "two", "three")
        self.index()

    def problems(self, script: str) -> list[str]:
        """What is wrong after ``script``, which is undone."""
        with closing(sqlite3.connect(":memory:", isolation_level=None)) as copy:
            with closing(sqlite3.connect(self.fixture.database)) as original:
                original.backup(copy)
            copy.executescript(script)
            return find_problems(copy)

    def test_what_is_missing_or_too_much(self) -> None:
        self.assertEqual(self.problems(""), [])
        self.assertEqual(
            self.problems("UPDATE log SET body = '' WHERE id = 2"),
            ["the search index of the ids 1 to 2 does not fit to the log"],
        )
        self.assertEqual(
            self.problems("INSERT INTO search_3 (search_3) VALUES ('delete-all')"),
            ["the search index of the ids 3 to 3 does not fit to the log"],
        )

    def test_blocks_that_do_not_fit(self) -> None:
        for script, first in {
            "DELETE FROM search_blocks WHERE first = 1": 1,
            "UPDATE search_blocks SET last = 3 WHERE first = 1": 4,
            "UPDATE search_blocks SET indexed = 3 WHERE first = 1": 1,
            "DROP TABLE search_3": 3,
        }.items():
            self.assertEqual(
                self.problems(script),
                [f"the search index has no block that begins with the id {first}, or a broken one"],
                script,
            )


WORDS = ("cat", "caterpillar", "dog", "dot", "été")

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("say"), st.lists(st.sampled_from(WORDS), min_size=1, max_size=4)),
        st.tuples(st.just("delete"), st.integers(1, 30)),
        st.tuples(st.just("trim"), st.integers(1, 10)),
        st.tuples(st.just("index"), st.integers(1, 5)),
    ),
    max_size=40,
)


class Anything(IndexCase):
    """Whatever is said, deleted and indexed: a search finds what a scan of the log finds."""

    @given(STEPS)
    @settings(max_examples=effort(40), deadline=None)
    def test_as_a_scan(self, steps: list[tuple[str, Any]]) -> None:
        self.restart_on_new_database()
        self.patch(search_index, "MAX_INDEX_BLOCK_CHARACTERS", 4 * INDEXED_MESSAGE_OVERHEAD_CHARACTERS)
        self.patch(search_index, "MAX_MESSAGES_PER_INDEX_STEP", 2)
        self.patch(search_index, "MAX_UNINDEXED_IDS_PER_SEARCH_STEP", 3)
        for step, value in steps:
            last = self.fixture.journal.last_delivered_id
            if step == "say":
                self.says(" ".join(value))
            elif step == "delete" and value <= last:
                self.deletes(value)
            elif step == "trim" and value < last:
                self.fixture.submit("trim", ConversationTrimmed(LOBBY, value))
                self.fixture.turn()
            elif step == "index":
                for _ in range(value):
                    self.successResultOf(self.fixture.index_messages())
        logged = {id: body.split() for id, _, _, body in self.fixture.logged()}
        for words, is_found in {
            "cat": lambda body: "cat" in body,
            "cat*": lambda body: "cat" in body or "caterpillar" in body,
            "dog dot": lambda body: "dog" in body and "dot" in body,
            "ete": lambda body: "été" in body,
        }.items():
            expected = sorted((id for id, body in logged.items() if is_found(body)), reverse=True)
            self.assertEqual(self.finds(words), expected, words)
            self.assertEqual(self.finds(words, forward=True), expected[::-1], words)
        self.assertEqual(find_file_problems(self.fixture.database), [])

    def restart_on_new_database(self) -> None:
        """Begin anew, with an empty log."""
        self.fixture.close()
        self.fixture = type(self.fixture)(self.new_place())
        self.alice, self.bob = self.fixture.user("alice"), self.fixture.user("bob")
        self.fixture.turn()


class Blocks(IndexCase):
    """The blocks of FTS5, and how they are filled."""

    def test_blocks(self) -> None:
        """A block that is full gets no more; what is indexed is found as before."""
        self.patch(search_index, "MAX_INDEX_BLOCK_CHARACTERS", 3 * (INDEXED_MESSAGE_OVERHEAD_CHARACTERS + 5))
        self.says(*(f"word{number}" for number in range(7)))
        self.assertEqual(self.finds("word*"), [7, 6, 5, 4, 3, 2, 1])
        self.assertEqual(self.index(), 3)
        self.assertEqual(self.blocks(), [(1, 3, 3), (4, 6, 6), (7, 7, 7)])
        self.assertEqual(self.finds("word*"), [7, 6, 5, 4, 3, 2, 1])
        self.assertEqual(self.finds("word*", forward=True), [1, 2, 3, 4, 5, 6, 7])
        self.says("word7", "word8", "word9")
        self.assertEqual(self.index(), 2)
        self.assertEqual(self.blocks()[2:], [(7, 9, 9), (10, 10, 10)])
        self.assertEqual(find_file_problems(self.fixture.database), [])

    def test_steps_have_a_bound(self) -> None:
        """By messages, by characters, and by entries that are no messages."""
        self.patch(search_index, "MAX_MESSAGES_PER_INDEX_STEP", 2)
        self.says("a", "b", "c")
        self.assertEqual(self.index(), 2)
        self.patch(search_index, "MAX_CHARACTERS_PER_INDEX_STEP", 10)
        self.says("d" * 9, "e" * 9, "f" * 100, "g")
        self.assertEqual(self.index(), 4)
        self.patch(search_index, "MAX_IDS_PER_INDEX_STEP", 2)
        for number in range(5):
            self.fixture.submit("image", self.fixture.draft(self.alice, f"art{number}", kind="image"))
            self.fixture.turn()
        self.assertEqual(self.index(), 3)
        self.assertEqual(self.blocks(), [(1, 12, 12)])
        self.assertEqual(self.index(), 0)

    def test_it_begins_by_itself_and_rests(self) -> None:
        clock, writer = self.fixture.clock, self.fixture.writer
        self.patch(search_index, "MAX_MESSAGES_PER_INDEX_STEP", 2)
        self.says("a", "b", "c")
        clock.advance(INDEX_DELAY_SECONDS - 0.1)
        self.assertEqual(self.blocks(), [])
        clock.advance(0.1)
        self.assertEqual(self.blocks(), [(1, 2, 2)])
        for _ in range(3):
            clock.advance(INDEX_STEP_PAUSE_SECONDS)
        self.assertEqual(self.blocks(), [(1, 3, 3)])
        runs = writer.runs
        clock.advance(1000)
        self.assertEqual(writer.runs, runs)
        self.restart()
        self.says("d")
        self.fixture.clock.advance(INDEX_DELAY_SECONDS)
        self.assertEqual(self.blocks(), [(1, 4, 4)])

    def test_commits_go_first(self) -> None:
        """While the journal has something to do, nothing is indexed."""
        self.says("a")
        self.fixture.writer.held = True
        self.fixture.says(self.alice, "b")
        self.fixture.turn()
        self.fixture.clock.advance(INDEX_DELAY_SECONDS)
        self.assertEqual(len(self.fixture.writer.waiting), 1)
        self.fixture.writer.held = False
        self.fixture.writer.run_next()
        self.assertEqual(self.blocks(), [(1, 2, 2)])

    def test_an_older_process_has_left_something(self) -> None:
        self.says("a")
        self.restart()
        self.fixture.journal.start_indexing()
        self.fixture.clock.advance(INDEX_DELAY_SECONDS)
        self.assertEqual(self.blocks(), [(1, 1, 1)])

    def test_it_does_not_wait_for_the_disk_and_commits_do(self) -> None:
        """Also if a step fails."""
        self.says("a")

        def synchronous() -> object:
            return self.successResultOf(self.fixture.writer.runQuery("PRAGMA synchronous"))

        self.successResultOf(self.fixture.writer.runOperation("PRAGMA synchronous = FULL"))
        self.index()
        self.assertEqual(synchronous(), [(2,)])
        self.patch(search_index, "_index_some", lambda cursor: cursor.execute("no SQL"))
        self.failureResultOf(self.fixture.index_messages(), sqlite3.Error)
        self.assertEqual(synchronous(), [(2,)])
        self.says("goes on")

    def test_a_database_of_the_version_before(self) -> None:
        """It is upgraded without reading a message, and found in it is everything at once."""
        path = self.new_place()
        assert isinstance(path, Path)
        create_or_migrate(path, load_migrations()[:14])
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("INSERT INTO users VALUES (1, 'alice', 'alice', '#123456', 0)")
            connection.executemany(
                "INSERT INTO log VALUES (?, 1, ?, 0, 'message', 1, NULL, ?, NULL)",
                [(id, id, f"old number{id}") for id in range(1, 3001)],
            )
            connection.commit()
        self.fixture.close()
        self.fixture = type(self.fixture)(path)
        self.assertEqual(self.blocks(), [])
        self.assertEqual(self.finds("number2999"), [2999])
        self.assertEqual(self.finds("number7"), [7])
        self.index()
        self.assertEqual(self.finds("number7"), [7])
        self.assertEqual(find_file_problems(path), [])

    def test_a_full_disk(self) -> None:
        """Nothing is lost, the search finds all, and the next commit has it tried again."""
        self.says("a")
        self.fixture.writer.error = self.fixture.full_disk
        self.fixture.clock.advance(INDEX_DELAY_SECONDS)
        self.fixture.writer.error = None
        self.assertEqual(self.finds("a"), [1])
        self.says("b")
        self.fixture.clock.advance(INDEX_DELAY_SECONDS)
        self.assertEqual(self.blocks(), [(1, 2, 2)])
        self.assertEqual(self.finds("a"), [1])

    def test_a_bug(self) -> None:
        """It is logged, and the next commit has it tried again."""
        self.says("a")
        self.fixture.writer.error = ZeroDivisionError()
        self.fixture.clock.advance(INDEX_DELAY_SECONDS)
        self.fixture.writer.error = None
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.says("b")
        self.fixture.clock.advance(INDEX_DELAY_SECONDS)
        self.assertEqual(self.blocks(), [(1, 2, 2)])
