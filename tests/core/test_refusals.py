"""Every refusal is in one list, is used, and makes a sentence."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from string import Formatter

from twisted.trial.unittest import SynchronousTestCase

import chatd
from chatd.core.refusals import (
    DETAIL_MAX_CHARACTERS,
    REASONS,
    RETRY_AFTER_SECONDS,
    SENTENCES,
    Phrase,
    Refusal,
    reason,
)

SOURCES = sorted(Path(chatd.__file__).parent.rglob("*.py"))


@cache
def parsed(source: Path) -> ast.Module:
    """The syntax tree of a source."""
    return ast.parse(source.read_text("utf-8"))


def wanted_by(sentence: str) -> set[str]:
    """The details that a sentence mentions."""
    return {name for _, name, _, _ in Formatter().parse(sentence) if name is not None}


def texts(tree: ast.AST) -> Iterator[str]:
    """Every string in a source."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def made(
    tree: ast.AST, maker: str = "Refusal", known: Mapping[str, str] = SENTENCES
) -> Iterator[tuple[set[str], set[str], int]]:
    """For each ``Refusal(…)``: the codes that it may be about, the details it gives, its line.

    A code that is a variable may be any of those that stand in the same function.
    """
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Module):
            continue
        for node in ast.walk(function):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == maker:
                code = node.args[0]
                if isinstance(code, ast.Constant):
                    yield {str(code.value)}, {str(word.arg) for word in node.keywords}, node.lineno
                elif not isinstance(function, ast.Module):
                    given = {str(word.arg) for word in node.keywords}
                    yield set(texts(function)) & set(known), given, node.lineno


class TheList(SynchronousTestCase):
    def test_every_code_is_used_somewhere(self) -> None:
        said: set[str] = set()
        for source in SOURCES:
            if source.name != "refusals.py":
                said.update(word for text in texts(parsed(source)) for word in text.split())
        self.assertEqual([code for code in SENTENCES if code not in said], [])

    def test_every_refusal_is_in_the_list_and_has_what_its_sentence_needs(self) -> None:
        seen = 0
        for source in SOURCES:
            for codes, given, line in made(parsed(source)):
                where = f"{source.name}:{line}"
                self.assertTrue(codes, where)
                for code in codes:
                    seen += 1
                    self.assertIn(code, SENTENCES, where)
                    self.assertLessEqual(wanted_by(SENTENCES[code]), given, where)
        self.assertGreater(seen, 30)

    def test_every_reason_is_used_and_has_what_its_sentence_needs(self) -> None:
        said: set[str] = set()
        for source in SOURCES:
            tree = parsed(source)
            if source.name != "refusals.py":
                said.update(texts(tree))
            for reasons, given, line in made(tree, "reason", REASONS):
                where = f"{source.name}:{line}"
                self.assertTrue(reasons, where)
                for wrong in reasons:
                    self.assertIn(wrong, REASONS, where)
                    self.assertLessEqual(wanted_by(REASONS[wrong]), given, where)
        self.assertEqual(set(REASONS) - said, set())

    def test_a_refusal_without_its_details_is_noticed(self) -> None:
        source = "def f():\n for code, x in (('banned', 1), ('empty', 2)):\n  raise Refusal(code, nick='bob')"
        self.assertEqual(list(made(ast.parse(source))), [({"banned", "empty"}, {"nick"}, 3)])
        self.assertEqual(wanted_by(SENTENCES["banned"]), {"nick", "group"})

    def test_sentences_are_one_line_each_and_codes_one_word(self) -> None:
        for code, sentence in SENTENCES.items():
            self.assertRegex(code, r"\A[a-z][a-z0-9_]*\Z")
            self.assertTrue(sentence.isprintable() and not sentence.endswith("."), code)

    def test_what_passes_is_in_the_list(self) -> None:
        self.assertLessEqual(set(RETRY_AFTER_SECONDS), set(SENTENCES))


class Refusals(SynchronousTestCase):
    def test_the_sentence_is_filled(self) -> None:
        refusal = Refusal("no_such_member", nick="bob", group="wob")
        self.assertEqual(refusal.text, "bob is not a member of wob")
        self.assertEqual(Refusal("empty").text, "the text is empty: write something")

    def test_it_can_be_said_in_another_language(self) -> None:
        """Its reason as well, by what it is made of; what a peer sent is not translated."""
        words = {
            SENTENCES["bad_group"]: "{group} : non, {why}",
            REASONS["no_choice"]: "{name} parmi {choices}",
            "visibility": "visibilité",
        }
        why = reason("no_choice", name=Phrase("visibility"), choices="public")
        refusal = Refusal("bad_group", group="visibility", why=why)
        self.assertEqual(
            refusal.translated(lambda said: words.get(said, said)),
            "visibility : non, visibilité parmi public",
        )
        self.assertEqual(refusal.text, refusal.translated(str))
        self.assertEqual(why, "visibility must be one of public")

    def test_a_reason_is_cut_in_its_details(self) -> None:
        why = reason("usage", usage="x" * 1000)
        self.assertEqual(Refusal("bad_request", why=why).text, f"usage: {'x' * DETAIL_MAX_CHARACTERS}…")

    def test_what_a_peer_sent_is_taken_as_it_is(self) -> None:
        refusal = Refusal("no_such_user", nick="{0} {nick} %s")
        self.assertEqual(refusal.text, "unknown user: {0} {nick} %s")

    def test_it_is_about_the_nick_else_the_group(self) -> None:
        self.assertEqual(Refusal("banned", nick="bob", group="wob").refused_name, "bob")
        self.assertEqual(Refusal("no_such_group", group="wob").refused_name, "wob")
        self.assertEqual(Refusal("empty").refused_name, "")

    def test_it_says_when_trying_again_makes_sense(self) -> None:
        self.assertEqual(Refusal("storage_failed", why=reason("not_read")).retry_after, 1.0)
        self.assertIsNone(Refusal("empty").retry_after)

    def test_a_whole_name_is_repeated_but_not_a_whole_frame(self) -> None:
        longest = "e\N{COMBINING ACUTE ACCENT}" * 64
        self.assertEqual(Refusal("no_such_group", group=longest).refused_name, longest)
        refusal = Refusal("no_such_group", group="x" * 60_000)
        self.assertEqual(refusal.refused_name, "x" * DETAIL_MAX_CHARACTERS + "…")
        self.assertLess(len(refusal.text), 2 * DETAIL_MAX_CHARACTERS)
