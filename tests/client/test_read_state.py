"""What is read and unread of one conversation, without a screen."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import example, given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from chatd.client.read_state import MAX_TRACKED_IDS, ReadState
from chatd.json_wire.objects import ConversationSummary


@dataclass
class Daemon:
    """What the daemon knows of one conversation: the ids of others' messages, and the user's mark."""

    ids: list[int] = field(default_factory=list)
    mark: int | None = None
    last: int = 0

    def say(self, own: bool = False) -> int:
        """Store one more message."""
        self.last += 1
        if not own:
            self.ids.append(self.last)
        return self.last

    def summary(self) -> ConversationSummary:
        """The conversation in a list, once there is a mark."""
        mark = self.mark or 0
        unread = sum(id > mark for id in self.ids)
        if self.mark == 0:
            return ConversationSummary("lobby", last=self.last, unread=unread, marked=True)
        return ConversationSummary("lobby", last=self.last, unread=unread, read=mark)


class Reading(SynchronousTestCase):
    def test_the_first_message_of_a_log_stays_unread(self) -> None:
        """The mark before it is 0, which the daemon keeps."""
        state = ReadState()
        state.record_arrival(1, is_own=False, mentions_user=False, is_seen=False)
        self.assertEqual((state.unread_count, state.mark_to_send), (1, 0))
        again = ReadState()
        again.apply_summary(ConversationSummary("direct", "bob", 1, 1, marked=True), seen=1, cursor=1)
        self.assertEqual((again.unread_count, again.mark_to_send), (1, None))

    def test_own_messages_need_no_mark(self) -> None:
        state = ReadState()
        state.record_arrival(1, is_own=True, mentions_user=False, is_seen=True)
        state.mark_all_as_read()
        self.assertIsNone(state.mark_to_send)

    def test_without_a_mark_the_daemons_count_is_that_of_the_login(self) -> None:
        """What arrived since is counted here; a mark is set, so that it is unread after a restart too."""
        state = ReadState()
        state.record_arrival(11, is_own=False, mentions_user=False, is_seen=False)
        state.apply_summary(ConversationSummary("lobby", last=11, unread=3), seen=4, cursor=10)
        self.assertEqual((state.unread_count, state.mark_to_send), (4, 4))

    def test_a_mark_between_what_was_only_counted(self) -> None:
        """Has the count read again."""
        state = ReadState()
        state.apply_summary(ConversationSummary("lobby", last=9, unread=5, read=2), seen=9, cursor=9)
        self.assertFalse(state.move_mark(5))
        state.apply_summary(ConversationSummary("lobby", last=9, unread=3, read=5), seen=9, cursor=9)
        self.assertEqual(state.unread_count, 3)
        self.assertTrue(state.move_mark(9))
        self.assertEqual(state.unread_count, 0)

    def test_the_line_and_the_mentions(self) -> None:
        """Stay where they are after they were seen, until one leaves."""
        state = ReadState()
        for id, mentioned in ((5, False), (6, True), (7, False)):
            state.record_arrival(id, is_own=False, mentions_user=mentioned, is_seen=False)
        state.place_new_messages_line()
        state.mark_all_as_read()
        self.assertEqual((state.mention_ids, state.new_after), ([], 4))
        jumps = [state.next_new_position() for _ in range(3)]
        self.assertEqual(jumps, [(True, 4), (False, 6), (True, 4)])
        state.remove_new_messages_line()
        self.assertIsNone(state.next_new_position())

    def test_a_flood_is_only_counted(self) -> None:
        state = ReadState()
        for id in range(1, 3 * MAX_TRACKED_IDS):
            state.record_arrival(id, is_own=False, mentions_user=True, is_seen=False)
        self.assertEqual(state.unread_count, 3 * MAX_TRACKED_IDS - 1)
        self.assertEqual(len(state.mention_ids), MAX_TRACKED_IDS)

    @given(
        st.lists(st.sampled_from(["other", "own", "see", "send", "restart", "phone", "again"]), max_size=40)
    )
    @example(["other", "other", "restart", "see", "phone", "restart"])
    def test_it_agrees_with_the_daemon(self, steps: list[str]) -> None:
        """Whatever is said, seen, sent and read elsewhere, over restarts and lost connections."""
        daemon, state = Daemon(), ReadState()
        unread: list[int] = []
        for step in steps:
            if step in ("other", "own"):
                id = daemon.say(own=step == "own")
                state.record_arrival(id, step == "own", mentions_user=False, is_seen=False)
                unread += [id] if step == "other" else []
            elif step == "see":
                state.mark_all_as_read()
                unread = []
            elif step == "phone" and daemon.last:
                daemon.mark = max(daemon.mark or 0, daemon.last - 1)
                unread = [id for id in unread if id > daemon.mark]
                if not state.move_mark(daemon.mark):
                    state.apply_summary(daemon.summary(), daemon.last, daemon.last)
            elif step == "again" and daemon.mark is not None:
                state.apply_summary(daemon.summary(), daemon.last, daemon.last)
            if step in ("send", "restart") and (mark := state.mark_to_send) is not None:
                state.server_mark = daemon.mark = max(mark, daemon.mark or 0)
                self.assertIsNone(state.mark_to_send)
            if step == "restart" and daemon.last:
                state = ReadState()
                state.apply_summary(daemon.summary(), daemon.last, daemon.last)
            self.assertEqual(state.unread_count, len(unread), step)
