"""Carries out the commands of server operators, and records each act in the moderation log."""

from __future__ import annotations

from chatd.boundaries import Client, Requester
from chatd.chat.accounts import Authenticator
from chatd.chat.authority import Authority
from chatd.chat.commits import Committer
from chatd.chat.dispatch import Dispatcher
from chatd.chat.presence import PresenceService
from chatd.chat.tokens import end_revoked_sessions
from chatd.chat.turns import TurnQueue
from chatd.core import commands as c
from chatd.core import moderation_rules as rules
from chatd.core.account_rules import check_new_password
from chatd.core.accounts import AccountPolicy
from chatd.core.answers import Moderated
from chatd.core.events import Announced, User
from chatd.core.moderation import ModerationEntry, is_in_network, parse_network
from chatd.core.names import parse_nick
from chatd.core.refusals import Refusal, reason_phrase
from chatd.core.requests import Request
from chatd.core.rules import Decision

SynchronousModerationCommand = (
    c.Mute
    | c.Unmute
    | c.DisconnectUser
    | c.Block
    | c.Unblock
    | c.AssignGroupOwner
    | c.CloseGroup
    | c.Announce
)
"""The commands that are decided without awaiting a database query or a password hash."""

ModerationCommand = (
    SynchronousModerationCommand | c.BlockAddressesOfUser | c.ResetPassword | c.RevokeUserToken
)


class ModerationService:
    """Carries out the commands of server operators."""

    def __init__(
        self,
        authority: Authority,
        dispatcher: Dispatcher,
        authenticator: Authenticator,
        committer: Committer,
        presence: PresenceService,
        turns: TurnQueue,
        policy: AccountPolicy,
    ) -> None:
        self._authority = authority
        self._dispatcher = dispatcher
        self._authenticator = authenticator
        self._committer = committer
        self._presence = presence
        self._turns = turns
        self._policy = policy

    def check_operator(self, user: User) -> None:
        """Check that ``user`` is a server operator.

        Raises `Refusal` ``not_server_operator``, or ``storage_failed`` while the state is read again after a
        failed transaction.
        """
        rules.check_server_operator(self._committer.state, user, self._policy)

    def execute(self, client: Requester, request: Request, user: User, command: ModerationCommand) -> None:
        """Carry out ``command`` of the operator ``user``. The client's next command waits for the answer.

        Call `check_operator` before.
        """
        self._turns.run_coroutine(
            client, request, self._moderate(client, request, user, command), paused=True
        )

    async def _moderate(
        self, client: Requester, request: Request, user: User, command: ModerationCommand
    ) -> None:
        decision = await self._decide(client, user, command)
        await self._committer.commit(decision)
        acts = tuple(record for record in decision.records if isinstance(record, ModerationEntry))
        client.answer(request, Moderated(acts))
        end_revoked_sessions(self._presence, decision)
        for act in acts:
            if act.kind == "announce":
                self._dispatcher.broadcast_announcement(Announced(act.operator, act.reason, act.at))
            self._end_sessions(act)

    async def _decide(self, client: Requester, user: User, command: ModerationCommand) -> Decision:
        now, state = self._authority.now(), self._committer.state
        if isinstance(command, c.ResetPassword):
            check_new_password(command.new, self._policy)
            hashed = await self._authenticator.hash_password(command.new, client.client_network)
            state, now = self._committer.state, self._authority.now()
            self.check_operator(user)  # the list of operators may have changed meanwhile
            return rules.reset_password(state, user, command.dest, hashed, self._policy, now)
        if isinstance(command, c.RevokeUserToken):
            return rules.revoke_user_token(state, user, command, self._policy, now)
        if isinstance(command, c.BlockAddressesOfUser):
            target = rules.user_to_moderate(state, command.dest, self._policy)
            return rules.block(state, user, self._networks(target), command, now)
        if isinstance(command, c.DisconnectUser):
            self._connected(rules.user_to_moderate(state, command.dest, self._policy))
        return rules.decide_moderation(state, user, command, self._policy, now)

    def _connected(self, user: User) -> list[Client]:
        """Return the sessions of ``user``. Raises `Refusal` ``not_connected`` if there is none."""
        sessions = self._authority.sessions_of(user)
        if not sessions:
            raise Refusal("not_connected", nick=user.nick)
        return sessions

    def _networks(self, user: User) -> list[str]:
        """Return the networks that ``user`` is connected from, in CIDR notation.

        Raises `Refusal` ``not_connected``, or ``bad_request`` for a user on the daemon's own machine.
        """
        addresses = {session.client_network for session in self._connected(user)} - {None}
        networks = sorted(
            filter(None, (parse_network(address) for address in addresses if address is not None))
        )
        if not networks:
            raise Refusal("bad_request", why=reason_phrase("own_machine"))
        return networks

    def _end_sessions(self, act: ModerationEntry) -> None:
        """End the sessions that ``act``, which is on disk, applies to."""
        why = act.reason or reason_phrase("no_reason")
        network = parse_network(act.target)
        if act.kind == "block" and network is not None:
            for client in self._authority.all_sessions():
                if client.client_network is not None and is_in_network(client.client_network, network):
                    self._presence.end_session(client, None, Refusal("blocked", why=why))
            return
        refusal = {
            "disconnect": Refusal("disconnected", why=why),
            "block": Refusal("blocked", why=why),
            "resetpassword": Refusal("password_changed", nick=act.target),
        }.get(act.kind)
        user = self._authority.state.find_user(parse_nick(act.target)) if refusal is not None else None
        if refusal is not None and user is not None:
            self._presence.end_sessions(user, None, refusal)
