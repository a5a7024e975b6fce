"""Who receives an event: the same users before and after it is applied."""

from __future__ import annotations

from hypothesis import given, settings
from twisted.trial.unittest import SynchronousTestCase

from chatd.core import commands as c
from chatd.core.audience import Audience, users_who_receive
from chatd.core.commands import Command
from chatd.core.events import LOBBY, ChatEvent
from chatd.core.refusals import Refusal
from chatd.core.rules import Decision, decide
from chatd.core.state import State
from tests.support.effort import effort
from tests.support.rules_case import HISTORIES, NICKS, Chat


def of_the_decision(state: State, decision: Decision) -> set[int] | None:
    """Who receives the events of a decision, from ``state`` before any of it is applied.

    All members before it, and everyone whom one of its events adds, removes or is about.
    """
    conversation = decision.events[0].conversation
    if conversation.kind == "lobby":
        return None
    if conversation.kind == "direct":
        return {user.id for user in conversation.pair}
    group = state.find_group(conversation.name)
    members = set() if group is None else set(group.members)
    return members | {
        (event.subject or event.actor).id
        for event in decision.events
        if not event.is_message or group is None
    }


class Audiences(SynchronousTestCase):
    @settings(max_examples=effort(150), deadline=None)
    @given(HISTORIES)
    def test_it_is_the_same_before_and_after_the_event(self, acts: list[tuple[str, Command]]) -> None:
        state = Chat(*NICKS).state
        for nick, asked in acts:
            try:
                decision = decide(state, state.require_user(nick), asked)
            except Refusal:
                continue
            expected = of_the_decision(state, decision) if decision.events else set()
            for record in decision.records:
                state.apply(record)
            for event in decision.events:
                before = users_who_receive(state, event)
                state.apply(event)
                self.assertEqual(users_who_receive(state, event), before)
                self.assertEqual(before if before is None else set(before), expected)
                self.assertEqual(before if before is None else list(before), expected and sorted(expected))

    def test_of_a_conversation_that_is_not_applied_yet(self) -> None:
        state = Chat("alice", "bob").state
        alice, bob = state.users.values()
        for asked, expected in ((c.CreateGroup("wob"), (1,)), (c.SendToUser("bob", "hi"), (1, 2))):
            (event,) = decide(state, alice, asked).events
            self.assertEqual(users_who_receive(state, event), expected)
        (event,) = decide(state, bob, c.SendToUser("alice", "hi")).events
        self.assertEqual(users_who_receive(state, event), (1, 2))

    def test_messages_of_a_conversation_have_the_identical_one(self) -> None:
        """That is what the fan-out joins by."""
        chat = Chat("bob", "alice")
        chat.outcome("alice: cg;wob")
        chat.outcome("bob: j;wob")

        def told(nick: str, asked: Command) -> Audience:
            chat.does(nick, asked)
            return chat.audiences[-1][0]

        for one, other in (
            (c.SendToGroup("wob", "one"), c.SendToGroup("WOB", "two")),
            (c.SendToUser("bob", "one"), c.SendToUser("BOB", "two")),
            (c.SendToUser("alice", "one"), c.SendToUser("alice", "two")),
        ):
            first = told("alice", one)
            self.assertIs(told("alice", other), first)
        group = chat.state.require_visible_group("wob", chat.user("alice"))
        self.assertIs(told("bob", c.SendToGroup("wob", "three")), group.member_ids)

    def test_everyone_hears_the_lobby(self) -> None:
        chat = Chat("alice")
        self.assertIsNone(
            users_who_receive(chat.state, ChatEvent("message", LOBBY, chat.user("alice"), None, "hi"))
        )

    def test_who_is_kicked_or_invited_hears_of_it(self) -> None:
        chat = Chat("alice", "bob", "carol")
        for line in ("carol: cg;wob", "carol: invite;wob;alice", "alice: j;wob", "carol: kick;wob;alice"):
            chat.outcome(line)
        self.assertEqual(chat.audiences, [[(3,)], [(1, 3)], [(1, 3)], [(1, 3)]])

    def test_an_owner_who_leaves_hears_who_inherits(self) -> None:
        chat = Chat("alice", "bob")
        for line in ("alice: cg;wob", "bob: j;wob", "alice: leave;wob"):
            chat.outcome(line)
        self.assertEqual(chat.audiences[-1], [(1, 2), (1, 2)])
