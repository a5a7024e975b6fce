"""What the client keeps of the chat: parts of conversations without a gap, and never too much."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
from twisted.trial.unittest import SynchronousTestCase

from chatd.client.codec import LOBBY, ConversationRef, conversation_of_page
from chatd.client.memory import (
    MAX_ENTRIES_OF_HIDDEN_CONVERSATION,
    MAX_ENTRIES_OF_SHOWN_CONVERSATION,
    Conversation,
    Memory,
    ScreenEntry,
    entries_from_page,
    entry_from_message,
)
from chatd.client.screen_lines import composer_placeholder
from chatd.json_wire import objects
from tests.support.languages import speak

AT = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
TS = objects.Timestamp(AT.isoformat())


def entries(first: int, last: int) -> list[ScreenEntry]:
    """Messages with these ids."""
    return [ScreenEntry(AT, f"m{id}", "message", "bob", id) for id in range(first, last + 1)]


def ids(conversation: Conversation) -> list[int]:
    """What is in memory."""
    return [entry.log_id for entry in conversation.entries]


class Windows(SynchronousTestCase):
    """A conversation of which a part is kept."""

    def setUp(self) -> None:
        """One that holds its end."""
        self.conversation = Conversation(LOBBY)
        self.conversation.replace_entries(entries(1001, 1100), has_older=True, has_newer=False)

    def test_the_end_grows_and_the_beginning_goes(self) -> None:
        for entry in entries(1101, 2200):
            self.conversation.add_entry(entry)
        self.assertEqual(ids(self.conversation), list(range(2201 - MAX_ENTRIES_OF_SHOWN_CONVERSATION, 2201)))
        self.assertTrue(self.conversation.has_older)

    def test_nothing_stands_twice(self) -> None:
        self.conversation.add_entry(entries(1100, 1100)[0])
        self.conversation.prepend_page(entries(901, 1010), more=True)
        self.assertEqual(ids(self.conversation), list(range(901, 1101)))

    def test_far_back_the_end_is_let_go_and_found_again(self) -> None:
        """What comes meanwhile is no part of it before all that is between was read."""
        for page in range(10):
            self.conversation.prepend_page(entries(901 - page * 100, 1000 - page * 100), more=page < 9)
        self.assertEqual(ids(self.conversation), list(range(1, MAX_ENTRIES_OF_SHOWN_CONVERSATION + 1)))
        self.assertEqual((self.conversation.has_older, self.conversation.has_newer), (False, True))
        self.conversation.add_entry(entries(1101, 1101)[0])
        self.conversation.append_page(entries(1001, 1100), more=False)
        self.assertTrue(self.conversation.has_newer, "1101 came after that page was read")
        self.conversation.append_page(entries(1101, 1101), more=False)
        self.assertFalse(self.conversation.has_newer)
        self.assertEqual(ids(self.conversation), list(range(102, 1102)))

    def test_what_is_read_is_not_pushed_out(self) -> None:
        """Where memory is full, what comes is found later."""
        for entry in entries(1101, 2200):
            self.conversation.add_entry(entry)
        before = ids(self.conversation)
        self.conversation.add_entry(entries(2201, 2201)[0], may_evict=False)
        self.assertEqual((ids(self.conversation), self.conversation.has_newer), (before, True))

    def test_events_are_on_no_page(self) -> None:
        """So the end is the end, although an event came after the last message."""
        self.conversation.has_newer = True
        self.conversation.add_entry(ScreenEntry(AT, "alice set the topic", log_id=1200))
        self.conversation.append_page([], more=False)
        self.assertFalse(self.conversation.has_newer)

    def test_what_comes_before_the_page_is_kept(self) -> None:
        self.conversation.add_entry(ScreenEntry(AT, "bob joined"))
        self.conversation.add_entry(entries(1101, 1101)[0])
        self.conversation.replace_entries(entries(1051, 1100), has_older=True, has_newer=False)
        self.assertEqual(ids(self.conversation), [*range(1051, 1101), 0, 1101])

    def test_nobody_looks_at_it(self) -> None:
        self.conversation.prepend_page(entries(1, 1000), more=False)
        self.assertTrue(self.conversation.has_newer)
        self.conversation.leave_screen()
        self.assertEqual((ids(self.conversation), self.conversation.has_newer), ([], False))
        for entry in entries(1101, 1300):
            self.conversation.add_entry(entry)
        self.assertEqual(ids(self.conversation), list(range(1301 - MAX_ENTRIES_OF_HIDDEN_CONVERSATION, 1301)))


class Hearing(SynchronousTestCase):
    """What is told, and where it goes."""

    def setUp(self) -> None:
        """Alice's, in the lobby."""
        self.memory = Memory("alice")
        self.ids = 0

    def event(self, event: str, actor: str, **fields: Any) -> None:
        """Something happens."""
        if "group" not in fields:
            self.memory.add_news(objects.ServerEvent(event=event, actor=actor, ts=TS), at_end=True)
            return
        self.ids += 1
        self.memory.add_news(
            objects.GroupEvent(event=event, actor=actor, ts=TS, id=self.ids, **fields), at_end=True
        )

    def texts(self, place: ConversationRef = LOBBY) -> list[str]:
        """What stands there."""
        return [entry.text for entry in self.memory.conversation(place).entries]

    def test_a_group_that_one_joins_again_is_read_again(self) -> None:
        """Since nobody told what was said there meanwhile."""
        wob = ConversationRef("group", "wob")
        self.event("joined", "alice", group="wob")
        self.event("kicked", "bob", group="wob", subject="alice")
        self.memory.conversation(wob).has_older = False
        self.event("joined", "alice", group="wob")
        self.assertEqual(self.texts(wob), ["alice joined wob"])
        self.assertTrue(self.memory.conversation(wob).has_older)

    def test_a_new_membership_begins_without_a_read_mark(self) -> None:
        """The old one went with the old membership, and the daemon needs one for what is unread now."""
        wob = ConversationRef("group", "wob")
        self.event("joined", "alice", group="wob")
        said = objects.Message(id=5, ts=TS, nick="bob", msg="a", group="wob")
        self.memory.add_news(said, at_end=True)
        self.memory.conversation(wob).read.server_mark = 5
        self.event("kicked", "bob", group="wob", subject="alice")
        self.event("joined", "alice", group="wob")
        self.memory.add_news(msgspec.structs.replace(said, id=9), at_end=True)
        self.assertEqual(self.memory.conversation(wob).read.mark_to_send, 8)

    def test_an_invitation_has_a_place(self) -> None:
        """Until it is withdrawn or declined; one to a group that the user is in changes nothing."""
        den = ConversationRef("group", "den")
        for end in (("uninvited", "bob", "alice"), ("declined", "alice", "")):
            self.event("invited", "bob", group="den", subject="alice")
            self.assertTrue(self.memory.conversation(den).is_invitation)
            self.assertTrue(self.memory.conversation(den).has_news)
            self.assertEqual(self.memory.listed_conversations()[-1].place, den)
            self.event(end[0], end[1], group="den", subject=end[2])
            self.assertNotIn(den.key, self.memory.conversations)
        self.event("joined", "alice", group="den")
        self.event("invited", "bob", group="den", subject="alice")
        self.assertFalse(self.memory.conversation(den).is_invitation)

    def test_an_event_is_one_line(self) -> None:
        """Whatever is in it, it can't pass for somebody else's words."""
        self.event("topic", "mallory", group="wob", topic="nice\n[09:00] bob said: x")
        (entry,) = self.memory.shown_conversation.entries
        self.assertNotIn("\n", entry.text)

    def test_what_is_said_elsewhere_is_unread(self) -> None:
        """One's own words are not; it is read once its end was seen, not by going there."""
        bob = ConversationRef("direct", "bob")
        for said in (
            objects.Message(id=1, ts=TS, nick="bob", msg="a", to="alice", colour="#112233"),
            objects.Message(id=2, ts=TS, nick="alice", msg="b", to="bob"),
        ):
            self.memory.add_news(said, at_end=True)
        self.assertEqual((self.texts(bob), self.memory.conversation(bob).unread_count), (["a", "b"], 1))
        self.assertEqual(self.memory.colours, {"bob": "#112233"})
        self.memory.switch_conversation(bob)
        self.assertEqual(self.memory.conversation(bob).unread_count, 1)
        self.assertTrue(self.memory.conversation(bob).read.mark_all_as_read())
        self.assertEqual(self.memory.conversation(bob).unread_count, 0)

    def test_what_was_missed_is_unread(self) -> None:
        """But not what one said oneself, by a script."""
        items = [
            objects.HistoryMessage(id=id, seq=id, ts=TS, nick=nick, msg="a", kind="message")
            for id, nick in ((1, "bob"), (2, "alice"))
        ]
        self.memory.add_login_backlog(objects.Page(messages=items, friend="bob"))
        bob = self.memory.conversation(ConversationRef("direct", "bob"))
        self.assertEqual((ids(bob), bob.unread_count), ([1, 2], 1))

    def test_a_page_with_what_was_seen(self) -> None:
        """Only what others said since then is unread, in the lobby too; the rest can be scrolled to."""
        items = [
            objects.HistoryMessage(id=id, seq=id, ts=TS, nick=nick, msg="a", kind="message")
            for id, nick in ((1, "bob"), (2, "bob"), (3, "alice"), (4, "bob"))
        ]
        places: tuple[dict[str, Any], ...] = ({}, {"friend": "bob"}, {"group": "wob"})
        for fields in places:
            for seen, unread in ((0, 3), (2, 1), (4, 0)):
                for more in (True, False):
                    memory = Memory("alice")
                    page = objects.Page(messages=items, seen=seen, more=more, **fields)
                    memory.add_login_backlog(page)
                    found = memory.conversation(conversation_of_page(page))
                    self.assertEqual(
                        (ids(found), found.unread_count, found.has_older), ([1, 2, 3, 4], unread, more)
                    )

    def test_conversations_without_a_page(self) -> None:
        """Are there to go to, with what is unread in them."""
        summaries = [
            objects.ConversationSummary("group", "wob", unread=3),
            objects.ConversationSummary("direct", "bob"),
            objects.ConversationSummary("lobby", unread=1),
        ]
        self.memory.add_login_backlog(objects.Conversations(conversations=summaries))
        self.assertEqual(
            [(one.place.name, one.unread_count, one.has_older) for one in self.memory.listed_conversations()],
            [("", 1, True), ("wob", 3, True), ("bob", 0, True)],
        )

    def test_who_spoke_before_one_came_has_a_colour(self) -> None:
        """The page brings it, and a live message would bring the same."""
        said = objects.HistoryMessage(
            id=1, seq=1, ts=TS, nick="carol", msg="a", colour="#445566", kind="message"
        )
        self.memory.add_login_backlog(objects.Page(messages=[said], group="wob"))
        self.assertEqual(self.memory.colours, {"carol": "#445566"})

    def test_groups_by_any_spelling(self) -> None:
        self.event("joined", "alice", group="Wob")
        self.memory.switch_conversation(ConversationRef("group", "WOB"))
        self.assertEqual(self.memory.here, ConversationRef("group", "Wob"))
        self.event("topic", "bob", group="Wob", topic="the weather")
        self.assertEqual(self.memory.topics, {self.memory.here.key: "the weather"})

    def test_who_leaves_a_group_is_in_the_lobby(self) -> None:
        self.event("joined", "alice", group="wob")
        self.memory.switch_conversation(ConversationRef("group", "wob"))
        self.event("left", "alice", group="wob")
        self.assertEqual(self.memory.here, LOBBY)
        self.assertEqual([one.place for one in self.memory.listed_conversations()], [LOBBY])
        self.assertEqual(self.texts(), ["alice left wob"])

    def test_who_is_put_out_sees_it_there(self) -> None:
        """Who was away when it happened, where they are; so is an invitation."""
        self.event("kicked", "bob", group="den", subject="alice")
        self.event("invited", "bob", group="den", subject="alice")
        self.assertEqual(self.texts(), ["bob kicked alice out of den", "bob invited alice to den"])
        self.event("joined", "alice", group="wob")
        self.event("banned", "bob", group="wob", subject="alice", reason="spam")
        self.assertEqual(
            self.texts(ConversationRef("group", "wob")),
            ["alice joined wob", "bob banned alice from wob (spam)"],
        )

    def test_the_events_of_a_page_stand_where_they_happened(self) -> None:
        """As when they came; what happened to a message is not an entry of its own."""

        def item(id: int) -> objects.HistoryMessage:
            return objects.HistoryMessage(id=id, seq=id, ts=TS, nick="bob", msg=f"m{id}", kind="message")

        def event(id: int, kind: str, **fields: Any) -> objects.GroupEvent:
            return objects.GroupEvent(id=id, ts=TS, event=kind, actor="bob", **fields)

        events = [
            event(1, "created", visibility="public"),
            event(3, "topic", topic="x"),
            event(4, "edited", edited=2),
            event(6, "kicked", subject="carol", reason="too loud"),
        ]
        page = objects.Page(group="wob", messages=[item(2), item(5)], events=events)
        shown = [(entry.log_id, entry.text) for entry in entries_from_page(page)]
        told = {1: "bob created wob (public)", 3: "bob set the topic of wob: x"}
        told |= {2: "m2", 5: "m5", 6: "bob kicked carol out of wob (too loud)"}
        self.assertEqual(shown, sorted(told.items()))

    def test_who_owns_a_group_only_for_now(self) -> None:
        for role, registered, is_warned in (
            ("owner", False, True),
            ("owner", True, False),
            ("owner", None, False),
            ("member", False, False),
        ):
            self.memory.set_members([objects.Member("alice", role, True, registered)])
            self.assertEqual(self.memory.owns_without_password, is_warned)

    def test_the_input_box_says_who_may_write(self) -> None:
        """Until one is a member again."""
        wob = self.memory.conversation(ConversationRef("group", "wob"))
        can_write, removed = "message to wob", "you are no longer in wob: /join wob, or /leave"
        for event, actor, subject, shown in (
            ("joined", "alice", "", can_write),
            ("kicked", "bob", "carol", can_write),
            ("kicked", "bob", "alice", removed),
            ("banned", "bob", "alice", "you are banned from wob: /leave closes it"),
            ("unbanned", "bob", "alice", removed),
            ("joined", "carol", "", removed),
            ("joined", "alice", "", can_write),
        ):
            self.event(event, actor, group="wob", subject=subject)
            self.assertEqual(composer_placeholder(wob), shown)

    def test_who_is_there(self) -> None:
        self.event("arrived", "bob")
        self.event("arrived", "alice")
        self.event("left", "bob")
        self.assertEqual([member.name for member in self.memory.participants()], ["alice"])
        self.event("joined", "alice", group="wob")
        self.memory.switch_conversation(ConversationRef("group", "wob"))
        self.memory.set_members(
            [objects.Member("bob", "owner", False), objects.Member("alice", "member", True)]
        )
        self.event("arrived", "bob")
        self.assertEqual(
            self.memory.participants(),
            [objects.Member("bob", "owner", True), objects.Member("alice", "member", True)],
        )
        self.memory.switch_conversation(ConversationRef("direct", "carol"))
        self.assertEqual(
            self.memory.participants(),
            [objects.Member("alice", "", True), objects.Member("carol", "", False)],
        )


