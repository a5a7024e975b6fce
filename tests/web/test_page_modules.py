"""Tests of the page's modules without a browser: what node runs of them, and what their sources must hold."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

from twisted.trial.unittest import SkipTest, TestCase

from chatd.core.commands import COMMANDS
from chatd.core.typed_commands import ACTION_HELP
from chatd.web.command_table import command_table, french_catalogue
from chatd.web.modules import without_comments
from chatd.web.pages import STATIC_FOLDER, read_static_files

PAGE_TESTS = Path(__file__).parent / "page"

FIRST_LOAD_BYTES = 150 * 1024
"""The size of everything that a browser loads for the page, before any compression."""

NOT_IN_FIRST_LOAD = {"/", "/french.js", "/french.json", "/image.js"}
"""The page is there as index.html too. French is loaded if it is wanted, `image.js` for the first picture."""

TRANSLATED = re.compile(r'\bt\(\s*(?:[^"`()]*(?:\([^()]*\)[^"`()]*)?\?\s*)?"([^"]+)"(?:\s*:\s*"([^"]+)")?')
"""A text of the page in a module: ``t("a")``, or one of two as in ``t(some ? "a" : "b")``."""


def node() -> str:
    """Return the path of node. Raises `SkipTest` if there is none."""
    found = shutil.which("node")
    if found is None:
        raise SkipTest("node is not installed: the page's modules are tested in the browser only")
    return found


def sources() -> dict[str, str]:
    """Return the texts of the page's modules by name."""
    return {path.name: path.read_text() for path in sorted(STATIC_FOLDER.glob("*.js"))}


class NodeTest(TestCase):
    """The tests in page/, run by node on the modules as a browser gets them."""

    def test_modules(self) -> None:
        """The pure modules do what their tests say."""
        program = node()
        folder = Path(self.mktemp())
        folder.mkdir()
        (folder / "package.json").write_text('{"type": "module"}')
        for path, file in read_static_files().items():
            if path.endswith((".js", ".json")):
                (folder / path.removeprefix("/")).write_bytes(file.content)
        tests = [shutil.copy(test, folder) for test in sorted(PAGE_TESTS.glob("*.mjs"))]
        done = subprocess.run(
            [program, "--test", "--test-reporter=tap", *map(str, tests)],
            capture_output=True,
            text=True,
            check=False,
            timeout=90,
        )
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)
        passed = re.search(r"^# pass (\d+)$", done.stdout, re.MULTILINE)
        assert passed is not None
        written = sum(test.read_text().count("\ntest(") for test in PAGE_TESTS.glob("*.mjs"))
        self.assertEqual(written, int(passed[1]))

    def test_syntax(self) -> None:
        """Every module is still one without its comments."""
        program = node()
        folder = Path(self.mktemp())
        folder.mkdir()
        (folder / "package.json").write_text('{"type": "module"}')
        for name, text in sources().items():
            (folder / name).write_bytes(without_comments(text.encode()))
            done = subprocess.run(
                [program, "--check", str(folder / name)],
                capture_output=True,
                text=True,
                check=False,
                timeout=30,
            )
            self.assertEqual(0, done.returncode, done.stderr)


class CommandTableTest(TestCase):
    """The JSON that the page completes commands from."""

    def test_all_commands(self) -> None:
        """Every command that has a typed form is there with its fields."""
        rows = {row["name"]: row for row in json.loads(command_table())}
        self.assertEqual(
            [*(name for name, row in COMMANDS.items() if row.semicolon_word or row.slash_word), "me"],
            list(rows),
        )
        self.assertEqual(
            {
                "name": "kick",
                "action": "kick",
                "word": "kick",
                "slash": "kick",
                "event": "kicked",
                "fields": [
                    {"name": "group", "key": "group", "kind": "name", "required": True},
                    {"name": "dest", "key": "dest", "kind": "name", "required": True},
                    {"name": "reason", "key": "reason", "kind": "note"},
                ],
                "help": "remove a user from a group; the user may come back",
            },
            rows["kick"],
        )
        self.assertEqual("join", rows["enter"]["action"])
        self.assertEqual("from", rows["identify"]["fields"][0]["key"])

    def test_french(self) -> None:
        """Refusals come with their translations."""
        catalogue = json.loads(french_catalogue())
        self.assertEqual(
            ["unknown user: {nick}", "utilisateur inconnu : {nick}"], catalogue["refusals"]["no_such_user"]
        )
        self.assertIn("leave a group", catalogue["texts"])
        self.assertIn(ACTION_HELP, catalogue["texts"])


class SourcesTest(TestCase):
    """What holds for the sources of the page."""

    def test_comments(self) -> None:
        """Comments on lines of their own and indentation are left out, code is not."""
        module = (
            b"/**\n * A * / b\n */\nexport const a = 1; // kept\n"
            b'\t// out\n\t/** x */\n\t/** @type {A} */ b = "/** c */";\n'
        )
        self.assertEqual(
            b'export const a = 1; // kept\n/** @type {A} */ b = "/** c */";\n', without_comments(module)
        )

    def test_size(self) -> None:
        """The first load is small, and is all that the modules import when they start."""
        files = read_static_files()
        imported = {
            f"/{name}" for text in sources().values() for name in re.findall(r'\} from "\./(.+)";', text)
        }
        self.assertEqual(set(), imported & NOT_IN_FIRST_LOAD)
        size = sum(len(file.content) for path, file in files.items() if path not in NOT_IN_FIRST_LOAD)
        self.assertLess(size, FIRST_LOAD_BYTES)

    def test_kept_offline(self) -> None:
        """The service worker keeps all files except itself."""
        kept = set(re.findall(r'"([\w./]+\.\w+)"', re.split(r"SHELL = |\]", sources()["sw.js"])[1]))
        served = {path.removeprefix("/") for path in read_static_files()} - {"", "index.html", "sw.js"}
        self.assertEqual(served, kept)

    def test_french_texts(self) -> None:
        """Every text of the page has a French translation."""
        page = (STATIC_FOLDER / "index.html").read_text()
        texts = set(re.findall(r'data-t(?:-label|-title)?="([^"]+)"', page))
        for text in sources().values():
            texts.update(one for found in TRANSLATED.findall(text) for one in found if one)
        catalogue = json.loads(french_catalogue())
        known = set(re.findall(r'^\t"?(.+?)"?: "', sources()["french.js"], re.MULTILINE))
        known.update(catalogue["texts"])
        known.update(english for english, _ in catalogue["reasons"])
        known.update(english for english, _ in catalogue["refusals"].values())
        self.assertGreater(len(texts), 100)
        self.assertEqual(set(), texts - known)

    def test_no_markup(self) -> None:
        """No module makes markup or code of text, and the page has no inline script or style."""
        forbidden = re.compile(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|DOMParser"
            r"|createContextualFragment|srcdoc|\.style\.\w+ ?=|setAttribute\(\"(?:style|on\w+)\""
        )
        for name, text in sources().items():
            self.assertIsNone(forbidden.search(text), name)
        page = (STATIC_FOLDER / "index.html").read_text()
        self.assertIsNone(re.search(r"<script(?! type=\"module\" src)|<style|\bstyle=|\bon\w+=|//\w", page))
