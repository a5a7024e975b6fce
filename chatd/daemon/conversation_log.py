"""The conversation log: a text file of messages, arrivals and departures, for people to read."""

from __future__ import annotations

from chatd.chat.log_lines import format_delivery_line
from chatd.core.events import MultiUserDelivery
from chatd.daemon.logs import LogFile
from chatd.dialects.timestamps import format_rfc3339


class ConversationLog:
    """A log that appends each delivery to ``file`` as one line.

    Deliveries of private groups and direct conversations are written only if ``private`` is true.
    """

    def __init__(self, file: LogFile, private: bool = False) -> None:
        self._file = file
        self._all = private

    def __call__(self, delivery: MultiUserDelivery, private: bool) -> None:
        """Append ``delivery`` to the log. ``private`` says that it happened in a private group or in a direct
        conversation.
        """
        if self._all or not private:
            self._file.append(f"{format_rfc3339(delivery.at)} {format_delivery_line(delivery, private)}")
