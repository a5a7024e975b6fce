"""Translates the client's texts into the language of the user's locale."""

from __future__ import annotations

import gettext
import re
from collections.abc import Iterable
from functools import cache
from string import Formatter
from typing import Final

from chatd.core.commands import USAGE_FIELD_NAMES
from chatd.core.language import N_
from chatd.core.names import ALPHABET_NAMES_TO_TRANSLATE
from chatd.core.refusals import MAX_REFUSAL_DETAIL_CHARACTERS, REASON_SENTENCES, REFUSAL_SENTENCES
from chatd.locales import GETTEXT_DOMAIN, LOCALES_FOLDER

ARGPARSE_TEXTS: Final = (
    N_("usage: "),
    N_("positional arguments"),
    N_("options"),
    N_("show this help message and exit"),
    N_("%(prog)s: error: %(message)s\n"),
    N_("argument %(argument_name)s: %(message)s"),
    N_("the following arguments are required: %s"),
    N_("unrecognized arguments: %s"),
    N_("invalid choice: %(value)r (choose from %(choices)s)"),
    N_("not allowed with argument %s"),
    N_("expected one argument"),
    N_("ignored explicit argument %r"),
    N_("ambiguous option: %(option)s could match %(matches)s"),
)
"""The texts of argparse that the client may print. argparse translates them itself after
`translate_argparse`.
"""


SERVER_GREETINGS: Final = (N_("Hello {nick}"), N_("Welcome back {nick} !"))
"""The texts of chatd's welcome, for a new user and for a returning user."""


OS_ERROR_TEXTS: Final = (
    N_("Connection refused"),
    N_("Connection reset by peer"),
    N_("Connection timed out"),
    N_("No route to host"),
    N_("Network is unreachable"),
    N_("Broken pipe"),
    N_("Name or service not known"),
    N_("Temporary failure in name resolution"),
    N_("No such file or directory"),
    N_("Permission denied"),
    N_("Is a directory"),
    N_("Not a directory"),
    N_("File name too long"),
    N_("Read-only file system"),
    N_("No space left on device"),
)
"""Error texts of the operating system that the client translates; Python gives them in English."""


def _(sentence: str) -> str:
    """Return the English ``sentence`` in the user's language."""
    # For an empty text gettext returns the header of the catalogue.
    return load_translations().gettext(sentence) if sentence else ""


@cache
def load_translations() -> gettext.NullTranslations:
    """Return the gettext translations for the language of the environment.

    The language comes from LANGUAGE, LC_ALL, LC_MESSAGES or LANG. If there are no translations for it, texts
    stay in English.
    """
    return gettext.translation(GETTEXT_DOMAIN, LOCALES_FOLDER, fallback=True)


def translate_argparse() -> None:
    """Make the messages of argparse appear in the user's language, through the translations of the client."""
    gettext.bindtextdomain(GETTEXT_DOMAIN, str(LOCALES_FOLDER))
    gettext.textdomain(GETTEXT_DOMAIN)


def translated_refusal(code: str, text: str) -> str:
    """Return ``text``, the sentence of a refusal with the code ``code``, in the user's language.

    An unknown sentence, such as that of another version of chatd, is returned unchanged.
    """
    return _recognised(text, [REFUSAL_SENTENCES[code]] if code in REFUSAL_SENTENCES else [])


def translated_os_error(error: OSError) -> str:
    """Return the text of ``error`` in the user's language, or in English if there is no translation."""
    return _(error.strerror or str(error))


def translated_greeting(text: str) -> str:
    """Return ``text``, the greeting in the server's welcome, in the user's language.

    The greeting of a server other than chatd is returned unchanged.
    """
    return _recognised(text, SERVER_GREETINGS)


def _recognised(text: str, sentences: Iterable[str]) -> str:
    """Return the translation of ``text`` if it is one of ``sentences`` with its placeholders filled.

    Another text is returned unchanged.
    """
    for sentence in sentences:
        found = _pattern(sentence).fullmatch(text)
        if found is not None:
            details = found.groupdict()
            if "why" in details:
                details["why"] = _recognised(details["why"], REASON_SENTENCES.values())
            name = details.get("name", "")
            if name in USAGE_FIELD_NAMES and sentence in REASON_SENTENCES.values():
                details["name"] = _(name)
            details.update(
                (gap, _(word)) for gap, word in details.items() if word in ALPHABET_NAMES_TO_TRANSLATE
            )
            return _(sentence).format(**details)
    return text


@cache
def _pattern(sentence: str) -> re.Pattern[str]:
    """Return a pattern that matches ``sentence`` with its placeholders filled.

    Each placeholder is a named group of the pattern.
    """
    return re.compile(
        "".join(
            re.escape(words) + (f"(?P<{gap}>.{{,{MAX_REFUSAL_DETAIL_CHARACTERS + 1}}})" if gap else "")
            for words, gap, _spec, _conversion in Formatter().parse(sentence)
        ),
        re.DOTALL,
    )
