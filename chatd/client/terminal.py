"""The Textual driver through which the full-screen client reads keys and writes to the terminal."""

from __future__ import annotations

import os
import select
import sys
from codecs import getincrementaldecoder
from typing import Any, Final

from textual._xterm_parser import XTermParser
from textual.drivers.linux_driver import LinuxDriver

READ_BYTES: Final = 4096
"""The maximum number of bytes that the driver reads from the terminal at once."""

ESCAPE_TIMEOUT_SECONDS: Final = 0.1
"""An Escape byte that no further byte follows within this time is the Escape key."""


class TerminalDriver(LinuxDriver):
    """A Textual terminal driver that accepts invalid UTF-8 in the input, and writes to standard output.

    Invalid UTF-8 is replaced. Textual's own driver ends the app at invalid UTF-8, and writes to standard
    error.
    """

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._file = sys.__stdout__

    def run_input_thread(self) -> None:
        """Read keys from the terminal until the app ends or the terminal is gone."""
        parser = XTermParser()
        decode = getincrementaldecoder(sys.stdin.encoding)("replace").decode
        while not self.exit_event.is_set():
            ready, _, _ = select.select([self.fileno], [], [], ESCAPE_TIMEOUT_SECONDS)
            if ready:
                data = os.read(self.fileno, READ_BYTES)
                if not data:
                    return
                for event in parser.feed(decode(data)):
                    self.process_message(event)
            for event in parser.tick():
                self.process_message(event)
