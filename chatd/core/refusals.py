"""Refusals: the error answers of the daemon. Each has a stable code and a sentence for the user."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, Self

from chatd.core.language import N_

REFUSAL_SENTENCES: Final[dict[str, str]] = {
    "bad_nick": N_("{nick} is not a valid nick: {why}"),
    "nick_taken": N_("nick in use: {nick}; choose another nick, or wait until it is free"),
    "password_required": N_(
        "{nick} is registered: log in with its password (PWD before IAM, /login, or the field password)"
    ),
    "wrong_password": N_("wrong nick or password: check both; only a registered nick has a password"),
    "token_expired": N_("this token of {nick} has expired: make a new one with maketoken"),
    "token_revoked": N_("this token of {nick} was revoked: make a new one with maketoken"),
    "out_of_scope": N_(
        "this token is not meant for that: make one with a wider scope, or connect again with the password"
    ),
    "token_exists": N_("you have a token called {name} already: choose another name, or revoke it first"),
    "no_such_token": N_("there is no token called {name}"),
    "too_many_tokens": N_("you have {limit} tokens, the most that one user may have: revoke one of them"),
    "tls_required": N_("this server takes encrypted connections only: connect with TLS"),
    "weak_password": N_("a password must have at least {limit} characters: choose a longer one"),
    "already_registered": N_("{nick} is registered already: use passwd to change the password"),
    "not_registered": N_("{nick} is not registered: register it first"),
    "registered_only": N_("only registered users may write here: register your nick first"),
    "not_server_operator": N_("only operators of the server may do this"),
    "is_server_operator": N_("{nick} is an operator of the server: this can't be done to an operator"),
    "already_server_operator": N_("{nick} is an operator of the server already"),
    "configured_operator": N_(
        "{nick} is named in chatd.toml: remove it from `operators` there, and reload the configuration"
    ),
    "not_appointed": N_("{nick} was not appointed as an operator of the server"),
    "muted": N_("an operator has muted you ({why}): wait, or ask an operator"),
    "not_muted": N_("{nick} is not muted"),
    "blocked": N_("you may not log in here ({why}): ask an operator"),
    "not_blocked": N_("{nick} is not blocked"),
    "disconnected": N_("an operator has disconnected you ({why})"),
    "not_connected": N_("{nick} is not connected"),
    "session_replaced": N_("another session of {nick} has ended this one: log in again"),
    "password_changed": N_("the password of {nick} was changed: log in with the new one"),
    "account_closed": N_("{nick} was unregistered: log in again as a new user"),
    "not_identified": N_("not logged in: give your nick first"),
    "already_identified": N_("you are logged in as {nick}: give a password before you log in"),
    "not_you": N_("your nick is {nick}: use that one"),
    "no_such_user": N_("unknown user: {nick}"),
    "bad_group": N_("{group} is not a valid group name: {why}"),
    "group_exists": N_("group already exists: {group}; join it, or choose another name"),
    "no_such_group": N_("unknown group: {group}"),
    "already_member": N_("{nick} is already a member of {group}"),
    "already_invited": N_("{nick} is already invited to {group}"),
    "already_banned": N_("{nick} is already banned from {group}"),
    "already_operator": N_("{nick} is already an operator of {group}"),
    "not_member": N_("you are not a member of {group}: join it first"),
    "no_room": N_("you are in no room: /join a room, or /leave to go to the lobby"),
    "not_invited": N_("{group} is private: ask a member to invite you"),
    "banned": N_("{nick} is banned from {group}: ask an operator to lift the ban"),
    "not_banned": N_("{nick} is not banned from {group}"),
    "not_operator": N_("only the owner and the operators of {group} may do this"),
    "not_owner": N_("only the owner of {group} may do this"),
    "is_owner": N_("{nick} owns {group}: this can't be done to the owner"),
    "no_such_member": N_("{nick} is not a member of {group}"),
    "no_such_operator": N_("{nick} is not an operator of {group}"),
    "no_such_invitation": N_("{nick} is not invited to {group}"),
    "bad_link": N_("this invitation link is unknown, has expired or was withdrawn: ask for another one"),
    "no_such_link": N_("{group} has no link with the number {number}, or it is not yours"),
    "too_many_links": N_("{group} has {limit} links, the most that a group may have: revoke one of them"),
    "no_such_message": N_("there is no message with the id {id}, or its text was deleted"),
    "not_author": N_(
        "only its author may edit a message; without a password, only until the connection ends"
    ),
    "not_editable": N_("an image can't be edited: delete it, and send another one"),
    "same_text": N_("the message {id} has this text already"),
    "bad_reaction": N_("a reaction is an emoji or a word of at most {limit} characters, without blanks"),
    "already_reacted": N_("you have reacted so to the message {id} already"),
    "no_such_reaction": N_("you have not reacted so to the message {id}"),
    "too_many_reactions": N_("the message {id} has as many reactions as a message may have"),
    "too_many_groups": N_("you own {limit} groups, the most that one user may own: use one of them"),
    "group_full": N_("{group} has {limit} members, the most that a group may have: create another group"),
    "too_many_invitations": N_(
        "{nick} has {limit} invitations waiting, no more are allowed: wait until one is accepted or declined"
    ),
    "too_many_ignored": N_("you ignore {limit} users, the most that one user may: unignore one of them"),
    "empty": N_("the text is empty: write something"),
    "too_long": N_("{what} is longer than {limit} bytes: shorten it, or split it"),
    "bad_utf8": N_("invalid UTF-8: send text in UTF-8"),
    "bad_json": N_("invalid JSON request: {why}"),
    "bad_request": "{why}",
    "unknown_action": N_("unknown command: {name}; ask for help to list the commands"),
    "ref_reused": N_("the ref {ref} is used by another message of yours: give each message its own"),
    "login_timeout": N_("no login within {limit} seconds: connect again and give your nick first"),
    "too_many_refusals": N_("too many refusals before login: connect again and give your nick first"),
    "rate_limited": N_("{why}: try again in {seconds} seconds"),
    "storage_failed": N_("{why}; try again later"),
    "storage_full": N_("the database is full: ask an operator of the server to make room, or try later"),
    "shutting_down": N_("the daemon is shutting down: connect again later"),
    "slow_consumer": N_("too much unread data: connect again and resume"),
    "internal_error": N_("internal error: the daemon has logged it; your request is not at fault"),
}
"""The English sentence for each refusal code. Codes are part of the protocol and never change."""

REASON_SENTENCES: Final[dict[str, str]] = {
    "many_connections": N_("too many connections"),
    "many_logins": N_("too many logins from your address"),
    "many_new_nicks": N_("too many new nicks from your address"),
    "many_wrong_passwords": N_("too many wrong passwords or links"),
    "many_typing_marks": N_("too many typing marks"),
    "many_questions": N_("too many questions to the programs of this user"),
    "many_passwords": N_("too many passwords at once"),
    "bad_secret": N_("{name} must be a password without control characters"),
    "password_in_message": N_("this looks like a command with a password, and was not sent: begin it with /"),
    "token_as_password": N_("this looks like a token: choose another password"),
    "own_nick": N_("that is your own nick"),
    "no_reason": N_("no reason was given"),
    "no_duration": N_("{name} must be seconds, or a time such as 10m, 2h or 7d, of at most {limit} days"),
    "long_lifetime": N_("a link holds for {limit} days at most"),
    "own_machine": N_("the user is connected from the daemon's own machine, which can't be blocked"),
    "not_stored": N_("not stored: the disk could not be written, nothing was sent"),
    "not_read": N_("the log could not be read from the disk"),
    "not_answered": N_("not answered: the disk could not be written"),
    "too_deep": N_("it is nested more than {limit} levels deep: nest it less"),
    "cut_off": N_("it is incomplete"),
    "no_string": N_("{name} must be a string"),
    "no_choice": N_("{name} must be one of {choices}"),
    "no_time": N_("{name} must be a time such as 2026-11-21T10:00:00.000Z"),
    "no_words": N_("{name} must have a word with a letter or a digit"),
    "many_words": N_("a search may have at most {limit} words"),
    "around_alone": N_("{name} can't be combined with another bound"),
    "no_number": N_("{name} must be a whole number of at least {low}"),
    "missing": N_("{command} needs {name}"),
    "usage": N_("usage: {usage}"),
    "no_name": N_("a name must have at least one character"),
    "long_name": N_("a name may have at most {limit} characters: shorten it"),
    "reserved": N_('"{name}" is reserved: choose another name'),
    "look_alike": N_("it looks like {name}: choose another name"),
    "look_taken": N_("a name in use looks the same: choose another name"),
    "space": N_("a name must not contain spaces: remove {char}"),
    "syntax": N_("a name must not contain any of {syntax}: remove {char}"),
    "blank": N_("a name must not contain blank characters: remove {char}"),
    "control": N_("a name must not contain control characters: remove {char}"),
    "invisible": N_("a name must not contain invisible characters: remove {char}"),
    "unassigned": N_("a name must not contain unassigned characters: remove {char}"),
    "private_use": N_("a name must not contain private-use characters: remove {char}"),
    "surrogate": N_("a name must not contain lone surrogates: remove {char}"),
    "precis": N_("a name may contain only what RFC 8264 allows: remove {chars}"),
    "start": N_('a name must not start with "{char}"'),
    "combining": N_("a name must not start with a combining mark: remove {char}"),
    "marks": N_("a name may have at most {limit} combining marks on a letter: remove {char}"),
    "hidden_mark": N_("a name must not contain invisible marks: remove {char}"),
    "alphabets": N_("a name must use only one alphabet: choose between {others} and {last}"),
    "frame_type": N_("a frame must begin with 1, 2 or 3, not with {first}"),
    "frame_length": N_("a length must have at least one byte"),
}
"""The English sentence for each reason that fills ``{why}`` in the sentence of a refusal."""

RETRY_AFTER_SECONDS_BY_CODE: Final[dict[str, float]] = {
    "storage_failed": 1.0,
    "storage_full": 60.0,
    "shutting_down": 5.0,
    "rate_limited": 5.0,
}
"""The seconds after which a client may repeat a refused request, for each code of a temporary refusal."""

MAX_REFUSAL_DETAIL_CHARACTERS: Final = 256
"""The maximum number of characters of a value that is inserted into a refusal's sentence."""


