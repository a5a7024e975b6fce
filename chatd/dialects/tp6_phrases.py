"""The French sentences of the TP6 chat room: what users said, what happened in groups, refusals, and the
lines of lists.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from chatd.core.answers import (
    Conversations,
    GroupListItem,
    Groups,
    Help,
    InvitationLinkListItem,
    Members,
    Page,
    ReadMark,
    SearchResult,
    TokenListItem,
)
from chatd.core.commands import COMMANDS
from chatd.core.declarations import CommandDeclaration
from chatd.core.events import (
    MESSAGE_CHANGE_KINDS,
    ChatEvent,
    LogEntry,
    MultiUserDelivery,
    OperatorAnnouncement,
    UserArrived,
    action_text_without_prefix,
)
from chatd.core.moderation import ModerationEntry
from chatd.core.refusals import REFUSAL_SENTENCES, Refusal, translatable_reason
from chatd.core.terminal import LINE_END_PATTERN, replace_controls
from chatd.core.typed_commands import ME_HELP, parse_slash_fields, translated_me_usage
from chatd.dialects.timestamps import format_rfc3339
from chatd.locales import to_french

CONTINUATION_INDENT: Final = "  "
"""The indentation of every line but the first in a message or a list. No other line begins with it, so no
message can imitate a line of another author.
"""

MAX_LIST_BYTES: Final = 60_000
"""The approximate maximum size of a list, in bytes. At the pace at which lines are sent, more would take too
long.
"""

ROOM_QUESTION: Final = (
    "Quel salon ? Envoyez le nom d'un salon pour le rejoindre, un nouveau nom pour en créer un, public,"
    " ou /leave pour la chatroom"
)
"""The question, after the list of rooms, which room the client wants to join."""

HISTORY_HINT: Final = (
    "/conversations liste vos conversations ; /history pseudo et /messages salon les relisent"
)
"""The sentence that tells a returning user how to read the missed messages."""

FRENCH_VISIBILITIES: Final = {"public": "public", "private": "privé"}
"""Visibility of a group -> the French word for it."""
_ROLES: Final = {"owner": "propriétaire", "operator": "opérateur", "invited": "invitation"}
_TYPED_VISIBILITIES: Final = {"privé": "private", "prive": "private"}
_HISTORIES: Final = {"all": "tout", "since_joining": "depuis l'arrivée de chacun"}
_KINDS: Final = {"group": "salon", "direct": "privé"}


def resolve_typed_command(
    declaration: CommandDeclaration, rest: str, room: str | None
) -> tuple[CommandDeclaration, Mapping[str, object]]:
    """Return the command to run and its values, for a command that a client in ``room`` has typed.

    ``room`` is None in the lobby. ``declaration`` is the typed command and ``rest`` is the text after it. For
    the typed command ``clients`` in a room, the command to run is ``members`` of that room. Raises `Refusal`
    if a required field is missing.
    """
    if declaration.name == "clients" and room is not None:
        return COMMANDS["members"], {"group": room, **parse_slash_fields(declaration, rest)}
    values = parse_slash_fields(declaration, rest)
    if declaration.group_defaults_to_room and room is not None:
        values = {"group": room, **values}
    if "visibility" in values:
        typed = str(values["visibility"])
        values = {**values, "visibility": _TYPED_VISIBILITIES.get(typed, typed)}
    if not declaration.required_fields <= values.keys():
        raise Refusal(
            "bad_request",
            why=translatable_reason("usage", usage=declaration.translated_slash_usage(to_french)),
        )
    return declaration, values


def refusal_text(refusal: Refusal, moved_to: str, is_message: bool) -> str:
    """Return ``refusal`` as the French line ``Erreur [code] : sentence``, with advice on what to do.

    ``moved_to`` is the room or lobby where the client is after a refused request to enter a room; it is empty
    for other requests. ``is_message`` says that the refused request was a message.
    """
    text = refusal.translated(to_french)
    if refusal.code == "not_identified":
        text += " : envoyez Hello|<pseudo>"
    elif moved_to == "lobby":
        text += " ; vous êtes dans la chatroom"
    elif moved_to:
        text += f" ; {to_french(REFUSAL_SENTENCES['no_room'])}" if refusal.code != "no_room" else ""
    elif refusal.code in ("not_member", "no_such_group") and is_message:
        text += " ; /leave ramène à la chatroom"
    return f"Erreur [{refusal.code}] : {indented_text(text)}"


def delivery_sentence(delivery: MultiUserDelivery) -> str:
    """Return the French sentence for a login, a logout, a group event or an announcement.

    ``delivery`` must not be the log entry of a message: see `message_sentence`.
    """
    if isinstance(delivery, LogEntry):
        return f"Annonce : {event_sentence(delivery.event)}"
    nick = delivery.user.nick
    if isinstance(delivery, OperatorAnnouncement):
        return f"Annonce de {nick} : {indented_text(delivery.text)}"
    if isinstance(delivery, UserArrived):
        return f"{nick} est de retour !" if delivery.is_returning_user else arrival_sentence(nick)
    return f"Annonce : {nick} a quitté la chatroom"


def to_ascii_json(payload: bytes) -> str:
    """Return a JSON object as pure ASCII, which contains no terminal control and can be cut anywhere."""
    return json.dumps(json.loads(payload), separators=(",", ":")).replace("\x7f", "\\u007f")


def member_lines(answer: Members) -> Iterator[str]:
    """Return one French line for each member of a group: ``bob (opérateur, absent, sans mot de passe)``."""
    for member in answer.members:
        away = None if member.is_online else "absent"
        password = None if member.is_registered else "sans mot de passe"
        yield name_with_remarks(member.nick, _ROLES.get(member.role), away, password)


_ACTS: Final = {
    "mute": "{operator} a rendu {target} muet",
    "unmute": "{operator} a rendu la parole à {target}",
    "disconnect": "{operator} a déconnecté {target}",
    "block": "{operator} a bloqué {target}",
    "unblock": "{operator} a débloqué {target}",
    "give": "{operator} a donné le salon {target}",
    "close": "{operator} a fermé le salon {target}",
    "delete": "{operator} a supprimé le message {target}",
    "announce": "{operator} a annoncé",
    "resetpassword": "{operator} a changé le mot de passe de {target}",
    "revokeusertoken": "{operator} a révoqué le jeton {target}",
    "appoint": "{operator} a nommé {target} opérateur du serveur",
    "dismiss": "{operator} a retiré à {target} le rôle d'opérateur du serveur",
    "export": "{operator} a exporté {target}",
    "erase": "{operator} a effacé un utilisateur",
}
"""The sentence for each act of a server operator."""


def moderation_lines(acts: Iterable[ModerationEntry]) -> Iterator[str]:
    """Yield a French sentence for each of ``acts``, entries of the moderation log, with time, end and
    reason.
    """
    for act in acts:
        sentence = _ACTS[act.kind].format(operator=act.operator.nick, target=act.target)
        end = "" if act.until is None else f" jusqu'au {format_rfc3339(act.until)}"
        why = f" : {indented_text(act.reason)}" if act.reason else ""
        yield f"{format_rfc3339(act.at)} {sentence}{end}{why}"


_ACCESSES: Final = {"read": "lecture", "write": "lecture et écriture"}


def token_lines(tokens: Iterable[TokenListItem]) -> Iterator[str]:
    """Yield one French line for each token: ``deploy (lecture, wob, depuis le …, jusqu'au …)``."""
    for token in tokens:
        places = "partout" if token.conversation_names == ("*",) else ", ".join(token.conversation_names)
        end = None if token.expires_at is None else f"jusqu'au {format_rfc3339(token.expires_at)}"
        yield name_with_remarks(
            token.name, _ACCESSES[token.scope], places, f"depuis le {format_rfc3339(token.made_at)}", end
        )


def invitation_link_lines(links: Iterable[InvitationLinkListItem]) -> Iterator[str]:
    """Yield one French line for each invitation link: ``n° 1 (alice, depuis le …, jusqu'au …, 2
    arrivées)``.
    """
    for link in links:
        made, expires = (
            f"depuis le {format_rfc3339(link.made_at)}",
            f"jusqu'au {format_rfc3339(link.expires_at)}",
        )
        uses = f"{link.use_count} arrivée{'s' if link.use_count > 1 else ''}"
        yield name_with_remarks(f"n° {link.number}", link.maker_nick, made, expires, uses)


def group_lines(answer: Groups) -> Iterator[str]:
    """Return one French line for each group: ``wob (public, 2 membres, propriétaire sans mot de passe) :
    topic``.
    """
    for line in answer.items:
        count = f"{line.member_count} membre{'s' if line.member_count > 1 else ''}"
        visibility, role = FRENCH_VISIBILITIES[line.visibility], _ROLES.get(line.role)
        owner = _unregistered_owner(line)
        room = name_with_remarks(line.group, visibility, count, role, owner)
        yield f"{room} : {indented_text(line.topic)}" if line.topic else room


def _unregistered_owner(line: GroupListItem) -> str | None:
    if line.owner_is_registered:
        return None
    return "propriétaire sans mot de passe" if line.owner else "sans propriétaire"


def conversation_lines(answer: Conversations) -> Iterator[str]:
    """Return one French line for each conversation of a list: ``bob (privé, n° 7, 2 non lus)``."""
    for one in answer.items:
        name = "la chatroom" if one.kind == "lobby" else one.name
        unread = f"{one.unread_count} non lu{'s' if one.unread_count > 1 else ''}"
        yield name_with_remarks(name, _KINDS.get(one.kind), f"n° {one.last_id}", unread)


def read_mark_sentence(mark: ReadMark) -> str:
    """Return a French sentence that says how far a user has read: ``wob est lu jusqu'au n° 7``."""
    conversation = mark.conversation
    if conversation.pair:
        place = f"la conversation avec {conversation.other_user(mark.reader).nick} est lue"
    else:
        place = f"{conversation.name} est lu" if conversation.name else "la chatroom est lue"
    return f"{place} jusqu'au n° {mark.entry_id}"


def history_title(page: Page) -> str:
    """Return the French title of a page of the log: ``Historique de wob``."""
    conversation = page.conversation
    if conversation.pair:
        return f"Historique avec {conversation.other_user(page.reader).nick}"
    return f"Historique de {conversation.name or 'la chatroom'}"


def history_lines(page: Page) -> Iterator[str]:
    """Yield one French line for each entry of a page of the log, in the direction of reading.

    If the page ends where older messages were deleted, a last line says so.
    """
    for entry in page.entries if page.reads_forward else reversed(page.entries):
        yield f"{format_rfc3339(entry.at)} {history_sentence(entry.event)}"
    if page.trimmed_up_to_id and not (page.is_event_page or page.reads_forward or page.has_more):
        yield "(les messages plus anciens ont été supprimés)"


def search_result_lines(answer: SearchResult) -> Iterator[str]:
    """Yield one French line for each message that a search has found: ``… wob (n° 17) : alice a dit :
    salut``.
    """
    for entry in answer.entries:
        conversation = entry.event.conversation
        name = "la chatroom" if conversation.kind == "lobby" else conversation.name_for(answer.reader)
        place = name_with_remarks(name, _KINDS.get(conversation.kind), f"n° {entry.id}")
        yield f"{format_rfc3339(entry.at)} {place} : {history_sentence(entry.event)}"


def search_continuation_sentence(forward: bool, bound: int) -> str:
    """Return the French sentence that says how to continue a search.

    The search continues after the log id ``bound`` if ``forward`` is true, else before it.
    """
    return f"Pour chercher la suite, ajoutez {'after' if forward else 'before'}:{bound}"


def help_lines(answer: Help) -> Iterator[str]:
    """Return one French line for each command of the TP6 chat room: its usage and its effect."""
    for row in answer.commands:
        if row.slash_word:
            yield _help_line(row.translated_slash_usage(to_french), row.help)
    yield _help_line(translated_me_usage(to_french), ME_HELP)


def _help_line(usage: str, help: str) -> str:
    return f"{usage:<34} {to_french(help)}"


def list_with_title(title: str, entries: Iterable[str], more: bool = False, forward: bool = True) -> str:
    """Return a list as text: a title with the number of entries, and one line for each entry.

    The text has as many entries as fit into `MAX_LIST_BYTES`, and always the first one; the others are not
    formatted. ``entries`` come in the direction of reading; if ``forward`` is false, the text has them in
    reverse order. ``more`` says that there are further entries.
    """
    shown, is_cut = entries_that_fit(entries)
    if not forward:
        shown.reverse()
    count = f"{len(shown)}{' (et plus)' if more or is_cut else ''}"
    return indented_text("\n".join((f"{title} : {count}", *shown)))


def entries_that_fit(entries: Iterable[str]) -> tuple[list[str], bool]:
    """Return as many of the first ``entries`` as fit into `MAX_LIST_BYTES`, and whether any were left out.

    At least one entry is returned.
    """
    shown: list[str] = []
    left = MAX_LIST_BYTES
    for entry in entries:
        left -= len(entry.encode())
        if left < 0 and shown:
            return shown, True
        shown.append(entry)
    return shown, False


def indented_text(text: str) -> str:
    """Return ``text`` with every line but the first indented, so that no line looks like another author's.

    Control characters are replaced, and a line end at the end is dropped.
    """
    lines = LINE_END_PATTERN.split(text)
    if len(lines) > 1 and not lines[-1]:
        lines.pop()
    return f"\n{CONTINUATION_INDENT}".join(map(replace_controls, lines))


def indented_image(text: str) -> str:
    """Return ``text``, an image made of characters, with every line indented, so that its lines stay
    aligned.
    """
    return CONTINUATION_INDENT + indented_text(text)


def message_sentence(nick: str, event: ChatEvent, to_reader: bool = False) -> str:
    """Return the French sentence for a message of the author ``nick``, such as ``alice a dit : salut``.

    If ``to_reader`` is true, the message is private: ``alice vous dit : salut``. An image begins on a line of
    its own, after ``alice a dit en image :``. An action is ``* alice waves``. A message that answers another
    one, or was edited, says so: ``alice a dit (à bob, n° 17, modifié) : salut``.
    """
    remarks = (
        f"à {event.answered_message.author.nick}, n° {event.answered_message.message_id}"
        if event.answered_message is not None
        else None,
        "modifié" if event.is_edited else None,
    )
    if event.kind == "action":
        action = indented_text(action_text_without_prefix(event.body))
        what = f"{name_with_remarks(f'* {nick}', *remarks)} {action}"
        return f"{'En privé : ' if to_reader else ''}{what}"
    head = name_with_remarks(f"{nick} {'vous' if to_reader else 'a'} dit", *remarks)
    if event.kind == "image":
        return f"{head} en image :\n{indented_image(event.body)}"
    return f"{head} : {indented_text(event.body)}"


def arrival_sentence(nick: str) -> str:
    """Return the French sentence for the login of the user ``nick``: ``Annonce : alice a rejoint la
    chatroom``.
    """
    return f"Annonce : {nick} a rejoint la chatroom"


def event_sentence(event: ChatEvent) -> str:
    """Return the French sentence for an event in a group, such as a kick."""
    kind: str = _OWNER_EVENTS.get(event.kind, event.kind) if event.body == "owner" else event.kind
    if kind == "deleted" and event.subject is event.actor:
        kind = "withdrawn"
    number = event.changed_message_id if event.kind in MESSAGE_CHANGE_KINDS else 0
    sentence = _EVENTS[kind].format(
        actor=event.actor.nick,
        subject=(event.subject or event.actor).nick,
        group=event.conversation.name,
        visibility=FRENCH_VISIBILITIES.get(event.body),
        history=_HISTORIES.get(event.body),
        keep=f"{event.body} secondes" if event.body else "sans fin",
        number=number,
        private=" privé" if event.conversation.pair else "",
        author="" if event.answered_message is None else event.answered_message.author.nick,
    )
    reason = event.body if event.kind in ("topic", "reacted", "unreacted") else event.reason
    if event.kind == "edited":
        kind_of_message, reason = event.edited_kind_and_text
        if kind_of_message == "action":
            reason = f"* {event.actor.nick} {action_text_without_prefix(reason)}"
    return f"{sentence} : {indented_text(reason)}" if reason else sentence


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
    "disowned": "{subject} n'est plus propriétaire de {group}",
    "demoted": "{actor} a retiré à {subject} le rôle d'opérateur de {group}",
    "visibility": "{actor} a rendu {group} {visibility}",
    "topic": "{actor} a changé le sujet de {group}",
    "history": "{actor} a réglé l'historique de {group} : {history}",
    "keep": "{actor} a réglé la durée de vie des messages de {group} : {keep}",
    "uninvited": "{actor} a retiré l'invitation de {subject} dans {group}",
    "declined": "{actor} a décliné l'invitation dans {group}",
    "closed": "{actor} a fermé {group}",
    "deleted": "{actor} a supprimé un message de {subject}",
    "withdrawn": "{actor} a supprimé un de ses messages",
    "edited": "{actor} a modifié son message{private} n° {number}",
    "reacted": "{actor} a réagi au message{private} n° {number} de {author}",
    "unreacted": "{actor} a retiré sa réaction au message{private} n° {number} de {author}",
}
"""The French sentence of each kind of event, of those in `_OWNER_EVENTS`, and of own messages deleted."""

_OWNER_EVENTS: Final = {"promoted": "inherited", "demoted": "disowned"}
"""The keys in `_EVENTS` of a promotion to the owner, and of an owner's demotion."""


def history_sentence(event: ChatEvent) -> str:
    """Return the French sentence for a message or a group event in a page of the log."""
    if event.is_tombstone:
        return f"{event.actor.nick} : (message supprimé)"
    return message_sentence(event.actor.nick, event) if event.is_message else event_sentence(event)


def name_with_remarks(name: str, *remarks: str | None) -> str:
    """Return ``name`` with ``remarks`` in parentheses, such as ``bob (opérateur, absent)``.

    None is left out.
    """
    told = ", ".join(filter(None, remarks))
    return f"{name} ({told})" if told else name


def rgb_bytes(colour: str) -> bytes:
    """Return the red, green and blue of the colour ``#rrggbb`` as three bytes."""
    return bytes.fromhex(colour[1:])
