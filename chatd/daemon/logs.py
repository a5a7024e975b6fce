"""Log files that are appended to line by line, that only their owner can read, and that are rotated."""

from __future__ import annotations

import os
from contextlib import suppress
from errno import ELOOP, ENOSPC
from io import FileIO
from pathlib import Path
from threading import Lock

from twisted.logger import ILogObserver, LogEvent, Logger, eventAsJSON
from zope.interface import implementer

from chatd.files import make_private_folder, open_private


class LogFile(FileIO):
    """A log file that is appended to, and rotated by its size. It stays open as long as the process runs.

    Each line is appended whole, in one write. If the file or its folder does not exist, it is created.
    Opening the file raises `OSError`. A line that can't be written later is lost, and only the first such
    failure in a row is logged.

    Before the file would have more than ``rotate_bytes`` bytes, it is renamed to ``PATH.1``, and a new file
    is begun. Earlier files get the next number; at most ``keep`` of them are kept. If the rotation fails,
    lines are appended to the same file until it has grown by ``rotate_bytes`` again, and only the first such
    failure in a row is logged. A symbolic link can't be rotated, nor can a file that another program has
    moved away.
    """

    _log = Logger()
    _failing = False
    _cannot_rotate = False

    def __init__(self, path: str, rotate_bytes: int, keep: int) -> None:
        make_private_folder(Path(path).parent)
        super().__init__(path, "ab", opener=open_private)
        self._path = path
        self._rotate_bytes = self._rotate_above = rotate_bytes
        self._keep = keep
        # Twisted may log from any of its threads.
        self._lock = Lock()

    def append(self, line: str) -> None:
        """Append ``line`` and a newline to the file. A failure is logged and not raised."""
        data = f"{line}\n".encode()
        with self._lock:
            failures = (self._rotate_if_full(len(data)), self._write_whole(data))
        # Logged last: the event may be written to this file.
        for failure in filter(None, failures):
            self._log.error("{path} can't be {done}: {why}", path=self.name, done=failure[0], why=failure[1])

    def _write_whole(self, data: bytes) -> tuple[str, str] | None:
        """Append ``data`` completely, or not at all.

        Return None after success, and after a failure that follows another failure. After the first failure
        in a row, return the failed action and its reason, for the log.
        """
        try:
            written = self.write(data)
            if written < len(data):
                self.truncate(self.tell() - written)
                raise OSError(ENOSPC, os.strerror(ENOSPC))
        except OSError as error:
            told, self._failing = self._failing, True
            return None if told else ("written", str(error.strerror))
        self._failing = False
        return None

    def _rotate_if_full(self, more: int) -> tuple[str, str] | None:
        """Begin a new file if ``more`` bytes don't fit into this one.

        Return the failed action and its reason after the first failure in a row, otherwise None.
        """
        size = os.fstat(self.fileno()).st_size
        if not size or size + more <= self._rotate_above:
            return None
        try:
            if not os.path.samestat(os.lstat(self._path), os.fstat(self.fileno())):
                raise OSError(ELOOP, "the path is a symbolic link, or another file's")
            self._rotate()
        except OSError as error:
            told, self._cannot_rotate = self._cannot_rotate, True
            self._rotate_above = size + self._rotate_bytes
            return None if told else ("rotated", str(error.strerror))
        self._rotate_above = self._rotate_bytes
        self._cannot_rotate = False
        return None

    def _rotate(self) -> None:
        """Rename this file and the earlier files, and begin a new file. Raises `OSError`.

        Until the new file has its place, lines go to the old one.
        """
        new_path = f"{self._path}.new"
        with suppress(OSError):  # left by a process that was killed
            os.unlink(new_path)
        # O_EXCL, so that nobody else can prepare a link or a file of that name.
        new = open_private(new_path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND)
        try:
            names = [self._path, *(f"{self._path}.{number}" for number in range(1, self._keep + 1))]
            # What is behind a free number stays.
            free = next((place for place, name in enumerate(names) if not os.path.lexists(name)), self._keep)
            for number in range(free, 0, -1):
                os.rename(names[number - 1], names[number])
            os.rename(new_path, self._path)
            os.dup2(new, self.fileno(), inheritable=False)
        except OSError:
            with suppress(OSError):
                os.unlink(new_path)
            raise
        finally:
            os.close(new)


@implementer(ILogObserver)
class JsonLogObserver:
    """A Twisted log observer that appends each event of the daemon's log to ``file`` as a JSON object."""

    def __init__(self, file: LogFile) -> None:
        self._file = file

    def __call__(self, event: LogEvent) -> None:
        """Append a log event to the file, as one line of JSON."""
        self._file.append(eventAsJSON(event))