class TranslatableText(str):
    """An English sentence, or a word that is inserted into a sentence, that can be translated later.

    The string itself is the English sentence with its details. ``template`` is the sentence with
    placeholders, as the translation catalogues contain it. ``details`` are the values for the placeholders,
    each cut to `MAX_REFUSAL_DETAIL_CHARACTERS`.
    """

    __slots__ = ("details", "template")

    template: str
    details: dict[str, object]

    def __new__(cls, template: str, **details: object) -> Self:
        """Create the phrase whose text is ``template`` with ``details`` in its placeholders."""
        kept = {name: _cut(value) for name, value in details.items()}
        phrase = super().__new__(cls, template.format(**kept))
        phrase.template = template
        phrase.details = kept
        return phrase

    def translated(self, translate: Callable[[str], str]) -> str:
        """Return this text in another language.

        ``translate`` maps an English template to a translated one.
        """
        return _filled(self.template, self.details, translate)


def translatable_reason(key: str, **details: object) -> TranslatableText:
    """Return the sentence that `REASON_SENTENCES` has for ``key``, with ``details`` filled in."""
    return TranslatableText(REASON_SENTENCES[key], **details)


class Refusal(Exception):
    """The refusal of a request: the client made an error, or the state of the chat does not allow it.

    A refusal also tells a client why the daemon ends its session. ``code`` is a key of `REFUSAL_SENTENCES`.
    ``details`` are the values for the sentence's placeholders, each cut to `MAX_REFUSAL_DETAIL_CHARACTERS`.
    """

    def __init__(self, code: str, **details: object) -> None:
        self.code = code
        self.details = {name: _cut(value) for name, value in details.items()}
        super().__init__(code, self.details)

    @property
    def text(self) -> str:
        """The English sentence that tells the user what is wrong and what to do."""
        return REFUSAL_SENTENCES[self.code].format(**self.details)

    def translated(self, translate: Callable[[str], str]) -> str:
        """Return the refusal's sentence in another language.

        ``translate`` maps an English template to a translated one.
        """
        return _filled(REFUSAL_SENTENCES[self.code], self.details, translate)

    @property
    def mentioned_name(self) -> str:
        """The nick or the group that this refusal mentions; empty if it mentions neither.

        The text dialect sends this name instead of the sentence (``ERR bo bby``, ``TKN alice``).
        """
        return str(self.details.get("nick") or self.details.get("group") or "")

    @property
    def retry_after(self) -> float | None:
        """The seconds after which the client may repeat the request; None if no such time is known."""
        seconds = self.details.get("seconds")
        return float(seconds) if isinstance(seconds, int) else RETRY_AFTER_SECONDS_BY_CODE.get(self.code)


def rate_limited_refusal(
    why: TranslatableText, seconds: float = RETRY_AFTER_SECONDS_BY_CODE["rate_limited"]
) -> Refusal:
    """Return the refusal of a request that exceeds a rate limit.

    ``why`` is a sentence that names the limit.

    The client may repeat the request after ``seconds``, which are rounded up.
    """
    return Refusal("rate_limited", why=why, seconds=math.ceil(seconds))


def _filled(template: str, details: dict[str, object], translate: Callable[[str], str]) -> str:
    """Return ``template``, translated and filled with ``details``. `TranslatableText` values are translated
    too.
    """
    return translate(template).format(
        **{
            name: value.translated(translate) if isinstance(value, TranslatableText) else value
            for name, value in details.items()
        }
    )


def _cut(value: object) -> object:
    if (
        isinstance(value, TranslatableText)
        or not isinstance(value, str)
        or len(value) <= MAX_REFUSAL_DETAIL_CHARACTERS
    ):
        return value
    return f"{value[:MAX_REFUSAL_DETAIL_CHARACTERS]}…"
