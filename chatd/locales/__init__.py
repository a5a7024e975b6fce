"""The gettext catalogues: translations of the sentences of the daemon and of the terminal client."""

from __future__ import annotations

import gettext
from pathlib import Path
from typing import Final

GETTEXT_DOMAIN: Final = "chat"
"""The gettext domain: the name of the catalogue files without ``.mo``."""

LOCALES_FOLDER: Final = Path(__file__).parent
"""The folder of the catalogues, with files such as ``fr/LC_MESSAGES/chat.mo``."""

_french: Final = gettext.translation(GETTEXT_DOMAIN, LOCALES_FOLDER, ["fr"])


def to_french(sentence: str) -> str:
    """Return the French translation of the English ``sentence``, or ``sentence`` itself if there is none."""
    return _french.gettext(sentence)
