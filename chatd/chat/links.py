"""Carries out the commands with which users make, list and revoke invitation links."""

from __future__ import annotations

import secrets

from chatd.boundaries import Client
from chatd.chat.authority import Authority
from chatd.chat.commits import Committer
from chatd.chat.turns import TurnQueue
from chatd.core import commands as c
from chatd.core import link_rules as rules
from chatd.core.answers import InvitationLinkMade
from chatd.core.events import User
from chatd.core.limits import Limits
from chatd.core.links import (
    INVITATION_LINK_SECRET_BYTES,
    InvitationLink,
    invitation_link_digest,
    make_invitation_link_secret,
)
from chatd.core.requests import Request

InvitationLinkCommand = c.MakeInvitationLink | c.ListInvitationLinks | c.RevokeInvitationLink


class InvitationLinkService:
    """Makes, lists and revokes invitation links, by which users can join a group."""

    def __init__(self, authority: Authority, committer: Committer, turns: TurnQueue, limits: Limits) -> None:
        self._authority = authority
        self._committer = committer
        self._turns = turns
        self._limits = limits

    def execute(self, client: Client, request: Request, user: User, command: InvitationLinkCommand) -> None:
        """Carry out ``command`` of ``user``. The client's next command waits for the answer."""
        if isinstance(command, c.MakeInvitationLink):
            work = self._make(client, request, user, command)
        elif isinstance(command, c.RevokeInvitationLink):
            work = self._revoke(client, request, user, command)
        else:
            work = self._list(client, request, user, command)
        self._turns.run_coroutine(client, request, work, paused=True)

    async def _make(
        self, client: Client, request: Request, user: User, command: c.MakeInvitationLink
    ) -> None:
        self._authority.check_write_permission(user)
        link = make_invitation_link_secret(secrets.token_bytes(INVITATION_LINK_SECRET_BYTES))
        state, now = self._committer.state, self._authority.now()
        decision = rules.make_invitation_link(
            state, user, command, invitation_link_digest(link), self._limits, now
        )
        await self._committer.commit(decision)
        made = decision.records[-1]
        assert isinstance(made, InvitationLink)
        client.answer(request, InvitationLinkMade(rules.invitation_link_list_item(state, made), link))

    async def _list(
        self, client: Client, request: Request, user: User, command: c.ListInvitationLinks
    ) -> None:
        answer = rules.list_invitation_links(
            self._committer.state, user, command.group, self._authority.now()
        )
        await self._turns.wait_for_turn()
        client.answer(request, answer)

    async def _revoke(
        self, client: Client, request: Request, user: User, command: c.RevokeInvitationLink
    ) -> None:
        now = self._authority.now()
        await self._committer.commit(rules.revoke_invitation_link(self._committer.state, user, command, now))
        client.answer(request, rules.list_invitation_links(self._committer.state, user, command.group, now))
