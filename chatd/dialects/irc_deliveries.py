"""What IRC clients are told without asking: the lines of log entries, arrivals and departures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from chatd.boundaries import Payloads
from chatd.core.events import (
    AccountAnnounced,
    Announced,
    Arrived,
    ChatEvent,
    Delivery,
    Departed,
    LogEntry,
    MemberArrived,
    ProfileAnnounced,
    ReadMarkMoved,
)
from chatd.dialects.irc_channels import join_line
from chatd.dialects.irc_client import LOBBY_CHANNEL, SERVER_NAME, channel_of, source_of
from chatd.dialects.irc_lines import format_line, with_tags
from chatd.dialects.irc_messages import entry_tags, message_lines
from chatd.dialects.timestamps import format_rfc3339

_Presence = Arrived | Departed | ProfileAnnounced | AccountAnnounced | Announced
"""The deliveries that tell of a user and are never in the log."""


class IrcDeliveryEncoder:
    """Encodes deliveries for all clients with the same ``capabilities``."""

    def __init__(self, capabilities: frozenset[str]) -> None:
        self.capabilities = capabilities

    def encode_delivery(self, delivery: Delivery) -> Payloads:
        """Return the lines of ``delivery``; none of a message whose text was deleted."""
        if isinstance(delivery, LogEntry):
            if delivery.event.is_message:
                return tuple(message_lines(self.capabilities, delivery))
            return tuple(event_lines(self.capabilities, delivery))
        if isinstance(delivery, Arrived):
            return (self._told(delivery, delivery.is_registered, self._join(delivery, LOBBY_CHANNEL)),)
        if isinstance(delivery, MemberArrived):
            return self._member(delivery)
        if isinstance(delivery, ReadMarkMoved):
            return ()
        source = source_of(delivery.user.nick)
        if isinstance(delivery, Departed):
            return (self._told(delivery, delivery.is_registered, format_line("QUIT", "left", source=source)),)
        if isinstance(delivery, AccountAnnounced):
            return self._account(delivery)
        if isinstance(delivery, Announced):
            text = f"Announcement: {delivery.text}"
            notice = format_line("NOTICE", LOBBY_CHANNEL, text, source=source, trailing=True)
            return (self._told(delivery, False, notice),)
        lines: list[bytes] = []
        if delivery.away is not None and "away-notify" in self.capabilities:
            lines.append(format_line("AWAY", *filter(None, (delivery.away,)), source=source))
        if delivery.realname is not None and "setname" in self.capabilities:
            lines.append(format_line("SETNAME", delivery.realname, source=source, trailing=True))
        return tuple(self._told(delivery, delivery.is_registered, line) for line in lines)

    def encode_for_affected_user(self, delivery: Delivery) -> Payloads:
        """Return the lines of an event for the user whom it is about."""
        if isinstance(delivery, LogEntry) and delivery.event.kind == "invited":
            return (invitation_line(self.capabilities, delivery),)
        return self.encode_delivery(delivery)

    def _join(self, arrived: Arrived, channel: str) -> bytes:
        return join_line(self.capabilities, channel, arrived.user, arrived.is_registered, arrived.realname)

    def _member(self, delivery: MemberArrived) -> Payloads:
        channel = channel_of(delivery.conversation)
        arrived = delivery.arrived
        join = self._told(arrived, arrived.is_registered, self._join(arrived, channel))
        if not delivery.is_operator:
            return (join,)
        mode = format_line("MODE", channel, "+o", delivery.user.nick, source=SERVER_NAME)
        return (join, self._told(arrived, False, mode))

    def _account(self, delivery: AccountAnnounced) -> Payloads:
        if "account-notify" not in self.capabilities:
            return ()
        user = delivery.user
        account = user.nick if delivery.is_registered else "*"
        line = format_line("ACCOUNT", account, source=source_of(user.nick))
        return (self._told(delivery, delivery.is_registered, line),)

    def _told(self, delivery: _Presence, by_account: bool, line: bytes) -> bytes:
        """Return ``line``, which tells of ``delivery``, with the tags that the client knows: its time, and if
        it is ``by_account``, the account of its user.
        """
        tags: dict[str, str] = {}
        if "server-time" in self.capabilities:
            tags["time"] = format_rfc3339(delivery.at)
        if by_account and "account-tag" in self.capabilities:
            tags["account"] = delivery.user.nick
        return with_tags(line, tags)


def event_lines(capabilities: frozenset[str], entry: LogEntry) -> list[bytes]:
    """Return the lines of ``entry``, a change of a group or the deletion of a message."""
    return _EVENTS[entry.event.kind](capabilities, entry)


def invitation_line(capabilities: frozenset[str], entry: LogEntry) -> bytes:
    """Return the line that tells of the invitation ``entry``."""
    event = entry.event
    assert event.subject is not None
    return _line(capabilities, entry, "INVITE", event.subject.nick, channel_of(event.conversation))


def _line(capabilities: frozenset[str], entry: LogEntry, verb: str, *params: str) -> bytes:
    tags = entry_tags(capabilities, entry)
    return format_line(verb, *params, source=source_of(entry.event.actor.nick), tags=tags)


def _joined(capabilities: frozenset[str], entry: LogEntry) -> list[bytes]:
    event = entry.event
    channel, is_registered = channel_of(event.conversation), event.actor_is_registered
    line = join_line(capabilities, channel, event.actor, is_registered, event.actor.nick)
    return [with_tags(line, entry_tags(capabilities, entry))]


def _left(capabilities: frozenset[str], entry: LogEntry) -> list[bytes]:
    return [_line(capabilities, entry, "PART", channel_of(entry.event.conversation))]


def _invited(capabilities: frozenset[str], entry: LogEntry) -> list[bytes]:
    return [invitation_line(capabilities, entry)] if "invite-notify" in capabilities else []


def _kicked(capabilities: frozenset[str], entry: LogEntry) -> list[bytes]:
    event = entry.event
    return [_line(capabilities, entry, "KICK", channel_of(event.conversation), _subject(event), event.body)]


def _banned(capabilities: frozenset[str], entry: LogEntry) -> list[bytes]:
    ban = _mode("+b", "{}!*@*")(capabilities, entry)
    return ban + _kicked(capabilities, entry) if entry.event.was_member else ban


def _mode(mode: str, argument: str = "{}") -> Callable[[frozenset[str], LogEntry], list[bytes]]:
    def encode(capabilities: frozenset[str], entry: LogEntry) -> list[bytes]:
        event = entry.event
        shown = argument.format(_subject(event))
        return [_line(capabilities, entry, "MODE", channel_of(event.conversation), mode, shown)]

    return encode


def _visibility(capabilities: frozenset[str], entry: LogEntry) -> list[bytes]:
    event = entry.event
    mode = "+is" if event.body == "private" else "-is"
    return [_line(capabilities, entry, "MODE", channel_of(event.conversation), mode)]


def _topic(capabilities: frozenset[str], entry: LogEntry) -> list[bytes]:
    event = entry.event
    return [_line(capabilities, entry, "TOPIC", channel_of(event.conversation), event.body)]


def _notice(text: str) -> Callable[[frozenset[str], LogEntry], list[bytes]]:
    def encode(capabilities: frozenset[str], entry: LogEntry) -> list[bytes]:
        event = entry.event
        target = (event.subject or event.actor).nick
        if event.conversation.kind != "direct":
            target = channel_of(event.conversation)
        shown = text.format(
            actor=event.actor.nick,
            subject=_subject(event),
            body=event.body or "none",
            message=event.deleted_message_id if event.kind == "deleted" else 0,
            why=f": {event.reason}" if event.reason else "",
        )
        tags = entry_tags(capabilities - {"account-tag"}, entry)
        return [format_line("NOTICE", target, shown, source=SERVER_NAME, tags=tags, trailing=True)]

    return encode


def _subject(event: ChatEvent) -> str:
    return (event.subject or event.actor).nick


_EVENTS: Final[dict[str, Callable[[frozenset[str], LogEntry], list[bytes]]]] = {
    "created": _joined,
    "joined": _joined,
    "left": _left,
    "invited": _invited,
    "uninvited": _notice("{actor} has withdrawn the invitation of {subject}"),
    "declined": _notice("{actor} has declined the invitation"),
    "kicked": _kicked,
    "banned": _banned,
    "unbanned": _mode("-b", "{}!*@*"),
    "promoted": _mode("+o"),
    "demoted": _mode("-o"),
    "visibility": _visibility,
    "topic": _topic,
    "history": _notice("{actor} lets members read the history: {body}"),
    "keep": _notice("{actor} has messages kept for (seconds): {body}"),
    "closed": _notice("{actor} has closed this channel{why}"),
    "deleted": _notice("{actor} has deleted message {message}{why}"),
}
"""What encodes each kind of event."""
