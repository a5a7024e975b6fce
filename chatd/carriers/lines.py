"""The carrier of frames that are lines, as telnet sends them."""

from __future__ import annotations

from collections import deque

from twisted.protocols.basic import LineOnlyReceiver

from chatd.boundaries import Dialect, FrameWrapper
from chatd.carriers.carrier import SessionCarrier
from chatd.connections.factory import Sessions
from chatd.connections.login_deadlines import ConnectionBeforeDetection
from chatd.core.language import N_
from chatd.core.refusals import Refusal, TranslatableText


class LineCarrier(SessionCarrier, LineOnlyReceiver):
    """A carrier whose frames are lines that end in LF or CR LF.

    Empty lines are ignored, and so is a last line without LF. Twisted's LineOnlyReceiver cuts all lines of a
    read at once, even while the carrier is paused, so the lines wait in a queue. (LineReceiver can be paused,
    but copies the rest of the read for each line.)
    """

    delimiter = b"\n"

    def __init__(
        self, sessions: Sessions, dialect: Dialect, detector: ConnectionBeforeDetection | None = None
    ) -> None:
        super().__init__(sessions, dialect, detector)
        limits = sessions.limits
        # One more byte for the CR, which does not count as part of the line.
        self.MAX_LENGTH = limits.line + 1
        self._limit = limits.line
        self._lines: deque[bytes] = deque()

    def buffer(self, data: bytes) -> None:
        """Cut ``data`` into lines and queue the complete lines."""
        LineOnlyReceiver.dataReceived(self, data)

    def lineReceived(self, line: bytes) -> None:
        """Queue a line that LineOnlyReceiver has cut."""
        self._lines.append(line)

    def lineLengthExceeded(self, line: bytes) -> None:
        """Queue a line that is too long, so that it is refused after the answers to the lines before it.

        The refusal closes the connection.
        """
        self._lines.append(line)

    def dispatch_next_frame(self) -> bool:
        """Pass the next queued line, without its CR, to the session, but skip an empty line.

        Return False if no line is queued.
        """
        if not self._lines:
            return False
        line = self._lines.popleft().removesuffix(b"\r")
        if len(line) > self._limit:
            self.session.refuse_and_close(
                Refusal("too_long", what=TranslatableText(N_("the line")), limit=self._limit)
            )
        elif line:
            self.session.receive(line)
        return True


class CrlfLineCarrier(LineCarrier):
    """A carrier whose frames are lines.

    It sends them with CR LF, and accepts lines from the client without the CR.
    """

    @staticmethod
    def wrapper_for(dialect: Dialect) -> FrameWrapper:
        """Return the function that appends CR LF to a payload."""
        return _wrap_crlf_line


def _wrap_crlf_line(payload: bytes) -> bytes:
    return payload + b"\r\n"
