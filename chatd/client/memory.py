"""The chat state that the client keeps in memory for the screen: conversations, users and colours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final, Literal

import msgspec

from chatd.client import codec
from chatd.client.account_settings import AccountSettings
from chatd.client.codec import (
    LOBBY,
    ConversationRef,
    conversation_of_message,
    conversation_of_page,
    conversation_of_summary,
    was_missed,
)
from chatd.client.implied_group import KnownNames
from chatd.client.language import _
from chatd.client.mentions import text_mentions_nick
from chatd.client.own_pictures import OwnPictures
from chatd.client.read_state import ReadState
from chatd.client.render import describe_event, mark_as_edited, message_text, sanitize
from chatd.core.events import MESSAGE_KINDS, action_text_without_prefix
from chatd.json_wire import objects
from chatd.json_wire.objects import HistoryMessage, Message, ServerEvent

MAX_ENTRIES_OF_SHOWN_CONVERSATION: Final = 1_000
"""The maximum number of entries that the client keeps of the conversation on the screen.

The client can read older ones from the daemon again.
"""

MAX_ENTRIES_OF_HIDDEN_CONVERSATION: Final = 100
"""The maximum number of entries that the client keeps of a conversation that is not on the screen."""

TYPING_NOTICE_SHOWN_SECONDS: Final = 6.0
"""The seconds for which a typing mark of another user holds, unless the user renews it."""

EntryKind = Literal[
    "message",
    "image",
    "action",
    "notice",
    "announcement",
    "answer",
    "trouble",
    "day",
    "new",
    "pending",
    "failed",
]

MembershipEnd = Literal["removed", "banned"]
"""How the user's membership in a group has ended: the user may join again, or is banned."""

_SHOWN_KINDS: Final[dict[str, EntryKind]] = {"image": "image", "action": "action", "notice": "notice"}
"""The kinds of messages that are not shown as a ``message``."""


_MEMBERSHIP_ENDS: Final[dict[str, MembershipEnd]] = {
    "kicked": "removed",
    "banned": "banned",
    "unbanned": "removed",
}
"""What the events about a user mean for the user's membership in a group."""


MESSAGE_CHANGE_EVENTS: Final = frozenset({"deleted", "edited", "reacted", "unreacted"})
"""The events that change a message; they are no entries of their own on the screen."""


class ScreenEntry(msgspec.Struct, frozen=True, eq=False):
    """An item of a conversation on the screen: a message, an event, or a text of the client for its user.

    ``log_id`` is the id of the log entry, or 0 if the item is not in the daemon's log. For an answer to
    another message, ``reply_to_id`` is the id of that message and ``reply_to_nick`` is the nick of its
    author, if known. ``reactions`` maps each reaction to the nicks of the users who reacted with it.
    """

    time: datetime
    text: str
    kind: EntryKind = "announcement"
    nick: str = ""
    log_id: int = 0
    reply_to_id: int = 0
    reply_to_nick: str = ""
    reactions: Mapping[str, frozenset[str]] = {}


def entry_from_message(message: Message | HistoryMessage) -> ScreenEntry:
    """Return the item that shows ``message`` on the screen, with control characters replaced."""
    # A message that was just sent has no reactions yet.
    reactions = message.reactions if isinstance(message, HistoryMessage) else None
    return ScreenEntry(
        message.ts.as_datetime,
        _("(deleted)") if message.deleted else message_text(message),
        "message" if message.deleted else _SHOWN_KINDS.get(message.kind, "message"),
        sanitize(message.nick),
        message.id,
        message.reply_to or 0,
        sanitize(message.reply_from),
        {one.reaction: frozenset(one.nicks) for one in reactions or ()},
    )


def entry_from_event(event: objects.GroupEvent) -> ScreenEntry:
    """Return the item that shows ``event``, a change of a group, on the screen."""
    return ScreenEntry(event.ts.as_datetime, describe_event(event), log_id=event.id)


