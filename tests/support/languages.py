"""The language that the client speaks in a test."""

from __future__ import annotations

import os
from unittest.mock import patch

from twisted.trial.unittest import SynchronousTestCase

from chatd.client.language import load_translations


def speak(test: SynchronousTestCase, language: str) -> None:
    """Have the client speak that for the rest of ``test``."""
    speaking = patch.dict(os.environ, LANGUAGE=language)
    speaking.start()
    test.addCleanup(load_translations.cache_clear)
    test.addCleanup(speaking.stop)
    load_translations.cache_clear()
