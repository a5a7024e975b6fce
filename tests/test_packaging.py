"""What chatd is installed from: the wheel, which does not disturb somebody's Twisted, and packaging/."""

import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Sequence
from configparser import ConfigParser
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from chatd.core.limits import Limits
from chatd.daemon.config import Config, read_config
from chatd.daemon.lifecycle import STOP_TIMEOUT_SECONDS
from chatd.daemon.wiring import parse_listener
from tests.support.daemon_process import Daemon

ROOT = Path(__file__).resolve().parent.parent
PACKAGING = ROOT / "packaging"

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


class ServiceTests(SynchronousTestCase):
    """What is in packaging/: the command lines run, and end well when they are told to."""

    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()
        self.unit = _unit("chatd.service")

    def serves(self, command: Sequence[str], settings: str) -> None:
        """Run ``command`` of a unit or an image with this twistd and ``settings``; it must end well."""
        program, *arguments = command
        self.assertEqual(program, "/opt/chatd/bin/twistd")
        self.assertIn("--config=/etc/chatd/chatd.toml", arguments)
        (self.folder / "chatd.toml").write_text(settings)
        place = arguments.index("chatd")
        self.assertEqual(arguments[:place], ["--nodaemon", "--pidfile="])
        with Daemon(
            self.folder, *(option.replace("/etc/chatd", ".") for option in arguments[place + 1 :])
        ) as daemon:
            self.assertIn("listening on metrics=", daemon.log)
            self.assertEqual(daemon.terminate(), 0)
            self.assertIn("all that was accepted is on disk", daemon.log)

    def test_the_unit_runs_in_the_foreground(self) -> None:
        """With its log on the standard output, which systemd keeps."""
        command = shlex.split(self.unit["Service"]["ExecStart"])
        self.serves(command, "listen = ['text=tcp:0']\n[metrics]\nlisten = 'tcp:0'\n")

    def test_the_unit_leaves_the_daemon_time_to_end_and_descriptors_for_all_connections(self) -> None:
        service = self.unit["Service"]
        self.assertGreater(float(service["TimeoutStopSec"]), STOP_TIMEOUT_SECONDS)
        self.assertGreater(int(service["LimitNOFILE"]), Limits().connections)
        self.assertEqual(service["WorkingDirectory"], f"/var/lib/{service['StateDirectory']}")

    def test_the_sockets_are_on_loopback_and_named_in_the_configuration_it_shows(self) -> None:
        text = (PACKAGING / "chatd.socket").read_text()
        sockets = re.findall(r"^ListenStream=(.*)$", text, re.MULTILINE)
        self.assertEqual([address.partition(":")[0] for address in sockets], ["127.0.0.1"] * len(sockets))
        shown = "\n".join(re.findall(r"^#     ?(.*)$", text, re.MULTILINE))
        (self.folder / "chatd.toml").write_text(shown)
        config = read_config(self.folder / "chatd.toml")
        wanted = [f"systemd:domain=INET:index={number}" for number in range(len(sockets))]
        self.assertEqual(
            [*(parse_listener(one).endpoint for one in config.listen), config.metrics.listen], wanted
        )

    def test_the_image_runs_the_same_as_somebody_without_rights(self) -> None:
        """On the configuration that it holds, but for the ports and the folder."""
        lines = (PACKAGING / "Dockerfile").read_text().splitlines()
        said = {word: rest for word, _, rest in (line.partition(" ") for line in lines)}
        settings = (PACKAGING / "container.toml").read_text()
        config = tomllib.loads(settings)
        self.assertEqual(config["listen"], [f"{listener}:interface=0.0.0.0" for listener in Config().listen])
        self.assertEqual(
            said["EXPOSE"].split(), [listener.partition("tcp:")[2] for listener in Config().listen]
        )
        self.assertEqual(Path(config["database"]).parent, Path(said["VOLUME"]))
        self.assertNotIn(said["USER"].partition(":")[0], ("0", "root"))
        here = re.sub(r"tcp:\d+(:interface=0\.0\.0\.0)?", "tcp:0", settings.replace("/data/", ""))
        self.serves(json.loads(said["ENTRYPOINT"]), here)

    def test_the_image_has_chatctl_on_its_path(self) -> None:
        """The script that the build writes, here written elsewhere."""
        text = (PACKAGING / "Dockerfile").read_text()
        (script,) = re.findall(r"^RUN (printf (?:.*\\\n)*.*)$", text, re.MULTILINE)
        self.assertIn("ENV PATH=/opt/chatd/bin:$PATH ", text)
        written = script.replace("/opt/chatd/bin/python", sys.executable).replace(
            "/opt/chatd/bin", str(self.folder)
        )
        subprocess.run(["sh", "-c", written], check=True)
        ended = subprocess.run(
            [self.folder / "chatctl", "status"],
            cwd=self.folder,
            env={"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        self.assertEqual(ended.returncode, 3, ended.stderr)
        self.assertIn("no daemon listens", ended.stderr)

    def test_the_service_may_write_where_the_handbook_makes_its_backups(self) -> None:
        """And the handbook makes that folder, for the daemon's user alone."""
        page = (ROOT / "docs" / "OPERATING.md").read_text()
        folders = {Path(file).parent for file in re.findall(r"chatctl .*backup (/var\S+)", page)}
        self.assertEqual([f"-{folder}" for folder in folders], [self.unit["Service"]["ReadWritePaths"]])
        for folder in folders:
            self.assertIn(f"install -d -m 0700 -o chatd -g chatd {folder}\n", page)

    def test_the_lines_for_cron_keep_their_percent_signs(self) -> None:
        """Cron ends a command at a bare one."""
        page = (ROOT / "docs" / "OPERATING.md").read_text()
        lines = re.findall(r"^    \d+ \d+ \* \* \* .*$", page, re.MULTILINE)
        self.assertTrue(lines)
        self.assertEqual([line for line in lines if re.search(r"(?<!\\)%", line)], [])

    def test_the_image_gets_what_it_copies(self) -> None:
        """And nothing that lies about in a checkout."""
        copied = re.findall(r"^COPY (?!--from)(\S+) ", (PACKAGING / "Dockerfile").read_text(), re.MULTILINE)
        ignored = (PACKAGING / "Dockerfile.dockerignore").read_text().splitlines()
        self.assertEqual(ignored[0], "*")
        self.assertEqual({line[1:] for line in ignored if line.startswith("!")}, set(copied))
        self.assertEqual([name for name in copied if not (ROOT / name).exists()], [])


def _unit(name: str) -> ConfigParser:
    """The unit of that name. Of what it sets several times it has the last."""
    unit = ConfigParser(strict=False, interpolation=None, delimiters=("=",))
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(PACKAGING / name)
    return unit
