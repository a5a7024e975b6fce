"""Carries out what only the administrator of the machine may ask for, on the control socket."""

from __future__ import annotations

from chatd.boundaries import Archive
from chatd.chat.authority import Authority
from chatd.chat.commits import Committer
from chatd.chat.export import Export
from chatd.chat.turns import not_stored_refusal
from chatd.core import moderation_rules as rules
from chatd.core.accounts import AccountPolicy
from chatd.core.moderation import ModerationEntry, ServerOperator
from chatd.core.refusals import Refusal
from chatd.core.rules import Decision
from chatd.store.errors import NotStored


class AdministrationService:
    """Appoints and dismisses server operators, and exports users and groups, for the administrator of the
    machine.

    Each of these actions adds an entry to the moderation log.
    """

    def __init__(
        self, authority: Authority, archive: Archive, committer: Committer, policy: AccountPolicy
    ) -> None:
        self._authority = authority
        self._archive = archive
        self._committer = committer
        self._policy = policy
        self._stopped = False

    def stop(self) -> None:
        """Refuse all further actions, because the daemon stops."""
        self._stopped = True

    def operators(self) -> list[ServerOperator]:
        """Return the appointed and the configured server operators, sorted by nick.

        Raises `Refusal` ``storage_failed``.
        """
        return rules.list_operators(self._committer.state, self._policy)

    async def appoint_server_operator(self, nick: str) -> ModerationEntry:
        """Appoint ``nick`` as a server operator.

        Return the new entry of the moderation log, which is on disk.

        Raises `Refusal` ``bad_nick``, ``no_such_user``, ``already_server_operator``, ``shutting_down`` or
        ``storage_failed``.
        """
        now = self._authority.now()
        return await self._carry_out(
            rules.appoint_server_operator(self._committer.state, nick, self._policy, now)
        )

    async def dismiss_server_operator(self, nick: str) -> ModerationEntry:
        """Dismiss the appointed server operator ``nick``.

        Return the new moderation log entry, which is on disk.

        Raises `Refusal` ``not_appointed``, ``configured_operator``, ``shutting_down`` or ``storage_failed``.
        """
        now = self._authority.now()
        return await self._carry_out(
            rules.dismiss_server_operator(self._committer.state, nick, self._policy, now)
        )

    async def export_user(self, nick: str) -> Export:
        """Record the export of the data of the user ``nick`` in the moderation log, and return the export.

        Raises `Refusal` ``no_such_user``, ``shutting_down`` or ``storage_failed``.
        """
        state, now = self._committer.state, self._authority.now()
        user = state.require_user(nick)
        await self._carry_out(rules.record_export(state, "user", user.nick, now))
        last_id = self._authority.journal.last_delivered_id
        return Export(self._archive, self._committer, now, last_id, user=user)

    async def export_group(self, name: str) -> Export:
        """Record the export of the data of the group ``name`` in the moderation log, and return the export.

        The group may be closed or empty. Raises `Refusal` ``no_such_group``, ``shutting_down`` or
        ``storage_failed``.
        """
        state, now = self._committer.state, self._authority.now()
        group = state.find_group(name)
        if group is None:
            raise Refusal("no_such_group", group=name)
        await self._carry_out(rules.record_export(state, "group", group.name, now))
        last_id = self._authority.journal.last_delivered_id
        return Export(self._archive, self._committer, now, last_id, conversation=group.conversation)

    async def _carry_out(self, decision: Decision) -> ModerationEntry:
        if self._stopped:
            raise Refusal("shutting_down")
        try:
            await self._committer.commit(decision)
        except NotStored:
            raise not_stored_refusal() from None
        (act,) = (record for record in decision.records if isinstance(record, ModerationEntry))
        return act
