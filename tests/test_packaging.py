"""The wheel: the whole package, one plugin file, and nothing that would disturb somebody's Twisted."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

ROOT = Path(__file__).resolve().parent.parent

# What lies about in a checkout where people work, and would break an installation or tell tales.
STRAYS = (
    "twisted/__init__.py",
    "twisted/plugins/__init__.py",
    "twisted/plugins/dropin.cache",
    "twisted/plugins/other_plugin.py",
    "chatd/__pycache__/stray.cpython-311.pyc",
    "tests/test_stray.py",
    "chatd.db",
)


def copy_of_the_tree(where: Path) -> None:
    """Copy what a build reads from the checkout to `where`, which need not be under version control."""
    shutil.copytree(ROOT / "chatd", where / "chatd", ignore=shutil.ignore_patterns("__pycache__"))
    plugin = Path("twisted/plugins/chatd_plugin.py")
    (where / plugin).parent.mkdir(parents=True)
    for name in (plugin, Path("pyproject.toml"), Path("README.md"), Path("LICENSE")):
        shutil.copyfile(ROOT / name, where / name)


def files_under(folder: Path) -> set[str]:
    """Name every file below `folder`, relative to the folder it is in, as a wheel names it."""
    return {path.relative_to(folder.parent).as_posix() for path in folder.rglob("*") if path.is_file()}


class WheelTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.tree = Path(self.mktemp()).absolute()
        self.tree.mkdir()
        copy_of_the_tree(self.tree)

    def contents(self) -> set[str]:
        """Build the wheel of the copied tree, offline, and name what is in it."""
        built = subprocess.run(
            [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", "out"],
            cwd=self.tree,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        self.assertEqual(built.returncode, 0, built.stdout)
        (wheel,) = (self.tree / "out").glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            return set(archive.namelist())

    def test_holds_the_package_the_plugin_and_nothing_else(self) -> None:
        wanted = files_under(self.tree / "chatd") | {"twisted/plugins/chatd_plugin.py"}
        for stray in STRAYS:
            path = self.tree / stray
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(b"")

        packed = self.contents()

        self.assertEqual({name for name in packed if ".dist-info/" not in name}, wanted)

    def test_holds_the_migrations_the_catalogues_and_the_licence(self) -> None:
        packed = self.contents()

        self.assertIn("chatd/tap.py", packed)
        self.assertIn("chatd/locales/fr/LC_MESSAGES/chat.mo", packed)
        self.assertTrue([name for name in packed if name.startswith("chatd/store/migrations/")], packed)
        self.assertTrue([name for name in packed if name.endswith(".dist-info/licenses/LICENSE")], packed)
