"""Where the key for the next unread conversation leads."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from chatd.client.codec import LOBBY, ConversationRef
from chatd.client.memory import Memory
from chatd.client.unread_navigation import next_unread_conversation
from chatd.json_wire import objects

TS = objects.Timestamp("2026-11-21T10:00:00Z")


class Next(SynchronousTestCase):
    def setUp(self) -> None:
        """Alice in the lobby."""
        self.memory = Memory("alice")
        self.last_id = 0

    def hear(self, text: str = "hi", group: str = "", to: str = "") -> None:
        """A message that alice does not see."""
        self.last_id += 1
        said = objects.Message(id=self.last_id, ts=TS, nick="bob", msg=text, group=group, to=to)
        self.memory.add_news(said, at_end=True, is_watched=False)

    def visited(self) -> list[str]:
        """The conversations that the key leads to, each looked at, until nothing is unread elsewhere."""
        found = []
        while (place := next_unread_conversation(self.memory)) is not None:
            found.append(place.name or "lobby")
            self.memory.switch_conversation(place)
            self.memory.shown_conversation.mark_seen()
        return found

    def test_what_is_for_the_user_comes_first(self) -> None:
        """Then the others and invitations, in the order of the list, then what is quiet."""
        self.hear("hi", group="art")
        self.hear("alice!", group="quiet")
        self.hear("hi", group="zoo")
        self.hear("alice!", group="wob")
        self.hear("psst", to="alice")
        invited = objects.GroupEvent(id=99, ts=TS, event="invited", actor="bob", subject="alice", group="den")
        self.memory.add_news(invited, at_end=True)
        self.memory.settings.set_muted(ConversationRef("group", "quiet"), True)
        self.assertEqual(self.visited(), ["wob", "bob", "den", "art", "zoo", "quiet"])

    def test_it_goes_round_from_where_one_is(self) -> None:
        for group in ("a", "b", "c"):
            self.hear(group=group)
        self.memory.switch_conversation(ConversationRef("group", "b"))
        self.memory.shown_conversation.mark_seen()
        self.assertEqual(self.visited(), ["c", "a"])

    def test_the_conversation_on_the_screen_is_not_elsewhere(self) -> None:
        self.hear()
        self.assertEqual(self.memory.here, LOBBY)
        self.assertEqual(self.visited(), [])
