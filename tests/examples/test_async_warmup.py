"""The warm-up: what its programs print, write, and ask of a server."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import runpy
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.support.daemon_process import PATIENCE, ROOT
from tests.support.fork_server import Forked

WARMUP = ROOT / "examples" / "async_warmup"
PAGES = 10


class Site:
    """Pages on loopback. ``most`` is how many were asked for at once at most; ``meet`` is called for each."""

    def __init__(self, meet: Callable[[], object]) -> None:
        self.most = 0
        self.asked: list[str] = []
        site, lock, under_way = self, threading.Lock(), 0

        class Page(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                nonlocal under_way
                with lock:
                    under_way += 1
                    site.most = max(site.most, under_way)
                    site.asked.append(self.path)
                try:
                    meet()
                    found = self.path.startswith("/page")
                    self.send_response(200 if found else 404)
                    self.send_header("Content-Length", str(len(self.path)))
                    self.end_headers()
                finally:
                    with lock:
                        under_way -= 1
                self.wfile.write(self.path.encode())

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
        self.address = f"127.0.0.1:{self.server.server_address[1]}"
        self._thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def close(self) -> None:
        """Serve no more."""
        self.server.shutdown()
        self.server.server_close()
        self._thread.join(PATIENCE)


class Web(SynchronousTestCase):
    """The downloads."""

    def setUp(self) -> None:
        """A temporary folder of its own."""
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()

    def site(self, meet: Callable[[], object] = lambda: None) -> Site:
        """Start it."""
        site = Site(meet)
        self.addCleanup(site.close)
        return site

    def run_script(self, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a script until it ends; its temporary folder is ours."""
        return self.run_python(str(WARMUP / name), *arguments)

    def run_python(self, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a script anywhere; it may import what the warm-up imports."""
        process = Forked(
            [script, *arguments],
            ROOT,
            {**os.environ, "TMPDIR": str(self.folder), "no_proxy": "*"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        out, error = process.communicate(timeout=PATIENCE)
        return subprocess.CompletedProcess(process.args, process.wait(), out, error)

    def assert_downloads_all(self, script: str, site: Site) -> None:
        """``script`` puts each of ten pages into its file."""
        urls = self.folder / "urls.txt"
        paths = [f"/page/{number}" for number in range(PAGES)]
        urls.write_text("".join(f"http://{site.address}{path}\n\n" for path in paths))
        done = self.run_script(script, str(urls))
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(sorted(site.asked), paths)
        for path in paths:
            file = self.folder / f"web_{site.address}{path.replace('/', '_')}"
            self.assertEqual(file.read_text(), path)

    def test_one_page(self) -> None:
        site = self.site()
        for script in ("web_sync.py", "web_async.py"):
            done = self.run_script(script, f"http://{site.address}/page/{script}")
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertEqual((self.folder / "web_page").read_text(), f"/page/{script}")

    def refused(self) -> str:
        """An address that refuses connections."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            return f"127.0.0.1:{server.getsockname()[1]}"

    def test_what_can_not_be_fetched(self) -> None:
        """Is one sentence and exit code 1; nothing is written."""
        site = self.site()
        wrong = {
            f"http://{site.address}/nothing": "404",
            f"http://{self.refused()}/": "refused",
            "http://nobody.invalid/": "nobody.invalid",
            f"{site.address}/page": "URL",
            "www.example.com": "URL",
            "ftp://example.com/page": "URL",
            "file:///etc/passwd": "URL",
            "http://": "URL",
            "http://[::1/": "URL",
            "http://127.0.0.1:99999/": "URL",
            "": "URL",
        }
        for script in ("web_sync.py", "web_async.py"):
            for url, why in wrong.items():
                with self.subTest(script, url=url):
                    done = self.run_script(script, url)
                    self.assertEqual((done.returncode, done.stdout), (1, ""))
                    self.assertTrue(done.stderr.startswith(f"can't fetch {url}: "), done.stderr)
                    self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
                    self.assertIn(why, done.stderr)
                    self.assertFalse((self.folder / "web_page").exists())

    def test_a_server_that_says_nothing(self) -> None:
        """Is waited for only so long."""
        with socket.create_server(("127.0.0.1", 0)) as mute:
            url = f"http://127.0.0.1:{mute.getsockname()[1]}/"
            hurry = self.folder / "hurry.py"
            hurry.write_text(
                f"import runpy, sys\nsys.path.insert(0, {str(WARMUP)!r})\nimport complaints\n"
                "complaints.TIMEOUT = 0.1\ndel sys.argv[0]\n"
                "runpy.run_path(sys.argv[0], run_name='__main__')\n"
            )
            for script in ("web_sync.py", "web_async.py"):
                # As in a shell, but for less patience.
                done = self.run_python(str(hurry), str(WARMUP / script), url)
                self.assertEqual((done.returncode, done.stdout), (1, ""))
                self.assertRegex(done.stderr, rf"\Acan't fetch {url}: it takes too long\n\Z")

    def test_the_others_of_a_list_are_fetched(self) -> None:
        """Each that can't be is a sentence, and the exit code says that there is one."""
        for script in ("web_sync_multiple.py", "web_async_multiple.py"):
            site = self.site()
            urls = self.folder / "urls.txt"
            bad = [
                f"http://{site.address}/nothing",
                f"http://{self.refused()}/",
                "no/scheme",
                "ftp://x.invalid/",
            ]
            good = [f"http://{site.address}/page/{number}" for number in range(3)]
            urls.write_text("\n".join([*bad[:2], good[0], bad[2], *good[1:], bad[3]]))
            done = self.run_script(script, str(urls))
            self.assertEqual((done.returncode, done.stdout), (1, ""), script)
            said = done.stderr.splitlines()
            self.assertEqual(
                sorted(line.split(": ")[0] for line in said), sorted(f"can't fetch {url}" for url in bad)
            )
            for number in range(3):
                file = self.folder / f"web_{site.address}_page_{number}"
                self.assertEqual(file.read_text(), f"/page/{number}")
                file.unlink()
            self.assertEqual(sorted(path.name for path in self.folder.iterdir()), ["urls.txt"])

    def test_what_can_not_be_read_or_written(self) -> None:
        """A file of URLs that is not there, and a page that is in the way of a folder's name."""
        site = self.site()
        (self.folder / "web_page").mkdir()
        (self.folder / f"web_{site.address}_page").mkdir()
        urls = self.folder / "urls.txt"
        urls.write_text(f"http://{site.address}/page\n")
        for script in ("web_sync.py", "web_async.py"):
            done = self.run_script(script, f"http://{site.address}/page")
            self.assertEqual(done.returncode, 1)
            self.assertRegex(done.stderr, r"\Acan't fetch .*: Is a directory\n\Z")
        for script in ("web_sync_multiple.py", "web_async_multiple.py"):
            done = self.run_script(script, str(urls))
            self.assertEqual(done.returncode, 1)
            self.assertRegex(done.stderr, r"\Acan't fetch .*: Is a directory\n\Z")
            done = self.run_script(script, str(self.folder / "none.txt"))
            self.assertEqual(done.returncode, 1)
            self.assertRegex(done.stderr, r"\Acan't read .*none.txt: No such file or directory\n\Z")

    def test_how_to_call_them(self) -> None:
        for script in ("web_sync.py", "web_async.py", "web_sync_multiple.py", "web_async_multiple.py"):
            done = self.run_script(script)
            self.assertEqual(done.returncode, 1)
            self.assertTrue(done.stderr.startswith(f"usage: python {script} "), done.stderr)

    def test_one_after_the_other(self) -> None:
        """The server never has two to do."""
        site = self.site()
        self.assert_downloads_all("web_sync_multiple.py", site)
        self.assertEqual(site.most, 1)

    def test_all_at_once(self) -> None:
        """No page is served before all ten are asked for."""
        all_there = threading.Barrier(PAGES, timeout=PATIENCE)
        site = self.site(all_there.wait)
        self.assert_downloads_all("web_async_multiple.py", site)
        self.assertEqual(site.most, PAGES)

    def test_measure_prints_a_row_for_each(self) -> None:
        """Of the pages that a file lists."""
        site = self.site()
        urls = self.folder / "urls.txt"
        urls.write_text(f"http://{site.address}/page/1\n")
        done = self.run_script("measure.py", str(urls))
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertRegex(
            done.stdout,
            r"^\| script \| seconds \|\n\| --- \| ---: \|\n"
            r"\| `web_sync_multiple.py` \| \d+\.\d\d \|\n\| `web_async_multiple.py` \| \d+\.\d\d \|\n$",
        )
        self.assertEqual(site.asked, ["/page/1"] * 2)


class Counting(SynchronousTestCase):
    """The two that count to ten twice, with pauses of half a second."""

    def run_script(self, name: str) -> list[int]:
        """What it prints."""
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            runpy.run_path(str(WARMUP / name), run_name="__main__")
        return [int(line) for line in said.getvalue().splitlines()]

    def test_one_after_the_other(self) -> None:
        """The second begins when the first is done."""
        pauses: list[float] = []
        self.patch(time, "sleep", pauses.append)
        self.assertEqual(self.run_script("sleep_and_print.py"), [*range(1, 11), *range(1, 11)])
        self.assertEqual(pauses, [0.5] * 20)

    def test_at_the_same_time(self) -> None:
        """Whoever sleeps lets the other go on."""
        pauses: list[float] = []
        sleep: Any = asyncio.sleep

        async def let_go_on(seconds: float) -> None:
            pauses.append(seconds)
            await sleep(0)

        self.patch(asyncio, "sleep", let_go_on)
        self.assertEqual(
            self.run_script("sleep_and_print_async.py"), [n for n in range(1, 11) for _ in range(2)]
        )
        self.assertEqual(pauses, [0.5] * 20)
