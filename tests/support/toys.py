"""The folder of toys beside that of the dialects."""

from __future__ import annotations

import sys
from pathlib import Path
from pkgutil import iter_modules

from twisted.trial.unittest import SynchronousTestCase

from chatd import dialects
from chatd.daemon import wires
from tests.toys import two_byte

TOYS = str(Path(__file__).resolve().parents[1] / "toys")


class WithToys(SynchronousTestCase):
    """A test during which each file there is a dialect, or a carrier, like those of chatd."""

    def setUp(self) -> None:
        """Add a folder: nothing else, and nothing anywhere else."""
        self.patch(dialects, "__path__", [*dialects.__path__, TOYS])
        self.patch(wires, "CARRIERS", {**wires.CARRIERS, **two_byte.CARRIERS})
        for module in iter_modules([TOYS]):
            self.addCleanup(sys.modules.pop, f"chatd.dialects.{module.name}", None)
        super().setUp()
