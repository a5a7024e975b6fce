"""What is read back is what was written: no gap, no duplicate, in order, a page at a time."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Callable, Iterable
from contextlib import closing
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import Any
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from twisted.enterprise.adbapi import Transaction
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from chatd.core.audience import IGNORABLE_EVENT_KINDS
from chatd.core.events import LOBBY, MESSAGE_KINDS, Conversation, EventKind, User
from chatd.core.read_marks import ReadMarkPosition
from chatd.core.records import (
    NO_LOG_FILTER,
    EntrySlice,
    LogFilter,
    PageContents,
    PageIdWindow,
    Snapshot,
    UnreadRange,
    entry_from_row,
)
from chatd.store import archive
from chatd.store.archive import Archive, load_snapshot
from chatd.store.journal import READ_MARK_WRITE_DELAY_SECONDS
from chatd.store.sqlite import SQLITE
from tests.support.effort import effort
from tests.support.in_memory_daemon import ThreadlessPool
from tests.support.journal_case import JournalTestCase, StoreFixture

EVER = 10**9
"""An ``max_id`` that leaves nothing out."""

ANY = 10**9
"""A ``size`` that leaves nothing out."""


CONTENTS: tuple[PageContents, ...] = ("messages", "events", "all")


def bodies(found: EntrySlice) -> tuple[list[str], bool]:
    """What a slice says, and whether there is more."""
    return [row[-1] for row in found.rows], found.has_more


class Pages(JournalTestCase):
    """Messages and events of one group, and images of the lobby, one after the other: a1 t1 b1 a2 t2 b2 …"""

    def setUp(self) -> None:
        super().setUp()
        self.wob = self.fixture.group("wob", self.alice)
        for number in range(1, 7):
            self.fixture.says(self.alice, f"a{number}", self.wob)
            self.fixture.submit("topic", self.fixture.draft(self.alice, f"t{number}", self.wob, "topic"))
            self.fixture.submit("b", self.fixture.draft(self.bob, f"b{number}", kind="image"))
        self.fixture.turn()
        self.ids = {body: id for id, _, _, body in self.fixture.logged()}

    def page(
        self,
        limit: int,
        before: str | None = None,
        after: str | None = None,
        events: bool = False,
        max_id: int = EVER,
        conversation: Conversation | None = None,
        size: int = ANY,
        forward: bool | None = None,
        contents: PageContents | None = None,
        whole_milliseconds: bool = False,
    ) -> tuple[list[str], bool]:
        """A page whose ends are named by what is said there."""
        window = PageIdWindow(
            limit,
            self.ids[before] if before is not None else None,
            self.ids[after] if after is not None else None,
            contents or ("events" if events else "messages"),
            after is not None and before is None if forward is None else forward,
            whole_milliseconds,
        )
        found = self.fixture.archive.page(conversation or self.wob, window, size, max_id)
        return bodies(self.successResultOf(found))

    def test_no_more_bytes_than_asked_for(self) -> None:
        """Of UTF-8, whatever the direction; but one entry at least."""
        self.assertEqual(self.page(9, size=4), (["a5", "a6"], True))
        self.assertEqual(self.page(9, size=5), (["a5", "a6"], True))
        self.assertEqual(self.page(9, size=1), (["a6"], True))
        self.assertEqual(self.page(9, size=4, after="a1"), (["a2", "a3"], True))
        self.assertEqual(self.page(9, size=4, before="a3"), (["a1", "a2"], False))
        self.assertEqual(self.page(1, size=100), (["a6"], True))
        self.fixture.says(self.alice, "été", self.wob)
        self.fixture.turn()
        self.assertEqual(self.page(9, size=6), (["été"], True))
        self.assertEqual(self.page(9, size=7), (["a6", "été"], True))

    def test_no_more_reactions_than_one_query_reads(self) -> None:
        """From the near end; the page goes on before the first message whose reactions are not read."""
        messages = [id for body, id in self.ids.items() if body.startswith("a")]
        rows = [(id, f"r{number}", self.bob.id, number) for id in messages for number in range(3)]

        def react(cursor: Transaction) -> None:
            cursor.executemany("INSERT INTO reactions VALUES (?, ?, ?, ?)", rows)

        self.successResultOf(self.fixture.writer.runInteraction(react))
        for most, count in ((18, 6), (17, 5), (6, 2), (5, 1)):
            with patch("chatd.store.archive.MAX_REACTIONS_PER_PAGE", most):
                shown = [f"a{number}" for number in range(1, 7)]
                self.assertEqual(self.page(9), (shown[-count:], count < 6))
                self.assertEqual(self.page(9, forward=True), (shown[:count], count < 6))
                window = PageIdWindow(9)
                found = self.successResultOf(self.fixture.archive.page(self.wob, window, ANY, EVER))
                self.assertEqual([*found.reactions], messages[-count:])
                self.assertEqual(found.reactions[messages[-1]], [(f"r{n}", self.bob.id) for n in range(3)])

    def test_the_last_ones_oldest_first(self) -> None:
        self.assertEqual(self.page(2), (["a5", "a6"], True))
        self.assertEqual(self.page(6), (["a1", "a2", "a3", "a4", "a5", "a6"], False))
        self.assertEqual(self.page(50), (["a1", "a2", "a3", "a4", "a5", "a6"], False))

    def test_back_from_somewhere(self) -> None:
        self.assertEqual(self.page(2, before="a5"), (["a3", "a4"], True))
        self.assertEqual(self.page(2, before="a3"), (["a1", "a2"], False))
        self.assertEqual(self.page(2, before="a1"), ([], False))

    def test_on_from_somewhere(self) -> None:
        self.assertEqual(self.page(2, after="a1"), (["a2", "a3"], True))
        self.assertEqual(self.page(2, after="a4"), (["a5", "a6"], False))
        self.assertEqual(self.page(2, after="a6"), ([], False))

    def test_between_two_places_the_last_ones(self) -> None:
        self.assertEqual(self.page(2, after="a1", before="a5"), (["a3", "a4"], True))
        self.assertEqual(self.page(3, after="a1", before="a5"), (["a2", "a3", "a4"], False))
        self.assertEqual(self.page(3, after="a5", before="a1"), ([], False))

    def test_events_apart_from_messages(self) -> None:
        self.assertEqual(self.page(2, events=True), (["t5", "t6"], True))
        self.assertEqual(self.page(9, before="a3", events=True), (["public", "t1", "t2"], False))
        self.assertEqual(self.page(2, after="a1", events=True), (["t1", "t2"], True))

    def test_one_conversation_apart_from_others(self) -> None:
        self.assertEqual(self.page(2, conversation=LOBBY), (["b5", "b6"], True))
        nothing = Conversation(99, "direct", pair=(self.alice, self.bob))
        self.assertEqual(self.page(2, conversation=nothing), ([], False))

    def test_nothing_that_was_not_told_yet(self) -> None:
        self.assertEqual(self.page(2, max_id=self.ids["a4"]), (["a3", "a4"], True))
        self.assertEqual(self.page(9, max_id=self.ids["a2"], after="a1"), (["a2"], False))
        self.assertEqual(self.page(2, max_id=self.ids["a2"], before="a5"), (["a1", "a2"], False))
        self.assertEqual(self.page(9, max_id=0), ([], False))

    def test_a_row_is_what_was_logged(self) -> None:
        draft = self.fixture.draft(self.alice, "spam", self.wob, "banned", self.bob)
        self.fixture.submit("ban", draft)
        self.fixture.turn()
        found = self.successResultOf(
            self.fixture.archive.page(self.wob, PageIdWindow(1, contents="events"), ANY, EVER)
        )
        entry = entry_from_row(self.fixture.state, found.rows[0])
        self.assertEqual((entry.id, entry.seq, entry.at), (20, 14, draft.at))
        event = entry.event
        self.assertIs(event.conversation, self.wob)
        self.assertIs(event.actor, self.alice)
        self.assertIs(event.subject, self.bob)
        self.assertEqual((event.kind, event.body), ("banned", "spam"))


class Coming(JournalTestCase):
    """Coming back, without a cursor and with one."""

    def setUp(self) -> None:
        super().setUp()
        self.direct = self.fixture.direct(self.alice, self.bob)
        self.wob = self.fixture.group("wob", self.alice)
        self.den = self.fixture.group("den", self.alice)
        self.fixture.turn()

    def says(self, *texts: str) -> None:
        """Let alice say these: in wob, in den, in the lobby or to bob, after their first letters."""
        places = {"w": self.wob, "d": self.den, "l": LOBBY, "p": self.direct}
        for text in texts:
            self.fixture.says(self.alice, text, places[text[0]])
        self.fixture.turn()

    def bob_leaves(self) -> None:
        """Bob has seen all so far, and it is on disk."""
        self.fixture.sees(self.bob)
        self.says("l: bob left")

    def unread(self, *conversations: Conversation, max_id: int = EVER) -> list[int]:
        """How much bob missed in these."""
        after = self.fixture.journal.get_last_seen_id(self.bob)
        found = self.fixture.archive.unread_counts(
            [UnreadRange(one, after, max_id) for one in conversations], self.bob
        )
        counts: list[int] = self.successResultOf(found)
        return counts

    def following(
        self,
        after: int,
        limit: int,
        conversations: Iterable[Conversation],
        max_id: int = EVER,
        size: int = ANY,
    ) -> tuple[list[str], bool]:
        """What follows for bob."""
        found = self.fixture.archive.entries_after(conversations, self.bob, after, limit, size, max_id)
        return bodies(self.successResultOf(found))

    def test_what_is_unread_is_counted_by_conversation(self) -> None:
        self.says("w1", "p1")
        self.bob_leaves()
        self.says("p2", "w2", "p3", "l1", "p4")
        self.assertEqual(self.unread(self.direct, self.den, self.wob), [3, 0, 1])
        self.assertEqual(self.unread(self.direct, max_id=self.fixture.journal.last_delivered_id - 1), [2])
        self.assertEqual(self.unread(), [])

    def test_neither_events_nor_his_own_messages_are_unread(self) -> None:
        self.bob_leaves()
        self.fixture.submit("topic", self.fixture.draft(self.alice, "weather", self.wob, "topic"))
        self.fixture.says(self.bob, "mine", self.wob)
        for kind in MESSAGE_KINDS:
            self.fixture.submit(kind, self.fixture.draft(self.alice, "##", self.wob, kind))
        self.says("w1")
        self.assertEqual(self.unread(self.wob), [5])

    def test_no_more_entries_are_looked_at_than_are_counted(self) -> None:
        self.patch(archive, "MAX_MESSAGES_SCANNED_FOR_UNREAD_COUNT", 3)
        self.bob_leaves()
        self.says("p1", "p2", "p3", "p4")
        self.assertEqual(self.unread(self.direct), [3])
        self.fixture.says(self.bob, "mine", self.direct)
        self.fixture.turn()
        self.assertEqual(self.unread(self.direct), [2])

    def test_what_follows_is_cut_by_bytes_as_well(self) -> None:
        self.says("w1", "p1", "w2", "p2")
        after = self.fixture.journal.last_delivered_id - 4
        both = (self.direct, self.wob)
        self.assertEqual(self.following(after, 9, both, size=4), (["w1", "p1"], True))
        self.assertEqual(self.following(after, 9, both, size=3), (["w1"], True))
        self.assertEqual(self.following(after, 9, both, size=1), (["w1"], True))
        self.assertEqual(self.following(after + 2, 9, both, size=4), (["w2", "p2"], False))

    def test_what_follows_is_in_the_order_of_the_log(self) -> None:
        self.says("w1", "p1", "d1", "l1", "w2", "p2")
        after = self.fixture.journal.last_delivered_id - 6
        everything = (LOBBY, self.direct, self.wob)
        self.assertEqual(self.following(after, 10, everything), (["w1", "p1", "l1", "w2", "p2"], False))
        self.assertEqual(self.following(after, 5, everything), (["w1", "p1", "l1", "w2", "p2"], False))
        self.assertEqual(self.following(after, 4, everything), (["w1", "p1", "l1", "w2"], True))
        self.assertEqual(self.following(after + 1, 2, everything), (["p1", "l1"], True))
        self.assertEqual(self.following(after, 9, everything, max_id=after + 4), (["w1", "p1", "l1"], False))

    def test_events_of_the_groups_follow_too(self) -> None:
        after = self.fixture.journal.last_delivered_id
        self.says("w1")
        self.fixture.submit("topic", self.fixture.draft(self.alice, "weather", self.wob, "topic"))
        self.says("w2")
        self.assertEqual(self.following(after, 10, [self.wob]), (["w1", "weather", "w2"], False))

    def test_what_happened_to_one_follows_wherever_it_was(self) -> None:
        """An invitation to a group that one is not in; but no message of a conversation one is not in."""
        after = self.fixture.journal.last_delivered_id
        kinds: tuple[tuple[EventKind, str], ...] = (
            ("invited", "come"),
            ("kicked", "go"),
            ("message", "psst"),
        )
        for kind, body in kinds:
            self.fixture.submit(body, self.fixture.draft(self.alice, body, self.den, kind, self.bob))
        self.fixture.submit("other", self.fixture.draft(self.bob, "other", self.den, "invited", self.alice))
        self.says("w1")
        self.assertEqual(self.following(after, 10, [self.wob]), (["come", "go", "w1"], False))
        self.assertEqual(self.following(after, 10, []), (["come", "go"], False))

    def test_what_is_both_comes_once(self) -> None:
        after = self.fixture.journal.last_delivered_id
        self.fixture.submit("kick", self.fixture.draft(self.alice, "go", self.wob, "kicked", self.bob))
        self.fixture.turn()
        self.assertEqual(self.following(after, 10, [self.wob]), (["go"], False))
        self.assertEqual(self.following(after, 1, [self.wob]), (["go"], False))


class Loading(JournalTestCase):
    def setUp(self) -> None:
        super().setUp()
        direct = self.fixture.direct(self.alice, self.bob)
        wob, den = self.fixture.group("wob", self.alice), self.fixture.group("den", self.bob)
        events: tuple[tuple[User, EventKind, User | None, str, Conversation], ...] = (
            (self.bob, "joined", None, "", wob),
            (self.alice, "promoted", self.bob, "", wob),
            (self.bob, "visibility", None, "private", den),
            (self.alice, "topic", None, "weather", wob),
            (self.bob, "invited", self.alice, "", den),
            (self.alice, "left", None, "", wob),
            (self.alice, "promoted", self.bob, "owner", wob),
            (self.bob, "banned", self.alice, "spam", wob),
        )
        for actor, kind, subject, body, conversation in events:
            self.fixture.says(self.bob, "between", conversation)
            self.fixture.submit(kind, self.fixture.draft(actor, body, conversation, kind, subject))
        self.fixture.says(self.alice, "hi", direct)
        self.fixture.turn()
        for conversation, last, at in ((LOBBY, 1, 0), (wob, 9, 77)):
            self.fixture.journal.move_read_mark(self.bob, conversation, last, at)
        self.fixture.clock.advance(READ_MARK_WRITE_DELAY_SECONDS)

    def test_it_is_all_there_again(self) -> None:
        snapshot = self.successResultOf(self.fixture.archive.load_snapshot())
        self.check(snapshot)
        self.restart()
        self.check(self.fixture.store.read_snapshot())

    def check(self, snapshot: Snapshot) -> None:
        """Compare it with what happened."""
        state = snapshot.state
        self.assertEqual(
            [(user.id, user.nick, user.normalized_nick, user.colour) for user in state.users.values()],
            [(user.id, user.nick, user.normalized_nick, user.colour) for user in (self.alice, self.bob)],
        )
        self.assertEqual(
            [(there.id, there.kind, there.name) for there in state.conversations.values()],
            [(1, "lobby", ""), (2, "direct", ""), (3, "group", "wob"), (4, "group", "den")],
        )
        self.assertEqual([user.nick for user in state.conversations[2].pair], ["alice", "bob"])
        wob, den = state.find_group("wob"), state.find_group("den")
        assert wob is not None
        assert den is not None
        bob = snapshot.state.require_user("bob")
        self.assertEqual((wob.owner, list(wob.members), wob.operator_ids), (bob, [2], set()))
        self.assertEqual((wob.topic, wob.visibility, wob.banned_user_ids), ("weather", "public", {1}))
        self.assertEqual((den.owner, list(den.members), list(den.invitations)), (bob, [2], [1]))
        self.assertEqual(den.visibility, "private")
        self.assertEqual((snapshot.last_id, snapshot.last_seqs), (19, {2: 1, 3: 13, 4: 5}))
        lasts = self.fixture.rows("SELECT conversation, max(id) FROM log GROUP BY conversation")
        self.assertEqual(snapshot.last_ids, dict(lasts))
        self.assertEqual(snapshot.last_seen_ids, {1: 0, 2: 0})
        self.assertEqual(snapshot.read_marks, {2: {1: ReadMarkPosition(1, 0), 3: ReadMarkPosition(9, 77)}})

    def test_everyone_is_one_object(self) -> None:
        """Whoever compares users by identity must not be wrong after a restart."""
        state = self.successResultOf(self.fixture.archive.load_snapshot()).state
        wob = state.find_group("wob")
        assert wob is not None
        self.assertIs(wob.members[2], state.users[2])
        self.assertIs(state.conversations[2].pair[0], state.users[1])
        self.assertIs(state.conversations[1], LOBBY)


class Plans(JournalTestCase):
    """What SQLite does for each query, on a database of some size."""

    def setUp(self) -> None:
        super().setUp()
        self.statements: list[str] = []

        def listen(connection: sqlite3.Connection) -> None:
            connection.set_trace_callback(self.statements.append)

        self.readers = ThreadlessPool(
            "sqlite3",
            str(self.fixture.database),
            cp_openfun=listen,
            cp_reactor=self.fixture.clock,
            isolation_level=None,
        )
        self.addCleanup(self.readers.close)
        self.direct = self.fixture.direct(self.alice, self.bob)
        self.wob = self.fixture.group("wob", self.alice)
        for number in range(50):
            self.fixture.says(self.alice, f"m{number}", self.wob, ref=f"r{number}")
        self.fixture.turn()

    def plans(self) -> dict[str, list[str]]:
        """What is done for each statement that was heard, but for what every transaction says."""
        heard = {
            text for text in self.statements if not text.startswith(("BEGIN", "COMMIT", "UPDATE", "INSERT"))
        }
        self.statements.clear()
        found = {text: [row[3] for row in self.fixture.rows(f"EXPLAIN QUERY PLAN {text}")] for text in heard}
        self.assertTrue(found)
        return found

    def check_plans(self, scanned: tuple[str, ...] = ()) -> None:
        """Each row is found by an index, and nothing is sorted; but ``scanned`` is read as a whole."""
        for text, steps in self.plans().items():
            for step in steps:
                self.assertNotIn("TEMP B-TREE", step, text)
                self.assertTrue(not step.startswith("SCAN") or step.endswith(scanned), f"{step}: {text}")

    def test_pages(self) -> None:
        pages = Archive(self.readers, self.readers, SQLITE)
        ignoring = LogFilter(self.bob.id, (self.alice.id,), frozenset({self.wob.id}))
        for contents in CONTENTS:
            for before, after in ((None, None), (40, None), (None, 3), (40, 3)):
                for forward in (False, True):
                    window = PageIdWindow(10, before, after, contents, forward)
                    self.successResultOf(pages.page(self.wob, window, ANY, EVER))
                    self.successResultOf(pages.page(self.wob, window, ANY, EVER, ignoring))
        # Without messages, as where they are ignored, there is no query for the reactions to them.
        self.assertEqual(len(self.statements), 96 + 16)
        self.check_plans(scanned=("SCAN json_each VIRTUAL TABLE INDEX 1:",))

    def test_places_by_time_and_last_messages(self) -> None:
        readers = Archive(self.readers, self.readers, SQLITE)
        self.successResultOf(readers.first_ids_since([0, 1030, 10**15], 40))
        ignoring = LogFilter(self.bob.id, (self.alice.id,), frozenset({self.wob.id}))
        for log_filter in (NO_LOG_FILTER, ignoring):
            self.successResultOf(readers.last_messages([LOBBY, self.direct, self.wob], EVER, log_filter))
            self.successResultOf(readers.entry_times([(LOBBY, 5), (self.wob, 40)], log_filter))
        self.check_plans(scanned=("SCAN last_ones", "SCAN (subquery-2)"))

    def test_what_is_unread_and_what_follows(self) -> None:
        readers = Archive(self.readers, self.readers, SQLITE)
        conversations = (LOBBY, self.direct, self.wob)
        ranges = [UnreadRange(one, 3, EVER) for one in conversations]
        self.successResultOf(readers.unread_counts(ranges, self.bob))
        self.successResultOf(readers.entries_after(conversations, self.bob, 3, 10, ANY, EVER))
        self.check_plans(scanned=("SCAN json_each VIRTUAL TABLE INDEX 1:", "SCAN last_ones"))

    def test_what_an_export_reads(self) -> None:
        readers = Archive(self.readers, self.readers, SQLITE)
        self.successResultOf(readers.conversation_entries(self.wob, 3, 10, ANY, EVER))
        self.successResultOf(readers.user_entries(self.alice, 3, 10, ANY, 40))
        self.assertEqual(len(self.statements), 2)
        self.check_plans()

    def test_what_an_erasure_reads(self) -> None:
        self.successResultOf(
            Archive(self.readers, self.readers, SQLITE).entry_ids_to_erase(self.alice, 3, 10, 40)
        )
        self.check_plans()

    def test_loading_reads_users_conversations_and_events_whole_but_no_message(self) -> None:
        self.successResultOf(self.readers.runInteraction(load_snapshot, SQLITE))
        self.check_plans(
            scanned=(
                "SCAN users",
                "SCAN c",
                "SCAN credentials",
                "SCAN tokens",
                "SCAN links",
                "SCAN moderation",
                "SCAN ban_origins",
                "SCAN ignores",
                "SCAN trimmed",
                "SCAN erasures",
                "SCAN read_marks",
                "USING INDEX log_events",
            )
        )

    def test_looking_for_a_ref(self) -> None:
        (connection,) = self.fixture.writer.connections.values()
        connection.set_trace_callback(self.statements.append)
        self.fixture.says(self.alice, "m1", self.wob, ref="r1")
        self.fixture.turn()
        connection.set_trace_callback(None)
        self.check_plans()

    def test_a_scan_is_noticed(self) -> None:
        for query in ("SELECT * FROM log WHERE body = 'x'", "SELECT * FROM log WHERE actor = 1 ORDER BY at"):
            self.successResultOf(self.readers.runQuery(query))
            self.assertRaises(self.failureException, self.check_plans)


class BoundedQueries(JournalTestCase):
    """However long the log is, a query does as much as a page needs, measured in SQLite's instructions."""

    def setUp(self) -> None:
        super().setUp()
        self.patch(archive, "MAX_ENTRIES_SCANNED_FOR_PAGE", 20)
        self.patch(archive, "MAX_ENTRIES_SCANNED_FOR_REPLAY", 20)
        self.steps = 0
        self.readers = ThreadlessPool(
            "sqlite3",
            str(self.fixture.database),
            cp_openfun=lambda connection: connection.set_progress_handler(self.count, 10),
            cp_reactor=self.fixture.clock,
            isolation_level=None,
        )
        self.addCleanup(self.readers.close)
        self.archive = Archive(self.readers, self.readers, SQLITE)
        self.wob = self.fixture.group("wob", self.alice)
        self.fixture.submit("join", self.fixture.draft(self.bob, "", self.wob, "joined"))
        self.fixture.says(self.bob, "first", self.wob)
        self.log_filter = LogFilter(self.bob.id, (self.alice.id,), frozenset({self.wob.id}))

    def count(self) -> int:
        """Count ten instructions."""
        self.steps += 1
        return 0

    def cost(self, query: Callable[[], Deferred[Any]]) -> int:
        """How often `count` is called for ``query``, whose statements are prepared."""
        self.successResultOf(query())
        self.steps = 0
        self.successResultOf(query())
        return self.steps

    def check(self, kind: EventKind, *queries: Callable[[], Deferred[Any]]) -> None:
        """Ten times as many entries of this ``kind`` cost each query nearly nothing."""
        costs = []
        for entries in (100, 900):
            for _ in range(entries):
                self.fixture.submit("", self.fixture.draft(self.alice, "x", self.wob, kind))
            self.fixture.turn()
            costs.append([self.cost(query) for query in queries])
        for few, many in zip(*costs, strict=True):
            self.assertGreater(few, 0)
            self.assertLess(many, few + 20)

    def page(
        self, events: bool, log_filter: LogFilter, after: int | None = None
    ) -> Callable[[], Deferred[Any]]:
        """A query for a page of wob, or what a query does of it."""
        window = PageIdWindow(5, None, after, "events" if events else "messages", after is not None)
        return lambda: self.archive.page(self.wob, window, ANY, EVER, log_filter)

    def mixed(self, log_filter: LogFilter, forward: bool) -> Callable[[], Deferred[Any]]:
        """A query for a page of messages and events."""
        window = PageIdWindow(5, contents="all", reads_forward=forward, whole_milliseconds=True)
        return lambda: self.archive.page(self.wob, window, ANY, EVER, log_filter)

    def test_messages_and_events_together(self) -> None:
        for kind in ("message", "topic"):
            self.check(
                kind,
                *(
                    self.mixed(log_filter, forward)
                    for log_filter in (NO_LOG_FILTER, self.log_filter)
                    for forward in (False, True)
                ),
            )

    def test_places_by_time(self) -> None:
        """A log ten times as long takes a few steps more."""
        self.check("message", lambda: self.archive.first_ids_since([1050], 10**6))

    def test_times_of_entries(self) -> None:
        for kind in ("topic", "message"):
            self.check(kind, lambda: self.archive.entry_times([(self.wob, 10**6)], self.log_filter))

    def test_last_messages(self) -> None:
        self.patch(archive, "MAX_MESSAGES_SCANNED_FOR_LAST_MESSAGE", 20)
        for kind in ("topic", "message"):
            self.check(
                kind,
                lambda: self.archive.last_messages([self.wob], EVER),
                lambda: self.archive.last_messages([self.wob], EVER, self.log_filter),
            )

    def following(self, log_filter: LogFilter) -> Callable[[], Deferred[Any]]:
        """A query for what follows the beginning."""
        return lambda: self.archive.entries_after([LOBBY, self.wob], self.bob, 0, 5, ANY, EVER, log_filter)

    def test_messages_of_the_ignored(self) -> None:
        self.check(
            "message",
            self.page(False, self.log_filter),
            self.page(False, self.log_filter, 0),
            self.following(self.log_filter),
        )

    def test_events_behind_which_messages_are(self) -> None:
        self.check("topic", self.page(False, NO_LOG_FILTER))

    def test_messages_behind_which_events_are(self) -> None:
        self.check("message", self.page(True, NO_LOG_FILTER))

    def test_events_since_joining(self) -> None:
        self.check("topic", self.page(True, self.log_filter), self.following(self.log_filter))

    def test_what_is_unread(self) -> None:
        self.patch(archive, "MAX_MESSAGES_SCANNED_FOR_UNREAD_COUNT", 20)
        ranges = [UnreadRange(self.wob, 0, EVER)]
        for kind in ("topic", "message"):
            self.check(kind, lambda: self.archive.unread_counts(ranges, self.bob, self.log_filter))

    def test_conversations_whose_entries_come_later(self) -> None:
        """Of many conversations with many entries, no more than a page of entries is read."""
        groups = [self.fixture.group(f"g{number}", self.alice) for number in range(20)]
        costs = []
        for _ in range(2):
            for group in groups:
                for _ in range(30):
                    self.fixture.says(self.alice, "x", group)
            self.fixture.turn()
            after = self.fixture.journal.last_delivered_id - 20 * 30
            costs.append(
                self.cost(partial(self.archive.entries_after, groups, self.bob, after, 30, ANY, EVER))
            )
        self.assertLess(costs[0], 500)
        self.assertLess(costs[1], costs[0] + 20)

    def test_old_messages_behind_events(self) -> None:
        self.check("topic", lambda: self.archive.old_message_ids(self.wob, 0, 0, 5))


