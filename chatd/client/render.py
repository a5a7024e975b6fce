"""Messages, events and answers of the daemon as lines of text for the user.

Control characters are replaced, so that no text of another user can control the terminal.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final

import msgspec

from chatd.client.client_command_table import QUEUED_COMMANDS
from chatd.client.codec import (
    LOBBY,
    ConversationRef,
    ServerNotice,
    conversation_of_found_message,
    conversation_of_page,
    conversation_of_summary,
    list_items,
)
from chatd.client.command_usage import displayed_field_name, displayed_usage
from chatd.client.language import _
from chatd.core.commands import COMMANDS, Identify
from chatd.core.events import action_text_without_prefix
from chatd.core.language import N_
from chatd.core.terminal import CONTROL_CHARACTER_REGEX_RANGES
from chatd.core.typed_commands import ME_HELP, translated_me_usage
from chatd.json_wire.objects import (
    AccountChanged,
    AnswerObject,
    Clients,
    Conversations,
    EventPage,
    Group,
    GroupEvent,
    Groups,
    Help,
    HistoryMessage,
    IgnoredUsers,
    InvitationLink,
    InvitationLinkList,
    InvitationLinkMade,
    Members,
    Message,
    Moderated,
    ModerationEntry,
    ModerationLog,
    Page,
    SearchResult,
    ServerEvent,
    Timestamp,
    Token,
    TokenList,
    TokenMade,
)

CONTINUATION_INDENT: Final = "    "
"""The indent of all lines but the first in a text of several lines."""

_CONTROL: Final = re.compile(f"[{CONTROL_CHARACTER_REGEX_RANGES}]")


def sanitize(text: str) -> str:
    """Return ``text`` with U+FFFD in place of control and bidi characters, except tabs and newlines.

    CRLF becomes LF.
    """
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text.replace("\r\n", "\n"))


def sanitize_to_one_line(text: str) -> str:
    """Return ``text`` sanitized and in one line, so that a user's text can't imitate a line of the client.

    Each newline becomes U+FFFD.
    """
    return sanitize(text).replace("\n", "\N{REPLACEMENT CHARACTER}")


def escape_json(text: str) -> str:
    r"""Return ``text``, which is JSON, with the control and bidi characters in its strings as ``\u``
    escapes.
    """
    return _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def format_time_of_day(at: datetime) -> str:
    """Return the time of day of ``at`` as ``[hh:mm]`` in the user's time zone."""
    return f"[{to_local_time(at):%H:%M}]"


def to_local_time(at: datetime) -> datetime:
    """Return ``at`` in the user's time zone.

    Return ``at`` itself if the result is out of the range of `datetime`.
    """
    try:
        return at.astimezone()
    except OverflowError:
        return at


def _minute(at: Timestamp) -> str:
    """Return a time to the minute in the user's time zone."""
    return f"{to_local_time(at.as_datetime):%Y-%m-%d %H:%M}"


def conversation_label(place: ConversationRef) -> str:
    """Return the name of a conversation for the user: the word for the lobby, a group's name, or ``@nick``.

    The name is not sanitized.
    """
    return _("lobby") if place == LOBBY else place.name if place.kind == "group" else f"@{place.name}"


def author_label(nick: str, reader: str, kind: str = "message") -> str:
    """Return the text that is shown in front of a message, such as ``bob said:``.

    If ``nick`` is the user ``reader``, the text is ``You said:``. ``kind`` is the kind of the message: the
    text is ``* bob`` for an action, and ``-bob-`` for a notice. The nick is not sanitized.
    """
    marked = _MARKED_LABELS.get(kind)
    if marked is not None:
        return marked.format(nick=nick)
    return _("You said:") if nick == reader else _("{nick} said:").format(nick=nick)


_MARKED_LABELS: Final = {"action": "* {nick}", "notice": "-{nick}-"}


def message_text(message: Message | HistoryMessage) -> str:
    """Return the text of ``message`` for the screen: sanitized, without the ``/me`` of an action.

    If the message was edited, a mark says so.
    """
    text = sanitize(action_text_without_prefix(message.msg) if message.kind == "action" else message.msg)
    return mark_as_edited(text) if message.edited else text


