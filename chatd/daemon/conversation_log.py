"""The conversation log: a file with what is said, for people to read."""

from __future__ import annotations

from chatd.chat.log_lines import line
from chatd.core.events import Delivery
from chatd.daemon.logs import LogFile
from chatd.dialects.timestamps import rfc3339


class ConversationLog:
    """The conversation log: writes what happens to ``file``, with what is private if ``private`` says so."""

    def __init__(self, file: LogFile, private: bool = False) -> None:
        self._file = file
        self._all = private

    def __call__(self, delivery: Delivery, private: bool) -> None:
        """Write a line; ``private`` says whether this happened in a private group or in private."""
        if self._all or not private:
            self._file.append(f"{rfc3339(delivery.at)} {line(delivery, private)}")
