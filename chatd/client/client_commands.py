"""Carries out the commands that only the full screen has."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

from chatd.client.account_settings import NotifyMode
from chatd.client.client_command_table import IMMEDIATE_COMMANDS
from chatd.client.language import _, translated_os_error
from chatd.client.memory import EntryKind, Memory
from chatd.client.outbox import Outbox
from chatd.client.outgoing import OutgoingQueue


class ClientCommandRunner:
    """Carries out the commands of the client itself (`IMMEDIATE_COMMANDS`), such as ``/quiet``.

    The commands apply to the conversation on the screen. ``tell`` shows a line of text to the user, and
    ``edit`` puts a text into the input box.
    """

    def __init__(
        self,
        memory: Memory,
        outbox: Outbox,
        outgoing: OutgoingQueue,
        tell: Callable[[str, EntryKind], None],
        edit: Callable[[str], None],
    ) -> None:
        self._memory = memory
        self._outbox = outbox
        self._outgoing = outgoing
        self._tell = tell
        self._edit = edit

    def run(self, word: str, rest: str) -> None:
        """Carry out the command ``word``, whose argument is ``rest``."""
        try:
            if word == "retry":
                self._retry()
            elif word == "withdraw":
                self._withdraw()
            elif word == "quiet":
                self._toggle_quiet()
            else:
                self._set_notify(rest.lower())
        except OSError as error:
            why = translated_os_error(error)
            self._tell(_("this can't be kept for the next start: {why}").format(why=why), "trouble")

    def _retry(self) -> None:
        failed = [message for message in self._outbox.of(self._memory.here) if message.failure]
        for message in failed:
            self._outgoing.resend(self._outbox.retry(message.ref))
        if not failed:
            self._tell(_("no message was refused here"), "trouble")

    def _withdraw(self) -> None:
        unsent = self._outbox.of(self._memory.here)
        if not unsent:
            self._tell(_("every message was sent"), "trouble")
            return
        self._outgoing.withdraw(unsent[-1].ref)
        if unsent[-1].kind == "message":
            answered = unsent[-1].reply_to
            self._edit(f"/reply {answered} {unsent[-1].text}" if answered else unsent[-1].text)

    def _toggle_quiet(self) -> None:
        place = self._memory.here
        quiet = not self._memory.settings.is_muted(place)
        self._memory.settings.set_muted(place, quiet)
        self._tell(_("this conversation does not ring") if quiet else _("this conversation rings"), "answer")

    def _set_notify(self, mode: str) -> None:
        known = next((known for known in get_args(NotifyMode) if known == mode), None)
        if known is None:
            self._tell(_("usage: {usage}").format(usage=IMMEDIATE_COMMANDS["notify"].usage), "trouble")
        else:
            self._memory.settings.set_notify(known)
            self._tell(_("notifications: {mode}").format(mode=known), "answer")


def leave_warning(outbox: Outbox, drafts: int, is_connected: bool) -> str:
    """Return a warning about what is not sent if the user quits now, in the user's language.

    ``outbox`` has the unsent messages, and ``drafts`` is the number of conversations with an unfinished
    input. The text is empty if nothing would be left unsent. If ``is_connected`` is true, waiting messages
    are about to be sent and need no warning.
    """
    parts = []
    if outbox.waiting_count and not is_connected:
        waiting = (
            _("messages for the next start to send: {count}")
            if outbox.is_on_disk
            else _("unsent messages: {count}")
        )
        parts.append(waiting.format(count=outbox.waiting_count))
    if outbox.failed_count:
        parts.append(_("refused messages: {count}").format(count=outbox.failed_count))
    if drafts:
        parts.append(_("drafts that will be lost: {count}").format(count=drafts))
    return _("{what}. Repeat it to leave anyway").format(what=", ".join(parts)) if parts else ""