class MessageChanges(SynchronousTestCase):
    """What later entries and marks say of messages that are in memory."""

    def setUp(self) -> None:
        """One message of bob's in the lobby, with the id 1."""
        speak(self, "en")
        self.memory = Memory("alice")
        self.told(objects.Message(action="server-broadcast", id=1, ts=TS, nick="bob", msg="helo"))

    def told(self, *news: objects.Message | objects.GroupEvent) -> None:
        """What the daemon delivers."""
        for one in news:
            self.memory.add_news(one, at_end=True)

    def event(self, event: str, id: int, actor: str = "bob", **fields: Any) -> objects.GroupEvent:
        """An event about a message."""
        return objects.GroupEvent(id=id, ts=TS, event=event, actor=actor, **fields)

    @property
    def first(self) -> ScreenEntry:
        """The message as it is shown."""
        return self.memory.shown_conversation.entries[0]

    def test_edits(self) -> None:
        self.told(self.event("edited", 2, edited=1, kind="action", msg="/me waves\x1b[2J"))
        self.assertEqual(
            (self.first.text, self.first.kind, self.first.nick), ("waves\ufffd[2J (edited)", "action", "bob")
        )
        self.told(self.event("edited", 3, edited=1))
        self.told(self.event("edited", 4, edited=99, kind="message", msg="x"))
        self.assertEqual(self.first.kind, "action")
        self.told(objects.Message(id=5, ts=TS, nick="bot", msg="beep", kind="notice"))
        self.told(self.event("edited", 6, "bot", edited=5, kind="notice", msg="boop"))
        self.assertEqual(self.memory.shown_conversation.entries[-1].kind, "notice")
        self.assertEqual(len(self.memory.shown_conversation.entries), 2)

    def test_reactions(self) -> None:
        self.told(self.event("reacted", 2, message=1, reaction="+1"))
        self.told(self.event("reacted", 2, message=1, reaction="+1"))
        self.told(self.event("reacted", 3, "carol", message=1, reaction="+1"))
        self.told(self.event("reacted", 4, "carol", message=1, reaction=""))
        self.assertEqual(self.first.reactions, {"+1": {"bob", "carol"}})
        self.told(self.event("unreacted", 5, message=1, reaction="+1"))
        self.told(self.event("unreacted", 6, message=1, reaction="ok"))
        self.assertEqual(self.first.reactions, {"+1": {"carol"}})
        self.told(self.event("deleted", 7, deleted=1))
        self.assertEqual((self.first.reactions, self.first.text), ({}, "(deleted)"))

    def test_from_a_page(self) -> None:
        reactions = [objects.Reaction("+1", ["bob", "carol"])]
        answer: dict[str, Any] = {"reply_to": 7, "reply_from": "dan", "edited": True, "reactions": reactions}
        message = objects.HistoryMessage(id=9, seq=9, ts=TS, nick="b", msg="hi", kind="message", **answer)
        entry = entry_from_message(message)
        self.assertEqual((entry.text, entry.reply_to_id, entry.reply_to_nick), ("hi (edited)", 7, "dan"))
        self.assertEqual(entry.reactions, {"+1": {"bob", "carol"}})

    def test_last_messages(self) -> None:
        """Those that a command without an id is for."""
        here = self.memory.shown_conversation
        self.assertEqual(
            (here.last_message_id("alice", True), here.last_message_id("alice", False)), (None, 1)
        )
        self.told(objects.Message(id=2, ts=TS, nick="alice", msg="hi"))
        self.memory.add_client_text("trouble", "trouble", AT)
        self.assertEqual((here.last_message_id("alice", True), here.last_message_id("alice", False)), (2, 1))
        here.has_newer = True
        self.assertIsNone(here.last_message_id("alice", True))

    def test_who_types(self) -> None:
        """For some seconds, until a message comes, or the user stops."""
        here = {"action": "server-typing", "nick": "bob", "state": "active"}
        self.memory.record_typing(objects.Typing(**here), 10.0)
        self.memory.record_typing(objects.Typing(**{**here, "nick": "eve", "to": "alice"}), 10.0)
        self.assertEqual(self.memory.typing_nicks(15.9), ["bob"])
        self.assertEqual(self.memory.typing_nicks(16.0), [])
        self.memory.record_typing(objects.Typing(**{**here, "nick": "carol"}), 15.0)
        self.memory.record_typing(objects.Typing(**{**here, "state": "done"}), 15.0)
        self.assertEqual(self.memory.typing_nicks(15.0), ["carol"])
        self.told(objects.Message(id=3, ts=TS, nick="carol", msg="hi"))
        self.assertEqual(self.memory.typing_nicks(15.0), [])
        self.memory.switch_conversation(ConversationRef("direct", "eve"))
        self.assertEqual(self.memory.typing_nicks(15.0), ["eve"])
