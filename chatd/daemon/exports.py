"""The lines of an export: what the export is about, then its entries, as objects of the JSON wire."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Final

from msgspec.structs import asdict

from chatd import __version__
from chatd.chat.export import Export
from chatd.core.events import Conversation, LogEntry, User
from chatd.core.link_rules import invitation_link_list_item
from chatd.core.links import InvitationLink
from chatd.core.rules import has_closed_account
from chatd.core.state import Group, State
from chatd.dialects.json_entries import event_object, history_message_object, invitation_link_object
from chatd.dialects.timestamps import format_rfc3339
from chatd.json_wire import objects

EXPORT_FORMAT_VERSION: Final = 1
"""The version of the format of an export."""

STATE_LINES_PER_PAGE: Final = 200
"""The maximum number of lines before the log entries (account, settings, members, memberships and links) that
are sent in one iteration of the reactor.
"""


class ExportLines:
    """The lines of the answer to ``export``, as JSON.

    ``header`` is the first line, `next_lines` returns the following ones, and `footer` is the last one.
    """

    def __init__(self, export: Export) -> None:
        self._export = export
        user, conversation = export.user, export.conversation
        about = {"user": user.nick} if user is not None else {}
        if conversation is not None:
            about = {"group": conversation.name}
        self.header = {
            "format": EXPORT_FORMAT_VERSION,
            "version": __version__,
            **about,
            "at": format_rfc3339(export.at),
            "last": export.last_id,
        }
        # At once: between two pages users may join and leave.
        self._state_lines = iter(tuple(self._list_facts()))
        self._entries = 0

    async def next_lines(self) -> list[object]:
        """Return the next lines between ``header`` and `footer`, or an empty list if all were returned.

        Raises `ReadFailed` if the database can't be read, and `Refusal` ``storage_failed`` while the state of
        the chat is reloaded after a failed transaction.
        """
        state_lines = list(islice(self._state_lines, STATE_LINES_PER_PAGE))
        if state_lines:
            return state_lines
        page = await self._export.next_page()
        self._entries += len(page)
        return [_exported(entry, self._export.user) for entry in page]

    @property
    def footer(self) -> dict[str, object]:
        """The last line of a complete export, with the number of its entries.

        Read it only after `next_lines` has returned an empty list.
        """
        return {"complete": True, "entries": self._entries}

    def _list_facts(self) -> Iterator[object]:
        state, user, conversation = self._export.chat_state, self._export.user, self._export.conversation
        if user is not None:
            user = state.users[user.id]
            credential = state.credentials.get(user.id)
            since = None if credential is None else credential.registered_at
            yield {
                "account": {
                    "nick": user.nick,
                    "colour": user.colour,
                    "registered": credential is not None and not has_closed_account(state, user),
                    "since": None if since is None else format_rfc3339(since),
                    "ignored": sorted(state.users[id].nick for id in state.ignored_user_ids(user)),
                }
            }
            for group in state.all_groups():
                if role := group.role(user):
                    yield {"membership": {"group": group.name, "visibility": group.visibility, "role": role}}
            for link in state.invitation_links.values():
                if link.maker_id == user.id:
                    yield {"link": {"group": link.conversation.name, **_link(state, link)}}
        group_of = None if conversation is None else state.group_of(conversation)
        if group_of is not None:
            yield {"settings": _settings(group_of)}
            for link in state.invitation_links_of(group_of.conversation):
                yield {"link": _link(state, link)}
            for member in list(group_of.members.values()):
                registered = member.id in state.credentials
                yield {
                    "member": {"name": member.nick, "role": group_of.role(member), "registered": registered}
                }


def _link(state: State, link: InvitationLink) -> dict[str, object]:
    """Return what an export tells of an invitation link: all but its digest."""
    return asdict(invitation_link_object(invitation_link_list_item(state, link)))


def _settings(group: Group) -> dict[str, object]:
    return {
        "group": group.name,
        "visibility": group.visibility,
        "topic": group.topic,
        "history": group.history,
        "keep": group.retention_seconds or 0,
        "owner": "" if group.owner is None else group.owner.nick,
        "closed": group.closed,
    }


def _exported(entry: LogEntry, user: User | None) -> objects.ExportedMessage | objects.ExportedEvent:
    """Return the object of ``entry`` in the export of ``user``, or of a group if that is None."""
    conversation = objects.ConversationName(
        entry.event.conversation.kind, _name(entry.event.conversation, user)
    )
    if entry.event.is_message:
        fields = asdict(history_message_object(entry, coloured=False))
        return objects.ExportedMessage(**fields, conversation=conversation)
    return objects.ExportedEvent(**asdict(event_object(entry)), conversation=conversation)


def _name(conversation: Conversation, user: User | None) -> str:
    """Return the name of ``conversation`` for ``user``, as in the user's list of conversations.

    A direct conversation of two other users, in which ``user`` has deleted a message, has none.
    """
    if conversation.kind != "direct" or user is None:
        return conversation.name or conversation.kind
    return conversation.other_user(user).nick if user.id in conversation.pair_ids else ""
