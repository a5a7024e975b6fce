"""The rules of reactions: pure functions that decide who may react to which message, and with what.

`chatd.chat.reactions` carries out the commands.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Final
from unicodedata import category, normalize

from chatd.core import commands as c
from chatd.core.events import AnsweredMessage, ChatEvent, EventKind, LogEntry, User
from chatd.core.message_rules import check_may_read_conversation_of, no_such_message_refusal
from chatd.core.refusals import Refusal
from chatd.core.rules import Decision
from chatd.core.state import State
from chatd.core.tokens import Token

MAX_REACTION_CODE_POINTS: Final = 16
"""The maximum number of code points in a reaction. Some emojis have ten."""

MAX_DIFFERENT_REACTIONS: Final = 20
"""The maximum number of different reactions to one message."""

MAX_REACTIONS: Final = 200
"""The maximum number of reactions to one message, by whomever. A page shows all of them."""

ZERO_WIDTH_JOINER: Final = "\u200d"
"""The invisible character that joins emojis to one."""

# The characters with Unicode's property Default_Ignorable_Code_Point whose category is not Cf, except
# the variation selectors of emojis; and the symbols that are drawn as nothing or as a box.
_INVISIBLE: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2065\u2800\u3164\ufe00-\ufe0d\uffa0\ufff0-\ufff8\ufffc\ufffd"
    "\U00016fe4\U0001d159\U000e0000-\U000e0fff]"
)

ReactionsWithUserIds = Sequence[tuple[str, int]]
"""The reactions to a message that were not taken back: each with the id of the user."""


def decide_reaction(
    state: State,
    user: User,
    message: LogEntry,
    command: c.ReactToMessage | c.TakeReactionBack,
    token: Token | None,
    reactions: ReactionsWithUserIds,
) -> Decision:
    """Return the changes (a `Decision`) by which ``user`` reacts to ``message``, or removes a reaction to it.

    ``message`` is the log entry that ``command`` names, ``reactions`` are the reactions that it already has,
    and ``token`` is that of the session or None. Raises `Refusal` ``no_such_message`` if the entry is not a
    message, has no text any more, is in a conversation that the user may not read or that is outside the
    scope of the token, or is by an author whom the user ignores; ``bad_reaction``, ``already_reacted``,
    ``no_such_reaction`` or ``too_many_reactions``.
    """
    check_may_read_conversation_of(state, user, message, token)
    said = message.event
    author = said.actor
    if not said.is_message or said.is_tombstone or author.id in state.ignored_user_ids(user):
        raise no_such_message_refusal(message.id)
    reaction = parse_reaction(command.reaction)
    has_reacted = (reaction, user.id) in reactions
    kind: EventKind = "reacted"
    if isinstance(command, c.TakeReactionBack):
        kind = "unreacted"
        if not has_reacted:
            raise Refusal("no_such_reaction", id=message.id)
    elif has_reacted:
        raise Refusal("already_reacted", id=message.id)
    else:
        _check_room(message, reaction, reactions)
    conversation = said.conversation
    receiver = conversation.other_user(user) if conversation.pair else None
    answered = AnsweredMessage(message.id, author)
    return Decision((ChatEvent(kind, conversation, user, receiver, reaction, answered_message=answered),))


def parse_reaction(text: str) -> str:
    """Return the reaction in ``text``, normalized to NFC. Raises `Refusal` ``bad_reaction``.

    A reaction has 1 to `MAX_REACTION_CODE_POINTS` code points, without blanks, and without invisible
    characters except a joiner between two characters. At most two combining marks follow each other, and the
    first code point is not a combining mark.
    """
    reaction = normalize("NFC", text)
    refusal = Refusal("bad_reaction", limit=MAX_REACTION_CODE_POINTS)
    if not 0 < len(reaction) <= MAX_REACTION_CODE_POINTS:
        raise refusal
    kinds = ["J" if one == ZERO_WIDTH_JOINER else category(one) for one in reaction]
    if any(kind[0] == "Z" or kind in ("Cc", "Cf", "Cs", "Co") for kind in kinds):
        raise refusal
    if _INVISIBLE.search(reaction):
        raise refusal
    marks = [kind[0] == "M" for kind in kinds]
    joins = [kind == "J" for kind in kinds]
    if marks[0] or joins[0] or joins[-1]:
        raise refusal
    if any(map(all, zip(marks, marks[1:], marks[2:], strict=False))) or any(map(all, pairwise(joins))):
        raise refusal
    return reaction


def _check_room(message: LogEntry, reaction: str, reactions: ReactionsWithUserIds) -> None:
    """Check that ``message``, which has ``reactions``, may have ``reaction`` as well.

    Raises `Refusal` ``too_many_reactions``.
    """
    different = {one for one, _ in reactions}
    if len(reactions) >= MAX_REACTIONS or len(different | {reaction}) > MAX_DIFFERENT_REACTIONS:
        raise Refusal("too_many_reactions", id=message.id)