class Steps(JournalTestCase):
    """A page that takes several queries."""

    def setUp(self) -> None:
        super().setUp()
        self.patch(archive, "MAX_ENTRIES_SCANNED_FOR_PAGE", 2)
        self.patch(archive, "MAX_ENTRIES_SCANNED_FOR_REPLAY", 3)
        for number in range(3):
            self.fixture.says(self.bob, f"b{number}")
            for _ in range(3):
                self.fixture.says(self.alice, "x")
        self.fixture.turn()
        self.log_filter = LogFilter(self.bob.id, (self.alice.id,))

    def pages(
        self, limit: int, size: int = ANY, after: int | None = None
    ) -> list[tuple[list[str], bool, int | None]]:
        """What each query says and has found, up to the last."""
        found: list[tuple[list[str], bool, int | None]] = []
        partial_page: EntrySlice | None = None
        while partial_page is None or partial_page.resume_id is not None:
            window = PageIdWindow(limit, None, after, reads_forward=after is not None)
            page = self.fixture.archive.page(LOBBY, window, size, EVER, self.log_filter, partial_page)
            partial_page = self.successResultOf(page)
            found.append((*bodies(partial_page), partial_page.resume_id))
        return found

    def test_a_query_looks_at_as_many_entries_as_it_may(self) -> None:
        self.assertEqual(
            self.pages(9),
            [
                ([], True, 11),
                (["b2"], True, 9),
                (["b2"], True, 7),
                (["b1", "b2"], True, 5),
                (["b1", "b2"], True, 3),
                (["b0", "b1", "b2"], True, 1),
                (["b0", "b1", "b2"], False, None),
            ],
        )

    def test_onwards(self) -> None:
        self.assertEqual(
            self.pages(2, after=1),
            [
                ([], True, 3),
                (["b1"], True, 5),
                (["b1"], True, 7),
                (["b1", "b2"], True, 9),
                (["b1", "b2"], True, 11),
                (["b1", "b2"], False, None),
            ],
        )

    def test_the_limits_are_those_of_the_page(self) -> None:
        for limit, size in ((1, ANY), (9, 3), (9, 1)):
            self.assertEqual(self.pages(limit, size)[-1], (["b2"], True, None))
        self.assertEqual(self.pages(9, 4)[-1], (["b1", "b2"], True, None))

    def test_what_follows_may_be_all_hidden(self) -> None:
        found = self.fixture.archive.entries_after([LOBBY], self.bob, 1, 2, ANY, EVER, self.log_filter)
        following = self.successResultOf(found)
        self.assertEqual((*bodies(following), following.resume_id), ([], True, 4))


