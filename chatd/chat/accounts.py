"""The commands on accounts, and the verification of passwords.

Passwords are verified and hashed before a login or a command on an account is decided.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from chatd.boundaries import Client, Clock, PasswordHasher
from chatd.chat.authority import Authority
from chatd.chat.commits import Committer
from chatd.chat.password_guard import PasswordGuard
from chatd.chat.presence import PresenceService
from chatd.chat.turns import ClientCoroutine, TurnQueue
from chatd.core import account_rules as rules
from chatd.core import commands as c
from chatd.core.accounts import CLOSED_ACCOUNT_HASH, AccountPolicy, Credential, Secret
from chatd.core.answers import AccountChanged, Authenticated
from chatd.core.channel_commands import RegisterBeforeLogin
from chatd.core.events import User
from chatd.core.limits import Limits
from chatd.core.login import find_credential
from chatd.core.names import BadName, parse_nick
from chatd.core.refusals import Refusal
from chatd.core.requests import Request
from chatd.core.tokens import Token, is_token_secret, token_digest
from chatd.pauses import pause

AccountCommand = c.Register | c.ChangePassword | c.Unregister | c.EndOtherSessions


class Authenticator:
    """Verifies passwords and hashes new ones.

    It limits how often passwords and invitation links can be guessed.
    """

    def __init__(self, authority: Authority, passwords: PasswordHasher, clock: Clock, limits: Limits) -> None:
        self._authority = authority
        self._passwords = passwords
        self._clock = clock
        self._guard = PasswordGuard(clock, limits)

    async def verify_password(self, nick: str, password: Secret, client_network: str | None) -> Credential:
        """Return the credential of the user ``nick``, if ``password`` is the user's password.

        ``client_network`` is the IPv4 address or IPv6 network of the client, or None for the daemon's own
        machine. Raises `Refusal` ``wrong_password``, and ``rate_limited`` after too many wrong passwords from
        ``client_network``. Refusing an unregistered nick takes as long as refusing a wrong password.
        """
        key = await self._check_attempt(nick, client_network)
        credential = find_credential(self._authority.state, nick)
        hashed = None if credential is None or credential.hash == CLOSED_ACCOUNT_HASH else credential.hash
        if not await self._passwords.verify(hashed, password, client_network) or credential is None:
            self._guard.count_failure(key, client_network)
            raise Refusal("wrong_password")
        self._guard.remember_success(key, client_network)
        return credential

    async def verify_password_or_token(
        self, nick: str, password: Secret, client_network: str | None
    ) -> Credential | Token:
        """Verify ``password``, which is the password of the user ``nick`` or the secret of one of the user's
        tokens.

        Return the credential or the token. Raises `Refusal` like `verify_password`, and ``token_expired`` if
        the token has expired.
        """
        if not is_token_secret(password):
            return await self.verify_password(nick, password, client_network)
        key = await self._check_attempt(nick, client_network)
        token = self._authority.state.tokens.get(token_digest(password))
        if token is None or token.user.normalized_nick != key:
            self._guard.count_failure(key, client_network)
            raise Refusal("wrong_password")
        self._guard.remember_success(key, client_network)
        if token.has_expired(self._authority.now()):
            raise Refusal("token_expired", nick=token.user.nick)
        return token

    async def _check_attempt(self, nick: str, client_network: str | None) -> str:
        """Return the key of ``nick`` when a password for it may be verified.

        Raises `Refusal` ``rate_limited``, or ``wrong_password`` for an invalid nick.
        """
        try:
            key = parse_nick(nick).normalized
        except BadName:
            raise Refusal("wrong_password") from None
        delay = self._guard.check_attempt(key, client_network)
        if delay:
            await pause(self._clock, delay)
        return key

    @contextmanager
    def limiting_invitation_link_guesses(self, user: User, client_network: str | None) -> Iterator[None]:
        """Return a context manager for a ``with`` block that uses an invitation link.

        It limits wrong guesses.

        If the block raises `Refusal` ``bad_link``, this counts like a wrong password for ``user`` from
        ``client_network``. After too many wrong guesses by ``user`` or from ``client_network``, entering the
        block raises `Refusal` ``rate_limited``.
        """
        # The delay for a nick that many guess at is for its password: nobody else guesses under it here.
        self._guard.check_attempt(user.normalized_nick, client_network)
        try:
            yield
        except Refusal as refusal:
            if refusal.code == "bad_link":
                self._guard.count_failure(user.normalized_nick, client_network)
            raise

    async def hash_password(self, password: Secret, client_network: str | None) -> Secret:
        """Return the hash of a new ``password``.

        Raises `Refusal` ``rate_limited`` if too many passwords wait to be hashed.
        """
        return await self._passwords.hash(password, client_network)


class AccountService:
    """Carries out the commands on accounts: register, passwd (change the password), unregister, and regain.

    ``regain`` ends the user's other sessions.
    """

    def __init__(
        self,
        authority: Authority,
        authenticator: Authenticator,
        committer: Committer,
        presence: PresenceService,
        turns: TurnQueue,
        policy: AccountPolicy,
    ) -> None:
        self._authority = authority
        self._authenticator = authenticator
        self._committer = committer
        self._presence = presence
        self._turns = turns
        self._policy = policy

    def execute(self, client: Client, request: Request, user: User, command: AccountCommand) -> None:
        """Carry out ``command`` of ``user``. The client's next command waits for the answer."""
        self._turns.run_coroutine(client, request, self._work(client, request, user, command), paused=True)

    def _work(self, client: Client, request: Request, user: User, command: AccountCommand) -> ClientCoroutine:
        if isinstance(command, c.Register):
            return self._register(client, request, user, command)
        if isinstance(command, c.ChangePassword):
            return self._change_password(client, request, user, command)
        if isinstance(command, c.Unregister):
            return self._unregister(client, request, user, command)
        return self._regain(client, request, user)

    async def _register(self, client: Client, request: Request, user: User, command: c.Register) -> None:
        rules.check_may_register(self._committer.state, user)
        rules.check_new_password(command.password, self._policy)
        hashed = await self._authenticator.hash_password(command.password, client.client_network)
        if client.is_closing:
            return  # the nick may be somebody else's now
        now = self._authority.now()
        await self._committer.commit(rules.decide_registration(self._committer.state, user, hashed, now))
        self._presence.announce_account(client, user, True)
        client.answer(request, AccountChanged(user.nick, True))

    def register_before_login(self, client: Client, request: Request, command: RegisterBeforeLogin) -> None:
        """Register the nick of ``command`` for ``client``, which has not logged in yet.

        The next login of the client with this nick needs no password. The client's next command waits for the
        answer.
        """
        self._turns.run_coroutine(
            client, request, self._register_before_login(client, request, command), paused=True
        )

    async def _register_before_login(
        self, client: Client, request: Request, command: RegisterBeforeLogin
    ) -> None:
        self._committer.check_state()
        rules.check_new_password(command.password, self._policy)
        login = self._authority.decide_login_for_registration(client, command.nick)
        self._authority.count_registration_as_login(client, login)
        hashed = await self._authenticator.hash_password(command.password, client.client_network)
        if client.is_closing:
            return
        self._committer.check_state()
        login = self._authority.decide_login_for_registration(
            client, command.nick
        )  # the nick may be taken now
        await self._committer.commit(rules.register_before_login(login, hashed, self._authority.now()))
        client.verified_credential = self._authority.state.credentials.get(login.user.id)
        client.answer(request, Authenticated(login.user))

    async def _change_password(
        self, client: Client, request: Request, user: User, command: c.ChangePassword
    ) -> None:
        rules.require_credential(self._committer.state, user)
        rules.check_new_password(command.new, self._policy)
        verified_credential = await self._authenticator.verify_password(
            user.nick, command.password, client.client_network
        )
        hashed = await self._authenticator.hash_password(command.new, client.client_network)
        await self._committer.commit(
            rules.change_password(self._committer.state, verified_credential, hashed)
        )
        client.answer(request, AccountChanged(user.nick, True))
        self._presence.end_sessions(user, client, Refusal("password_changed", nick=user.nick))

    async def _unregister(self, client: Client, request: Request, user: User, command: c.Unregister) -> None:
        rules.require_credential(self._committer.state, user)
        verified_credential = await self._authenticator.verify_password(
            user.nick, command.password, client.client_network
        )
        await self._committer.commit(
            rules.decide_unregistration(self._committer.state, verified_credential, self._authority.now())
        )
        self._presence.announce_account(client, user, False)
        client.answer(request, AccountChanged(user.nick, False))
        self._presence.end_sessions(user, None, Refusal("account_closed", nick=user.nick))

    async def _regain(self, client: Client, request: Request, user: User) -> None:
        rules.require_credential(self._committer.state, user)
        await self._turns.wait_for_turn()
        client.answer(request, AccountChanged(user.nick, True))
        self._presence.end_sessions(user, client, Refusal("session_replaced", nick=user.nick))
