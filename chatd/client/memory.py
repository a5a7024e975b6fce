"""What the client keeps in memory of the chat: conversations, users and colours."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final, Literal

import msgspec

from chatd.client import codec
from chatd.client.codec import LOBBY, Place, count_unread, message_place, page_place, summary_place
from chatd.client.render import describe_event, sanitize
from chatd.json_wire import objects
from chatd.json_wire.objects import Item, Message, Presence

WINDOW: Final = 1_000
"""The maximum number of entries kept of the conversation on the screen; the daemon has all of them."""

IDLE_WINDOW: Final = 100
"""The maximum number of entries kept of any other conversation."""

EntryKind = Literal["message", "image", "announcement", "answer", "trouble"]


class Entry(msgspec.Struct, frozen=True, eq=False):
    """A line of a conversation: a message, an event, or a text of the client for its user.

    ``id`` is the id of the log entry; 0 for a text of the client.
    """

    at: datetime
    text: str
    kind: EntryKind = "announcement"
    nick: str = ""
    id: int = 0


def entry_from_message(message: Message | Item) -> Entry:
    """The entry for a message, with control characters replaced."""
    return Entry(
        message.ts.time,
        sanitize(message.msg),
        "image" if message.kind == "image" else "message",
        sanitize(message.nick),
        message.id,
    )


class Conversation:
    """A gapless part of a conversation: its end, unless the user scrolled back further than one window.

    ``older`` and ``newer`` say whether there may be more entries in that direction.
    """

    def __init__(self, place: Place) -> None:
        self.place = place
        self.entries: list[Entry] = []
        self.older = True
        self.newer = False
        self.unread = 0
        self.window = WINDOW
        self._last_told = 0

    @property
    def oldest_id(self) -> int | None:
        """The id of the oldest entry; texts of the client have none and are passed over."""
        return next((entry.id for entry in self.entries if entry.id), None)

    @property
    def newest_id(self) -> int | None:
        """The id of the newest entry; texts of the client have none and are passed over."""
        return next((entry.id for entry in reversed(self.entries) if entry.id), None)

    def add(self, entry: Entry, may_push: bool = True) -> None:
        """Append ``entry``, if the end of the conversation is in memory.

        It is left out as well if memory is full and ``may_push`` is false: it would push out the entries that
        the user is reading. What is left out is read from the daemon later.
        """
        if entry.id:
            if entry.kind in ("message", "image"):  # which is what pages are made of
                self._last_told = entry.id
            if self.newer or entry.id <= (self.newest_id or 0):
                return
        if not may_push and len(self.entries) >= self.window:
            self.newer = True
            return
        self.entries.append(entry)
        self._cut_front()

    def replace_entries(self, entries: Iterable[Entry], older: bool, newer: bool) -> None:
        """Replace the part in memory; keep the entries that came after it if it is the end."""
        shown = list(entries)
        end = next((entry.id for entry in reversed(shown) if entry.id), 0)
        # The client's own words stay, unless they were said beside a part further back.
        came = [] if newer else [e for e in self.entries if e.id > end or not (e.id or self.newer)]
        self.entries, self.older, self.newer = [*shown, *came], older, newer

    def prepend_page(self, entries: Iterable[Entry], more: bool) -> None:
        """Prepend an older page; drop what exceeds the window at the other end."""
        first = self.oldest_id
        self.entries[:0] = [entry for entry in entries if first is None or entry.id < first]
        self.older = more
        if len(self.entries) > self.window:
            del self.entries[self.window :]
            self.newer = True

    def append_page(self, entries: Iterable[Entry], more: bool) -> None:
        """Append a newer page."""
        last = self.newest_id or 0
        self.entries += [entry for entry in entries if entry.id > last]
        self.newer = more or (self.newest_id or 0) < self._last_told
        self._cut_front()

    def leave_screen(self) -> None:
        """The conversation left the screen: keep only its end, and fewer entries."""
        self.window = IDLE_WINDOW
        if self.newer:
            self.clear()
        self._cut_front()

    def clear(self) -> None:
        """Drop all entries; they can be read again."""
        self.entries.clear()
        self.older, self.newer = True, False

    def _cut_front(self) -> None:
        too_many = len(self.entries) - self.window
        if too_many > 0:
            del self.entries[:too_many]
            self.older = True


class Memory:
    """Everything that the screen shows to the user ``nick``, whose current conversation is ``here``."""

    def __init__(self, nick: str) -> None:
        self.nick = nick
        self.welcome = False
        self.here = LOBBY
        self.conversations = {LOBBY.key: Conversation(LOBBY)}
        self.online: set[str] = set()
        self.colours: dict[str, str] = {}
        self.topics: dict[tuple[str, str], str] = {}
        self.rooms: set[str] = set()
        self._members: list[objects.Member] = []

    @property
    def shown(self) -> Conversation:
        """The conversation on the screen."""
        return self.conversation(self.here)

    def conversation(self, place: Place) -> Conversation:
        """The conversation at ``place``; a new one is made if there is none."""
        found = self.conversations.get(place.key)
        if found is None:
            found = self.conversations[place.key] = Conversation(place)
        return found

    def switch_conversation(self, place: Place) -> None:
        """Show the conversation at ``place``."""
        if place.key != self.here.key:
            self.shown.leave_screen()
            self._members = []
        conversation = self.conversation(place)
        self.here = conversation.place
        conversation.window = WINDOW
        conversation.unread = 0

    def drop_conversation(self, place: Place) -> None:
        """Drop the conversation, which the user has left."""
        if place.key == self.here.key:
            self.switch_conversation(LOBBY)
        self.conversations.pop(place.key, None)

    def on_login(self, welcome: objects.Welcome) -> None:
        """The daemon accepted the login."""
        self.welcome = True
        self.nick = welcome.user.nick
        self.colours[self.nick] = welcome.user.colour

    def add_news(self, news: codec.News, at_end: bool) -> None:
        """Store ``news``; ``at_end`` says whether the end of the shown conversation is visible."""
        if isinstance(news, codec.ServerNotice):
            self.add_client_text(news.text, "announcement", news.ts)
            return
        if isinstance(news, Message):
            if news.colour:
                self.colours[news.nick] = news.colour
            conversation = self.conversation(message_place(news, self.nick))
            shown = conversation is self.shown
            conversation.add(entry_from_message(news), may_push=at_end or not shown)
            seen = shown and at_end
            if not seen and news.nick != self.nick:
                conversation.unread += 1
        elif isinstance(news, Presence):
            if news.colour:
                self.colours[news.actor] = news.colour
            (self.online.add if news.event == "arrived" else self.online.discard)(news.actor)
            self.conversation(LOBBY).add(Entry(news.ts.time, describe_event(news)))
        else:
            self._happened(news)

    def learn_colours(self, page: objects.Page) -> None:
        """Learn the colours of the senders on a page."""
        self.colours.update((item.nick, item.colour) for item in page.messages if item.colour)

    def add_earlier_messages(self, page: codec.Welcoming) -> None:
        """Store earlier messages, and count the unread ones."""
        if isinstance(page, objects.Conversations):
            for one in page.conversations:
                self.conversation(summary_place(one)).unread += one.unread
            return
        self.learn_colours(page)
        place = page_place(page)
        conversation = self.conversation(place)
        # A page that does not say what of it was seen has only what was missed, but in the lobby.
        older = page.more or (page.seen is None and place != LOBBY)
        conversation.replace_entries(map(entry_from_message, page.messages), older, newer=False)
        conversation.unread += count_unread(page, self.nick)

    def places(self) -> list[Conversation]:
        """The conversations, in the order in which they are shown."""
        order = ("lobby", "group", "direct")
        return sorted(
            self.conversations.values(), key=lambda one: (order.index(one.place.kind), one.place.key)
        )

    def set_members(self, members: list[objects.Member]) -> None:
        """These are the members of the group that is shown."""
        self._members = members
        self.online |= {member.name for member in members if member.online}

    def people(self) -> list[objects.Member]:
        """The users in the shown conversation, and whether they are connected."""
        here = self.here
        if here.kind == "group":
            found = [(member.name, member.role) for member in self._members]
        else:
            nicks = self.online if here == LOBBY else {here.name, self.nick}
            found = [(nick, "") for nick in sorted(nicks, key=str.casefold)]
        return [objects.Member(nick, role, nick in self.online) for nick, role in found]

    def known_names(self) -> tuple[set[str], set[str]]:
        """The nicks and the group names that the user may want to type."""
        nicks = self.online | {member.name for member in self.people()}
        places = [conversation.place for conversation in self.conversations.values()]
        return nicks, self.rooms | {place.name for place in places if place.kind == "group"}

    def add_client_text(self, text: str, kind: EntryKind, at: datetime) -> None:
        """Add a text of the client to the conversation on the screen."""
        self.shown.add(Entry(at, sanitize(text), kind))

    def _happened(self, event: objects.Event) -> None:
        entry = Entry(event.ts.time, describe_event(event), id=event.id)
        place = Place("group", event.group)
        if event.event == "topic":
            self.topics[place.key] = event.topic or ""
        if event.actor == self.nick and event.event == "left":
            self.drop_conversation(place)
            self.shown.add(msgspec.structs.replace(entry, id=0))
        elif place.key in self.conversations or event.actor == self.nick:
            conversation = self.conversation(place)
            if event.actor == self.nick and event.event == "joined":
                conversation.clear()  # something may have been said while one was out
            conversation.add(entry)
        else:
            # About oneself, in a group that one isn't in: an invitation, or the end of a membership.
            self.shown.add(msgspec.structs.replace(entry, id=0))
