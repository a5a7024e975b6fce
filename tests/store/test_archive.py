"""What is read back is what was written: no gap, no duplicate, in order, a page at a time."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from chatd.core.events import LOBBY, MESSAGE_KINDS, Conversation, EventKind, User
from chatd.core.records import EntrySlice, Snapshot, entry_from_row
from chatd.store import archive
from chatd.store.archive import Archive, load_snapshot
from tests.support.effort import effort
from tests.support.in_memory_daemon import ThreadlessPool
from tests.support.journal_case import JournalTestCase, StoreFixture

EVER = 10**9
"""An ``max_id`` that leaves nothing out."""

ANY = 10**9
"""A ``size`` that leaves nothing out."""


def bodies(found: EntrySlice) -> tuple[list[str], bool]:
    """What a slice says, and whether there is more."""
    return [row[-1] for row in found.rows], found.more


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
    ) -> tuple[list[str], bool]:
        """A page whose ends are named by what is said there."""
        found = self.fixture.archive.page(
            conversation or self.wob,
            events,
            self.ids[before] if before is not None else None,
            self.ids[after] if after is not None else None,
            limit,
            size,
            max_id,
        )
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
        found = self.successResultOf(self.fixture.archive.page(self.wob, True, None, None, 1, ANY, EVER))
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
        found = self.fixture.archive.unread_counts(
            conversations, self.bob, self.fixture.journal.get_read_marker(self.bob), max_id
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
        self.fixture.submit("image", self.fixture.draft(self.alice, "##", self.wob, "image"))
        self.says("w1")
        self.assertEqual(self.unread(self.wob), [2])

    def test_no_more_entries_are_looked_at_than_are_counted(self) -> None:
        self.patch(archive, "UNREAD_SCAN_LIMIT", 3)
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

    def test_it_is_all_there_again(self) -> None:
        snapshot = self.successResultOf(self.fixture.archive.load())
        self.check(snapshot)
        self.restart()
        self.check(self.fixture.store.read_snapshot())

    def check(self, snapshot: Snapshot) -> None:
        """Compare it with what happened."""
        state = snapshot.state
        self.assertEqual(
            [(user.id, user.nick, user.key, user.colour) for user in state.users.values()],
            [(user.id, user.nick, user.key, user.colour) for user in (self.alice, self.bob)],
        )
        self.assertEqual(
            [(there.id, there.kind, there.name) for there in state.conversations.values()],
            [(1, "lobby", ""), (2, "direct", ""), (3, "group", "wob"), (4, "group", "den")],
        )
        self.assertEqual([user.nick for user in state.conversations[2].pair], ["alice", "bob"])
        wob, den = state.find_group("wob"), state.find_group("den")
        assert wob is not None
        assert den is not None
        bob = snapshot.state.user("bob")
        self.assertEqual((wob.owner, list(wob.members), wob.operators), (bob, [2], set()))
        self.assertEqual((wob.topic, wob.visibility, wob.banned), ("weather", "public", {1}))
        self.assertEqual((den.owner, list(den.members), list(den.invited)), (bob, [2], [1]))
        self.assertEqual(den.visibility, "private")
        self.assertEqual((snapshot.last_id, snapshot.seqs), (19, {2: 1, 3: 13, 4: 5}))
        lasts = self.fixture.rows("SELECT conversation, max(id) FROM log GROUP BY conversation")
        self.assertEqual(snapshot.last_ids, dict(lasts))
        self.assertEqual(snapshot.read_markers, {1: 0, 2: 0})

    def test_everyone_is_one_object(self) -> None:
        """Whoever compares users by identity must not be wrong after a restart."""
        state = self.successResultOf(self.fixture.archive.load()).state
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
        pages = Archive(self.readers)
        for events in (False, True):
            for before, after in ((None, None), (40, None), (None, 3), (40, 3)):
                self.successResultOf(pages.page(self.wob, events, before, after, 10, ANY, EVER))
        self.assertEqual(len(self.statements), 8)
        self.check_plans()

    def test_what_is_unread_and_what_follows(self) -> None:
        readers = Archive(self.readers)
        conversations = (LOBBY, self.direct, self.wob)
        self.successResultOf(readers.unread_counts(conversations, self.bob, 3, EVER))
        self.successResultOf(readers.entries_after(conversations, self.bob, 3, 10, ANY, EVER))
        self.check_plans(scanned=("SCAN json_each VIRTUAL TABLE INDEX 1:", "SCAN (subquery-1)"))

    def test_what_an_export_reads(self) -> None:
        readers = Archive(self.readers)
        self.successResultOf(readers.conversation_entries(self.wob, 3, 10, ANY, EVER))
        self.successResultOf(readers.user_entries(self.alice, 3, 10, ANY, 40))
        self.assertEqual(len(self.statements), 2)
        self.check_plans()

    def test_what_an_erasure_reads(self) -> None:
        self.successResultOf(Archive(self.readers).texts_to_erase(self.alice, 3, 10, 40))
        self.check_plans()

    def test_loading_reads_users_conversations_and_events_whole_but_no_message(self) -> None:
        self.successResultOf(self.readers.runInteraction(load_snapshot))
        self.check_plans(
            scanned=(
                "SCAN users",
                "SCAN c",
                "SCAN credentials",
                "SCAN moderation",
                "SCAN ban_origins",
                "SCAN ignores",
                "SCAN trimmed",
                "SCAN erasures",
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


Row = tuple[int, int, EventKind, bool]
"""Id, conversation, kind, and whether it is about bob."""

A_PLACE = st.sampled_from((1, 2, 3))
AN_ID = st.none() | st.integers(0, 20)
LOG = st.lists(
    st.tuples(A_PLACE, st.sampled_from(("message", "image", "topic", "invited")), st.booleans()),
    max_size=18,
)
QUERY = st.tuples(
    A_PLACE, st.booleans(), AN_ID, AN_ID, st.integers(1, 5), st.integers(1, 8), st.integers(0, 20)
)


class AnyLog(SynchronousTestCase):
    @settings(max_examples=effort(50), deadline=None)
    @given(LOG, st.lists(QUERY, min_size=1, max_size=8))
    def test_is_read_as_one_would_by_hand(self, log: list[Any], queries: list[Any]) -> None:
        with (
            tempfile.TemporaryDirectory() as folder,
            closing(StoreFixture(Path(folder) / "chat.db")) as fixture,
        ):
            alice, bob = fixture.user("alice"), fixture.user("bob")
            places = {1: LOBBY, 2: Conversation(2, "group", "wob"), 3: Conversation(3, "group", "den")}
            fixture.submit("groups", places[2], places[3])
            for where, kind, about_bob in log:
                fixture.submit(
                    kind, fixture.draft(alice, "x", places[where], kind, bob if about_bob else None)
                )
            fixture.turn()
            rows: list[Row] = [(id, *entry) for id, entry in enumerate(log, 1)]
            for where, events, before, after, limit, size, max_id in queries:
                page = fixture.archive.page(places[where], events, before, after, limit, size, max_id)
                most = min(limit, size)  # each body has one byte
                by_hand = page_by_hand(rows, where, events, before, after, most, max_id)
                self.assertEqual(ids(self.successResultOf(page)), by_hand)
                following = fixture.archive.entries_after(
                    [LOBBY, places[where]], bob, after or 0, limit, size, max_id
                )
                by_hand = following_by_hand(rows, {1, where}, after or 0, most, max_id)
                self.assertEqual(ids(self.successResultOf(following)), by_hand)


def ids(found: EntrySlice) -> tuple[list[int], bool]:
    """The ids of a slice, and whether there is more."""
    return [row[0] for row in found.rows], found.more


def page_by_hand(
    rows: list[Row], where: int, events: bool, before: int | None, after: int | None, limit: int, max_id: int
) -> tuple[list[int], bool]:
    """A page, by the definition of it."""
    found = [id for id, there, kind, _ in rows if there == where and (kind not in MESSAGE_KINDS) == events]
    found = [id for id in found if id <= max_id and id > (after or 0) and (before is None or id < before)]
    forward = after is not None and before is None
    return found[:limit] if forward else found[-limit:], len(found) > limit


def following_by_hand(
    rows: list[Row], where: set[int], after: int, limit: int, max_id: int
) -> tuple[list[int], bool]:
    """What follows for bob, by the definition of it."""
    found = [
        id
        for id, there, kind, about_bob in rows
        if there in where or (about_bob and kind not in MESSAGE_KINDS)
    ]
    found = [id for id in found if after < id <= max_id]
    return found[:limit], len(found) > limit
