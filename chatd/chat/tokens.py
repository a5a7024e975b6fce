"""Carries out the commands with which users make and revoke their tokens."""

from __future__ import annotations

import secrets

from chatd.boundaries import Client
from chatd.chat.authority import Authority
from chatd.chat.commits import Committer
from chatd.chat.presence import PresenceService
from chatd.chat.turns import TurnQueue
from chatd.core import commands as c
from chatd.core import token_rules as rules
from chatd.core.answers import TokenMade
from chatd.core.events import User
from chatd.core.limits import Limits
from chatd.core.refusals import Refusal
from chatd.core.requests import Request
from chatd.core.rules import Decision
from chatd.core.tokens import TOKEN_SECRET_BYTES, Token, TokenDeleted, make_token_secret, token_digest

TokenCommand = c.MakeToken | c.RevokeToken


class TokenService:
    """Makes, lists and revokes the tokens of users, with which their programs log in."""

    def __init__(
        self,
        authority: Authority,
        committer: Committer,
        presence: PresenceService,
        turns: TurnQueue,
        limits: Limits,
    ) -> None:
        self._authority = authority
        self._committer = committer
        self._presence = presence
        self._turns = turns
        self._limits = limits

    def execute(self, client: Client, request: Request, user: User, command: TokenCommand) -> None:
        """Carry out ``command`` of ``user``. The client's next command waits for the answer."""
        if isinstance(command, c.MakeToken):
            work = self._make(client, request, user, command)
        else:
            work = self._revoke(client, request, user, command)
        self._turns.run_coroutine(client, request, work, paused=True)

    async def _make(self, client: Client, request: Request, user: User, command: c.MakeToken) -> None:
        secret = make_token_secret(secrets.token_bytes(TOKEN_SECRET_BYTES))
        state, now = self._committer.state, self._authority.now()
        decision = rules.make_token(state, user, command, token_digest(secret), self._limits, now)
        await self._committer.commit(decision)
        made = decision.records[-1]
        assert isinstance(made, Token)
        client.answer(request, TokenMade(rules.token_list_item(state, made), secret))

    async def _revoke(self, client: Client, request: Request, user: User, command: c.RevokeToken) -> None:
        decision = rules.revoke_token(self._committer.state, user, command.token)
        await self._committer.commit(decision)
        client.answer(request, rules.list_tokens(self._committer.state, user))
        end_revoked_sessions(self._presence, decision)


def end_revoked_sessions(presence: PresenceService, decision: Decision) -> None:
    """End the sessions that have logged in with a token that ``decision``, which is on disk, has deleted."""
    for record in decision.records:
        if isinstance(record, TokenDeleted):
            token = record.token
            presence.end_token_sessions(token, Refusal("token_revoked", nick=token.user.nick))
