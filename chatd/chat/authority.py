"""The authority: it holds the chat's state and the nicks in use, and decides every command.

The consequences of its decisions reach clients through the journal's queue, so that all clients see them in
one order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.logger import Logger

from chatd.boundaries import Archive, Client, Clock, Journal
from chatd.chat.login_guard import LoginGuard
from chatd.core import commands as c
from chatd.core.account_rules import check_may_write
from chatd.core.accounts import AccountPolicy, Credential
from chatd.core.audience import audience
from chatd.core.events import User
from chatd.core.limits import Limits
from chatd.core.login import Login, log_in
from chatd.core.moderation_rules import check_not_blocked, check_not_muted
from chatd.core.quotas import check_quotas
from chatd.core.records import Draft, Record, Snapshot
from chatd.core.requests import Request
from chatd.core.rules import Decision, decide
from chatd.store.errors import StoreError

RELOAD_RETRY_SECONDS: Final = 1.0
"""Pause in seconds between attempts to read the database again after a failed transaction."""

Audience = tuple[int, ...] | None
"""The ids of the users who receive a log entry; None stands for everyone connected."""

OpenJournal = Callable[[Callable[[], None], Callable[[], None]], Journal]
"""A function that creates the journal from two callbacks.

The journal calls the first callback after a failed transaction, and the second after each commit, once all
tasks of the commit are completed.
"""


class Authority:
    """Decides commands and applies the decisions to the state in memory at once.

    ``now`` returns the current time in seconds since 1970. The time is shown with log entries and does not
    order them. ``on_commit`` is called after each commit, once all tasks of the commit are completed.
    """

    _log = Logger()

    def __init__(
        self,
        snapshot: Snapshot,
        archive: Archive,
        open_journal: OpenJournal,
        clock: Clock,
        now: Callable[[], float],
        limits: Limits,
        policy: AccountPolicy,
        on_commit: Callable[[], None],
    ) -> None:
        self.state = snapshot.state
        self.journal = open_journal(self._recover, on_commit)
        self.recovering = False
        """Whether the state is being read again after a failed transaction, and nothing can be decided."""
        self._archive = archive
        self._clock = clock
        self._now = now
        self._limits = limits
        self._policy = policy
        self._login_guard = LoginGuard(clock, limits)
        # The sessions that hold each nick, by the key of the nick, in the order of arrival. Only a registered
        # user has several.
        self._names: dict[str, list[Client]] = {}

    @property
    def presence(self) -> dict[str, User]:
        """The users who are logged in, by the key (normal form) of their nick, in the order of arrival."""
        users = ((key, sessions[0].user) for key, sessions in self._names.items())
        return {key: user for key, user in users if user is not None}

    def now(self) -> int:
        """Return the current time in milliseconds since 1970-01-01 UTC."""
        return int(self._now() * 1000)

    def log_in(self, client: Client, hello: c.Hello, verified: Credential | None) -> Login:
        """Log ``client`` in under the nick that ``hello`` asks for, and return the login. Raises `Refusal`.

        ``verified`` is the credential that the password of the hello was verified against, or None. The
        caller has to store the records of the login's decision.
        """
        login = log_in(self.state, self._names, hello, verified, client.certificate_name)
        check_not_blocked(self.state, login.user.key, client.origin, self.now())
        self._login_guard.check_login(client.origin, is_new=not login.returning)
        for record in login.decision.records:
            self.state.apply(record)
        client.log_in(login.user, updates_read_marker=hello.missed == "send")
        self._names.setdefault(login.user.key, []).append(client)
        return login

    def sessions(self, user: User) -> list[Client]:
        """Return the sessions of ``user`` that are logged in, the oldest first."""
        return list(self._names.get(user.key, ()))

    def all_sessions(self) -> list[Client]:
        """Return all sessions that are logged in."""
        return [client for sessions in self._names.values() for client in sessions]

    def free_name(self, client: Client) -> bool:
        """Remove ``client`` from the sessions of its user. Return whether the client had a nick.

        The nick is available again if no other session has it.
        """
        user = client.user
        sessions = self._names.get(user.key, []) if user is not None else []
        if client not in sessions:
            return False
        sessions.remove(client)
        if user is not None and not sessions:
            del self._names[user.key]
        return True

    def undo_login(self, client: Client) -> None:
        """Free the nick of ``client`` and unset its user, because the login was rolled back."""
        self.free_name(client)
        client.undo_login()

    def decide(self, user: User, command: c.Command) -> Decision:
        """Return the decision on ``command`` of ``user``, which is not applied yet. Raises `Refusal`.

        The decision follows from the account policy, the state and the quotas.
        """
        state = self.state
        if state.credentials or self._policy.names == "registered":
            check_may_write(state, user, self._policy)
        if state.sanctions and not isinstance(command, c.Leave):
            check_not_muted(state, user, self.now())
        decision = decide(state, user, command)
        check_quotas(state, decision, self._limits)
        return decision

    def apply(self, request: Request, decision: Decision) -> tuple[list[Record], list[Audience]]:
        """Apply ``decision`` to the state. Return the records to store and the audience of each event."""
        state, at = self.state, self.now()
        records: list[Record] = [*decision.records]
        for record in decision.records:
            state.apply(record)
        # Only messages are told apart by their ref: other commands are refused, or harmless, the second time.
        said = bool(decision.events) and decision.events[0].is_message
        ref = str(request.ref) if said and request.ref is not None else None
        audiences: list[Audience] = []
        for event in decision.events:
            audiences.append(audience(state, event))
            state.apply(event)
            records.append(Draft(event, at, ref))
        return records, audiences

    def _recover(self) -> None:
        """Start to read the state from the database again, because a transaction has failed."""
        if not self.recovering:
            self.recovering = True
            Deferred.fromCoroutine(self._reload()).addErrback(
                lambda failure: self._log.failure("bug while reading the store again", failure)
            )

    async def _reload(self) -> None:
        while True:
            try:
                snapshot = await self._archive.load()
                break
            except StoreError as error:
                self._log.error("can't read the database: {why}", why=str(error))
            except Exception:
                self._log.failure("can't understand the database")
            await deferLater(self._clock, RELOAD_RETRY_SECONDS, lambda: None)  # type: ignore[arg-type]
        self.state = snapshot.state
        self.journal.resume(snapshot)
        self.recovering = False