def entries_from_page(page: objects.Page) -> list[ScreenEntry]:
    """Return the items that show the messages and events of ``page`` on the screen, in the order of the log.

    Changes of messages are left out, because each message is shown as it is now.
    """
    events = [
        entry_from_event(msgspec.structs.replace(event, group=page.group))
        for event in page.events or ()
        if event.event not in MESSAGE_CHANGE_EVENTS
    ]
    return sorted([*map(entry_from_message, page.messages), *events], key=lambda entry: entry.log_id)


def _with_reaction(
    reactions: Mapping[str, frozenset[str]], event: objects.GroupEvent
) -> dict[str, frozenset[str]]:
    """Return ``reactions`` as they are after ``event``."""
    reaction = event.reaction or ""
    nicks = reactions.get(reaction, frozenset())
    changed = nicks | {event.actor} if event.event == "reacted" else nicks - {event.actor}
    return {one: held for one, held in {**reactions, reaction: changed}.items() if held}


class Conversation:
    """The entries of one conversation that the client keeps in memory, without gaps between them.

    The entries are the end of the conversation, unless the user has gone far back in its history.
    ``has_older`` and ``has_newer`` say whether the daemon may have entries before and after those in memory.
    ``lacks_events`` says that the entries were loaded without the events of the group. ``membership_end``
    says how the user's membership in the group has ended; it is None while the user may write.
    """

    def __init__(self, place: ConversationRef) -> None:
        self.place = place
        self.entries: list[ScreenEntry] = []
        self.has_older = True
        self.has_newer = False
        self.read = ReadState()
        self.is_invitation = False
        self.membership_end: MembershipEnd | None = None
        self.lacks_events = False
        self._has_new_invitation = False
        self.max_entries = MAX_ENTRIES_OF_SHOWN_CONVERSATION
        self._last_told = 0

    @property
    def unread_count(self) -> int:
        """The number of unread messages of other users."""
        return self.read.unread_count

    @property
    def unread_personal_count(self) -> int:
        """The number of unread private messages and of unread messages that mention the user."""
        return self.unread_count if self.place.kind == "direct" else len(self.read.mention_ids)

    @property
    def unread_label(self) -> str:
        """The number of unread messages as a text such as ``7 @2``: seven unread, two of which mention the
        user.

        The text ends in ``+`` if more messages may be unread, and is empty if none is.
        """
        if not self.unread_count:
            return ""
        count = f"{self.unread_count}+" if self.read.is_lower_bound else str(self.unread_count)
        mentioned = len(self.read.mention_ids) if self.place.kind != "direct" else 0
        return f"{count} @{mentioned}" if mentioned else count

    @property
    def has_news(self) -> bool:
        """Whether there are unread messages, or an invitation that the user has not seen."""
        return self.unread_count > 0 or self._has_new_invitation

    def mark_as_invited(self, entry: ScreenEntry) -> None:
        """Mark the group of this conversation as one that the user is invited to.

        ``entry`` tells of the invitation.

        The user can't read the group's messages before joining.
        """
        if not self.is_invitation:
            self.is_invitation = self._has_new_invitation = True
            self.entries, self.has_older = [entry], False

    def mark_seen(self) -> None:
        """Count all messages of the conversation as read, because the user has seen its end."""
        self.read.mark_all_as_read()
        self._has_new_invitation = False

    @property
    def last_delivered_id(self) -> int:
        """The id of the last message of the conversation that the daemon has delivered to the client, or 0
        for none.
        """
        return self._last_told

    @property
    def oldest_id(self) -> int | None:
        """The log id of the oldest entry in memory that is in the daemon's log, or None if there is none."""
        return next((entry.log_id for entry in self.entries if entry.log_id), None)

    @property
    def newest_id(self) -> int | None:
        """The log id of the newest entry in memory that is in the daemon's log, or None if there is none."""
        return next((entry.log_id for entry in reversed(self.entries) if entry.log_id), None)

    def last_message_id(self, nick: str, own: bool) -> int | None:
        """Return the log id of the last message of the conversation that is in memory.

        If ``own`` is true, only messages of the user ``nick`` count, else only messages of other users.
        Return None if there is no such message, or if the end of the conversation is not in memory.
        """
        if self.has_newer:
            return None
        return next(
            (
                entry.log_id
                for entry in reversed(self.entries)
                if entry.log_id and entry.kind in MESSAGE_KINDS and (entry.nick == nick) is own
            ),
            None,
        )

    def add_entry(self, entry: ScreenEntry, may_evict: bool = True) -> None:
        """Append ``entry``, and drop the oldest entry if memory is full.

        A log entry is ignored if it is in memory already, or if the end of the conversation is not in memory.
        If memory is full and ``may_evict`` is false, every entry is ignored, because the user is reading the
        oldest ones. The client later reads ignored log entries from the daemon.
        """
        if entry.log_id:
            if entry.kind in MESSAGE_KINDS:  # pages contain no other kinds
                self._last_told = entry.log_id
            if self.has_newer or entry.log_id <= (self.newest_id or 0):
                return
        if not may_evict and len(self.entries) >= self.max_entries:
            self.has_newer = True
            return
        self.entries.append(entry)
        self._cut_front()

    def mark_deleted(self, id: int) -> None:
        """Replace the text of the message with the log id ``id`` by the note that it was deleted, if it is in
        memory.
        """
        self.entries = [
            msgspec.structs.replace(entry, text=_("(deleted)"), kind="message", reactions={})
            if entry.log_id == id
            else entry
            for entry in self.entries
        ]

    def mark_edited(self, id: int, text: str, kind: str) -> None:
        """Replace the text and the kind of the message with the log id ``id``, if it is in memory.

        ``text`` and ``kind`` are the new values, as on the JSON wire. A notice stays a notice.
        """
        shown_kind = _SHOWN_KINDS.get(kind, "message")
        shown = mark_as_edited(sanitize(action_text_without_prefix(text) if kind == "action" else text))
        self.entries = [
            msgspec.structs.replace(
                entry, text=shown, kind="notice" if entry.kind == "notice" else shown_kind
            )
            if entry.log_id == id
            else entry
            for entry in self.entries
        ]

    def mark_reaction(self, event: objects.GroupEvent) -> None:
        """Add the reaction that ``event``, a ``reacted`` event, tells of, or remove that of an ``unreacted``
        event.
        """
        self.entries = [
            msgspec.structs.replace(entry, reactions=_with_reaction(entry.reactions, event))
            if entry.log_id == event.message
            else entry
            for entry in self.entries
        ]

    def replace_entries(self, entries: Iterable[ScreenEntry], has_older: bool, has_newer: bool) -> None:
        """Replace the entries in memory by ``entries``, a part of the conversation that was read from the
        daemon.

        ``has_older`` and ``has_newer`` say whether the daemon has more entries before and after this part. If
        ``has_newer`` is false, two kinds of entries in memory are kept and placed behind the part: log
        entries with larger ids, and texts of the client, which have no id. Texts are not kept if the end of
        the conversation was not in memory.
        """
        shown = list(entries)
        end = next((entry.log_id for entry in reversed(shown) if entry.log_id), 0)
        # The client's own texts stay, unless they were added while an older part was shown.
        came = (
            []
            if has_newer
            else [e for e in self.entries if e.log_id > end or not (e.log_id or self.has_newer)]
        )
        self.entries, self.has_older, self.has_newer = [*shown, *came], has_older, has_newer

    def prepend_page(self, entries: Iterable[ScreenEntry], more: bool) -> None:
        """Insert a page of older entries at the front, and drop the newest ones if memory is full.

        ``more`` says whether the conversation has even older entries.
        """
        first = self.oldest_id
        self.entries[:0] = [entry for entry in entries if first is None or entry.log_id < first]
        self.has_older = more
        if len(self.entries) > self.max_entries:
            del self.entries[self.max_entries :]
            self.has_newer = True

    def append_page(self, entries: Iterable[ScreenEntry], more: bool) -> None:
        """Append a page of newer entries, and drop the oldest ones if memory is full.

        ``more`` says whether the conversation has even newer entries.
        """
        last = self.newest_id or 0
        self.entries += [entry for entry in entries if entry.log_id > last]
        self.has_newer = more or (self.newest_id or 0) < self._last_told
        self._cut_front()

    def remove_client_texts(self) -> None:
        """Remove the client's own texts, such as answers and errors, from the conversation."""
        self.entries = [entry for entry in self.entries if entry.kind not in ("answer", "trouble")]

    def leave_screen(self) -> None:
        """Drop all but the last `MAX_ENTRIES_OF_HIDDEN_CONVERSATION` entries, because the conversation is no
        longer on the screen.

        If the end of the conversation is not in memory, drop all entries.
        """
        self.read.remove_new_messages_line()
        self.max_entries = MAX_ENTRIES_OF_HIDDEN_CONVERSATION
        if self.has_newer:
            self.clear()
        self._cut_front()

    def clear(self) -> None:
        """Drop all entries from memory. The client can read them from the daemon again."""
        self.is_invitation = self._has_new_invitation = False
        self.entries.clear()
        self.has_older, self.has_newer = True, False

    def _cut_front(self) -> None:
        too_many = len(self.entries) - self.max_entries
        if too_many > 0:
            del self.entries[:too_many]
            self.has_older = True


