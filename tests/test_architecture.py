"""Imports point one way, the core is pure, and the global reactor stays where the daemon is put together."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterable, Iterator
from pathlib import Path

from twisted.enterprise.adbapi import ConnectionPool
from twisted.protocols.basic import LineOnlyReceiver
from twisted.trial.unittest import SynchronousTestCase

from chatd.carriers.lines import LineCarrier
from chatd.connections.factory import ChatFactory
from chatd.store.sqlite_store import SqliteStore

ROOT = Path(__file__).resolve().parent.parent
ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text("utf-8")

# Room -> the rooms that it may import from, besides itself. A room is a folder or a file of chatd/.
ROOMS: dict[str, set[str]] = {
    "boundaries": {"core"},
    "core": set(),
    "locales": set(),
    "files": set(),
    "pauses": set(),
    "json_wire": {"core"},
    "dialects": {"core", "json_wire", "locales", "__version__"},
    "store": {"core", "files", "pauses"},
    "chat": {"core", "pauses", "store"},
    "connections": {"core", "chat"},
    "carriers": {"core", "json_wire", "connections"},
    "web": {"core", "locales", "chat", "connections", "carriers"},
    "daemon": {
        "core",
        "files",
        "json_wire",
        "dialects",
        "store",
        "chat",
        "connections",
        "carriers",
        "web",
        "__version__",
    },
    "client": {"core", "files", "json_wire", "locales", "__version__"},
    "tap": {"daemon", "store", "__version__"},
    "ctl": {"core", "files", "store", "daemon", "__version__"},
    # chatd/__init__.py, which is no more than this.
    "__version__": set(),
}

SHARED = "boundaries"
"""Protocols alone, which every room may name."""

# Modules that know neither the time nor the world, and so do no harm to what is pure.
# fmt: off
HARMLESS = {
    "__future__", "abc", "base64", "binascii", "bisect", "codecs", "collections", "colorsys",
    "contextlib", "copy", "dataclasses", "decimal", "enum", "functools", "hashlib", "heapq", "html",
    "ipaddress", "itertools", "json", "math", "msgspec", "operator", "precis_i18n", "re", "string", "struct",
    "textwrap", "types", "typing", "unicodedata", "weakref", "zlib",
}
# fmt: on

# Room -> the only modules from elsewhere that it may import.
PURE: dict[str, set[str]] = {
    "core": HARMLESS,
    "dialects": HARMLESS | {"datetime"},  # to write a time that it is given
    "json_wire": HARMLESS | {"datetime"},  # to read a time
    "boundaries": HARMLESS | {"twisted"},  # Deferred, as a type
}

# What the language itself and `datetime` offer to those who want to know the world.
BUILTINS = {"open", "print", "input", "eval", "exec", "__import__"}
CLOCKS = {"now", "utcnow", "today"}

# Module -> the rooms that may import it.
RESERVED: dict[str, set[str]] = {
    "twisted.internet.reactor": {"tap"},
    "twisted.enterprise": {"store"},
    "sqlite3": {"store"},
    "asyncio": {"client"},
    "threading": {"client", "daemon"},  # the log, which Twisted's threads write to as well
    "textual": {"client"},
    "ascii_magic": {"client"},
}


def room_of(module: str) -> str:
    """The room of a module of chatd, named in full; that of the package itself is its version."""
    return [*module.split("."), "__version__"][1]


def imported(nodes: Iterable[ast.AST], package: str) -> Iterator[tuple[str, int]]:
    """Every name that the nodes of a source import, wherever it does so, in full and with its line.

    ``from a import b`` may mean the module ``a.b``, so that is what it counts as.
    """
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            packages = package.split(".")
            above = packages[: len(packages) + 1 - node.level] if node.level else []
            origin = ".".join(filter(None, (*above, node.module)))
            for alias in node.names:
                yield f"{origin}.{alias.name}", node.lineno


def within(name: str, module: str) -> bool:
    """Whether ``name`` is ``module`` or something in it."""
    return name == module or name.startswith(f"{module}.")


def objections(source: str, room: str, package: str = "chatd") -> list[str]:
    """What a source of ``room`` does that it may not, each with its line."""
    nodes = list(ast.walk(ast.parse(source)))
    found = []
    for name, line in imported(nodes, package):
        if within(name, "chatd"):
            if room_of(name) not in {room, SHARED, *ROOMS.get(room, ())}:
                found.append(f"line {line}: {room} imports {name}")
            continue
        if room in PURE and name.split(".")[0] not in PURE[room]:
            found.append(f"line {line}: {room} is pure and imports {name}")
        for module, rooms in RESERVED.items():
            if within(name, module) and room not in rooms:
                found.append(f"line {line}: {room} imports {name}")
    if room in PURE:
        for node in nodes:
            called = node.func if isinstance(node, ast.Call) else None
            if isinstance(called, ast.Name) and called.id in BUILTINS:
                found.append(f"line {called.lineno}: {room} is pure and calls {called.id}")
            if isinstance(called, ast.Attribute) and called.attr in CLOCKS:
                found.append(f"line {called.lineno}: {room} is pure and calls {called.attr}")
    return found


def sources() -> Iterator[tuple[Path, str, str]]:
    """Every source of chatd, with its room and its package."""
    for path in sorted((ROOT / "chatd").rglob("*.py")):
        place = path.relative_to(ROOT).with_suffix("")
        parts = place.parts[:-1] if place.name == "__init__" else place.parts
        yield path, room_of(".".join(parts)), ".".join(place.parts[:-1])


class Imports(SynchronousTestCase):
    def test_every_source_has_its_room(self) -> None:
        homeless = [str(path.relative_to(ROOT)) for path, room, _ in sources() if room not in ROOMS]
        self.assertEqual(homeless, [])
        self.assertEqual(set(ROOMS) - {room for _, room, _ in sources()}, set())

    def test_every_source_keeps_to_what_its_room_may(self) -> None:
        for path, room, package in sources():
            found = objections(path.read_text("utf-8"), room, package)
            self.assertEqual(found, [], str(path.relative_to(ROOT)))

    def test_the_rooms_are_in_storeys(self) -> None:
        """No room is above itself, by whatever way around."""
        left = {room: set(below) for room, below in ROOMS.items()}
        while left:
            ground = {room for room, below in left.items() if not below}
            self.assertTrue(ground, f"these are in a circle: {sorted(left)}")
            left = {room: below - ground for room, below in left.items() if room not in ground}

    def test_the_plugin_imports_twisted_alone(self) -> None:
        plugin = ast.parse((ROOT / "twisted" / "plugins" / "chatd_plugin.py").read_text("utf-8"))
        self.assertEqual(
            [name for name, _ in imported(ast.walk(plugin), "")], ["twisted.application.service.ServiceMaker"]
        )

    def test_nothing_disturbs_the_twisted_of_others(self) -> None:
        """An ``__init__.py`` here would hide Twisted itself, or all other plugins."""
        self.assertEqual([str(path) for path in (ROOT / "twisted").rglob("__init__.py")], [])


class TheChecker(SynchronousTestCase):
    """What it objects to: a check that lets everything pass would be worse than none."""

    def test_imports_that_point_the_wrong_way(self) -> None:
        for room, line, name in (
            ("core", "from chatd.store.store import Store", "chatd.store.store.Store"),
            ("core", "import chatd.dialects.text", "chatd.dialects.text"),
            ("core", "from chatd import tap", "chatd.tap"),
            ("core", "from chatd import __version__", "chatd.__version__"),
            ("dialects", "from chatd.chat.service import Chat", "chatd.chat.service.Chat"),
            ("store", "from chatd.dialects.text import WIRES", "chatd.dialects.text.WIRES"),
            ("chat", "from chatd.connections.session import Session", "chatd.connections.session.Session"),
            (
                "connections",
                "from chatd.carriers.lines import LineCarrier",
                "chatd.carriers.lines.LineCarrier",
            ),
            (
                "carriers",
                "from chatd.daemon.wires import AUTO_WIRE_NAMES",
                "chatd.daemon.wires.AUTO_WIRE_NAMES",
            ),
            ("daemon", "import chatd.tap", "chatd.tap"),
            ("tap", "import chatd.client.codec", "chatd.client.codec"),
            ("client", "from chatd.chat.service import Chat", "chatd.chat.service.Chat"),
            ("client", "from chatd.dialects.json import JsonDialect", "chatd.dialects.json.JsonDialect"),
        ):
            self.assertEqual(objections(line, room), [f"line 1: {room} imports {name}"])

    def test_imports_that_hide(self) -> None:
        for source in (
            "def f():\n    from chatd.tap import Options",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING: from chatd.tap import Options",
            "\nfrom ..tap import Options",
            "\nfrom .. import tap",
        ):
            (objection,) = objections(source, "core", "chatd.core")
            self.assertRegex(objection, r"\Aline 2: core imports chatd\.tap(\.Options)?\Z")
        self.assertEqual(
            objections("from .events import User\nfrom . import events", "core", "chatd.core"), []
        )

    def test_a_world_outside_the_core(self) -> None:
        for line, objection in (
            ("import time", "core is pure and imports time"),
            ("from datetime import datetime", "core is pure and imports datetime.datetime"),
            ("from os import path", "core is pure and imports os.path"),
            ("from twisted.logger import Logger", "core is pure and imports twisted.logger.Logger"),
            ("print('hello')", "core is pure and calls print"),
            ("with open('x') as file: pass", "core is pure and calls open"),
        ):
            self.assertEqual(objections(line, "core"), [f"line 1: {objection}"])
        self.assertEqual(
            objections("from datetime import datetime\nat = datetime.now()", "dialects"),
            ["line 2: dialects is pure and calls now"],
        )

    def test_the_global_reactor(self) -> None:
        for line in (
            "from twisted.internet import reactor",
            "import twisted.internet.reactor",
            "from twisted.internet.reactor import callLater",
        ):
            self.assertEqual(len(objections(line, "daemon")), 1, line)
            self.assertEqual(objections(line, "tap"), [])
        self.assertEqual(objections("from twisted.internet.task import deferLater", "chat"), [])

    def test_sql_and_threads(self) -> None:
        self.assertEqual(objections("import sqlite3", "connections"), ["line 1: connections imports sqlite3"])
        self.assertEqual(len(objections("from twisted.enterprise import adbapi", "chat")), 1)
        self.assertEqual(len(objections("import threading", "store")), 1)


class CourseRequirements(SynchronousTestCase):
    """What ARCHITECTURE.md says of them is so."""

    def test_lines_are_of_the_line_receiver_family(self) -> None:
        self.assertIn("`LineCarrier` is Twisted's `LineOnlyReceiver`", ARCHITECTURE)
        self.assertTrue(issubclass(LineCarrier, LineOnlyReceiver))

    def test_the_store_is_adbapi_over_sqlite3(self) -> None:
        self.assertIn("`twisted.enterprise.adbapi` over `sqlite3`", ARCHITECTURE)
        pool = inspect.signature(SqliteStore).parameters["pool"].default
        self.assertIs(pool, ConnectionPool)

    def test_all_factories_share_the_sessions(self) -> None:
        self.assertIn("share one `Sessions`", " ".join(ARCHITECTURE.split()))
        self.assertEqual(list(inspect.signature(ChatFactory).parameters), ["sessions", "make_protocol"])
