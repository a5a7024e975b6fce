"""What only the administrator of the machine may do, on the control socket."""

from __future__ import annotations

from chatd.chat.authority import Authority
from chatd.chat.commits import Committer
from chatd.chat.turns import not_stored_refusal
from chatd.core import moderation_rules as rules
from chatd.core.accounts import AccountPolicy
from chatd.core.moderation import Moderation, ServerOperator
from chatd.core.refusals import Refusal
from chatd.core.rules import Decision
from chatd.store.errors import NotStored


class Administrator:
    """Appoints and dismisses server operators. Each act is an entry of the moderation log."""

    def __init__(self, authority: Authority, committer: Committer, policy: AccountPolicy) -> None:
        self._authority = authority
        self._committer = committer
        self._policy = policy
        self._stopped = False

    def stop(self) -> None:
        """Refuse all further acts."""
        self._stopped = True

    def operators(self) -> list[ServerOperator]:
        """Return who is named as a server operator, sorted by nick. Raises `Refusal` ``storage_failed``."""
        return rules.list_operators(self._committer.state, self._policy)

    async def appoint(self, nick: str) -> Moderation:
        """Appoint ``nick`` as a server operator, and return the act, which is on disk.

        Raises `Refusal` ``bad_nick``, ``no_such_user``, ``already_server_operator``, ``shutting_down`` or
        ``storage_failed``.
        """
        now = self._authority.now()
        return await self._carry_out(rules.appoint(self._committer.state, nick, self._policy, now))

    async def dismiss(self, nick: str) -> Moderation:
        """Dismiss ``nick``, which was appointed as a server operator, and return the act, which is on disk.

        Raises `Refusal` ``not_appointed``, ``configured_operator``, ``shutting_down`` or ``storage_failed``.
        """
        now = self._authority.now()
        return await self._carry_out(rules.dismiss(self._committer.state, nick, self._policy, now))

    async def _carry_out(self, decision: Decision) -> Moderation:
        if self._stopped:
            raise Refusal("shutting_down")
        try:
            await self._committer.commit(decision)
        except NotStored:
            raise not_stored_refusal() from None
        (act,) = (record for record in decision.records if isinstance(record, Moderation))
        return act
