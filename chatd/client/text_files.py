"""Reads a text file that the user sends as one message with ``/paste``."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from chatd.client.language import _, translated_os_error
from chatd.client.typed_lines import LARGEST_DAEMON_LIMITS
from chatd.core.refusals import Refusal


class TextFileError(Exception):
    """The error for a file that can't be sent as a message. Its text says why, in the user's language."""


def read_text_file(path: str) -> str:
    """Return the text in the file ``path``, without the newlines at its end.

    The function blocks, so it must run in a thread. It reads no more bytes than a message may have. Raises
    `TextFileError` if the file can't be read, is a folder or a device, or is not UTF-8 text, and `Refusal`
    ``too_long`` or ``empty`` if its text can't be a message.
    """
    limit = LARGEST_DAEMON_LIMITS.message
    try:
        with open(Path(path).expanduser(), "rb", opener=_opened) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise TextFileError(_failure_text(path, _("it is no file")))
            data = file.read(limit + 2)
    except RuntimeError as unknown:  # ~nobody
        raise TextFileError(_failure_text(path, str(unknown))) from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        why = translated_os_error(error) if isinstance(error, OSError) else str(error)
        raise TextFileError(_failure_text(path, why)) from None
    if len(data.rstrip(b"\r\n")) > limit:
        raise Refusal("too_long", what=path, limit=limit)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise TextFileError(_failure_text(path, _("it is no text")))
    text = text.replace("\r\n", "\n").rstrip("\n")
    if not text.strip():
        raise Refusal("empty")
    return text


def _opened(path: str, flags: int) -> int:
    """Open a file without waiting for the other end of a pipe, which is not read anyway."""
    return os.open(path, flags | os.O_NONBLOCK)


def _failure_text(path: str, why: str) -> str:
    return _("can't send {path}: {why}").format(path=path, why=why)
