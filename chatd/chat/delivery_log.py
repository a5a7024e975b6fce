"""The delivery log, at log level ``debug``: messages received, and the clients that they are sent to."""

from __future__ import annotations

from typing import Any

from twisted.logger import Logger

from chatd.chat.log_lines import format_delivery, format_redacted
from chatd.core.answers import Page
from chatd.core.events import Delivery, Entry


class DeliveryLog:
    """The daemon's log at ``debug``: a line for each message received, and one for each client it is sent to.

    What is private is there without its text and without the name of its group. A client has ``peer`` and
    ``user``, as `chatd.connections.session.Session` has them.
    """

    _log = Logger()

    def log_received(self, client: Any, entry: Entry, private: bool) -> None:
        """``client`` asked for ``entry``; None if it follows from the entry before."""
        what = format_redacted(entry) if private else format_delivery(entry)
        if client is None:
            self._log.debug("{id} follows: {line}", id=entry.id, line=what)
        else:
            self._log.debug(
                "{id} received from {peer} {nick}: {line}",
                id=entry.id,
                peer=client.peer,
                nick=entry.event.actor.nick,
                line=what,
            )

    def log_sent(self, client: Any, what: Delivery | Page) -> None:
        """Log that ``what`` was sent to ``client``, live or from the log; nothing for an empty page.

        A frame may leave out entries of a page, always those farthest from where the reading began.
        """
        if isinstance(what, Entry):
            name = str(what.id)
        elif not isinstance(what, Page):
            name = f"{format_delivery(what)}:"
        elif not what.entries:
            return
        else:
            name = f"page from {what.entries[0].id}" if what.forward else f"page up to {what.entries[-1].id}"
        self._log.debug("{what} sent to {peer} {nick}", what=name, peer=client.peer, nick=client.user.nick)
