"""Conversations on the core alone: what a user types, and the events or the refusal that it leads to."""

from __future__ import annotations

from textwrap import dedent

from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from chatd.core import commands as c
from chatd.core.audience import Audience, users_who_receive
from chatd.core.commands import COMMANDS, Command
from chatd.core.events import ChatEvent, User
from chatd.core.limits import Limits
from chatd.core.names import parse_nick
from chatd.core.quotas import check_quotas
from chatd.core.refusals import Refusal
from chatd.core.rules import CHANGE_RULES, Decision, decide
from chatd.core.state import Group, State

TYPED = {row.semicolon_word or row.name: row for row in COMMANDS.values()}


def command(typed: str) -> Command:
    """The command that is typed ``kick;wob;bob;too loud``; one without a word of its own goes by its name."""
    word, *rest = typed.split(";", 1)
    row = TYPED[word]
    parts = rest[0].split(";", len(row.typeable_fields) - 1) if rest else ()
    return row.build(dict(zip(row.typeable_fields, parts, strict=False)), Limits())


class Chat:
    """A state, everything decided about it so far, and the audiences of each decision's events."""

    def __init__(self, *nicks: str, limits: Limits | None = None) -> None:
        self.state = State()
        self.limits = limits or Limits()
        self.decisions: list[Decision] = []
        self.audiences: list[list[Audience]] = []
        for nick in nicks:
            self.state.apply(self.state.build_user(parse_nick(nick)))

    def user(self, nick: str) -> User:
        """The user called ``nick``."""
        return self.state.require_user(nick)

    def does(self, nick: str, command: Command) -> Decision:
        """Decide a command by ``nick`` and apply the decision. Raises `Refusal`."""
        decision = decide(self.state, self.user(nick), command)
        check_quotas(self.state, decision, self.limits)
        for record in decision.records:
            self.state.apply(record)
        audiences = []
        for event in decision.events:
            audiences.append(users_who_receive(self.state, event))
            self.state.apply(event)
        self.decisions.append(decision)
        self.audiences.append(audiences)
        return decision

    def outcome(self, line: str) -> list[str]:
        """The outcome of one line of a script, as lines."""
        nick, asks, typed = line.partition(": ")
        if not asks:
            return described(self.state.require_visible_group(line.removesuffix("?"), self.user("alice")))
        try:
            decision = self.does(nick, command(typed))
        except Refusal as refusal:
            return [f"{refusal.code}: {refusal.text}"]
        # All events of a decision have equal audiences.
        told = "nobody"
        for to in self.audiences[-1]:
            told = "everyone" if to is None else " ".join(self.state.users[id].nick for id in to)
        return [*map(happening, decision.events), f"told: {told}"]


def happening(event: ChatEvent) -> str:
    """An event as a line."""
    where = event.conversation.name or event.conversation.kind
    about = f" {event.subject.nick}" if event.subject is not None else ""
    return f"{event.actor.nick} {event.kind} {where}{about}{f': {event.body}' if event.body else ''}"


def described(group: Group) -> list[str]:
    """The state of a group, as one line."""
    members = [f"{user.nick} ({group.role(user)})" for user in group.members.values()]
    held = (
        ", ".join(members) or "empty",
        f"invited {sorted(group.invitations)}" if group.invitations else "",
        f"banned {sorted(group.banned_user_ids)}" if group.banned_user_ids else "",
        f"about {group.topic}" if group.topic else "",
    )
    return [f"{group.visibility}: {'; '.join(filter(None, held))}"]


NICKS = ("ann", "Bob", "cid", "dee")
GROUPS = ("wob", "WOB", "den")
A_NICK = st.sampled_from((*NICKS, "BOB", "mallory", "not a nick"))
A_GROUP = st.sampled_from((*GROUPS, "nowhere", "#bad"))
VALUES = {
    "group": A_GROUP,
    "dest": A_NICK,
    "visibility": st.sampled_from(("public", "private")),
    "age": st.sampled_from((None, 60)),
    "mode": st.sampled_from(("all", "since_joining")),
    "msg": st.sampled_from(("hello", "/me waves")),
    "kind": st.sampled_from(("message", "image", "notice")),
    "missing": st.sampled_from(("refuse", "create")),
    "reason": st.sampled_from(("", "loud")),
    "topic": st.sampled_from(("", "weather")),
    "reply_to": st.none(),  # what a message answers is known to the store alone
}
DECIDED = [row for row in COMMANDS.values() if row.command in CHANGE_RULES]
A_COMMAND: st.SearchStrategy[Command] = st.sampled_from(DECIDED).flatmap(
    lambda row: st.builds(row.command, **{name: VALUES[name] for name in row.fields})
)
# Most random commands are refused: a group with members comes first, so that there is something to change.
OPENING = (
    ("ann", c.CreateGroup("wob")),
    ("Bob", c.Join("wob")),
    ("cid", c.Join("wob")),
    ("ann", c.Promote("wob", "Bob")),
)

HISTORIES = st.lists(st.tuples(st.sampled_from(NICKS), A_COMMAND), max_size=60).map(
    lambda acts: [*OPENING, *acts]
)
"""Sequences of commands by the users `NICKS`, each with its author. Many of them are refused."""


class RulesTestCase(SynchronousTestCase):
    """A test with alice, bob, carol and dave, who are the users 1 to 4."""

    def setUp(self) -> None:
        """Make the four users known."""
        self.chat = Chat("alice", "bob", "carol", "dave")

    def play(self, script: str) -> None:
        """Play the lines of ``script`` that are not indented; the indented ones are the expected outcome.

        ``bob: j;wob`` is a command of bob; ``wob?`` asks for the state of a group.
        """
        expected = [line for line in dedent(script).splitlines() if line.strip()]
        played: list[str] = []
        for line in expected:
            if not line.startswith(" "):
                played += [line, *(f"    {outcome}" for outcome in self.chat.outcome(line))]
        self.assertEqual(played, expected)
