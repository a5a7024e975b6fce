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
from chatd.core.answers import Moderated, OperatorRights, PreparedAnswer
from chatd.core.channel_commands import BecomeOperator
from chatd.core.events import OperatorAnnouncement, User
from chatd.core.moderation import ModerationEntry, is_in_network, parse_network
from chatd.core.names import parse_nick
from chatd.core.refusals import Refusal, translatable_reason
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
        self._operator_sessions = authority.operator_sessions
        self._dispatcher = dispatcher
        self._authenticator = authenticator
        self._committer = committer
        self._presence = presence
        self._turns = turns
        self._policy = policy

    def require_operator(self, requester: Requester) -> User:
        """Return the server operator with whose rights ``requester`` acts.

        Raises `Refusal` ``not_server_operator`` if there is none, or ``storage_failed`` while the state is
        reloaded after a failed transaction.
        """
        self._committer.check_state()
        operator = self._operator_sessions.operator_of(requester)
        if operator is None:
            raise Refusal("not_server_operator")
        return operator

    def execute(self, client: Requester, request: Request, command: ModerationCommand) -> None:
        """Carry out ``command`` of ``client``. The client's next command waits for the answer.

        Call `require_operator` before, which checks the rights of the client.
        """
        self._turns.run_coroutine(client, request, self._moderate(client, request, command), paused=True)

    def become_operator(self, client: Client, request: Request, command: BecomeOperator) -> None:
        """Verify the password of ``command``, then give ``client`` the rights of that server operator.

        The client's next command waits for the answer. If the account is not an operator's, the command is
        refused with ``wrong_password``, after the same time. Therefore a client can't find out which users
        are operators.
        """
        self._turns.run_coroutine(
            client, request, self._become_operator(client, request, command), paused=True
        )

    async def _become_operator(self, client: Client, request: Request, command: BecomeOperator) -> None:
        credential = await self._authenticator.verify_password(
            command.account, command.password, client.client_network
        )
        await self._turns.wait_for_turn()
        if client.is_closing:
            return
        self._committer.check_state()
        if not self._operator_sessions.add(client, credential):
            raise Refusal("wrong_password")
        self._turns.log_operator(client, credential.user)
        client.answer(request, OperatorRights(True))

    def resign(self, client: Client, request: Request) -> None:
        """Take back the rights that `become_operator` has given to ``client``."""
        self._turns.run_coroutine(client, request, self._resign(client, request))

    async def _resign(self, client: Client, request: Request) -> None:
        had_rights = self._operator_sessions.remove(client)
        await self._turns.wait_for_turn()
        client.answer(request, OperatorRights(False) if had_rights else PreparedAnswer())

    async def _moderate(self, client: Requester, request: Request, command: ModerationCommand) -> None:
        decision = await self._decide(client, command)
        await self._committer.commit(decision)
        acts = tuple(record for record in decision.records if isinstance(record, ModerationEntry))
        client.answer(request, Moderated(acts))
        end_revoked_sessions(self._presence, decision)
        for act in acts:
            if act.kind == "announce":
                # The users are told who speaks, the moderation log with whose rights.
                speaker = client.user or act.operator
                self._dispatcher.broadcast_announcement(OperatorAnnouncement(speaker, act.reason, act.at))
            self._end_sessions(act)

    async def _decide(self, client: Requester, command: ModerationCommand) -> Decision:
        operator = self.require_operator(client)
        now, state = self._authority.now(), self._committer.state
        if isinstance(command, c.ResetPassword):
            check_new_password(command.new, self._policy)
            hashed = await self._authenticator.hash_password(command.new, client.client_network)
            operator = self.require_operator(client)  # the rights may have ended meanwhile
            state, now = self._committer.state, self._authority.now()
            return rules.reset_password(state, operator, command.dest, hashed, self._policy, now)
        if isinstance(command, c.RevokeUserToken):
            return rules.revoke_user_token(state, operator, command, self._policy, now)
        if isinstance(command, c.BlockAddressesOfUser):
            target = rules.require_user_to_moderate(state, command.dest, self._policy)
            return rules.decide_blocks(state, operator, self._networks(target), command, now)
        if isinstance(command, c.DisconnectUser):
            self._connected(rules.require_user_to_moderate(state, command.dest, self._policy))
        return rules.decide_moderation(state, operator, command, self._policy, now)

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
            raise Refusal("bad_request", why=translatable_reason("own_machine"))
        return networks

    def _end_sessions(self, act: ModerationEntry) -> None:
        """End the sessions that ``act``, which is on disk, applies to."""
        why = act.reason or translatable_reason("no_reason")
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
