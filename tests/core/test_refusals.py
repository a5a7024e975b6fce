"""Every refusal is in one list, is used, and makes a sentence."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from string import Formatter
from typing import NamedTuple

from twisted.trial.unittest import SynchronousTestCase

import chatd
from chatd.core.refusals import (
    MAX_REFUSAL_DETAIL_CHARACTERS,
    REASON_SENTENCES,
    REFUSAL_SENTENCES,
    RETRY_AFTER_SECONDS_BY_CODE,
    Refusal,
    TranslatableText,
    translatable_reason,
)

SOURCES = sorted(Path(chatd.__file__).parent.rglob("*.py"))


def wanted_by(sentence: str) -> set[str]:
    """The details that a sentence mentions."""
    return {name for _, name, _, _ in Formatter().parse(sentence) if name is not None}


class Call(NamedTuple):
    """A call such as ``Refusal(code, nick=…)``, and the strings in each function that it stands in."""

    maker: str
    code: str | None
    details: set[str]
    line: int
    around: tuple[set[str], ...]

    def codes(self, known: Mapping[str, str]) -> Iterator[set[str]]:
        """The codes that it may be about, of those ``known``: itself, or, if it is a variable, any of those
        that stand in the same function.
        """
        if self.code is not None:
            yield {self.code}
        else:
            for texts in self.around:
                yield texts & set(known)


class Reading(NamedTuple):
    """A source's strings, and what is made in it."""

    texts: set[str]
    calls: list[Call]

    @classmethod
    def of(cls, source: str) -> Reading:
        """Read ``source``, each node of its syntax tree once."""
        whole: set[str] = set()
        calls: list[Call] = []
        left: list[tuple[ast.AST, tuple[set[str], ...]]] = [(ast.parse(source), ())]
        while left:
            node, around = left.pop()
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                around = (*around, set())
            elif isinstance(node, ast.Constant):
                if isinstance(node.value, str):
                    for texts in (whole, *around):
                        texts.add(node.value)
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                if node.func.id in ("Refusal", "reason"):
                    code = node.args[0]
                    said = str(code.value) if isinstance(code, ast.Constant) else None
                    details = {str(word.arg) for word in node.keywords}
                    calls.append(Call(node.func.id, said, details, node.lineno, around))
            left += ((child, around) for child in ast.iter_child_nodes(node))
        return cls(whole, calls)

    def made(self, maker: str, known: Mapping[str, str]) -> Iterator[tuple[set[str], set[str], int]]:
        """For each ``Refusal(…)`` or ``reason(…)``: its codes, the details it gives, its line."""
        for call in self.calls:
            if call.maker == maker:
                for codes in call.codes(known):
                    yield codes, call.details, call.line


@cache
def read(source: Path) -> Reading:
    """What is in the source at this path."""
    return Reading.of(source.read_text("utf-8"))


