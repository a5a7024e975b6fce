"""Every sentence that the client shows has its French, and the compiled catalogue is the written one."""

from __future__ import annotations

import argparse
import json
import re
from errno import ECONNREFUSED
from io import BytesIO
from os import strerror
from pathlib import Path
from string import Formatter

from babel.messages.catalog import Catalog
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir, extract_from_file
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from twisted.trial.unittest import SynchronousTestCase

from chatd.client.language import (
    ARGPARSE_TEXTS,
    _,
    translated_greeting,
    translated_os_error,
    translated_refusal,
)
from chatd.core.answers import Welcome
from chatd.core.commands import COMMANDS, USAGE_FIELD_NAMES, Hello
from chatd.core.events import User
from chatd.core.limits import Limits
from chatd.core.names import BadName, parse_nick
from chatd.core.refusals import MAX_REFUSAL_DETAIL_CHARACTERS, REASON_SENTENCES, REFUSAL_SENTENCES, Refusal
from chatd.core.requests import Request
from chatd.dialects.json import JsonDialect
from chatd.locales import LOCALES_FOLDER
from tests.support.framed import frames_of
from tests.support.languages import speak

SOURCES = LOCALES_FOLDER.parent
FRENCH = LOCALES_FOLDER / "fr" / "LC_MESSAGES"


def french() -> Catalog:
    """The catalogue as it is written."""
    return read_po(BytesIO((FRENCH / "chat.po").read_bytes()), locale="fr")


class French(SynchronousTestCase):
    """``make messages`` was run, and somebody translated what it found."""

    def test_every_sentence_is_there_and_nothing_else(self) -> None:
        found = extract_from_dir(SOURCES, keywords={**DEFAULT_KEYWORDS, "N_": None})
        sentences = {message for _file, _line, message, _comments, _context in found}
        self.assertEqual(sentences, {message.id for message in french() if message.id})

    def test_what_the_tables_of_the_core_say_is_marked(self) -> None:
        helps = [row.help for row in COMMANDS.values()]
        typed = {name for row in COMMANDS.values() if row.slash_word for name in row.typeable_fields}
        self.assertLessEqual(typed, {*USAGE_FIELD_NAMES})
        said = {*REFUSAL_SENTENCES.values(), *REASON_SENTENCES.values(), *helps, *USAGE_FIELD_NAMES} - {
            "{why}"
        }  # no word of its own
        self.assertEqual(said - {message.id for message in french()}, set())

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

    def test_what_argparse_says_is_in_its_own_words(self) -> None:
        """Which are asked for by these very sentences."""
        said = {message for _line, message, *_ in extract_from_file("python", Path(argparse.__file__))}
        self.assertEqual(set(ARGPARSE_TEXTS) - said, set())

    def test_the_locale_decides(self) -> None:
        for language, sentence in {"fr": "Vous avez dit :", "en": "You said:", "tlh": "You said:"}.items():
            speak(self, language)
            self.assertEqual(_("You said:"), sentence)


class Greeting(SynchronousTestCase):
    """What the daemon says first, which is English on the wire."""

    def test_what_the_daemon_says_is_recognised(self) -> None:
        """In its very words."""
        speak(self, "fr")
        dialect = JsonDialect(Limits())
        for returning, french in ((False, "Bonjour alice"), (True, "Content de vous revoir, alice !")):
            answer = Welcome(User(1, "alice", "alice", "#112233"), returning, 0, 0)
            said = json.loads(
                frames_of(dialect.encode_answer, Request(Hello("alice"), "client-hello"), answer)
            )
            self.assertEqual(translated_greeting(said["msg"]), french)

    def test_others_are_left_their_own_words(self) -> None:
        speak(self, "fr")
        for text in ("Hello", "Welcome back alice!", "", "hi alice"):
            self.assertEqual(translated_greeting(text), text)

    def test_in_english_nothing_changes(self) -> None:
        for text in ("Hello alice", "Welcome back alice !"):
            self.assertEqual(translated_greeting(text), text)

    def test_why_the_system_failed(self) -> None:
        speak(self, "fr")
        self.assertEqual(
            translated_os_error(OSError(ECONNREFUSED, strerror(ECONNREFUSED))), "Connexion refusée"
        )
        self.assertEqual(translated_os_error(OSError("a reason of its own")), "a reason of its own")