def mark_as_edited(text: str) -> str:
    """Return ``text``, the text of a message, with a mark that the message was edited."""
    return _("{text} (edited)").format(text=text)


def reply_label(message: Message | HistoryMessage) -> str:
    """Return the text in front of an answer to another message, such as ``(to bob) ``.

    The text is empty if ``message`` answers no other message.
    """
    if message.reply_to is None:
        return ""
    label = _("(to {name})").format(name=message.reply_from or message.reply_to)
    return f"{sanitize_to_one_line(label)} "


def render_message(
    message: Message | HistoryMessage, reader: str, place: ConversationRef | None = None
) -> str:
    """Return ``message`` as lines of text with its time and its sender, as seen by the user ``reader``.

    If ``place`` is given, the text includes the name of that conversation, except for a deleted message. All
    lines but the first are indented.
    """
    elsewhere = f"{conversation_label(place)} " if place is not None else ""
    if message.deleted:
        return sanitize_to_one_line(
            f"{format_time_of_day(message.ts.as_datetime)} {message.nick}: {_('(deleted)')}"
        )
    speaker = author_label(message.nick, reader, message.kind)
    head = sanitize_to_one_line(f"{format_time_of_day(message.ts.as_datetime)} {elsewhere}{speaker}")
    text = reply_label(message) + message_text(message)
    if message.kind == "action":  # its first line is one sentence with the nick
        return f"\n{CONTINUATION_INDENT}".join(f"{head} {text}".split("\n"))
    if message.kind == "image" or "\n" in text:
        return f"\n{CONTINUATION_INDENT}".join((head, *text.split("\n")))
    return f"{head} {text}"


def render_event(event: GroupEvent | ServerEvent) -> str:
    """Return a group event, a presence event or an announcement as a sentence, with its time in front."""
    return f"{format_time_of_day(event.ts.as_datetime)} {describe_event(event)}"


def describe_event(event: GroupEvent | ServerEvent) -> str:
    """Return a group event, a presence event or an announcement as a sentence."""
    if isinstance(event, ServerEvent):
        if event.event == "announced":
            announced = _("{operator} announces: {text}")
            return sanitize_to_one_line(announced.format(operator=event.actor, text=event.msg))
        arrived = event.event == "arrived"
        sentence = _("{actor} joined the chat") if arrived else _("{actor} left the chat")
        return sanitize_to_one_line(sentence.format(actor=event.actor))
    sentence = _SENTENCES.get(event.event, "{actor}: {event}")
    if event.role == "owner":
        promoted = event.event == "promoted"
        sentence = N_("{subject} owns {group} now") if promoted else N_("{subject} owns {group} no more")
    elif event.event == "deleted" and event.subject == event.actor:
        sentence = N_("{actor} deleted one of their messages")
    elif event.event == "edited" and event.msg is None:
        sentence = N_("{actor} edited a message")
    elif event.event == "topic" and not event.topic:
        sentence = N_("{actor} removed the topic of {group}")
    told = _(sentence).format(
        actor=event.actor, event=event.event, group=event.group, subject=event.subject, topic=event.topic,
        visibility=_(event.visibility) if event.visibility else "",
        keep=event.keep, msg=event.msg, reaction=event.reaction,
        history=_(_HISTORIES.get(event.history or "", "")),
    )  # fmt: skip
    return sanitize_to_one_line(told + (f" ({event.reason})" if event.reason else ""))


_SENTENCES: Final = {
    "created": N_("{actor} created {group} ({visibility})"),
    "joined": N_("{actor} joined {group}"),
    "left": N_("{actor} left {group}"),
    "invited": N_("{actor} invited {subject} to {group}"),
    "kicked": N_("{actor} kicked {subject} out of {group}"),
    "banned": N_("{actor} banned {subject} from {group}"),
    "unbanned": N_("{actor} lets {subject} into {group} again"),
    "promoted": N_("{actor} made {subject} an operator of {group}"),
    "demoted": N_("{subject} is an operator of {group} no more"),
    "visibility": N_("{group} is {visibility} now"),
    "topic": N_("{actor} set the topic of {group}: {topic}"),
    "history": N_("the members of {group} can read now: {history}"),
    "keep": N_("messages of {group} are deleted after {keep} seconds (0: never)"),
    "uninvited": N_("{actor} withdrew the invitation of {subject} to {group}"),
    "declined": N_("{actor} declined the invitation to {group}"),
    "closed": N_("{actor} closed {group}"),
    "deleted": N_("{actor} deleted a message of {subject}"),
    "edited": N_("{actor} edited a message: {msg}"),
    "reacted": N_("{actor} reacted to a message: {reaction}"),
    "unreacted": N_("{actor} took a reaction back: {reaction}"),
}

