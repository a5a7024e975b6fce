"""Every way the daemon says no: one stable code and one sentence each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Self

from chatd.core.language import N_

SENTENCES: Final[dict[str, str]] = {
    "bad_nick": N_("{nick} can't be a nick: {why}"),
    "nick_taken": N_("{nick} is in use: choose another nick, or wait until they leave"),
    "not_identified": N_("say who you are first"),
    "not_you": N_("you are {nick}: speak in your own name"),
    "no_such_user": N_("nobody was ever called {nick} here"),
    "bad_group": N_("{group} can't be a group's name: {why}"),
    "group_exists": N_("there is a group {group} already: join it, or choose another name"),
    "no_such_group": N_("there is no group {group} that you can see"),
    "already_member": N_("{nick} is in {group} already"),
    "already_invited": N_("{nick} is invited to {group} already"),
    "already_banned": N_("{nick} is banned from {group} already"),
    "already_operator": N_("{nick} is an operator of {group} already"),
    "not_member": N_("you are not in {group}: join it first"),
    "no_room": N_("you are in no room: /join one, or /leave for the lobby"),
    "not_invited": N_("{group} is private: ask a member to invite you"),
    "banned": N_("{nick} is banned from {group}: ask an operator to lift it"),
    "not_banned": N_("{nick} is not banned from {group}"),
    "not_operator": N_("only the owner and the operators of {group} may do that"),
    "not_owner": N_("only the owner of {group} may do that"),
    "is_owner": N_("{nick} owns {group}: nobody can do that to the owner"),
    "no_such_member": N_("{nick} is not in {group}"),
    "no_such_operator": N_("{nick} is no operator of {group}"),
    "empty": N_("there is nothing in it: write something"),
    "too_long": N_("{what} is longer than {limit} bytes: say it in pieces"),
    "bad_utf8": N_("that is not UTF-8: send text in UTF-8"),
    "bad_json": N_("that is not a JSON object as this daemon takes it: {why}"),
    "bad_request": "{why}",
    "unknown_action": N_("there is no command {name}: ask for help to see what there is"),
    "ref_reused": N_("you gave the ref {ref} to another message: every message has its own"),
    "too_many_refusals": N_("you were refused too often without a name: connect again and say who you are"),
    "rate_limited": N_("too many connections: try again later"),
    "storage_failed": N_("{why}; try again later"),
    "shutting_down": N_("the daemon is shutting down: come back later"),
    "slow_consumer": N_("too much waits for you unread: come back and resume"),
    "internal_error": N_("the daemon made a mistake, it is logged: nothing you did"),
}
"""Code -> sentence. The codes are part of the protocol and never change; the sentences may."""

REASONS: Final[dict[str, str]] = {
    "not_stored": N_("not stored: the disk could not be written, nothing was sent"),
    "not_read": N_("the log could not be read from the disk"),
    "not_answered": N_("not answered: the disk could not be written"),
    "too_deep": N_("it is more than {limit} levels deep"),
    "cut_off": N_("it breaks off in the middle"),
    "no_string": N_("{name} is a string"),
    "no_choice": N_("{name} is one of {choices}"),
    "no_number": N_("{name} is a whole number from {low}"),
    "missing": N_("{command} needs {name}"),
    "usage": N_("say {usage}"),
    "no_name": N_("a name has at least one character"),
    "long_name": N_("a name has at most {limit} characters: shorten it"),
    "reserved": N_('"{name}" is reserved: choose another name'),
    "look_alike": N_("it looks like {name}: choose another name"),
    "look_taken": N_("a name in use looks the same: choose another name"),
    "space": N_("a name has no spaces: leave out {char}"),
    "syntax": N_("a name has none of {syntax}: leave out {char}"),
    "blank": N_("a name has no blanks: leave out {char}"),
    "control": N_("a name has no control characters: leave out {char}"),
    "invisible": N_("a name has no invisible characters: leave out {char}"),
    "unassigned": N_("a name has no unassigned characters: leave out {char}"),
    "private_use": N_("a name has no private-use characters: leave out {char}"),
    "surrogate": N_("a name has no lone surrogates: leave out {char}"),
    "precis": N_("a name keeps to what RFC 8264 allows: leave out {chars}"),
    "start": N_('a name does not start with "{char}"'),
    "combining": N_("a name does not start with a combining mark: leave out {char}"),
    "marks": N_("a name has at most {limit} marks on a letter: leave out {char}"),
    "hidden_mark": N_("a name has no mark that can't be seen: leave out {char}"),
    "alphabets": N_("a name keeps to one alphabet: choose between {others} and {last}"),
    "frame_type": N_("a frame begins with 1, 2 or 3, not with {first}"),
    "frame_length": N_("a length has at least one byte"),
}
"""What is wrong with a name, a field or a frame -> the ``why`` of a refusal."""

RETRY_AFTER: Final[dict[str, float]] = {"storage_failed": 1.0, "shutting_down": 5.0, "rate_limited": 5.0}
"""Code -> seconds after which the same request may be tried again, for refusals that pass."""

ECHO: Final = 256
"""Characters of one detail that a refusal repeats at most: all of any name, but not all of any frame."""


class Phrase(str):
    """English words in the sentence of a refusal, which can be said in another language as well.

    ``template`` is the sentence or the word that the catalogues have, and ``details`` fill it, each cut at
    `ECHO` characters.
    """

    __slots__ = ("details", "template")

    template: str
    details: dict[str, object]

    def __new__(cls, template: str, **details: object) -> Self:
        """``template``, filled."""
        kept = {name: _cut(value) for name, value in details.items()}
        phrase = super().__new__(cls, template.format(**kept))
        phrase.template = template
        phrase.details = kept
        return phrase

    def translated(self, translate: Callable[[str], str]) -> str:
        """The same, where ``translate`` has the words of another language for an English sentence."""
        return _filled(self.template, self.details, translate)


def reason(wrong: str, **details: object) -> Phrase:
    """The sentence in `REASONS` for what is ``wrong``, filled with ``details``."""
    return Phrase(REASONS[wrong], **details)


class Refusal(Exception):
    """A request that is answered instead of obeyed: an error of the peer's, or of circumstance.

    ``code`` is a key of `SENTENCES`; ``details`` fill its sentence, each cut at `ECHO` characters.
    """

    def __init__(self, code: str, **details: object) -> None:
        self.code = code
        self.details = {name: _cut(value) for name, value in details.items()}
        super().__init__(code, self.details)

    @property
    def text(self) -> str:
        """The sentence that tells a person what to do."""
        return SENTENCES[self.code].format(**self.details)

    def translated(self, translate: Callable[[str], str]) -> str:
        """The same sentence, where ``translate`` has the words of another language for an English one."""
        return _filled(SENTENCES[self.code], self.details, translate)

    @property
    def about(self) -> str:
        """The nick, else the group, that is refused, which the text dialect shows in its place
        (``ERR bo bby``, ``TKN alice``); empty when the refusal names nobody.
        """
        return str(self.details.get("nick") or self.details.get("group") or "")

    @property
    def retry_after(self) -> float | None:
        """Seconds after which trying again makes sense; None when it never does."""
        return RETRY_AFTER.get(self.code)


def _filled(template: str, details: dict[str, object], translate: Callable[[str], str]) -> str:
    """``template`` in another language, with what can be translated of ``details`` in it as well."""
    return translate(template).format(
        **{
            name: value.translated(translate) if isinstance(value, Phrase) else value
            for name, value in details.items()
        }
    )


def _cut(value: object) -> object:
    if isinstance(value, Phrase) or not isinstance(value, str) or len(value) <= ECHO:
        return value
    return f"{value[:ECHO]}…"
