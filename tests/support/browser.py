"""Chromium, driven by Playwright: one process for the tests of a worker, a context for each visitor."""

from __future__ import annotations

import atexit
import os
import re
import shutil
from collections.abc import Callable
from concurrent.futures import Future
from functools import cache
from pathlib import Path
from queue import SimpleQueue
from threading import Thread, get_native_id
from typing import Any, Final
from unittest import TestResult

from playwright.sync_api import Browser, ConsoleMessage, Dialog, Locator, Page, expect, sync_playwright
from playwright.sync_api import Request as PageRequest
from twisted.trial.unittest import SynchronousTestCase

from tests.support.daemon_process import PATIENCE, Client, Daemon

NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
"""What the program may be called."""

OPTIONS: Final = (
    "--no-sandbox",  # it refuses to run as root, and in most containers, with one
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

NICENESS: Final = 10
"""How much the browser gives way to everything else (nice)."""

SETTINGS: Final = {
    "locale": "en-GB",
    "timezone_id": "UTC",
    "service_workers": "block",  # each would cost a third of a second
    "viewport": {"width": 1200, "height": 700},
}
"""What a visitor's browser is like, unless a test has another."""

TALL: Final = {"viewport": {"width": 1000, "height": 8000}, "device_scale_factor": 0.1}
"""A window that is high enough for some 250 messages, with so few pixels that drawing it costs little."""

NO_CONNECTION: Final = re.compile(r"WebSocket connection to .* failed|net::ERR_CONNECTION_REFUSED")
"""What the console says while the daemon is not there."""

Work = Callable[[Browser], None]


def find_chromium() -> str | None:
    """Return the path of a Chromium, or None."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class BrowserThread:
    """A thread with a browser, in which all calls of Playwright are made.

    Playwright's synchronous calls leave an asyncio loop running in their thread. Other tests need one of
    their own in the main thread.
    """

    def __init__(self) -> None:
        self._started: Future[None] = Future()
        self._work: SimpleQueue[tuple[Work, Future[None]] | None] = SimpleQueue()
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()
        atexit.register(self.end)

    def do(self, work: Work) -> None:
        """Have ``work`` done, and wait for it. Raises what it raises, and why no browser could be started."""
        self._started.result()
        done: Future[None] = Future()
        self._work.put((work, done))
        done.result()

    def end(self) -> None:
        """Close the browser."""
        self._work.put(None)
        self._thread.join(PATIENCE)

    def _run(self) -> None:
        expect.set_options(timeout=PATIENCE * 1000)
        # The browser must not keep the programs of other tests waiting: some tell two writes apart by the
        # time between them. On Linux, this is the priority of this thread and of the processes it starts.
        os.setpriority(os.PRIO_PROCESS, get_native_id(), NICENESS)
        with sync_playwright() as playwright:
            try:
                browser = playwright.chromium.launch(executable_path=find_chromium(), args=OPTIONS)
            except BaseException as error:
                self._started.set_exception(error)
                return
            self._started.set_result(None)
            while (item := self._work.get()) is not None:
                work, done = item
                try:
                    work(browser)
                except BaseException as error:
                    done.set_exception(error)
                else:
                    done.set_result(None)
            browser.close()


@cache
def browser_thread() -> BrowserThread:
    """Return the one of this process."""
    return BrowserThread()


class Visitor:
    """Somebody who has opened the page at ``address``, in a browser of his or her own.

    ``problems`` are what must not happen: an error in the console, a failed request, a request to another
    origin, a dialog. ``options`` are those of `Browser.new_context`.
    """

    def __init__(self, browser: Browser, address: str, **options: Any) -> None:
        self.problems: list[str] = []
        self.expected_problem: re.Pattern[str] | None = None
        self.address = address
        self.context = browser.new_context(**{**SETTINGS, **options})
        self.context.set_default_timeout(PATIENCE * 1000)
        self.context.on("request", self._requested)
        self.context.on("requestfailed", self._failed)
        self.context.on("console", self._logged)
        self.context.on("weberror", lambda error: self._note(str(error.error)))
        self.context.on("dialog", self._asked)
        self.page: Page = self.context.new_page()

    def comes(self, fragment: str = "") -> Visitor:
        """Open the page."""
        self.page.goto(self.address + fragment)
        return self

    def logs_in(self, nick: str) -> Visitor:
        """Open the page and log in, until everything is there."""
        self.comes().page.fill("#login-nick", nick)
        self.page.press("#login-nick", "Enter")
        return self.is_in()

    def is_in(self) -> Visitor:
        """Wait until the login is complete."""
        expect(self.page.locator("#app[data-online]")).to_be_visible()
        return self

    def says(self, text: str) -> Visitor:
        """Type a message or a command, and send it."""
        self.page.fill("#text", text)
        self.page.press("#text", "Enter")
        return self

    def says_at_once(self, *texts: str) -> Visitor:
        """Send all these, as fast as the page can."""
        self.page.evaluate(
            """texts => {
                const field = document.getElementById("text");
                for (field.value of texts) field.form.requestSubmit();
            }""",
            texts,
        )
        return self

    def room(self, name: str) -> Locator:
        """The button of a conversation."""
        return self.page.locator(".room").filter(has=self.page.locator(".name").get_by_text(name, exact=True))

    def opens(self, name: str) -> Visitor:
        """Open a conversation."""
        self.room(name).click()
        expect(self.page.locator("#title")).to_contain_text(name)
        return self

    def opens_dialog(self, button: str) -> Visitor:
        """Press the button with this selector, and wait for the dialog."""
        self.page.click(button)
        expect(self.page.locator("#dialog")).to_be_visible()
        return self

    def sees(self, *texts: str, where: str = "#log") -> Visitor:
        """Wait until all these texts are there."""
        for text in texts:
            expect(self.page.locator(where)).to_contain_text(text)
        return self

    def shown_messages(self) -> list[tuple[int, str, str]]:
        """The id, the nick and the text of each message in the document, from the top."""
        found: list[list[Any]] = self.page.eval_on_selector_all(
            "#log > div:has(.body)",
            """rows => rows.map(row => [Number(row.dataset.id), row.querySelector("b").textContent,
                                        row.querySelector(".body").textContent])""",
        )
        return [(number, nick, text) for number, nick, text in found]

    def _requested(self, request: PageRequest) -> None:
        if not request.url.startswith((self.address, "data:", "blob:")):
            self._note(f"a request to {request.url}")

    def _failed(self, request: PageRequest) -> None:
        if request.failure != "net::ERR_ABORTED":  # by a page that is left
            self._note(f"{request.url}: {request.failure}")

    def _logged(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self._note(message.text)

    def _asked(self, dialog: Dialog) -> None:
        self._note(f"a dialog: {dialog.message}")
        dialog.dismiss()

    def _note(self, problem: str) -> None:
        if self.expected_problem is None or not self.expected_problem.search(problem):
            self.problems.append(problem)


class BrowserTestCase(SynchronousTestCase):
    """A daemon, and visitors to its page. Whoever of them has met a problem fails the test.

    It is skipped where no Chromium is found.
    """

    browser: Browser

    if find_chromium() is None:
        skip = f"there is no browser: none of {', '.join(NAMES)} is in the PATH"

    def run(self, result: TestResult | None = None) -> None:
        """Run the test in the thread of the browser, which is started before the first."""
        run = super().run
        if find_chromium() is None:
            run(result)
            return

        def work(browser: Browser) -> None:
            self.browser = browser
            run(result)

        browser_thread().do(work)

    def setUp(self) -> None:
        """Make a folder for daemons."""
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()

    def start(self, *options: str) -> Daemon:
        """Start a daemon that is killed in the end, with the wires web, text, json and auto."""
        if not any(option.startswith("--listen=web") for option in options):
            options = ("--listen=web=tcp:0", *options)
        wires = (f"--listen={wire}=tcp:0" for wire in ("text", "json", "auto"))
        daemon = Daemon(self.folder, "--durability=process", *wires, *options)
        self.addCleanup(daemon.kill)
        return daemon.__enter__()

    def visit(self, daemon: Daemon, **options: Any) -> Visitor:
        """Return a new visitor, who has not opened the page yet."""
        visitor = Visitor(self.browser, f"http://127.0.0.1:{daemon.port('web')}/", **options)
        self.addCleanup(self._leave, visitor)
        return visitor

    def connect(self, daemon: Daemon, wire: str) -> Client:
        """Return a connection without a browser, which is closed in the end."""
        client = daemon.connect(wire)
        self.addCleanup(client.close)
        return client

    def _leave(self, visitor: Visitor) -> None:
        visitor.context.close()
        self.assertEqual(visitor.problems, [])
