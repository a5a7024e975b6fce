"""The start of the full screen."""

import subprocess
import sys
from typing import Final

from twisted.trial.unittest import SynchronousTestCase

from tests.support.daemon_process import environment

NOT_NEEDED_AT_START: Final = (
    "chatd.core.rules",
    "chatd.core.state",
    "chatd.daemon",
    "chatd.store",
    "twisted",
    "sqlite3",
    "PIL",
    "ascii_magic",
    "pygments",
    "rich.syntax",
    "rich.traceback",
    "textual.widgets._progress_bar",
    "textual.widgets._markdown",
)
"""Modules that would make each start of the client slower."""

LIST_MODULES: Final = "import sys, chatd.client.__main__, chatd.client.fullscreen; print(*sys.modules)"


class Start(SynchronousTestCase):
    def test_it_imports_nothing_that_the_first_screen_does_not_need(self) -> None:
        ran = subprocess.run(
            [sys.executable, "-c", LIST_MODULES],
            env=environment(),
            capture_output=True,
            text=True,
            check=True,
        )
        imported = set(ran.stdout.split())
        self.assertIn("chatd.client.screen", imported)
        self.assertEqual([], sorted(imported.intersection(NOT_NEEDED_AT_START)))
