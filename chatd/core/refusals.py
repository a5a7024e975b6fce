"""Every way the daemon says no: one stable code and one sentence each."""

from __future__ import annotations

from typing import Final

SENTENCES: Final[dict[str, str]] = {
    "bad_nick": "{nick} can't be a nick: {why}",
    "nick_taken": "{nick} is in use: choose another nick, or wait until they leave",
    "not_identified": "say who you are first",
    "not_you": "you are {nick}: speak in your own name",
    "no_such_user": "nobody was ever called {nick} here",
    "bad_group": "{group} can't be a group's name: {why}",
    "group_exists": "there is a group {group} already: join it, or choose another name",
    "no_such_group": "there is no group {group} that you can see",
    "already_member": "{nick} is in {group} already",
    "already_invited": "{nick} is invited to {group} already",
    "already_banned": "{nick} is banned from {group} already",
    "already_operator": "{nick} is an operator of {group} already",
    "not_member": "you are not in {group}: join it first",
    "not_invited": "{group} is private: ask a member to invite you",
    "banned": "{nick} is banned from {group}: ask an operator to lift it",
    "not_banned": "{nick} is not banned from {group}",
    "not_operator": "only the owner and the operators of {group} may do that",
    "not_owner": "only the owner of {group} may do that",
    "is_owner": "{nick} owns {group}: nobody can do that to the owner",
    "no_such_member": "{nick} is not in {group}",
    "no_such_operator": "{nick} is no operator of {group}",
    "empty": "there is nothing in it: write something",
    "too_long": "{what} is longer than {limit} bytes: say it in pieces",
    "bad_utf8": "that is not UTF-8: send text in UTF-8",
    "bad_json": "that is not a JSON object as this daemon takes it: {why}",
    "bad_request": "{why}",
    "unknown_action": "there is no command {name}: ask for help to see what there is",
    "ref_reused": "you gave the ref {ref} to another message: every message has its own",
    "rate_limited": "too many connections: try again later",
    "storage_failed": "it could not be written to disk and did not happen: try again later",
    "shutting_down": "the daemon is shutting down: come back later",
    "slow_consumer": "too much waits for you unread: come back and resume",
    "internal_error": "the daemon made a mistake, it is logged: nothing you did",
}
"""Code -> sentence. The codes are part of the protocol and never change; the sentences may."""

RETRY_AFTER: Final[dict[str, float]] = {"storage_failed": 1.0, "shutting_down": 5.0, "rate_limited": 5.0}
"""Code -> seconds after which the same request may be tried again, for refusals that pass."""

ECHO: Final = 256
"""Characters of one detail that a refusal repeats at most: all of any name, but not all of any frame."""


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


def _cut(value: object) -> object:
    return f"{value[:ECHO]}…" if isinstance(value, str) and len(value) > ECHO else value
