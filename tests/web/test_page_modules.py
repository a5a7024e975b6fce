"""Tests of the page's modules without a browser: what node runs of them, and what their sources must hold."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

from twisted.trial.unittest import SkipTest, TestCase

from chatd.core.commands import COMMANDS
from chatd.core.refusals import REASON_SENTENCES, REFUSAL_SENTENCES
from chatd.core.typed_commands import ME_HELP
from chatd.locales import to_french
from chatd.web.command_table import command_table, french_catalogue
from chatd.web.pages import STATIC_FOLDER, read_static_files
from chatd.web.shortening import shorten_script, shorten_style
from tests.support.page_size import (
    MOST_BYTES,
    MOST_BYTES_AT_FIRST,
    ONLY_FOR,
    all_files,
    bytes_of,
    first_files,
)

PAGE_TESTS = Path(__file__).parent / "page"

LOADED_LATER = {
    *(
        "/dialogs.js",
        "/french.js",
        "/image.js",
        "/menus.js",
        "/message_menu.js",
        "/palette.js",
        "/search.js",
        "/search_results.js",
        "/sw.js",
    ),
}
"""The scripts that are not imported when the page starts, except that a French page imports its texts."""

TRANSLATED = re.compile(r'\bt\(\s*(?:[^"`()]*(?:\([^()]*\)[^"`()]*)?\?\s*)?"([^"]+)"(?:\s*:\s*"([^"]+)")?')
"""A text of the page in a module: ``t("a")``, or one of two as in ``t(some ? "a" : "b")``."""

PARSE_MODULES = """
const { readFileSync, readdirSync } = require("node:fs");
const { SourceTextModule } = require("node:vm");
const folder = process.argv[1];
for (const name of readdirSync(folder).filter(name => name.endsWith(".js")).sort()) {
    new SourceTextModule(readFileSync(`${folder}/${name}`, "utf8"), { identifier: name });
    console.log(name);
}
"""
"""A program for node that parses the modules in a folder, and writes the name of each that is one."""


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
            (folder / name).write_bytes(shorten_script(text.encode()))
        done = subprocess.run(
            [program, "--experimental-vm-modules", "--no-warnings", "-e", PARSE_MODULES, str(folder)],
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
        self.assertEqual((0, sorted(sources())), (done.returncode, done.stdout.split()), done.stderr)


class CommandTableTest(TestCase):
    """The JSON that the page completes commands from."""

    def test_all_commands(self) -> None:
        """Every command that has a typed form is there with its fields."""
        table = json.loads(command_table(str))
        rows = {row["name"]: row for row in table["commands"]}
        self.assertEqual(
            [
                *(name for name, row in COMMANDS.items() if row.semicolon_word or row.slash_word),
                "me",
            ],
            list(rows),
        )
        self.assertEqual(
            {
                "name": "kick",
                "event": "kicked",
                "fields": "group dest [reason]",
                "help": "remove a user from a group; the user may come back",
            },
            rows["kick"],
        )
        self.assertEqual(
            {
                "name": "enter",
                "action": "join",
                "word": "",
                "slash": "join",
                "event": "joined",
                "fields": "group",
                "help": "enter a room (a group), joining it first if necessary",
            },
            rows["enter"],
        )
        self.assertTrue(rows["leave"]["room"])
        self.assertEqual({"key": "from"}, table["fields"]["nick"])
        self.assertEqual({"kind": "choice", "choices": ["public", "private"]}, table["fields"]["visibility"])
        self.assertNotIn("group", table["fields"])

    def test_french(self) -> None:
        """The table has French help lines, and refusals come with their translations."""
        rows = {row["name"]: row for row in json.loads(command_table(to_french))["commands"]}
        self.assertEqual("quitter un salon", rows["leave"]["help"])
        self.assertEqual(to_french(ME_HELP), rows["me"]["help"])
        catalogue = json.loads(french_catalogue())
        self.assertEqual(
            ["unknown user: {nick}", "utilisateur inconnu : {nick}"], catalogue["refusals"]["no_such_user"]
        )
        self.assertEqual(
            "seuls les opérateurs du serveur peuvent faire cela", catalogue["refusals"]["not_server_operator"]
        )
        self.assertEqual("donner son pseudo", catalogue["texts"]["log in with a nick"])

    def test_sentences_left_out(self) -> None:
        """The sentences that the daemon never says to the page are left out, and no others."""
        catalogue = json.loads(french_catalogue())
        refusals = REFUSAL_SENTENCES.keys() - catalogue["refusals"].keys()
        known = [english for english, _ in catalogue["reasons"]]
        reasons = {key for key, sentence in REASON_SENTENCES.items() if sentence not in known}
        self.assertEqual(
            {"already_server_operator", "bad_json", "bad_utf8", "configured_operator"}
            | {"no_room", "not_appointed"},
            refusals,
        )
        self.assertEqual(
            {"around_alone", "cut_off", "frame_length", "frame_type", "many_questions", "many_typing_marks"}
            | {"no_string", "no_time", "surrogate", "too_deep"},
            reasons,
        )


class SourcesTest(TestCase):
    """What holds for the sources of the page."""

    def test_shortened_scripts(self) -> None:
        """Comments and needless blanks are left out; strings, templates and regular expressions are kept."""
        for source, short in (
            (b"/**\n * A * / b\n */\nexport const a = 1; // out\n", b"export const a=1;"),
            (b'\t/** @type {A} */ b = "/** c */  // d";\n', b'b="/** c */  // d";'),
            (b"const a = `x  ${b + 1}\n\ty`;\n", b"const a=`x  ${b + 1}\n\ty`;"),
            (
                b'if (a / b > 2 && /"[/ ]+/gu.test(c)) {\n\treturn "d";\n}\n',
                b'if(a / b>2&&/"[/ ]+/gu.test(c)){return"d"}',
            ),
            (b"a = {\n\tb,\n\tc: [d,\n], // e\n};\n{ f(); /* g */ }\n", b"a={b,c:[d,]};{f()}"),
            (b"let a\nb = c\n\t.d(1,\n\t\t2\n\t)\n", b"let a\nb=c\n.d(1,2)"),
            (b"a = b + +c - -d;\nfor (const one of [1]) {}\n", b"a=b + +c - -d;for(const one of[1]){}"),
        ):
            self.assertEqual(short, shorten_script(source))

    def test_shortened_styles(self) -> None:
        """One rule remains in each line."""
        sheet = b"@media (x: 1) {\n\ta :focus, b > c {\n\t\td: e f; --g: h;\n\t}\n}\n:root { i: j; }\n"
        self.assertEqual(b"@media (x:1){a :focus,b > c{d:e f;--g:h}}\n:root{i:j}\n", shorten_style(sheet))

    def test_size(self) -> None:
        """What is loaded before the user can write is small in each language, and so is all of the page."""
        for language in ONLY_FOR:
            self.assertLess(bytes_of(first_files(language)), MOST_BYTES_AT_FIRST, language)
            self.assertLess(bytes_of(all_files(language)), MOST_BYTES, language)
        self.assertLessEqual(set().union(*ONLY_FOR.values()), read_static_files().keys())

    def test_loaded_at_once(self) -> None:
        """Modules that may not be needed are not imported when the page starts."""
        modules = {f"/{name}" for name in sources()}
        self.assertEqual(LOADED_LATER - {"/french.js"}, modules - first_files("fr"))
        self.assertEqual(LOADED_LATER, modules - first_files("en"))

    def test_kept_offline(self) -> None:
        """The service worker keeps all files except itself."""
        kept = set(re.findall(r'"([\w./-]+\.\w+)"', re.split(r"SHELL = |\]", sources()["sw.js"])[1]))
        served = {path.removeprefix("/") for path in read_static_files()} - {"", "index.html", "sw.js"}
        self.assertEqual(served, kept)

    def test_french_texts(self) -> None:
        """Every text of the page has a French translation."""
        page = (STATIC_FOLDER / "index.html").read_text()
        texts = set(re.findall(r"data-t>([^<]+)<", page)) | set(re.findall(r'"([^"]+)" data-t-label', page))
        for text in sources().values():
            texts.update(one for found in TRANSLATED.findall(text) for one in found if one)
        catalogue = json.loads(french_catalogue())
        known = set(re.findall(r'^\t"?(.+?)"?: "', sources()["french.js"], re.MULTILINE))
        known.update(catalogue["texts"])
        known.update(english for english, _ in catalogue["reasons"])
        known.update(pair[0] for pair in catalogue["refusals"].values() if isinstance(pair, list))
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
