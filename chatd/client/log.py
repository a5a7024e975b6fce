"""The log file in which the client keeps the messages that its user received.

Source: seed tp6-chat-room, "Logs".
"""

from __future__ import annotations

import os
from datetime import datetime
from io import FileIO
from pathlib import Path

from chatd.client import codec
from chatd.client.language import _, translated_os_error
from chatd.client.options import UsageError, default_log_path
from chatd.client.render import (
    CONTINUATION_INDENT,
    author_label,
    conversation_label,
    describe_event,
    message_text,
    reply_label,
    sanitize,
    sanitize_to_one_line,
    to_local_time,
)
from chatd.json_wire import objects


class ChatLog:
    """The log file of the client: a line for each message (time, conversation, sender, text) and each event.

    A new file is readable only by its owner. After the file has been moved, as log rotation does, the next
    line goes to a new file at the same path. The constructor raises `UsageError` if the file can't be opened.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._file: FileIO | None = _opened(path)
        except OSError as error:
            raise UsageError(
                _("can't write the log {path}: {why}").format(path=path, why=translated_os_error(error))
            ) from None

    def write_received(self, news: codec.News, nick: str) -> str | None:
        """Log a message, an event or a notice that the user ``nick`` received.

        Return None, or after a write error a text for the user. A write error closes the file for good, and
        later calls do nothing.
        """
        if isinstance(news, objects.GroupEvent | objects.ServerEvent):
            return self._write(news.ts.as_datetime, f"* {describe_event(news)}")
        if isinstance(news, codec.ServerNotice):
            return self._write(news.ts, f"* {sanitize_to_one_line(news.text)}")
        return self._write_message(news, codec.conversation_of_message(news, nick), nick)

    def write_missed_messages(self, page: codec.LoginBacklog, nick: str) -> str | None:
        """Log the messages in ``page`` that the user ``nick`` missed.

        Do nothing for a list of conversations.

        Messages that the user had received before are left out, because the daemon sends them at every login.
        Return None, or after a write error a text for the user.
        """
        if not isinstance(page, objects.Page):
            return None
        place = codec.conversation_of_page(page)
        troubles = [
            self._write_message(item, place, nick) for item in page.messages if codec.was_missed(item, page)
        ]
        return next(filter(None, troubles), None)

    def close(self) -> None:
        """Close the log file."""
        if self._file is not None:
            self._file.close()

    def _write_message(
        self, message: objects.Message | objects.HistoryMessage, place: codec.ConversationRef, nick: str
    ) -> str | None:
        speaker = author_label(message.nick, nick, message.kind)
        head = sanitize_to_one_line(f"{conversation_label(place)} {speaker}")
        end = f"\n{CONTINUATION_INDENT}" if message.kind == "image" else " "
        text = (reply_label(message) + message_text(message)).replace("\n", f"\n{CONTINUATION_INDENT}")
        return self._write(message.ts.as_datetime, f"{head}{end}{text}")

    def _write(self, at: datetime, text: str) -> str | None:
        if self._file is None:
            return None
        line = sanitize(f"{to_local_time(at):%Y-%m-%d %H:%M:%S%z} {text}\n").encode()
        try:
            if _moved(self._path, self._file):
                self._file.close()
                self._file = _opened(self._path)
            if _torn(self._file):
                line = b"\n" + line
            while line:
                line = line[self._file.write(line) :]
        except OSError as error:
            self._file.close()
            self._file = None
            return _("can't write the log {path} any more: {why}").format(
                path=self._path, why=translated_os_error(error)
            )
        return None


def open_log(log: str) -> ChatLog:
    """Open the log file at the path ``log``, or in the user's state folder if ``log`` is empty.

    Raises `UsageError` if the file can't be opened.
    """
    try:
        return ChatLog(Path(log or default_log_path()).expanduser())
    except RuntimeError as unknown:  # ~nobody, or nobody's home
        raise UsageError(
            _("can't write the log {path}: {why}").format(path=log or default_log_path(), why=unknown)
        ) from None


def _opened(path: Path) -> FileIO:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return open(path, "ab+", buffering=0, opener=_private)


def _moved(path: Path, file: FileIO) -> bool:
    """Return whether the path of the log no longer names the open ``file``, as after a log rotation."""
    try:
        return not os.path.samestat(os.stat(path), os.fstat(file.fileno()))
    except FileNotFoundError:
        return True


def _torn(file: FileIO) -> bool:
    """Return whether the file ends in the middle of a line, as after a full disk."""
    size = os.fstat(file.fileno()).st_size
    return size > 0 and os.pread(file.fileno(), 1, size - 1) != b"\n"


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
