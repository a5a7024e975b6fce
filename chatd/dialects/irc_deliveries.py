"""The lines that IRC clients are sent without asking: those of log entries, arrivals and departures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from chatd.boundaries import Payloads
from chatd.core.events import (
    CONSOLE,
    AccountChangeDelivery,
    ChatEvent,
    Delivery,
    GroupMemberArrived,
    LogEntry,
    OperatorAnnouncement,
    ProfileChangeDelivery,
    ReadMarkMoved,
    TransientMessage,
    User,
    UserArrived,
    UserDeparted,
)
from chatd.core.terminal import replace_controls
from chatd.dialects.irc_channel_lines import join_line
from chatd.dialects.irc_client import (
    DAEMON_NICK,
    LOBBY_CHANNEL,
    MIN_MESSAGE_TEXT_BYTES_PER_LINE,
    READ_MARKER_CAPABILITY,
    channel_of_conversation,
    read_mark_line,
    shortened_source,
    source_of,
    target_for_reader,
)
from chatd.dialects.irc_lines import format_line, with_tags
from chatd.dialects.irc_messages import (
    capabilities_that_change_messages,
    edit_lines,
    entry_tags,
    live_message_lines,
    reaction_lines,
)
from chatd.dialects.irc_redaction import redaction_lines
from chatd.dialects.irc_transient import transient_message_lines
from chatd.dialects.timestamps import format_rfc3339

_Presence = UserArrived | UserDeparted | ProfileChangeDelivery | AccountChangeDelivery | OperatorAnnouncement
"""The deliveries about one user that are never in the log."""


class IrcDeliveryEncoder:
    """Encodes messages and events for all IRC clients with the same ``capabilities``."""

    def __init__(self, capabilities: frozenset[str]) -> None:
        self.capabilities = capabilities
        self._message_capabilities = capabilities_that_change_messages(capabilities)

    def encode_delivery(self, delivery: Delivery) -> Payloads:
        """Return the lines of ``delivery``. There are none for a message whose text was deleted."""
        if isinstance(delivery, LogEntry):
            if delivery.event.is_message:
                return live_message_lines(self._message_capabilities, delivery)
            return tuple(event_lines(self.capabilities, delivery))
        if isinstance(delivery, UserArrived):
            return (self._told(delivery, delivery.is_registered, self._join(delivery, LOBBY_CHANNEL)),)
        if isinstance(delivery, GroupMemberArrived):
            return self._member(delivery)
        if isinstance(delivery, ReadMarkMoved):
            target = target_for_reader(delivery.user, delivery.conversation)
            line = read_mark_line(target, delivery.mark_time, DAEMON_NICK)
            return (line,) if READ_MARKER_CAPABILITY in self.capabilities else ()
        if isinstance(delivery, TransientMessage):
            return tuple(transient_message_lines(self.capabilities, delivery))
        source = source_of(delivery.user.nick)
        if isinstance(delivery, UserDeparted):
            text = f"Quit: {replace_controls(delivery.quit_message)}" if delivery.quit_message else "left"
            quit_line = format_line("QUIT", text, source=source)
            return (self._told(delivery, delivery.is_registered, quit_line),)
        if isinstance(delivery, AccountChangeDelivery):
            return self._account(delivery)
        if isinstance(delivery, OperatorAnnouncement):
            text = f"Announcement: {replace_controls(delivery.text)}"
            notice = format_line("NOTICE", LOBBY_CHANNEL, text, source=source, trailing=True)
            return (self._told(delivery, False, notice),)
        lines: list[bytes] = []
        if delivery.away is not None and "away-notify" in self.capabilities:
            lines.append(_away_line(delivery.user, delivery.away))
        if delivery.realname is not None and "setname" in self.capabilities:
            lines.append(
                format_line("SETNAME", replace_controls(delivery.realname), source=source, trailing=True)
            )
        return tuple(self._told(delivery, delivery.is_registered, line) for line in lines)

    def encode_for_subject(self, delivery: Delivery) -> Payloads:
        """Return the lines of an event for the user whom it is about, such as the kicked user.

        A user who is not in the channel is sent a notice that describes the event.
        """
        if isinstance(delivery, LogEntry):
            event = delivery.event
            is_outsider = event.kind in _KINDS_ABOUT_OUTSIDERS and not event.subject_was_member
            if is_outsider or event.kind == "invited":
                return tuple(missed_event_notice_lines(self.capabilities, delivery))
        return self.encode_delivery(delivery)

    def _join(self, arrived: UserArrived, channel: str) -> bytes:
        return join_line(self.capabilities, channel, arrived.user, arrived.is_registered, arrived.realname)

    def _member(self, delivery: GroupMemberArrived) -> Payloads:
        channel = channel_of_conversation(delivery.conversation)
        arrived = delivery.arrived
        join = self._told(arrived, arrived.is_registered, self._join(arrived, channel))
        if not delivery.is_operator:
            return (join,)
        mode = format_line("MODE", channel, "+o", delivery.user.nick, source=DAEMON_NICK)
        return (join, self._told(arrived, False, mode))

    def _account(self, delivery: AccountChangeDelivery) -> Payloads:
        if "account-notify" not in self.capabilities:
            return ()
        user = delivery.user
        account = user.nick if delivery.is_registered else "*"
        line = format_line("ACCOUNT", account, source=source_of(user.nick))
        return (self._told(delivery, delivery.is_registered, line),)

    def _told(self, delivery: _Presence, by_account: bool, line: bytes) -> bytes:
        """Return ``line``, the line of ``delivery``, with the tags that the client knows.

        These are the time and, if ``by_account`` is true, the account of the user.
        """
        tags: dict[str, str] = {}
        if "server-time" in self.capabilities:
            tags["time"] = format_rfc3339(delivery.at)
        if by_account and "account-tag" in self.capabilities:
            tags["account"] = delivery.user.nick
        return with_tags(line, tags)


def event_lines(capabilities: frozenset[str], entry: LogEntry) -> list[bytes]:
    """Return the lines of ``entry``, an event that changes a group or a message."""
    return _EVENTS[entry.event.kind](capabilities, entry)


def history_event_lines(capabilities: frozenset[str], entry: LogEntry) -> list[bytes]:
    """Return the lines of ``entry``, an event in a page of history.

    There is always at least one line, even for an event that is sent without a line when it happens.
    """
    return event_lines(capabilities, entry) or _notice("{actor} has invited {subject}")(capabilities, entry)


def invitation_line(capabilities: frozenset[str], entry: LogEntry) -> bytes:
    """Return the line ``INVITE`` for the invitation ``entry``."""
    event = entry.event
    assert event.subject is not None
    return _line(
        capabilities, entry, "INVITE", event.subject.nick, channel_of_conversation(event.conversation)
    )


def visibility_line(capabilities: frozenset[str], entry: LogEntry, modes: str) -> bytes:
    """Return the line ``MODE`` for ``entry``, a change of a group's visibility.

    ``modes`` are the changed modes, such as ``+is``.
    """
    return _line(capabilities, entry, "MODE", channel_of_conversation(entry.event.conversation), modes)


def missed_event_notice_lines(capabilities: frozenset[str], entry: LogEntry) -> list[bytes]:
    """Return the line that tells a client of ``entry``, an event about its user that it has missed.

    The line is an ``INVITE`` or a ``NOTICE``. It is never a ``JOIN`` or a ``KICK``, which would change the
    client's list of the members of the channel. Some events have no line.
    """
    event = entry.event
    if event.kind == "invited":
        return [invitation_line(capabilities, entry)]
    text = _TOLD.get((event.kind, event.body)) or _TOLD.get((event.kind, ""))
    if text is None or event.subject is None:
        return []
    shown = text.format(
        actor=_name(event.actor),
        channel=channel_of_conversation(event.conversation),
        why=f": {event.reason}" if event.reason else "",
    )
    tags = entry_tags(capabilities, entry)
    shown = replace_controls(shown)
    return [format_line("NOTICE", event.subject.nick, shown, source=DAEMON_NICK, tags=tags, trailing=True)]


def _name(actor: User) -> str:
    return "the administrator" if actor is CONSOLE else actor.nick


def _line(
    capabilities: frozenset[str], entry: LogEntry, verb: str, *names: str, text: str | None = None
) -> bytes:
    """Return a line of the author of ``entry`` with ``names``, which are never cut, and ``text``, if any."""
    actor = entry.event.actor
    rest = " ".join((verb, *names))
    texts: tuple[str, ...] = ()
    source = shortened_source(actor.nick, rest)
    if text is not None:
        texts = (replace_controls(text),)
        source = shortened_source(actor.nick, f"{rest} :", MIN_MESSAGE_TEXT_BYTES_PER_LINE)
    if actor is CONSOLE:
        source = DAEMON_NICK
    return format_line(verb, *names, *texts, source=source, tags=entry_tags(capabilities, entry))


def _joined(capabilities: frozenset[str], entry: LogEntry) -> list[bytes]:
    event = entry.event
    if event.actor_is_offline:
        return []  # channels show who is online: the arrival will be announced
    channel, realname = channel_of_conversation(event.conversation), event.actor_realname or event.actor.nick
    line = join_line(capabilities, channel, event.actor, event.actor_is_registered, realname)
    lines = [with_tags(line, entry_tags(capabilities, entry))]
    if event.actor_away_reason and "away-notify" in capabilities:
        lines.append(_away_line(event.actor, event.actor_away_reason, entry_tags(capabilities, entry, 2)))
    return lines


def _away_line(user: User, away: str, tags: Mapping[str, str] | None = None) -> bytes:
    said = filter(None, (replace_controls(away),))
    return format_line("AWAY", *said, source=source_of(user.nick), tags=tags)


def _left(capabilities: frozenset[str], entry: LogEntry) -> list[bytes]:
    event = entry.event
    return [
        _line(
            capabilities,
            entry,
            "PART",
            channel_of_conversation(event.conversation),
            text=event.part_message or None,
        )
    ]


def _invited(capabilities: frozenset[str], entry: LogEntry) -> list[bytes]:
    return [invitation_line(capabilities, entry)] if "invite-notify" in capabilities else []


def _kicked(capabilities: frozenset[str], entry: LogEntry) -> list[bytes]:
    event = entry.event
    reason = event.body or event.actor.nick
    return [
        _line(
            capabilities,
            entry,
            "KICK",
            channel_of_conversation(event.conversation),
            _subject(event),
            text=reason,
        )
    ]


def _banned(capabilities: frozenset[str], entry: LogEntry) -> list[bytes]:
    ban = _mode("+b", "{}!*@*")(capabilities, entry)
    return ban + _kicked(capabilities, entry) if entry.event.subject_was_member else ban


def _mode(mode: str, argument: str = "{}") -> Callable[[frozenset[str], LogEntry], list[bytes]]:
    def encode(capabilities: frozenset[str], entry: LogEntry) -> list[bytes]:
        event = entry.event
        shown = argument.format(_subject(event))
        return [_line(capabilities, entry, "MODE", channel_of_conversation(event.conversation), mode, shown)]

    return encode


def _promoted(capabilities: frozenset[str], entry: LogEntry) -> list[bytes]:
    event = entry.event
    lines = _mode("+o")(capabilities, entry)
    former = event.former_owner
    if former is not None and former.id != (event.subject or event.actor).id:
        lines.append(
            _line(capabilities, entry, "MODE", channel_of_conversation(event.conversation), "-o", former.nick)
        )
    return lines


def _visibility(capabilities: frozenset[str], entry: LogEntry) -> list[bytes]:
    return [visibility_line(capabilities, entry, "+is" if entry.event.body == "private" else "-is")]


def _topic(capabilities: frozenset[str], entry: LogEntry) -> list[bytes]:
    event = entry.event
    return [_line(capabilities, entry, "TOPIC", channel_of_conversation(event.conversation), text=event.body)]


def _notice(text: str) -> Callable[[frozenset[str], LogEntry], list[bytes]]:
    def encode(capabilities: frozenset[str], entry: LogEntry) -> list[bytes]:
        event = entry.event
        target = (event.subject or event.actor).nick
        if event.conversation.kind != "direct":
            target = channel_of_conversation(event.conversation)
        shown = text.format(
            actor=_name(event.actor),
            subject=_subject(event),
            body=event.body or "none",
            message=event.changed_message_id if event.kind == "deleted" else 0,
            why=f": {event.reason}" if event.reason else "",
        )
        shown = replace_controls(shown)
        tags = entry_tags(capabilities - {"account-tag"}, entry)
        return [format_line("NOTICE", target, shown, source=DAEMON_NICK, tags=tags, trailing=True)]

    return encode


def _subject(event: ChatEvent) -> str:
    return (event.subject or event.actor).nick


_deletion_notice: Final = _notice("{actor} has deleted message {message}{why}")

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
    "promoted": _promoted,
    "demoted": _mode("-o"),
    "visibility": _visibility,
    "topic": _topic,
    "history": _notice("{actor} lets members read the history: {body}"),
    "keep": _notice("{actor} has messages kept for (seconds): {body}"),
    "closed": _notice("{actor} has closed this channel{why}"),
    "deleted": lambda capabilities, entry: (
        redaction_lines(capabilities, entry) or _deletion_notice(capabilities, entry)
    ),
    "edited": edit_lines,
    "reacted": reaction_lines,
    "unreacted": reaction_lines,
}
"""The functions that encode each kind of event."""

_KINDS_ABOUT_OUTSIDERS: Final = frozenset(("banned", "unbanned", "uninvited"))
"""The kinds of events whose subject is not in the channel, unless the event has put that user out."""

_TOLD: Final = {
    ("uninvited", ""): "{actor} has withdrawn your invitation to {channel}",
    ("kicked", ""): "{actor} has put you out of {channel}{why}",
    ("banned", ""): "{actor} has banned you from {channel}{why}",
    ("unbanned", ""): "{actor} has lifted your ban from {channel}",
    ("promoted", ""): "{actor} has made you an operator of {channel}",
    ("promoted", "owner"): "you own {channel} now",
    ("demoted", ""): "you are no longer an operator of {channel}",
    ("demoted", "owner"): "you no longer own {channel}",
}
"""The text of the notice about a missed event, by its kind and body. An empty body stands for all others."""
