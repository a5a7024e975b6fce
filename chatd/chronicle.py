"""The log files: what is said, for people; all that happens, for programs."""

from __future__ import annotations

import re
from errno import ENOSPC
from io import FileIO
from os import strerror
from typing import Final

from twisted.logger import ILogObserver, LogEvent, Logger, eventAsJSON
from zope.interface import implementer

from chatd.core.events import Arrived, Logged, Told
from chatd.dialects.plain import clean
from chatd.dialects.stamp import rfc3339

# What would end a line or steer the terminal that shows it.
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class LogFile(FileIO):
    """A file that lines are appended to, each at once and whole; kept open as long as the process lives.

    Opening it raises `OSError`. A line that can't be written later is lost, which is logged once.
    """

    _log = Logger()
    _failing = False

    def __init__(self, path: str) -> None:
        super().__init__(path, "ab")

    def append(self, line: str) -> None:
        """Write ``line`` and its end."""
        data = f"{line}\n".encode()
        try:
            written = self.write(data)
            if written < len(data):
                self.truncate(self.tell() - written)
                raise OSError(ENOSPC, strerror(ENOSPC))
            self._failing = False
        except OSError as error:
            if not self._failing:
                self._failing = True  # before this is logged, maybe in this very file
                self._log.error("{path} can't be written: {why}", path=self.name, why=error.strerror)


@implementer(ILogObserver)
class JsonLines:
    """Writes each event of the daemon's log to ``file`` as a JSON object."""

    def __init__(self, file: LogFile) -> None:
        self._file = file

    def __call__(self, event: LogEvent) -> None:
        """Write a line."""
        self._file.append(eventAsJSON(event))


class Chronicle:
    """The conversation log: writes what it is told to ``file``, private messages excepted."""

    def __init__(self, file: LogFile) -> None:
        self._file = file

    def __call__(self, told: Told) -> None:
        """Write a line, unless this is nobody else's business."""
        if not _is_private(told):
            self._file.append(f"{rfc3339(told.at)} {line(told)}")


def line(told: Told) -> str:
    """``[wob] alice: hello``, ``alice arrived`` and the like, on one line; not what is said in private."""
    if not isinstance(told, Logged):
        return f"{told.user.nick} {'arrived' if isinstance(told, Arrived) else 'left'}"
    event = told.event
    actor = event.actor.nick
    subject = f" {event.subject.nick}" if event.subject is not None else ""
    if _is_private(told):
        return f"[private] {actor} to{subject}"
    body = clean(_CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), event.body))
    if event.said:
        return f"[{event.conversation.name or 'lobby'}] {actor}: {body}"
    return f"[{event.conversation.name}] {actor} {event.kind}{subject} {body}".rstrip()


def _is_private(told: Told) -> bool:
    return isinstance(told, Logged) and told.event.conversation.kind == "direct"
