"""Carries out the commands with which users make, list and revoke invitation links."""

from __future__ import annotations

import secrets

from chatd.boundaries import Client
from chatd.chat.authority import Authority
from chatd.chat.commits import Committer
from chatd.chat.turns import TurnQueue
from chatd.core import commands as c
from chatd.core import link_rules as rules
from chatd.core.answers import LinkMade
from chatd.core.events import User
from chatd.core.limits import Limits
from chatd.core.links import LINK_SECRET_BYTES, InvitationLink, link_digest, link_secret
from chatd.core.requests import Request

LinkCommand = c.MakeLink | c.ListLinks | c.RevokeLink


class LinkService:
    """Makes, lists and revokes invitation links."""

    def __init__(self, authority: Authority, committer: Committer, turns: TurnQueue, limits: Limits) -> None:
        self._authority = authority
        self._committer = committer
        self._turns = turns
        self._limits = limits

    def execute(self, client: Client, request: Request, user: User, command: LinkCommand) -> None:
        """Carry out ``command`` of ``user``. The client's next command waits for the answer."""
        if isinstance(command, c.MakeLink):
            work = self._make(client, request, user, command)
        elif isinstance(command, c.RevokeLink):
            work = self._revoke(client, request, user, command)
        else:
            work = self._list(client, request, user, command)
        self._turns.run_coroutine(client, request, work, paused=True)

    async def _make(self, client: Client, request: Request, user: User, command: c.MakeLink) -> None:
        self._authority.check_write_permission(user)
        link = link_secret(secrets.token_bytes(LINK_SECRET_BYTES))
        state, now = self._committer.state, self._authority.now()
        decision = rules.make_link(state, user, command, link_digest(link), self._limits, now)
        await self._committer.commit(decision)
        made = decision.records[-1]
        assert isinstance(made, InvitationLink)
        client.answer(request, LinkMade(rules.link_list_item(state, made), link))

    async def _list(self, client: Client, request: Request, user: User, command: c.ListLinks) -> None:
        answer = rules.list_links(self._committer.state, user, command.group, self._authority.now())
        await self._turns.wait_for_turn()
        client.answer(request, answer)

    async def _revoke(self, client: Client, request: Request, user: User, command: c.RevokeLink) -> None:
        now = self._authority.now()
        await self._committer.commit(rules.revoke_link(self._committer.state, user, command, now))
        client.answer(request, rules.list_links(self._committer.state, user, command.group, now))