class Memory:
    """Everything about the chat that the screen shows to the user ``nick``: conversations, users and groups.

    ``here`` is the current conversation.
    """

    def __init__(self, nick: str) -> None:
        self.nick = nick
        self.has_logged_in = False
        self.here = LOBBY
        self.conversations = {LOBBY.key: Conversation(LOBBY)}
        self.online: set[str] = set()
        self.colours: dict[str, str] = {}
        self.topics: dict[tuple[str, str], str] = {}
        self.group_names: set[str] = set()
        self.drafts: dict[tuple[codec.ConversationKind, str], str] = {}
        self.settings = AccountSettings()
        self.own_pictures = OwnPictures()
        self._members: list[objects.Member] = []
        # The users who type, by conversation, with the time until which that holds.
        self._typing: dict[tuple[str, str], dict[str, float]] = {}

    @property
    def shown_conversation(self) -> Conversation:
        """The conversation on the screen, with its entries."""
        return self.conversation(self.here)

    def conversation(self, place: ConversationRef) -> Conversation:
        """Return the entries and the state of the conversation ``place``.

        Create an empty one if it is not in memory.
        """
        found = self.conversations.get(place.key)
        if found is None:
            found = self.conversations[place.key] = Conversation(place)
        return found

    def add_draft(self, place: ConversationRef, text: str) -> None:
        """Keep ``text``, if it is not blank, as the draft of the conversation ``place``, after the existing
        draft, if any.
        """
        if text.strip():
            before = self.drafts.get(place.key)
            self.drafts[place.key] = text if before is None else f"{before}\n{text}"

    def switch_conversation(self, place: ConversationRef) -> None:
        """Make ``place`` the current conversation."""
        if place.key != self.here.key:
            self.shown_conversation.leave_screen()
            self._members = []
            self.conversation(place).read.place_new_messages_line()
        conversation = self.conversation(place)
        self.here = conversation.place
        conversation.max_entries = MAX_ENTRIES_OF_SHOWN_CONVERSATION

    def drop_conversation(self, place: ConversationRef) -> None:
        """Remove the conversation of a group that the user has left, or that was closed.

        If the conversation is on the screen, switch to the lobby.
        """
        if place.key == self.here.key:
            self.switch_conversation(LOBBY)
        self.conversations.pop(place.key, None)

    def on_login(self, welcome: objects.Welcome) -> None:
        """Store the user's nick and colour from the daemon's welcome."""
        self.has_logged_in = True
        self.nick = welcome.user.nick
        self.colours[self.nick] = welcome.user.colour

    def add_news(self, news: codec.News, at_end: bool, is_watched: bool = True) -> None:
        """Add a message, an event or a notice to its conversation.

        A message of another user counts as unread if the user can't see it. ``at_end`` says whether the end
        of the conversation is in view, and ``is_watched`` whether the user is looking at the screen, as far
        as the terminal reports. If the user has left a group, or the group was closed, its conversation is
        dropped; if it was on the screen, `here` becomes the lobby.
        """
        if isinstance(news, codec.ServerNotice):
            self.add_client_text(news.text, "announcement", news.ts)
            return
        if isinstance(news, Message):
            if news.colour:
                self.colours[news.nick] = news.colour
            conversation = self.conversation(conversation_of_message(news, self.nick))
            self._typing.get(conversation.place.key, {}).pop(news.nick, None)
            shown = conversation is self.shown_conversation
            conversation.add_entry(entry_from_message(news), may_evict=at_end or not shown)
            is_own = news.nick == self.nick
            mentioned = not is_own and text_mentions_nick(news.msg, self.nick)
            conversation.read.record_arrival(news.id, is_own, mentioned, shown and at_end and is_watched)
        elif isinstance(news, ServerEvent) and news.event == "announced":
            self.add_client_text(describe_event(news), "announcement", news.ts.as_datetime)
        elif isinstance(news, ServerEvent):
            if news.colour:
                self.colours[news.actor] = news.colour
            (self.online.add if news.event == "arrived" else self.online.discard)(news.actor)
            self.conversation(LOBBY).add_entry(ScreenEntry(news.ts.as_datetime, describe_event(news)))
        else:
            self._happened(news)

    def store_nick_colours(self, page: objects.Page) -> None:
        """Store the nick colours of the authors of the messages on ``page``."""
        self.colours.update((item.nick, item.colour) for item in page.messages if item.colour)

    def add_login_backlog(self, backlog: codec.LoginBacklog) -> None:
        """Store the missed messages or the list of conversations that the daemon sends after the login.

        ``backlog`` is a page of messages for each of the latest conversations, and a list with unread counts
        of the others.
        """
        if isinstance(backlog, objects.Conversations):
            for one in backlog.conversations:
                self.conversation(conversation_of_summary(one)).read.record_unread_count(one.unread, one.last)
            return
        self.store_nick_colours(backlog)
        place = conversation_of_page(backlog)
        conversation = self.conversation(place)
        # A page without a last seen id has only missed messages, except in the lobby.
        older = backlog.more or (backlog.seen is None and place != LOBBY)
        conversation.replace_entries(map(entry_from_message, backlog.messages), older, has_newer=False)
        conversation.lacks_events = place.kind == "group"
        missed = [item for item in backlog.messages if was_missed(item, backlog) and item.nick != self.nick]
        last_id = backlog.messages[-1].id if backlog.messages else 0
        conversation.read.record_missed([item.id for item in missed], backlog.seen, last_id)
        conversation.read.add_mentions(item.id for item in missed if text_mentions_nick(item.msg, self.nick))

    def listed_conversations(self) -> list[Conversation]:
        """Return the conversations in the order of the list on the screen.

        The order is the lobby, groups, direct conversations, invitations.
        """
        order = ("lobby", "group", "direct")
        return sorted(
            self.conversations.values(),
            # Invitations come last, so that nobody can push the user's conversations down by many of them.
            key=lambda one: (one.is_invitation, order.index(one.place.kind), one.place.key),
        )

    def set_members(self, members: list[objects.Member]) -> None:
        """Store the members of the group on the screen, and mark those who are connected as online."""
        self._members = members
        self.online |= {member.name for member in members if member.online}

    def participants(self) -> list[objects.Member]:
        """Return the users in the current conversation, with their roles and whether they are online."""
        here = self.here
        if here.kind == "group":
            found = [(member.name, member.role) for member in self._members]
        else:
            nicks = self.online if here == LOBBY else {here.name, self.nick}
            found = [(nick, "") for nick in sorted(nicks, key=str.casefold)]
        return [objects.Member(nick, role, nick in self.online) for nick, role in found]

    @property
    def owns_without_password(self) -> bool:
        """Whether the user owns the group on the screen, and has no password to keep it with."""
        return any(
            member.name == self.nick and member.role == "owner" and member.registered is False
            for member in self._members
        )

    def known_names(self) -> KnownNames:
        """Return the nicks and the group names that the client knows."""
        members = {member.name for member in self.participants()} - {self.nick}
        places = [conversation.place for conversation in self.conversations.values()]
        groups = self.group_names | {place.name for place in places if place.kind == "group"}
        in_lobby = self.here == LOBBY  # where everybody is a member
        return KnownNames((self.online | members) - {self.nick}, groups, () if in_lobby else members)

    def record_typing(self, typing: objects.Typing, now: float) -> None:
        """Store that another user is typing or has stopped typing. ``now`` is the time in seconds."""
        typists = self._typing.setdefault(codec.conversation_of_typing(typing).key, {})
        typists.pop(typing.nick, None)
        if typing.state == "active":
            typists[typing.nick] = now + TYPING_NOTICE_SHOWN_SECONDS

    def typing_nicks(self, now: float) -> list[str]:
        """Return the nicks of the users who are typing in the current conversation.

        ``now`` is the time in seconds.
        """
        typists = self._typing.get(self.here.key, {})
        return [nick for nick, until in typists.items() if now < until]

    def add_client_text(self, text: str, kind: EntryKind, at: datetime) -> None:
        """Add a text of the client, such as an error, to the conversation on the screen."""
        self.shown_conversation.add_entry(ScreenEntry(at, sanitize(text), kind))

    def add_invitation(self, place: ConversationRef, entry: ScreenEntry) -> None:
        """Add ``place``, a group that the user is invited to, to the list of conversations.

        ``entry`` is the text that tells of the invitation. Do nothing if the user is a member of the group.
        """
        if place.key in self.conversations and not self.conversation(place).is_invitation:
            return
        how = _("Enter joins, /decline {group} declines").format(group=place.name)
        text = sanitize(f"{entry.text}: {how}")
        self.conversation(place).mark_as_invited(msgspec.structs.replace(entry, text=text, log_id=0))

    def _happened(self, event: objects.GroupEvent) -> None:
        if event.message is not None:
            for known in self.conversations.values():
                if event.reaction:  # else its user was erased
                    known.mark_reaction(event)
            return
        if event.edited is not None:
            for known in self.conversations.values():
                if event.msg:  # else it was edited or deleted since
                    known.mark_edited(event.edited, event.msg, event.kind or "message")
            return
        if event.deleted is not None:
            for known in self.conversations.values():
                known.mark_deleted(event.deleted)
            return
        entry = entry_from_event(event)
        place = ConversationRef("group", event.group)
        if event.event == "topic":
            self.topics[place.key] = event.topic or ""
        if event.event == "invited" and event.subject == self.nick and event.actor != self.nick:
            self.add_invitation(place, entry)
            self.shown_conversation.add_entry(msgspec.structs.replace(entry, log_id=0))
        elif (event.event == "uninvited" and event.subject == self.nick) or (
            event.event == "declined" and event.actor == self.nick
        ):
            if self.conversation(place).is_invitation:
                self.drop_conversation(place)
            self.shown_conversation.add_entry(msgspec.structs.replace(entry, log_id=0))
        elif event.event == "closed" or (event.actor == self.nick and event.event == "left"):
            self.drop_conversation(place)
            self.shown_conversation.add_entry(msgspec.structs.replace(entry, log_id=0))
        elif place.key in self.conversations or event.actor == self.nick:
            conversation = self.conversation(place)
            if event.subject == self.nick and event.event in _MEMBERSHIP_ENDS:
                conversation.membership_end = _MEMBERSHIP_ENDS[event.event]
            if event.actor == self.nick and event.event in ("created", "joined"):
                conversation.membership_end = None
            if event.actor == self.nick and event.event == "joined":
                conversation.clear()  # messages may have been sent while the user was out
                conversation.read = ReadState()  # the daemon's mark went with the membership
            conversation.add_entry(entry)
        else:
            # The user is not in the group: the event is an invitation or the end of the membership.
            self.shown_conversation.add_entry(msgspec.structs.replace(entry, log_id=0))
