"""The terminal driver of the screen."""

from __future__ import annotations

import os
import select
import sys
from codecs import getincrementaldecoder
from typing import Any, Final

from textual._xterm_parser import XTermParser
from textual.drivers.linux_driver import LinuxDriver

READ_BYTES: Final = 4096
"""The most that one read takes."""

ESCAPE_TIMEOUT_SECONDS: Final = 0.1
"""After this time without a further byte an Escape is a key of its own."""


class TerminalDriver(LinuxDriver):
    """Textual's driver, which would end at a byte that is not UTF-8, and write to standard error."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._file = sys.__stdout__

    def run_input_thread(self) -> None:
        """Read keys until the app ends or the terminal is gone."""
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
