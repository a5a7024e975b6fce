"""Conversion of log entries, arrivals, departures, announcements, tokens, links, read marks and entries of
the moderation log to objects of the JSON wire.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TypeVar, cast

from msgspec.structs import replace

from chatd.core.answers import ActiveConversation, InvitationLinkListItem, Reaction, TokenListItem
from chatd.core.events import (
    REACTION_KINDS,
    TYPING_STATES,
    TYPING_TAG,
    ChatEvent,
    Conversation,
    LogEntry,
    OperatorAnnouncement,
    TransientMessage,
    User,
    UserArrived,
    UserDeparted,
)
from chatd.core.moderation import ModerationEntry
from chatd.core.requests import Request
from chatd.dialects.timestamps import format_rfc3339
from chatd.json_wire import objects
from chatd.json_wire.objects import Timestamp

MessageObject = TypeVar("MessageObject", objects.Message, objects.HistoryMessage, objects.FoundMessage)


def message_object(entry: LogEntry) -> objects.Message:
    """Return the log entry of a message as the JSON object that clients receive when the message is sent."""
    event = entry.event
    group = event.conversation.name
    to = event.subject.nick if event.subject is not None else ""
    message = objects.Message(
        action="server-gbroadcast" if group else "server-send" if to else "server-broadcast",
        nick=event.actor.nick,
        group=group,
        to=to,
        msg=event.body,
        # The default object itself, else it is not left out.
        kind="message" if event.kind == "message" else event.kind,
        id=entry.id,
        seq=entry.seq,
        ts=_timestamp(entry.at),
        colour=event.actor.colour,
        deleted=not event.body,
    )
    if event.is_edited or event.answered_message is not None:
        return _with_changes(message, event)
    return message


def history_message_object(
    entry: LogEntry, coloured: bool, reactions: Sequence[Reaction] = ()
) -> objects.HistoryMessage:
    """Return the log entry of a message as a JSON object for a page of the log, with the ``reactions`` to it.

    If ``coloured`` is true, the object has the author's colour.
    """
    event = entry.event
    message = objects.HistoryMessage(
        id=entry.id,
        seq=entry.seq,
        ts=_timestamp(entry.at),
        nick=event.actor.nick,
        msg=event.body,
        kind=event.kind,
        colour=event.actor.colour if coloured else "",
        deleted=event.is_tombstone,
    )
    if reactions:
        message = replace(message, reactions=[objects.Reaction(*one) for one in reactions])
    return _with_changes(message, event)


def _with_changes(message: MessageObject, event: ChatEvent) -> MessageObject:
    """Return ``message``, that of ``event``, with whether it was edited and what it answers; few need it."""
    if event.is_edited and not event.is_tombstone:
        message = replace(message, edited=True)
    if event.answered_message is not None:
        answered = event.answered_message
        message = replace(message, reply_to=answered.message_id, reply_from=answered.author.nick)
    return message


def found_message_object(entry: LogEntry, reader: User, coloured: bool) -> objects.FoundMessage:
    """Return a message that a search of ``reader`` has found as a JSON object, with its conversation.

    If ``coloured`` is true, the object has the author's colour.
    """
    event = entry.event
    place = event.conversation
    message = objects.FoundMessage(
        id=entry.id,
        seq=entry.seq,
        ts=_timestamp(entry.at),
        nick=event.actor.nick,
        msg=event.body,
        kind=event.kind,
        colour=event.actor.colour if coloured else "",
        conversation=objects.ConversationName(place.kind, place.name_for(reader)),
    )
    return _with_changes(message, event)


def ack_object(entry: LogEntry, request: Request) -> objects.Ack:
    """Return, as a JSON object, the ack that ``request`` was stored as the log entry ``entry``."""
    subject = entry.event.subject
    return objects.Ack(
        action="server-ack",
        ref=request.ref,
        request=request.command_word,
        group=entry.event.conversation.name,
        to=subject.nick if subject is not None else "",
        id=entry.id,
        seq=entry.seq,
        ts=_timestamp(entry.at),
    )


def active_conversation_object(line: ActiveConversation) -> objects.ActiveConversation:
    """Return ``line``, a conversation in a list of conversations by time, as a JSON object."""
    return objects.ActiveConversation(
        line.kind, line.name, line.last_message_id, _timestamp(line.last_message_at)
    )


def server_event_object(delivery: UserArrived | UserDeparted | OperatorAnnouncement) -> objects.ServerEvent:
    """Return a login, a logout or an announcement as a ``server-event`` JSON object."""
    user, ts = delivery.user, _timestamp(delivery.at)
    if isinstance(delivery, UserDeparted):
        return objects.ServerEvent(action="server-event", actor=user.nick, ts=ts, event="left")
    if isinstance(delivery, OperatorAnnouncement):
        return objects.ServerEvent(
            action="server-event", actor=user.nick, ts=ts, event="announced", msg=delivery.text
        )
    return objects.ServerEvent(
        action="server-event",
        actor=user.nick,
        ts=ts,
        event="arrived",
        returning=delivery.is_returning_user,
        colour=user.colour,
    )


def image_placeholder(event: ChatEvent) -> str:
    """Return the text that replaces an image too large for one JSON object."""
    return f"(an image of {len(event.body.encode())} bytes, too large for this client)"


def event_object(entry: LogEntry) -> objects.GroupEvent:
    """Return the log entry of a group event as a JSON object for a page of the log."""
    event = entry.event
    kind, body = event.kind, event.body
    edited_kind, text = event.edited_kind_and_text if kind == "edited" else (None, "")
    return objects.GroupEvent(
        id=entry.id,
        seq=entry.seq,
        ts=_timestamp(entry.at),
        event=kind,
        actor=event.actor.nick,
        subject=event.subject.nick if event.subject is not None else "",
        visibility=body if kind in ("created", "visibility") else None,
        reason=event.reason if kind in ("kicked", "banned", "closed", "deleted") else None,
        topic=body if kind == "topic" else None,
        role=(body or "operator") if kind in ("promoted", "demoted") else "",
        deleted=event.changed_message_id if kind == "deleted" else None,
        history=body if kind == "history" else None,
        keep=int(body or 0) if kind == "keep" else None,
        edited=event.changed_message_id if kind == "edited" else None,
        kind=edited_kind if text else None,
        msg=text or None,
        message=event.changed_message_id if kind in REACTION_KINDS else None,
        reaction=body if kind in REACTION_KINDS else None,
    )


def live_event_object(entry: LogEntry) -> objects.GroupEvent:
    """Return the log entry of a group event as the JSON object that clients receive when the event
    happens.
    """
    return replace(event_object(entry), action="server-event", group=entry.event.conversation.name)


def typing_object(sent: TransientMessage) -> objects.Typing | None:
    """Return the JSON object of a typing notice, or None if ``sent`` is not a typing notice."""
    state = dict(sent.tags).get(TYPING_TAG)
    if sent.kind != "tags" or sent.is_for_operators_only or state not in TYPING_STATES:
        return None
    group = "" if sent.conversation is None else sent.conversation.name
    to = "" if sent.dest is None else sent.dest.nick
    return objects.Typing(action="server-typing", nick=sent.user.nick, group=group, to=to, state=state)


def read_mark_object(reader: User, conversation: Conversation, id: int) -> objects.ReadMark:
    """Return the JSON object for the read mark of ``reader`` in ``conversation``, which is at the log id
    ``id``.
    """
    friend = conversation.other_user(reader).nick if conversation.pair else ""
    return objects.ReadMark(action="server-read", group=conversation.name, friend=friend, id=id)


def token_object(token: TokenListItem) -> objects.Token:
    """Return the JSON object of a token."""
    return objects.Token(
        token.name,
        token.scope,
        list(token.conversation_names),
        Timestamp(format_rfc3339(token.made_at)),
        None if token.expires_at is None else Timestamp(format_rfc3339(token.expires_at)),
    )


def invitation_link_object(link: InvitationLinkListItem) -> objects.InvitationLink:
    """Return the JSON object of an invitation link."""
    made, expires = Timestamp(format_rfc3339(link.made_at)), Timestamp(format_rfc3339(link.expires_at))
    return objects.InvitationLink(link.number, link.maker_nick, made, expires, link.use_count)


def moderation_object(act: ModerationEntry) -> objects.ModerationEntry:
    """Return the JSON object of an entry of the moderation log."""
    return objects.ModerationEntry(
        act.id,
        _timestamp(act.at),
        act.operator.nick,
        act.kind,
        act.target,
        None if act.until is None else _timestamp(act.until),
        act.reason,
    )


@lru_cache(maxsize=256)
def _timestamp(at: int) -> Timestamp:
    # Cached, because a message and its acknowledgement have the same time. It stays a plain str, because the
    # encoder writes an instance of a subclass much more slowly.
    return cast(Timestamp, format_rfc3339(at))
