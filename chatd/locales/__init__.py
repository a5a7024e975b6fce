"""The catalogues of gettext: what the daemon and the client say in other languages than English."""

from __future__ import annotations

import gettext
from pathlib import Path
from typing import Final

DOMAIN: Final = "chat"

LOCALES: Final = Path(__file__).parent
"""Where the catalogues are: ``fr/LC_MESSAGES/chat.mo`` and the like."""

_french: Final = gettext.translation(DOMAIN, LOCALES, ["fr"])


def to_french(sentence: str) -> str:
    """The French of an English ``sentence`` that the catalogue has; any other comes back as it is."""
    return _french.gettext(sentence)