_HISTORIES: Final = {"all": N_("all messages"), "since_joining": N_("the messages since they joined")}

_WORDS: Final = (
    N_("public"), N_("private"), N_("owner"), N_("operator"), N_("member"), N_("invited"),
)  # fmt: skip
"""The daemon's words for roles and visibilities, declared as translatable."""


def render_answer(answer: AnswerObject, reader: str) -> list[str]:
    """Return the daemon's answer to a command as lines of text for the user ``reader``.

    An ack gives no lines.
    """
    if isinstance(answer, Clients | Members | Groups | Conversations) and answer.more:
        more = _("there is more behind these {count}").format(count=len(list_items(answer)))
        return [*render_answer(msgspec.structs.replace(answer, more=False), reader), more]
    if isinstance(answer, Clients):
        return [sanitize_to_one_line(_("connected: {nicks}").format(nicks=", ".join(answer.clients)))]
    if isinstance(answer, IgnoredUsers):
        return [sanitize_to_one_line(_("ignored: {nicks}").format(nicks=", ".join(answer.ignored) or "-"))]
    if isinstance(answer, Members):
        members = (
            _remarked(
                member.name,
                _(member.role),
                "" if member.online else _("away"),
                _("unregistered") if member.registered is False else "",
            )
            for member in answer.members
        )
        return [sanitize_to_one_line(f"{answer.group}: {', '.join(members)}")]
    if isinstance(answer, Groups):
        return [
            sanitize_to_one_line(
                _remarked(group.group, _(group.visibility), member_count_text(group))
                + (f": {group.topic}" if group.topic else "")
            )
            for group in answer.groups
        ] or [_("there is no group yet")]
    if isinstance(answer, Page):
        return [render_message(item, reader, conversation_of_page(answer)) for item in answer.messages]
    if isinstance(answer, SearchResult):
        return _render_found(answer, reader)
    if isinstance(answer, Conversations):
        return [render_unread(conversation_of_summary(one), one.unread) for one in answer.conversations]
    if isinstance(answer, ServerNotice):
        return [sanitize_to_one_line(text) for text in answer.text.split("\n")]
    if isinstance(answer, EventPage):
        return [render_event(msgspec.structs.replace(event, group=answer.group)) for event in answer.events]
    if isinstance(answer, Moderated | ModerationLog):
        return [_render_act(act) for act in answer.acts] or [_("nothing yet")]
    if isinstance(answer, AccountChanged):
        registered = _("{nick} is registered") if answer.registered else _("{nick} is no longer registered")
        return [registered.format(nick=answer.nick)]
    if isinstance(answer, TokenMade):
        secret = _("its secret, which is shown only now: {secret}").format(secret=answer.secret)
        return [_render_token(answer.token), sanitize_to_one_line(secret)]
    if isinstance(answer, TokenList):
        return [_render_token(token) for token in answer.tokens] or [_("no tokens")]
    if isinstance(answer, InvitationLinkMade):
        made = _("link {number} to {group}, until {time}, shown only now: {link}")
        return [
            sanitize_to_one_line(
                made.format(
                    number=answer.number,
                    group=answer.group,
                    time=_minute(answer.expires),
                    link=answer.link,
                )
            )
        ]
    if isinstance(answer, InvitationLinkList):
        return [_render_link(link) for link in answer.links] or [_("no links")]
    if isinstance(answer, Help):
        rows = [row for row in COMMANDS.values() if row.slash_word and row.command is not Identify]
        usages = [
            *((displayed_usage(row), row.help) for row in rows),
            (translated_me_usage(displayed_field_name), ME_HELP),
            *((QUEUED_COMMANDS[word].usage, QUEUED_COMMANDS[word].help) for word in ("image", "paste")),
        ]
        return [_("{usage}: {help}").format(usage=usage, help=_(help)) for usage, help in usages]
    return []


