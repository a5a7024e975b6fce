"""Every sentence of the client has its French, and the compiled catalogue is the written one."""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path
from string import Formatter
from unittest.mock import patch

from babel.messages.catalog import Catalog
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from twisted.trial.unittest import SynchronousTestCase

from chatd.client.language import LOCALES, _, catalogue

CLIENT = LOCALES.parent
FRENCH = LOCALES / "fr" / "LC_MESSAGES"


def french() -> Catalog:
    """The catalogue as it is written."""
    return read_po(BytesIO((FRENCH / "chat.po").read_bytes()), locale="fr")


class French(SynchronousTestCase):
    """``make messages`` was run, and somebody translated what it found."""

    def test_every_sentence_is_there_and_nothing_else(self) -> None:
        found = extract_from_dir(Path(CLIENT), keywords={**DEFAULT_KEYWORDS, "N_": None})
        sentences = {message for _file, _line, message, _comments, _context in found}
        self.assertEqual(sentences, {message.id for message in french() if message.id})

    def test_every_sentence_has_its_french(self) -> None:
        """With the same gaps to be filled."""
        for message in french():
            if message.id:
                self.assertTrue(message.string, message.id)
                self.assertFalse(message.fuzzy, message.id)
                self.assertEqual(gaps(str(message.id)), gaps(str(message.string)))

    def test_it_is_compiled(self) -> None:
        compiled = BytesIO()
        write_mo(compiled, french())
        self.assertEqual(compiled.getvalue(), (FRENCH / "chat.mo").read_bytes(), "run `make messages`")

    def test_the_locale_decides(self) -> None:
        self.addCleanup(catalogue.cache_clear)
        for language, sentence in {"fr": "Vous avez dit :", "en": "You said:", "tlh": "You said:"}.items():
            with patch.dict(os.environ, LANGUAGE=language):
                catalogue.cache_clear()
                self.assertEqual(_("You said:"), sentence)


def gaps(sentence: str) -> set[str | None]:
    """The names in braces."""
    return {name for _text, name, _spec, _conversion in Formatter().parse(sentence) if name}
