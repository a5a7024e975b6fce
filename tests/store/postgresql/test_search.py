"""The search index on PostgreSQL: it has what the log has, whatever is said, deleted and indexed."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from hypothesis import given, settings

from chatd.core.events import LOBBY
from chatd.core.moderation import ConversationTrimmed
from chatd.core.records import NO_LOG_FILTER, LogFilter, SearchQuery
from chatd.core.search import SearchTerm
from chatd.store.postgresql import search
from tests.store.test_search_index import STEPS, IndexCase
from tests.support.effort import effort
from tests.support.postgresql_case import PostgresqlTestCase
from tests.support.postgresql_server import new_chat_database


class Steps(PostgresqlTestCase, IndexCase):
    def test_a_search_has_steps(self) -> None:
        self.patch(search, "MAX_IDS_PER_SEARCH_STEP", 4)
        self.patch(search, "MAX_UNINDEXED_IDS_PER_SEARCH_STEP", 3)
        self.says(*("word" for _ in range(10)))
        self.index()
        self.says(*("new" for _ in range(5)))
        step = self.step("other", start=15)
        self.assertEqual((step.message_ids, step.resume_id), ([], 12))
        step = self.step("word", start=10)
        self.assertEqual((step.message_ids, step.resume_id), ([10, 9, 8, 7], 6))
        step = self.step("word", start=10, limit=2)
        self.assertEqual((step.message_ids, step.resume_id), ([10, 9], 8))
        for words, found in (("word", range(1, 11)), ("new", range(11, 16)), ("word new", ())):
            self.assertEqual(self.finds(words, forward=True), [*found])
            self.assertEqual(self.finds(words), [*found][::-1])

    def test_phrases_and_long_texts(self) -> None:
        self.patch(search, "MAX_MESSAGES_PER_PHRASE_SEARCH_STEP", 2)
        self.patch(search, "MAX_UNINDEXED_CHARACTERS_PER_SEARCH_STEP", 40)
        self.says("one two", "two one", "two, ONE two!", "x" * 3000, "one twofold", "nothing")
        for _ in range(2):
            self.assertEqual(self.finds('"one two"'), [3, 1])
            self.assertEqual(self.finds('"one two"', forward=True), [1, 3])
            self.assertEqual(self.finds("x" * 100 + "*"), [4])
            self.assertEqual(self.finds("one two*", forward=True), [1, 2, 3, 5])
            self.index()

    def test_what_the_reader_may_see(self) -> None:
        direct = self.fixture.direct(self.alice, self.bob)
        wob = self.fixture.group("wob", self.alice)
        for place in (LOBBY, wob, direct):
            self.fixture.says(self.alice, "word", place)
            self.fixture.says(self.bob, "word", place)
        self.fixture.turn()

        def found(
            *places: int, direct: int | None = None, author: int | None = None, **hidden: Any
        ) -> list[int]:
            log_filter = LogFilter(self.bob.id, **hidden) if hidden else NO_LOG_FILTER
            query = SearchQuery((SearchTerm("word"),), places, log_filter, direct, author)
            return self.successResultOf(self.fixture.archive.search(query, 1, 100, 100)).message_ids

        for _ in range(2):
            self.assertEqual(found(1), [2, 3])
            self.assertEqual(found(1, wob.id), [2, 3, 4, 5])
            self.assertEqual(found(direct=self.bob.id), [6, 7])
            self.assertEqual(found(direct=99), [])
            self.assertEqual(found(1, direct=self.bob.id, author=self.bob.id), [3, 7])
            self.assertEqual(found(1, ignored_user_ids=(self.alice.id,)), [3])
            limited = frozenset((wob.id,))
            self.assertEqual(found(1, wob.id, conversation_ids_readable_since_joining=limited), [2, 3])
            self.assertEqual(found(), [])
            self.index()


class Anything(PostgresqlTestCase, IndexCase):
    @given(STEPS)
    @settings(max_examples=effort(40), deadline=None)
    def test_as_a_scan(self, steps: list[tuple[str, Any]]) -> None:
        self.fixture.close()
        self.fixture = type(self.fixture)(new_chat_database())
        self.alice = self.fixture.user("alice")
        self.patch(search, "MAX_MESSAGES_PER_INDEX_STEP", 2)
        self.patch(search, "MAX_IDS_PER_SEARCH_STEP", 3)
        self.patch(search, "MAX_UNINDEXED_IDS_PER_SEARCH_STEP", 3)
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
            '"dog dot"': lambda body: ("dog", "dot") in pairwise(body),
            "ete": lambda body: "été" in body,
        }.items():
            expected = sorted((id for id, body in logged.items() if is_found(body)), reverse=True)
            self.assertEqual(self.finds(words), expected, words)
            self.assertEqual(self.finds(words, forward=True), expected[::-1], words)
        self.assertEqual(self.successResultOf(self.fixture.store.check()), [])