class TheList(SynchronousTestCase):
    def test_every_code_is_used_somewhere(self) -> None:
        said: set[str] = set()
        for source in SOURCES:
            if source.name != "refusals.py":
                said.update(word for text in read(source).texts for word in text.split())
        self.assertEqual([code for code in REFUSAL_SENTENCES if code not in said], [])

    def test_every_refusal_is_in_the_list_and_has_what_its_sentence_needs(self) -> None:
        seen = 0
        for source in SOURCES:
            for codes, given, line in read(source).made("Refusal", REFUSAL_SENTENCES):
                where = f"{source.name}:{line}"
                self.assertTrue(codes, where)
                for code in codes:
                    seen += 1
                    self.assertIn(code, REFUSAL_SENTENCES, where)
                    self.assertLessEqual(wanted_by(REFUSAL_SENTENCES[code]), given, where)
        self.assertGreater(seen, 30)

    def test_every_reason_is_used_and_has_what_its_sentence_needs(self) -> None:
        said: set[str] = set()
        for source in SOURCES:
            if source.name != "refusals.py":
                said.update(read(source).texts)
            for reasons, given, line in read(source).made("reason", REASON_SENTENCES):
                where = f"{source.name}:{line}"
                self.assertTrue(reasons, where)
                for wrong in reasons:
                    self.assertIn(wrong, REASON_SENTENCES, where)
                    self.assertLessEqual(wanted_by(REASON_SENTENCES[wrong]), given, where)
        self.assertEqual(set(REASON_SENTENCES) - said, set())

    def test_a_refusal_without_its_details_is_noticed(self) -> None:
        source = "def f():\n for code, x in (('banned', 1), ('empty', 2)):\n  raise Refusal(code, nick='bob')"
        made = Reading.of(source).made("Refusal", REFUSAL_SENTENCES)
        self.assertEqual(list(made), [({"banned", "empty"}, {"nick"}, 3)])
        self.assertEqual(wanted_by(REFUSAL_SENTENCES["banned"]), {"nick", "group"})

    def test_sentences_are_one_line_each_and_codes_one_word(self) -> None:
        for code, sentence in REFUSAL_SENTENCES.items():
            self.assertRegex(code, r"\A[a-z][a-z0-9_]*\Z")
            self.assertTrue(sentence.isprintable() and not sentence.endswith("."), code)

    def test_what_passes_is_in_the_list(self) -> None:
        self.assertLessEqual(set(RETRY_AFTER_SECONDS_BY_CODE), set(REFUSAL_SENTENCES))


class Refusals(SynchronousTestCase):
    def test_the_sentence_is_filled(self) -> None:
        refusal = Refusal("no_such_member", nick="bob", group="wob")
        self.assertEqual(refusal.text, "bob is not a member of wob")
        self.assertEqual(Refusal("empty").text, "the text is empty: write something")

    def test_it_can_be_said_in_another_language(self) -> None:
        """Its reason as well, by what it is made of; what a peer sent is not translated."""
        words = {
            REFUSAL_SENTENCES["bad_group"]: "{group} : non, {why}",
            REASON_SENTENCES["no_choice"]: "{name} parmi {choices}",
            "visibility": "visibilité",
        }
        why = translatable_reason("no_choice", name=TranslatableText("visibility"), choices="public")
        refusal = Refusal("bad_group", group="visibility", why=why)
        self.assertEqual(
            refusal.translated(lambda said: words.get(said, said)),
            "visibility : non, visibilité parmi public",
        )
        self.assertEqual(refusal.text, refusal.translated(str))
        self.assertEqual(why, "visibility must be one of public")

    def test_a_reason_is_cut_in_its_details(self) -> None:
        why = translatable_reason("usage", usage="x" * 1000)
        self.assertEqual(
            Refusal("bad_request", why=why).text, f"usage: {'x' * MAX_REFUSAL_DETAIL_CHARACTERS}…"
        )

    def test_what_a_peer_sent_is_taken_as_it_is(self) -> None:
        refusal = Refusal("no_such_user", nick="{0} {nick} %s")
        self.assertEqual(refusal.text, "unknown user: {0} {nick} %s")

    def test_it_is_about_the_nick_else_the_group(self) -> None:
        self.assertEqual(Refusal("banned", nick="bob", group="wob").mentioned_name, "bob")
        self.assertEqual(Refusal("no_such_group", group="wob").mentioned_name, "wob")
        self.assertEqual(Refusal("empty").mentioned_name, "")

    def test_it_says_when_trying_again_makes_sense(self) -> None:
        self.assertEqual(Refusal("storage_failed", why=translatable_reason("not_read")).retry_after, 1.0)
        self.assertIsNone(Refusal("empty").retry_after)

    def test_a_whole_name_is_repeated_but_not_a_whole_frame(self) -> None:
        longest = "e\N{COMBINING ACUTE ACCENT}" * 64
        self.assertEqual(Refusal("no_such_group", group=longest).mentioned_name, longest)
        refusal = Refusal("no_such_group", group="x" * 60_000)
        self.assertEqual(refusal.mentioned_name, "x" * MAX_REFUSAL_DETAIL_CHARACTERS + "…")
        self.assertLess(len(refusal.text), 2 * MAX_REFUSAL_DETAIL_CHARACTERS)
