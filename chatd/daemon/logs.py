"""Log files: appended to line by line, readable by their owner alone."""

from __future__ import annotations

from errno import ENOSPC
from io import FileIO
from os import strerror
from pathlib import Path

from twisted.logger import ILogObserver, LogEvent, Logger, eventAsJSON
from zope.interface import implementer

from chatd.files import make_private_folder, open_private


class LogFile(FileIO):
    """A file that lines are appended to, each at once and whole; kept open as long as the process lives.

    It is created with its folder when it is missing; opening it raises `OSError`. A line that can't be
    written later is lost, which is logged once.
    """

    _log = Logger()
    _failing = False

    def __init__(self, path: str) -> None:
        make_private_folder(Path(path).parent)
        super().__init__(path, "ab", opener=open_private)

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
class JsonLogObserver:
    """Writes each event of the daemon's log to ``file`` as a JSON object."""

    def __init__(self, file: LogFile) -> None:
        self._file = file

    def __call__(self, event: LogEvent) -> None:
        """Write a line."""
        self._file.append(eventAsJSON(event))
