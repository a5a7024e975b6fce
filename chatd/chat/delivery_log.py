"""The delivery log: debug lines that say which messages arrived and to which clients they were sent."""

from __future__ import annotations

from typing import Any

from twisted.logger import Logger

from chatd.chat.log_lines import format_delivery_line, format_entry_without_private_parts
from chatd.core.answers import Page
from chatd.core.events import Delivery, LogEntry, ReadMarkMoved


class DeliveryLog:
    """Writes a debug line to the log for each message received, and for each client that a message is sent
    to.

    The line of a private message contains neither its text nor the name of its group. Clients are objects
    with the attributes ``peer`` (the address) and ``user``, such as `chatd.connections.session.Session`.
    """

    _log = Logger()

    def log_received(self, client: Any, entry: LogEntry, private: bool) -> None:
        """Log ``entry`` together with the client whose command has caused it.

        ``client`` is None if the entry is a consequence of the entry before it. If ``private`` is true, the
        line has neither the text nor the name of the group.
        """
        what = format_entry_without_private_parts(entry) if private else format_delivery_line(entry)
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
        """Log that ``what``, a delivery or a page of history, was sent to ``client``.

        Empty pages are not logged. Read marks are not logged either, because they are private. For a page,
        the line has the id at which reading the page began: the first id of a page that was read forward, or
        the last id of one that was read backward. The client may have got fewer entries, because the dialect
        may cut the other end to keep the answer below its maximum size.
        """
        if isinstance(what, ReadMarkMoved):
            return
        if isinstance(what, LogEntry):
            name = str(what.id)
        elif not isinstance(what, Page):
            name = f"{format_delivery_line(what)}:"
        elif not what.entries:
            return
        else:
            name = (
                f"page from {what.entries[0].id}"
                if what.reads_forward
                else f"page up to {what.entries[-1].id}"
            )
        self._log.debug("{what} sent to {peer} {nick}", what=name, peer=client.peer, nick=client.user.nick)
