"""The terminal that the screen is drawn on, and the keys that come from it."""

from __future__ import annotations

import os
import select
import sys
from codecs import getincrementaldecoder
from typing import Any, Final

from textual._xterm_parser import XTermParser
from textual.drivers.linux_driver import LinuxDriver

READ: Final = 4096

TICK: Final = 0.1
"""Seconds after which an Escape is a key of its own at the latest."""


class Terminal(LinuxDriver):
    """Textual's, which would take one byte that is no UTF-8 for its end, and write to standard error."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._file = sys.__stdout__

    def run_input_thread(self) -> None:
        """Have keys obeyed until the end, or until the terminal is gone."""
        parser = XTermParser()
        decode = getincrementaldecoder(sys.stdin.encoding)("replace").decode
        while not self.exit_event.is_set():
            ready, _, _ = select.select([self.fileno], [], [], TICK)
            if ready:
                data = os.read(self.fileno, READ)
                if not data:
                    return
                for event in parser.feed(decode(data)):
                    self.process_message(event)
            for event in parser.tick():
                self.process_message(event)