def _render_found(answer: SearchResult, reader: str) -> list[str]:
    """Return a line for each message that a search has found, with its time, its conversation and its id."""
    lines = []
    for message in answer.messages:
        place = sanitize_to_one_line(conversation_label(conversation_of_found_message(message)))
        speaker = sanitize_to_one_line(author_label(message.nick, reader, message.kind))
        head = f"{_minute(message.ts)} {place} #{message.id} {speaker}"
        lines.append(f"{head} {message_text(message)}".replace("\n", f"\n{CONTINUATION_INDENT}"))
    if answer.more:
        bound = f"before:{answer.before}" if answer.after is None else f"after:{answer.after}"
        lines.append(_("there may be more: add {bound} to search on").format(bound=bound))
    return lines or [_("no message was found")]


def _render_token(token: Token) -> str:
    """Return a token as a line with its scope and its end."""
    places = _("all conversations") if token.groups == ["*"] else ", ".join(token.groups)
    end = ""
    if token.expires is not None:
        end = _("until {time}").format(time=_minute(token.expires))
    return sanitize_to_one_line(
        _remarked(token.token, _(_ACCESSES.get(token.scope, token.scope)), places, end)
    )


def _render_link(link: InvitationLink) -> str:
    """Return an invitation link as a line with its maker, its end, and how many have joined by it."""
    end = _("until {time}").format(time=_minute(link.expires))
    return sanitize_to_one_line(
        _remarked(str(link.number), link.maker, end, _("used: {count}").format(count=link.uses))
    )


_ACCESSES: Final = {"read": N_("to read"), "write": N_("to read and write")}


_ACTS: Final = {
    "mute": N_("{operator} muted {target}"),
    "unmute": N_("{operator} unmuted {target}"),
    "disconnect": N_("{operator} disconnected {target}"),
    "block": N_("{operator} blocked {target}"),
    "unblock": N_("{operator} unblocked {target}"),
    "give": N_("{operator} gave {target}"),
    "close": N_("{operator} closed {target}"),
    "delete": N_("{operator} deleted the message {target}"),
    "announce": N_("{operator} made an announcement"),
    "resetpassword": N_("{operator} reset the password of {target}"),
    "revokeusertoken": N_("{operator} revoked the token {target}"),
    "appoint": N_("{operator} appointed {target} as an operator of the server"),
    "dismiss": N_("{operator} dismissed {target} as an operator of the server"),
    "export": N_("{operator} exported {target}"),
    "erase": N_("{operator} erased a user"),
}
"""The sentence for each act of a server operator."""


def _render_act(act: ModerationEntry) -> str:
    """Return an entry of the moderation log as a sentence with its time, its end and its reason."""
    template = _ACTS.get(act.act)
    text = f"{act.operator} {act.act} {act.target}"
    if template is not None:
        text = _(template).format(operator=act.operator, target=act.target)
    if act.until is not None:
        text = _("{act}, until {time}").format(act=text, time=_minute(act.until))
    if act.reason:
        text = _("{act} ({reason})").format(act=text, reason=act.reason)
    return sanitize_to_one_line(f"{format_time_of_day(act.ts.as_datetime)} {text}")


def render_unread(place: ConversationRef, count: int) -> str:
    """Return a line with the name of a conversation and the number of its unread messages."""
    return sanitize_to_one_line(
        _("{place}: {count} unread").format(place=conversation_label(place), count=count)
    )


def member_count_text(group: Group) -> str:
    """Return the number of members of ``group`` as a text, or an empty text if the number is unknown."""
    return "" if group.members is None else str(group.members)


def _remarked(name: str, *remarks: str) -> str:
    """Return the name with remarks in parentheses, such as ``bob (operator, away)``."""
    return f"{name} ({', '.join(filter(None, remarks))})"
