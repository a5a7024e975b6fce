"""Log files that are appended to line by line and that only their owner can read."""

from __future__ import annotations

from errno import ENOSPC
from io import FileIO
from os import strerror
from pathlib import Path

from twisted.logger import ILogObserver, LogEvent, Logger, eventAsJSON
from zope.interface import implementer

from chatd.files import make_private_folder, open_private


class LogFile(FileIO):
    """A log file that stays open as long as the process lives. Each line is appended whole, in one write.

    If the file or its folder does not exist, it is created. Opening the file raises `OSError`. A line that
    can't be written later is lost, and only the first such failure in a row is logged.
    """

    _log = Logger()
    _failing = False

    def __init__(self, path: str) -> None:
        make_private_folder(Path(path).parent)
        super().__init__(path, "ab", opener=open_private)

    def append(self, line: str) -> None:
        """Append ``line`` and a newline to the file. If that fails, log the error instead of raising it."""
        data = f"{line}\n".encode()
        try:
            written = self.write(data)
            if written < len(data):
                self.truncate(self.tell() - written)
                raise OSError(ENOSPC, strerror(ENOSPC))
            self._failing = False
        except OSError as error:
            if not self._failing:
                self._failing = True  # set first: the log event below may be written to this file
                self._log.error("{path} can't be written: {why}", path=self.name, why=error.strerror)


@implementer(ILogObserver)
class JsonLogObserver:
    """A Twisted log observer that appends each event of the daemon's log to ``file`` as a JSON object."""

    def __init__(self, file: LogFile) -> None:
        self._file = file

    def __call__(self, event: LogEvent) -> None:
        """Append a log event to the file, as one line of JSON."""
        self._file.append(eventAsJSON(event))
