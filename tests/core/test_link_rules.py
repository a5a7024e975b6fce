"""The rules of invitation links, on the core alone."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from chatd.core import commands as c
from chatd.core.accounts import Secret, UserRenamed
from chatd.core.events import CONSOLE, ChatEvent
from chatd.core.limits import Limits
from chatd.core.link_rules import (
    delete_expired_invitation_links,
    invitation_link_deletions_after,
    invitation_link_list_item,
    list_invitation_links,
    make_invitation_link,
    revoke_invitation_link,
    use_invitation_link,
)
from chatd.core.links import InvitationLink, invitation_link_digest
from chatd.core.refusals import Refusal
from chatd.core.rules import Decision, decide
from tests.support.effort import effort
from tests.support.rules_case import A_COMMAND, NICKS, OPENING, Chat, RulesTestCase, happening

LIMITS = Limits(links_per_group=3, invitation_days=2)
DAY = 86_400_000


class LinkRules(RulesTestCase):
    """Alice owns the private group wob, of which bob is a member and carol an operator."""

    def setUp(self) -> None:
        """Let them join."""
        super().setUp()
        self.state = self.chat.state
        self.alice, self.bob, self.carol, self.dave = map(self.chat.user, ("alice", "bob", "carol", "dave"))
        self.chat.does("alice", c.CreateGroup("wob", "private"))
        for nick in ("bob", "carol"):
            self.chat.does("alice", c.Invite("wob", nick))
            self.chat.does(nick, c.Join("wob"))
        self.chat.does("alice", c.Promote("wob", "carol"))

    def applied(self, decision: Decision) -> Decision:
        """Apply a decision, with what follows from it."""
        for record in (*decision.records, *invitation_link_deletions_after(self.state, decision.events)):
            self.state.apply(record)
        for event in decision.events:
            self.state.apply(event)
        return decision

    def makes(self, nick: str, link: str, now: int = 0, lifetime: int | None = None) -> InvitationLink:
        """Have ``nick`` make a link."""
        command, digest = c.MakeInvitationLink("WOB", lifetime), invitation_link_digest(Secret(link))
        decision = make_invitation_link(self.state, self.chat.user(nick), command, digest, LIMITS, now)
        made = self.applied(decision).records[-1]
        assert isinstance(made, InvitationLink)
        return made

    def uses(self, nick: str, link: str, now: int = 0) -> list[str]:
        """What happens when ``nick`` uses a link."""
        command = c.UseInvitationLink(Secret(link))
        decision = self.applied(use_invitation_link(self.state, self.chat.user(nick), command, now))
        return [happening(event) for event in decision.events]

    def code(self, nick: str, link: str, now: int = 0) -> str:
        """How it is refused."""
        refusal: Refusal = self.assertRaises(Refusal, self.uses, nick, link, now)
        return refusal.code

    def numbers(self, nick: str, now: int = 0) -> list[int]:
        """The numbers of the links that ``nick`` sees."""
        return [
            line.number for line in list_invitation_links(self.state, self.chat.user(nick), "wob", now).links
        ]

    def revokes(self, nick: str, number: int, now: int = 0) -> None:
        """Have ``nick`` revoke a link."""
        self.applied(
            revoke_invitation_link(
                self.state, self.chat.user(nick), c.RevokeInvitationLink("wob", number), now
            )
        )

    def test_its_maker_lets_the_user_in(self) -> None:
        self.makes("bob", "x")
        self.assertEqual(self.uses("dave", "x"), ["bob invited wob dave", "dave joined wob"])
        self.assertEqual(self.state.require_visible_group("wob", self.dave).role(self.dave), "member")
        self.assertEqual(list_invitation_links(self.state, self.bob, "wob", 0).links[0].use_count, 1)
        self.assertEqual(self.state.count_invitations_to(self.dave), 0)

    def test_an_invitation_by_somebody_else_is_used_up(self) -> None:
        self.chat.does("alice", c.Invite("wob", "dave"))
        self.makes("bob", "x")
        self.assertEqual(self.uses("dave", "x"), ["bob invited wob dave", "dave joined wob"])
        self.assertEqual(self.state.count_invitations_to(self.dave), 0)

    def test_unknown_expired_and_revoked_are_one(self) -> None:
        """With no word about the group."""
        self.makes("bob", "late", lifetime=60)
        self.makes("bob", "gone")
        self.revokes("bob", 2)
        for link, now in (("never", 0), ("late", 60_000), ("gone", 0)):
            refusal: Refusal = self.assertRaises(Refusal, self.uses, "dave", link, now)
            self.assertEqual((refusal.code, refusal.details), ("bad_link", {}))
        self.assertEqual(len(self.uses("dave", "late", 59_999)), 2)

    def test_who_is_not_let_in(self) -> None:
        self.makes("bob", "x")
        self.chat.does("alice", c.Ban("wob", "dave"))
        self.assertEqual((self.code("dave", "x"), self.code("bob", "x")), ("banned", "already_member"))
        self.assertEqual(
            self.state.invitation_links_of(self.state.require_visible_group("wob", self.bob).conversation)[
                0
            ].use_count,
            0,
        )

    def test_how_long_it_holds(self) -> None:
        self.assertEqual(self.makes("bob", "a", 5).expires_at, 5 + 2 * DAY)
        self.assertEqual(self.makes("bob", "b", 5, 365 * 86_400).expires_at, 5 + 365 * DAY)
        refusal: Refusal = self.assertRaises(Refusal, self.makes, "bob", "c", 5, 365 * 86_400 + 1)
        self.assertEqual(refusal.text, "a link holds for 365 days at most")
        limits = Limits(invitation_days=1000)
        decision = make_invitation_link(
            self.state, self.bob, c.MakeInvitationLink("wob"), Secret("d"), limits, 0
        )
        self.assertEqual(decision.records[-1].expires_at, 365 * DAY)  # type: ignore[union-attr]

    def test_there_are_not_too_many(self) -> None:
        """Of whomever; those that have expired make room, and are deleted."""
        self.makes("alice", "a", lifetime=60)
        self.makes("bob", "b")
        self.makes("carol", "c")
        refusal: Refusal = self.assertRaises(Refusal, self.makes, "bob", "d", 59_999)
        self.assertEqual((refusal.code, refusal.details["limit"]), ("too_many_links", 3))
        self.assertEqual(self.makes("bob", "d", 60_000).number, 4)
        self.assertEqual([link.number for link in self.state.invitation_links.values()], [2, 3, 4])

    def test_who_sees_and_revokes_which(self) -> None:
        """Operators all, the others their own; what one does not see is not there."""
        for nick in ("alice", "bob", "carol"):
            self.makes(nick, nick, lifetime=60)
        self.assertEqual(
            [self.numbers(nick) for nick in ("alice", "bob", "carol")], [[1, 2, 3], [2], [1, 2, 3]]
        )
        self.assertEqual(self.numbers("alice", 60_000), [])
        for nick, number, now in (("bob", 1, 0), ("bob", 4, 0), ("alice", 1, 60_000)):
            refusal: Refusal = self.assertRaises(Refusal, self.revokes, nick, number, now)
            self.assertEqual(refusal.code, "no_such_link")
        self.revokes("bob", 2)
        self.revokes("carol", 1)
        self.assertEqual(self.numbers("carol"), [3])

    def test_for_others_the_group_is_not_there(self) -> None:
        self.makes("alice", "x")
        for refused in (
            lambda: list_invitation_links(self.state, self.dave, "wob", 0),
            lambda: self.revokes("dave", 1),
            lambda: self.makes("dave", "y"),
        ):
            self.assertEqual(self.assertRaises(Refusal, refused).code, "no_such_group")
        self.chat.does("alice", c.SetVisibility("wob", "public"))
        self.assertEqual(self.assertRaises(Refusal, self.revokes, "dave", 1).code, "not_member")

    def test_it_ends_with_its_makers_membership(self) -> None:
        """For good: who comes back finds it dead."""
        for number, ended in enumerate((c.Leave("wob"), c.Kick("wob", "bob"), c.Ban("wob", "bob"))):
            with self.subTest(ended):
                self.makes("bob", f"his {number}")
                kept = self.makes("carol", f"hers {number}")
                self.applied(decide(self.state, self.bob if number == 0 else self.alice, ended))
                self.assertEqual(self.code("dave", f"his {number}"), "bad_link")
                if number == 2:
                    self.chat.does("alice", c.Unban("wob", "bob"))
                self.chat.does("alice", c.Invite("wob", "bob"))
                self.chat.does("bob", c.Join("wob"))
                self.assertEqual(self.code("dave", f"his {number}"), "bad_link")
                self.assertEqual(list(self.state.invitation_links.values()), [kept])
                self.revokes("alice", kept.number)

    def test_all_end_when_the_group_is_closed(self) -> None:
        self.chat.does("dave", c.CreateGroup("den"))
        for nick in ("alice", "bob"):
            self.makes(nick, nick)
        other = make_invitation_link(
            self.state,
            self.dave,
            c.MakeInvitationLink("den"),
            invitation_link_digest(Secret("den")),
            LIMITS,
            0,
        )
        self.applied(other)
        wob = self.state.require_visible_group("wob", self.alice).conversation
        self.applied(Decision((ChatEvent("closed", wob, CONSOLE),)))
        self.assertEqual([self.code("dave", nick) for nick in ("alice", "bob")], ["bad_link", "bad_link"])
        self.assertEqual(list(self.state.invitation_links.values()), list(other.records))

    def test_what_the_sweep_deletes(self) -> None:
        self.makes("bob", "a", lifetime=60)
        kept = self.makes("bob", "b", lifetime=61)
        self.applied(delete_expired_invitation_links(self.state, 60_000, 9))
        self.assertEqual(list(self.state.invitation_links.values()), [kept])
        self.assertEqual(delete_expired_invitation_links(self.state, 60_000, 9).records, ())

    def test_a_renamed_maker(self) -> None:
        """Lists tell the present nick."""
        made = self.makes("bob", "x")
        self.assertEqual(invitation_link_list_item(self.state, made).maker_nick, "bob")
        self.state.apply(UserRenamed(replace(self.bob, nick="robert", normalized_nick="robert")))
        self.assertEqual(invitation_link_list_item(self.state, made).maker_nick, "robert")


HISTORIES = st.lists(
    st.tuples(st.sampled_from(NICKS), st.one_of(A_COMMAND, st.sampled_from(("make", "use")))), max_size=40
)


class Whatever(RulesTestCase):
    """What holds whatever has happened."""

    @settings(max_examples=effort(200), deadline=None)
    @given(HISTORIES)
    def test_every_maker_is_a_member(self, acts: list[tuple[str, c.Command | str]]) -> None:
        chat, made = Chat(*NICKS), 0
        for nick, command in (*OPENING, ("Bob", "make"), *acts):
            state, user = chat.state, chat.user(nick)
            try:
                if command == "make":
                    made += 1
                    digest = invitation_link_digest(Secret(str(made)))
                    decision = make_invitation_link(
                        state, user, c.MakeInvitationLink("wob"), digest, Limits(), 0
                    )
                elif command == "use":
                    decision = use_invitation_link(state, user, c.UseInvitationLink(Secret(str(made))), 0)
                else:
                    assert isinstance(command, c.Command)
                    decision = decide(state, user, command)
            except Refusal:
                continue
            for record in (*decision.records, *invitation_link_deletions_after(state, decision.events)):
                state.apply(record)
            for event in decision.events:
                state.apply(event)
            for link in state.invitation_links.values():
                group = state.group_of(link.conversation)
                assert group is not None
                self.assertIn(link.maker_id, group.members)
                self.assertIn(link, state.invitation_links_of(link.conversation))