class Explaining(SynchronousTestCase):
    """Refusals, as their code and their English tell them."""

    def test_every_one_is_recognised(self) -> None:
        """Whatever is in its gaps, and its reason with it."""
        speak(self, "fr")
        filled = dict.fromkeys(
            ["nick", "group", "what", "limit", "name", "ref", "id", "number", "seconds"], "x: {y}\n%s"
        )
        reasons = {sentence: fill(sentence) for sentence in REASON_SENTENCES.values()}
        for code, sentence in REFUSAL_SENTENCES.items():
            for why, english in reasons.items() if "{why}" in sentence else {"": ""}.items():
                with self.subTest(code, why=why):
                    text = sentence.format(**filled, why=english)
                    told = fill(_(why)) if why else ""
                    self.assertEqual(translated_refusal(code, text), _(sentence).format(**filled, why=told))

    def test_in_english_nothing_changes(self) -> None:
        for why in REASON_SENTENCES.values():
            text = Refusal("bad_group", group="a b", why=fill(why)).text
            self.assertEqual(translated_refusal("bad_group", text), text)

    def test_names_that_are_none(self) -> None:
        """Reasons with details of several kinds."""
        speak(self, "fr")
        for name, why in {
            "": "un nom doit avoir au moins un caractère",
            "x" * 33: "un nom a au plus 32 caractères : raccourcissez-le",
            "a b": "un nom n'a pas d'espaces : retirez U+0020",
            "a:b": 'un nom n\'a aucun de ces signes, ; | , : @ ! * ? : retirez ":"',
            "b०b": "un nom ne doit utiliser qu'un alphabet : choisissez entre Devanagari et latin",
        }.items():
            with self.subTest(name), self.assertRaises(BadName) as caught:
                parse_nick(name)
            refusal = Refusal("bad_nick", nick=name, why=caught.exception.reason)
            wanted = f"{name} n'est pas un pseudo valide : {why}"
            self.assertEqual(translated_refusal(refusal.code, refusal.text), wanted)

    def test_what_is_cut_is_recognised(self) -> None:
        speak(self, "fr")
        refusal = Refusal("no_such_user", nick="x" * 60_000)
        wanted = f"utilisateur inconnu : {'x' * MAX_REFUSAL_DETAIL_CHARACTERS}…"
        self.assertEqual(translated_refusal(refusal.code, refusal.text), wanted)

    def test_another_daemon_is_left_its_own_words(self) -> None:
        """Of a code that is known, of another, or for a reason that is not."""
        speak(self, "fr")
        for code, text in {
            "no_such_user": "who is bob?",
            "too_loud": "unknown user: bob",
            "bad_request": "a reason of its own",
            "empty": "the text is empty: write something, please",
        }.items():
            self.assertEqual(translated_refusal(code, text), text)
        self.assertEqual(
            translated_refusal("bad_nick", "bob is not a valid nick: it is mine"),
            "bob n'est pas un pseudo valide : it is mine",
        )

    def test_nobody_is_kept_waiting_by_what_nearly_fits(self) -> None:
        """However long it is."""
        text = "x is in " * 100_000
        self.assertEqual(translated_refusal("already_member", text), text)


def fill(sentence: str) -> str:
    """``sentence`` with something in each of its gaps."""
    return sentence.format(**{gap: f"<{gap}>" for gap in gaps(sentence)})


def gaps(sentence: str) -> set[str]:
    """The names in braces, and what ``%`` fills."""
    named = {name for _text, name, _spec, _conversion in Formatter().parse(sentence) if name}
    return named | set(re.findall(r"%(?:\(\w+\))?[a-z]", sentence))
