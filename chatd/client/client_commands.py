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
            elif word == "clear":
                self._memory.shown_conversation.remove_client_texts()
            else:
                self._set_notify(rest.lower())
        except OSError as error:
            why = translated_os_error(error)
            self._tell(_("this can't be kept for the next start: {why}").format(why=why), "trouble")

    def _retry(self) -> None:
        failed = [message for message in self._outbox.messages_for(self._memory.here) if message.failure]
        for message in failed:
            self._outgoing.resend(self._outbox.mark_as_waiting(message.ref))
        if not failed:
            self._tell(_("no message was refused here"), "trouble")

    def _withdraw(self) -> None:
        unsent = self._outbox.messages_for(self._memory.here)
        if not unsent:
            self._tell(_("every message was sent"), "trouble")
            return
        self._outgoing.withdraw(unsent[-1].ref)
        if unsent[-1].kind == "image":
            self._tell(_("the picture is not sent"), "answer")
            return
        answered = unsent[-1].reply_to
        self._edit(f"/reply {answered} {unsent[-1].text}" if answered else unsent[-1].text)
        self._tell(_("not sent, but in the input box again"), "answer")

    def _toggle_quiet(self) -> None:
        place = self._memory.here
        quiet = not self._memory.settings.is_muted(place)
        self._memory.settings.set_muted(place, quiet)
        self._tell(_("this conversation does not ring") if quiet else _("this conversation rings"), "answer")

    def _set_notify(self, mode: str) -> None:
        if not mode:
            usage = IMMEDIATE_COMMANDS["notify"].usage
            told = _("notifications: {mode}").format(mode=self._memory.settings.notify_mode)
            self._tell(_("{told}; {usage} changes it").format(told=told, usage=usage), "answer")
            return
        known = next((known for known in get_args(NotifyMode) if known == mode), None)
        if known is None:
            self._tell(_("usage: {usage}").format(usage=IMMEDIATE_COMMANDS["notify"].usage), "trouble")
        else:
            self._memory.settings.set_notify_mode(known)
            self._tell(_("notifications: {mode}").format(mode=known), "answer")


def unsent_messages_warning(outbox: Outbox, lost_commands: int, lost_drafts: int, is_connected: bool) -> str:
    """Return a warning about what would be lost or stay unsent if the user quits now, in the user's language.

    The text is empty if nothing would. ``lost_commands`` is the number of commands without an answer, and
    ``lost_drafts`` that of drafts; those that are kept on disk are not counted. If ``is_connected`` is true,
    waiting messages are about to be sent and need no warning.
    """
    parts = []
    if not is_connected:
        changes = outbox.waiting_count - outbox.waiting_message_count
        if outbox.is_on_disk:
            counted = [
                (_("messages for the next start to send: {count}"), outbox.waiting_message_count),
                (_("changes of messages for the next start to send: {count}"), changes),
            ]
        else:
            counted = [
                (_("unsent messages: {count}"), outbox.waiting_message_count),
                (_("unsent changes of messages: {count}"), changes),
            ]
        counted.append((_("commands that will be lost: {count}"), lost_commands))
        parts += [told.format(count=count) for told, count in counted if count]
    if outbox.failed_count:
        parts.append(_("refused messages: {count}").format(count=outbox.failed_count))
    if lost_drafts:
        parts.append(_("drafts that will be lost: {count}").format(count=lost_drafts))
    return _("{what}. Repeat it to leave anyway").format(what=", ".join(parts)) if parts else ""
