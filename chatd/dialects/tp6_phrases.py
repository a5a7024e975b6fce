"""The French sentences of the TP6 chat room: what happened, what was said, and the lines of lists."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from chatd.core.answers import Conversations, Groups, Help, Members, Page
from chatd.core.commands import COMMANDS
from chatd.core.declarations import Declaration
from chatd.core.events import Arrived, Delivery, Entry, Event
from chatd.core.refusals import SENTENCES, Refusal, reason
from chatd.core.terminal import LINE_END, clean
from chatd.core.typed import slash_values
from chatd.dialects.timestamps import rfc3339
from chatd.locales import to_french

INDENT: Final = "  "
"""Before every line but the first of what one person says, and of a list: no other line begins with it."""

MAX_LIST_BYTES: Final = 60_000
"""Bytes in a list, about: at their pace, lines take long enough."""

ROOM_QUESTION: Final = (
    "Quel salon ? Envoyez le nom d'un salon pour le rejoindre, un nouveau nom pour en créer un, public,"
    " ou /leave pour la chatroom"
)
"""The question that follows the list of rooms."""

HISTORY_HINT: Final = (
    "/conversations liste vos conversations ; /history pseudo et /messages salon les relisent"
)
"""How to read the rest of the history."""

FRENCH_VISIBILITIES: Final = {"public": "public", "private": "privé"}
_ROLES: Final = {"owner": "propriétaire", "operator": "opérateur", "invited": "invitation"}
_TYPED_VISIBILITIES: Final = {"privé": "private", "prive": "private"}
_KINDS: Final = {"group": "salon", "direct": "privé"}


def resolve_command(
    row: Declaration, rest: str, room: str | None
) -> tuple[Declaration, Mapping[str, object]]:
    """The row of the command to run, and its values, from what was typed in ``room``. Raises `Refusal`."""
    if row.name == "clients" and room is not None:
        return COMMANDS["members"], {"group": room, **slash_values(row, rest)}
    values = slash_values(row, rest)
    if row.here and room is not None:
        values = {"group": room, **values}
    if "visibility" in values:
        typed = str(values["visibility"])
        values = {**values, "visibility": _TYPED_VISIBILITIES.get(typed, typed)}
    if not row.required <= values.keys():
        raise Refusal("bad_request", why=reason("usage", usage=row.slash_usage_in(to_french)))
    return row, values


def refusal_text(refusal: Refusal, moved_to: str, is_spoken: bool) -> str:
    """``Erreur [code] : sentence`` and what to do.

    ``moved_to`` is the place where a refused move has led, empty without one. ``is_spoken`` says that a
    message was refused.
    """
    text = refusal.translated(to_french)
    if refusal.code == "not_identified":
        text += " : envoyez Hello|<pseudo>"
    elif moved_to == "lobby":
        text += " ; vous êtes dans la chatroom"
    elif moved_to:
        text += f" ; {to_french(SENTENCES['no_room'])}" if refusal.code != "no_room" else ""
    elif refusal.code in ("not_member", "no_such_group") and is_spoken:
        text += " ; /leave ramène à la chatroom"
    return f"Erreur [{refusal.code}] : {indented(text)}"


def announcement(delivery: Delivery) -> str:
    """The sentence that tells its recipients what happened."""
    if isinstance(delivery, Entry):
        return f"Annonce : {event_sentence(delivery.event)}"
    nick = delivery.user.nick
    if isinstance(delivery, Arrived):
        return f"{nick} est de retour !" if delivery.returning else arrival_sentence(nick)
    return f"Annonce : {nick} a quitté la chatroom"


def ascii_json(payload: bytes) -> str:
    """A JSON object in ASCII, which steers no terminal and can be cut anywhere."""
    return json.dumps(json.loads(payload), separators=(",", ":")).replace("\x7f", "\\u007f")


def member_lines(answer: Members) -> Iterator[str]:
    """``bob (opérateur, absent)`` for each member."""
    for member in answer.members:
        yield with_remarks(member.nick, _ROLES.get(member.role), None if member.online else "absent")


def group_lines(answer: Groups) -> Iterator[str]:
    """``wob (public, 2 membres) : topic`` for each group."""
    for line in answer.groups:
        count = f"{line.members} membre{'s' if line.members > 1 else ''}"
        room = with_remarks(line.group, FRENCH_VISIBILITIES[line.visibility], count, _ROLES.get(line.role))
        yield f"{room} : {indented(line.topic)}" if line.topic else room


def conversation_lines(answer: Conversations) -> Iterator[str]:
    """``bob (privé, n° 7, 2 non lus)`` for each conversation."""
    for one in answer.conversations:
        name = "la chatroom" if one.kind == "lobby" else one.name
        unread = f"{one.unread} non lu{'s' if one.unread > 1 else ''}"
        yield with_remarks(name, _KINDS.get(one.kind), f"n° {one.last}", unread)


def page_title(page: Page) -> str:
    """``Historique de wob``."""
    conversation = page.conversation
    if conversation.pair:
        return f"Historique avec {conversation.other(page.reader).nick}"
    return f"Historique de {conversation.name or 'la chatroom'}"


def page_lines(page: Page) -> Iterator[str]:
    """The entries of a page, from the end that the reader began at."""
    for entry in page.entries if page.forward else reversed(page.entries):
        yield f"{rfc3339(entry.at)} {history_sentence(entry.event)}"


def help_lines(answer: Help) -> Iterator[str]:
    """The usage of each command of the chat room, and what it does."""
    for row in answer.commands:
        if row.slash:
            yield f"{row.slash_usage_in(to_french):<34} {to_french(row.help)}"


def list_text(title: str, entries: Iterable[str], more: bool = False, forward: bool = True) -> str:
    """A list, a line for each entry, up to `MAX_LIST_BYTES`; further entries are never made.

    ``entries`` come in the order of reading, which is from the last one back unless ``forward``; ``more``
    says that there are others.
    """
    shown: list[str] = []
    left = MAX_LIST_BYTES
    for entry in entries:
        left -= len(entry.encode())
        if left < 0 and shown:
            more = True
            break
        shown.append(entry)
    if not forward:
        shown.reverse()
    count = f"{len(shown)}{' (et plus)' if more else ''}"
    return indented("\n".join((f"{title} : {count}", *shown)))


def addressee_phrase(event: Event) -> str:
    """``alice a dit``, but ``alice vous dit`` to one alone."""
    return "vous" if event.conversation.pair else "a"


def indented(text: str) -> str:
    """``text`` with every line but the first indented, so that none can pass for a line of somebody else."""
    lines = LINE_END.split(text)
    if len(lines) > 1 and not lines[-1]:
        lines.pop()
    return f"\n{INDENT}".join(map(clean, lines))


def indented_image(text: str) -> str:
    """``text`` with every line indented, so that what stands above each other still does."""
    return INDENT + indented(text)


def message_sentence(head: str, event: Event) -> str:
    """``alice a dit : salut``, or a line that says that an image follows, and the image."""
    if event.kind == "image":
        return f"{head} dit en image :\n{indented_image(event.body)}"
    return f"{head} dit : {indented(event.body)}"


def arrival_sentence(nick: str) -> str:
    return f"Annonce : {nick} a rejoint la chatroom"


def event_sentence(event: Event) -> str:
    """What happened in a group, in a sentence."""
    kind = "inherited" if event.kind == "promoted" and event.body else event.kind
    sentence = _EVENTS[kind].format(
        actor=event.actor.nick,
        subject=(event.subject or event.actor).nick,
        group=event.conversation.name,
        visibility=FRENCH_VISIBILITIES.get(event.body),
    )
    reason = event.body if event.kind in ("kicked", "banned", "topic") else ""
    return f"{sentence} : {indented(reason)}" if reason else sentence


_EVENTS: Final = {
    "created": "{actor} a créé {group} ({visibility})",
    "joined": "{actor} a rejoint {group}",
    "left": "{actor} a quitté {group}",
    "invited": "{actor} a invité {subject} dans {group}",
    "kicked": "{actor} a exclu {subject} de {group}",
    "banned": "{actor} a banni {subject} de {group}",
    "unbanned": "{actor} a levé le ban de {subject} dans {group}",
    "promoted": "{actor} a nommé {subject} opérateur de {group}",
    "inherited": "{subject} est maintenant propriétaire de {group}",
    "demoted": "{actor} a retiré à {subject} le rôle d'opérateur de {group}",
    "visibility": "{actor} a rendu {group} {visibility}",
    "topic": "{actor} a changé le sujet de {group}",
}
"""Each kind of event; a promotion that hands the group over reads otherwise."""


def history_sentence(event: Event) -> str:
    return message_sentence(f"{event.actor.nick} a", event) if event.said else event_sentence(event)


def with_remarks(name: str, *remarks: str | None) -> str:
    """``bob (opérateur, absent)``"""
    told = ", ".join(filter(None, remarks))
    return f"{name} ({told})" if told else name


def rgb_bytes(colour: str) -> bytes:
    """Red, green and blue of ``#rrggbb``."""
    return bytes.fromhex(colour[1:])
