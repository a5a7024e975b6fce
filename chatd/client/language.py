"""The client's language, by the user's locale."""

from __future__ import annotations

import gettext
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Final

LOCALES: Final = Path(str(resources.files("chatd.client"))) / "locales"
"""Catalogues: ``fr/LC_MESSAGES/chat.mo`` and the like."""


def _(sentence: str) -> str:
    """The user's words for an English ``sentence``."""
    return catalogue().gettext(sentence)


@cache
def catalogue() -> gettext.NullTranslations:
    """The user's, by LANGUAGE, LC_ALL, LC_MESSAGES or LANG; without one it is English."""
    return gettext.translation("chat", LOCALES, fallback=True)
