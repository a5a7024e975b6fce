"""Conversations on the core alone: what somebody types, and what is decided about it."""

from __future__ import annotations

from textwrap import dedent

from twisted.trial.unittest import SynchronousTestCase

from chatd.core.audience import audience
from chatd.core.commands import COMMANDS, Command
from chatd.core.events import Event, User
from chatd.core.limits import Limits
from chatd.core.names import parse_nick
from chatd.core.refusals import Refusal
from chatd.core.rules import Decision, decide
from chatd.core.state import Group, State

TYPED = {row.word or row.name: row for row in COMMANDS.values()}


def command(typed: str) -> Command:
    """The command that is typed ``kick;wob;bob;too loud``; one without a word of its own goes by its name."""
    word, *rest = typed.split(";", 1)
    row = TYPED[word]
    parts = rest[0].split(";", len(row.typed) - 1) if rest else ()
    return row.build(dict(zip(row.typed, parts, strict=False)), Limits())


class Chat:
    """A state, everything decided about it so far, and the audience of the last decision."""

    def __init__(self, *nicks: str) -> None:
        self.state = State()
        self.decisions: list[Decision] = []
        for nick in nicks:
            self.state.apply(self.state.new_user(parse_nick(nick)))

    def user(self, nick: str) -> User:
        """The user called ``nick``."""
        return self.state.user(nick)

    def does(self, nick: str, command: Command) -> Decision:
        """Decide a command by ``nick`` and make what it comes to so. Raises `Refusal`."""
        decision = decide(self.state, self.user(nick), command)
        for record in decision.records:
            self.state.apply(record)
        told: set[int] = set()
        self.audience: tuple[int, ...] | None = ()
        for event in decision.events:
            before = audience(self.state, event)
            self.state.apply(event)
            after = audience(self.state, event)
            assert (before and set(before)) == (after and set(after)), (event.kind, before, after)
            if before is None or self.audience is None:
                self.audience = None
            else:
                self.audience += tuple(id for id in before if id not in told)
                told.update(before)
        self.decisions.append(decision)
        return decision

    def outcome(self, line: str) -> list[str]:
        """What comes of a line of a play, as lines."""
        nick, asks, typed = line.partition(": ")
        if not asks:
            return described(self.state.group(line.removesuffix("?"), self.user("alice")))
        try:
            decision = self.does(nick, command(typed))
        except Refusal as refusal:
            return [f"{refusal.code}: {refusal.text}"]
        return [
            *map(happening, decision.events),
            f"told: {' '.join(self.state.users[id].nick for id in self.audience) or 'nobody'}"
            if self.audience is not None
            else "told: everyone",
        ]


def happening(event: Event) -> str:
    """An event as a line."""
    where = event.conversation.name or event.conversation.kind
    about = f" {event.subject.nick}" if event.subject is not None else ""
    return f"{event.actor.nick} {event.kind} {where}{about}{f': {event.body}' if event.body else ''}"


def described(group: Group) -> list[str]:
    """All there is to know about a group, as one line."""
    members = [f"{user.nick} ({group.role(user)})" for user in group.members.values()]
    held = (
        ", ".join(members) or "empty",
        f"invited {sorted(group.invited)}" if group.invited else "",
        f"banned {dict(sorted(group.banned.items()))}" if group.banned else "",
        f"about {group.topic}" if group.topic else "",
    )
    return [f"{group.visibility}: {'; '.join(filter(None, held))}"]


class PlayTestCase(SynchronousTestCase):
    """A test with alice, bob, carol and dave, who are the users 1 to 4."""

    def setUp(self) -> None:
        """Let them in."""
        self.chat = Chat("alice", "bob", "carol", "dave")

    def play(self, script: str) -> None:
        """Play the lines of ``script`` that are not indented, and compare what comes of each with the others.

        ``bob: j;wob`` is what bob does; ``wob?`` asks for the state of a group.
        """
        expected = [line for line in dedent(script).splitlines() if line.strip()]
        played: list[str] = []
        for line in expected:
            if not line.startswith(" "):
                played += [line, *(f"    {outcome}" for outcome in self.chat.outcome(line))]
        self.assertEqual(played, expected)