Row = tuple[int, int, EventKind, str, bool, int]
"""Id, conversation, kind, author, whether it is about bob, and the time."""

A_PLACE = st.sampled_from((1, 2, 3))
AN_ID = st.none() | st.integers(0, 20)
KINDS = ("message", "image", "action", "notice", "topic", "invited", "joined")
LOG = st.lists(
    st.tuples(
        A_PLACE,
        st.sampled_from(KINDS),
        st.sampled_from(("alice", "bob", "carol")),
        st.booleans(),
        st.sampled_from((0, 0, 1, 5)),
    ),
    max_size=18,
)
WINDOW = st.builds(
    PageIdWindow, st.integers(1, 5), AN_ID, AN_ID, st.sampled_from(CONTENTS), st.booleans(), st.booleans()
)
QUERY = st.tuples(A_PLACE, WINDOW, st.integers(1, 8), st.integers(0, 20))
VIEW = st.tuples(st.sampled_from(((), ("carol",), ("alice", "carol"))), st.frozensets(A_PLACE))


class AnyLog(SynchronousTestCase):
    @settings(max_examples=effort(100), deadline=None)
    @given(LOG, st.lists(st.tuples(QUERY, VIEW), min_size=1, max_size=8), st.integers(1, 4))
    def test_is_read_as_one_would_by_hand(self, log: list[Any], queries: list[Any], scanned: int) -> None:
        self.patch(archive, "MAX_ENTRIES_SCANNED_FOR_PAGE", scanned)
        self.patch(archive, "MAX_ENTRIES_SCANNED_FOR_REPLAY", scanned)
        with (
            tempfile.TemporaryDirectory() as folder,
            closing(StoreFixture(Path(folder) / "chat.db")) as fixture,
        ):
            users = {nick: fixture.user(nick) for nick in ("alice", "bob", "carol")}
            bob = users["bob"]
            places = {1: LOBBY, 2: Conversation(2, "group", "wob"), 3: Conversation(3, "group", "den")}
            fixture.submit("groups", places[2], places[3])
            rows: list[Row] = []
            for id, (where, kind, author, about_bob, later) in enumerate(log, 1):
                about = bob if about_bob else None
                draft = fixture.draft(users[author], "x", places[where], kind, about)
                at = rows[-1][-1] + later if rows else 1000
                fixture.submit(kind, replace(draft, at=at))
                rows.append((id, where, kind, author, about_bob, at))
            fixture.turn()
            times = range(995, 1100, 3)
            by_time = self.successResultOf(fixture.archive.first_ids_since(times, len(rows)))
            self.assertEqual(by_time, [1 + sum(row[-1] < time for row in rows) for time in times])
            for (where, window, size, max_id), (ignored, since_joining) in queries:
                log_filter = LogFilter(bob.id, tuple(users[nick].id for nick in ignored), since_joining)
                page: EntrySlice | None = None
                while page is None or page.resume_id is not None:
                    found = fixture.archive.page(places[where], window, size, max_id, log_filter, page)
                    page = self.successResultOf(found)
                visible = visible_by_hand(rows, ignored, since_joining)
                seen = visible_by_hand(rows, (), since_joining)
                by_hand = page_by_hand(visible, where, window, size, max_id)
                self.assertEqual((ids(page), page.has_more), by_hand)
                read_up_to = [(place, max_id) for place in places.values()]
                ends = fixture.archive.entry_times(read_up_to, replace(log_filter, ignored_user_ids=()))
                self.assertEqual(
                    self.successResultOf(ends),
                    [
                        next((row[-1] for row in seen[::-1] if row[1] == one and row[0] <= max_id), None)
                        for one in places
                    ],
                )
                lasts = fixture.archive.last_messages(places.values(), max_id, log_filter)
                self.assertEqual(self.successResultOf(lasts), last_messages_by_hand(visible, places, max_id))
                following: list[int] = []
                after, limit = window.after or 0, window.limit
                end: int | None = after
                while end is not None:
                    part = self.successResultOf(
                        fixture.archive.entries_after(
                            [LOBBY, places[where]], bob, end, limit, size, max_id, log_filter
                        )
                    )
                    self.assertLessEqual(len(part.rows), min(limit, size))  # each body has one byte
                    following += ids(part)
                    end = (part.resume_id or following[-1]) if part.has_more else None
                expected = following_by_hand(rows, visible, {1, where}, after, max_id, ignored)
                self.assertEqual(following, expected)


