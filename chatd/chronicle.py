"""The log files: what is said, for people; all that happens, for programs."""

from __future__ import annotations

import re
from errno import ENOSPC
from io import FileIO
from os import strerror
from pathlib import Path
from typing import Any, Final

from twisted.logger import ILogObserver, LogEvent, Logger, eventAsJSON
from zope.interface import implementer

from chatd.core.answers import Page
from chatd.core.events import Arrived, Conversation, Logged, Told
from chatd.dialects.plain import clean
from chatd.dialects.stamp import rfc3339
from chatd.files import make_folder, open_private

# What would end a line or steer the terminal that shows it.
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class LogFile(FileIO):
    """A file that lines are appended to, each at once and whole; kept open as long as the process lives.

    It is created with its folder when it is missing; opening it raises `OSError`. A line that can't be
    written later is lost, which is logged once.
    """

    _log = Logger()
    _failing = False

    def __init__(self, path: str) -> None:
        make_folder(Path(path).parent)
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
class JsonLines:
    """Writes each event of the daemon's log to ``file`` as a JSON object."""

    def __init__(self, file: LogFile) -> None:
        self._file = file

    def __call__(self, event: LogEvent) -> None:
        """Write a line."""
        self._file.append(eventAsJSON(event))


class Chronicle:
    """The conversation log: writes what happens to ``file``, with what is private if ``private`` says so."""

    def __init__(self, file: LogFile, private: bool = False) -> None:
        self._file = file
        self._all = private

    def __call__(self, told: Told, private: bool) -> None:
        """Write a line; ``private`` says whether this happened in a private group or in private."""
        if self._all or not private:
            self._file.append(f"{rfc3339(told.at)} {line(told, private)}")


class Traffic:
    """The daemon's log at ``debug``: a line for each message received, and one for each client it is sent to.

    What is private is there without its text and without the name of its group. A client has ``peer`` and
    ``user``, as `chatd.session.Session` has them.
    """

    _log = Logger()

    def received(self, client: Any, entry: Logged, private: bool) -> None:
        """``client`` asked for ``entry``; nobody (None) did if it follows from the entry before."""
        what = outline(entry) if private else line(entry)
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

    def sent(self, client: Any, what: Told | Page) -> None:
        """``what`` was sent to ``client``, as it happened or read from the log; an empty page has no line.

        A frame may hold less of a page than there is, but always the end at which the reader began.
        """
        if isinstance(what, Logged):
            name = str(what.id)
        elif not isinstance(what, Page):
            name = f"{line(what)}:"
        elif not what.entries:
            return
        else:
            name = f"page from {what.entries[0].id}" if what.forward else f"page up to {what.entries[-1].id}"
        self._log.debug("{what} sent to {peer} {nick}", what=name, peer=client.peer, nick=client.user.nick)


def line(told: Told, private: bool = False) -> str:
    """``[group wob] alice: hello``, ``alice arrived`` and the like, on one line.

    What is in the brackets has a space in it for every group, which no name has: a group called ``lobby``
    can't be taken for the lobby.
    """
    if not isinstance(told, Logged):
        return f"{told.user.nick} {'arrived' if isinstance(told, Arrived) else 'left'}"
    event = told.event
    actor = event.actor.nick
    subject = f" {event.subject.nick}" if event.subject is not None else ""
    where = _where(event.conversation, private)
    body = clean(_CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), event.body))
    if event.conversation.kind == "direct":
        return f"[{where}] {actor} to{subject}: {body}"
    if event.said:
        return f"[{where}] {actor}: {body}"
    return f"[{where}] {actor} {event.kind}{subject} {body}".rstrip()


def outline(entry: Logged) -> str:
    """The line of what is private, without its text and without the name of the group."""
    event = entry.event
    actor = event.actor.nick
    if event.said:
        to = event.subject.nick if event.subject is not None else "a group"
        return f"[private] {actor} to {to}"
    subject = f" {event.subject.nick}" if event.subject is not None else ""
    return f"[private] {actor} {event.kind}{subject}"


def _where(conversation: Conversation, private: bool) -> str:
    if conversation.kind == "group":
        return f"private group {conversation.name}" if private else f"group {conversation.name}"
    return "private" if conversation.kind == "direct" else "lobby"