def ids(found: EntrySlice) -> list[int]:
    """The ids of a slice."""
    return [row[0] for row in found.rows]


def visible_by_hand(rows: list[Row], ignored: tuple[str, ...], since_joining: frozenset[int]) -> list[Row]:
    """What bob sees of his conversations."""
    joined = dict.fromkeys(since_joining, 10**9)
    joined |= {where: id for id, where, kind, author, *_ in rows if (kind, author) == ("joined", "bob")}
    return [
        row
        for row in rows
        if not (row[3] in ignored and row[2] in IGNORABLE_EVENT_KINDS)
        and not (row[1] in since_joining and row[0] < joined[row[1]])
    ]


def page_by_hand(
    rows: list[Row], where: int, window: PageIdWindow, size: int, max_id: int
) -> tuple[list[int], bool]:
    """A page of the visible ``rows``, by the definition of it. Each body has one byte."""
    wanted = {"messages": (True,), "events": (False,), "all": (True, False)}[window.contents]
    found = [row for row in rows if row[1] == where and (row[2] in MESSAGE_KINDS) in wanted]
    found = [row for row in found if row[0] <= max_id and row[0] > (window.after or 0)]
    found = [row for row in found if window.before is None or row[0] < window.before]
    if not window.reads_forward:
        found.reverse()
    shown = found[: min(window.limit, size)]
    if window.whole_milliseconds:
        rest = found[len(shown) :]
        shown += list(takewhile(lambda row: row[-1] == shown[-1][-1], rest))[: 2 * size - len(shown)]
    return sorted(row[0] for row in shown), len(found) > len(shown)


def last_messages_by_hand(
    rows: list[Row], places: dict[int, Conversation], max_id: int
) -> list[tuple[int, int] | None]:
    """The id and the time of the last visible message in each of ``places``, by the definition of it."""
    found: dict[int, tuple[int, int]] = {
        row[1]: (row[0], row[-1]) for row in rows if row[2] in MESSAGE_KINDS and row[0] <= max_id
    }
    return [found.get(place) for place in places]


def following_by_hand(
    rows: list[Row],
    visible: list[Row],
    where: set[int],
    after: int,
    max_id: int,
    ignored: tuple[str, ...],
) -> list[int]:
    """What follows for bob, by the definition of it: an event about him also from before he joined."""
    found = {row[0] for row in visible if row[1] in where}
    found |= {
        id
        for id, _, kind, author, about_bob, _ in rows
        if about_bob
        and kind not in MESSAGE_KINDS
        and not (author in ignored and kind in IGNORABLE_EVENT_KINDS)
    }
    return sorted(id for id in found if after < id <= max_id)
