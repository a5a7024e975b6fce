"""Measure the page in Chromium: how soon it appears, how large it is, how smooth busy and long rooms are.

    python -m bench.page [--messages 100000] [--rounds 3]

The daemon, the browser and this share the machine; what is printed is the median of the rounds.
"""

from __future__ import annotations

import argparse
import json
import socket
import statistics
import sys
import time
from threading import Thread
from typing import Final, NamedTuple

from playwright.sync_api import Browser, expect, sync_playwright

from bench.servers import Server, chatd
from tests.support.browser import OPTIONS, Visitor, find_chromium
from tests.support.daemon_process import Client
from tests.support.page_size import MOST_BYTES, MOST_BYTES_AT_FIRST, all_files, bytes_of, first_files

SECONDS: Final = 10
"""How long a room is busy."""

PER_SECOND: Final = 100
"""Messages that come into it."""

IN_FLIGHT: Final = 1000
"""Messages without an ack of somebody who fills a room."""

LONG_FRAME: Final = 50
"""Milliseconds between two frames that somebody notices."""

PATIENCE: Final = 120.0
"""Seconds for what takes longest, which is to read the whole log."""

FRAMES: Final = """() => {
    window.frames_ = [];
    let last = performance.now();
    const frame = now => {
        frames_.push(now - last);
        last = now;
        window.recording = requestAnimationFrame(frame);
    };
    window.recording = requestAnimationFrame(now => { last = now; frame(now); });
}"""
"""Records the milliseconds between frames, until `RECORDED`."""

RECORDED: Final = "() => { cancelAnimationFrame(recording); return frames_.slice(1); }"

SCROLLED: Final = """async ([views, step]) => {
    const scroller = document.getElementById("scroll");
    let nodes = 0;
    for (let n = 0; n < views; n++) {
        await new Promise(requestAnimationFrame);
        scroller.scrollTop += step * scroller.clientHeight;
        nodes = Math.max(nodes, document.querySelectorAll("*").length);
    }
    return nodes;
}"""
"""Scrolls by so many views, so much of one in each frame; returns the most elements that there were."""

PAINTED: Final = """async () => {
    for (;;) {
        const [paint] = performance.getEntriesByName("first-contentful-paint");
        if (paint) return paint.startTime;
        await new Promise(requestAnimationFrame);
    }
}"""


class Figure(NamedTuple):
    """What was measured. ``goal`` is what it must be below, or None."""

    value: float
    goal: float | None = None


Figures = dict[str, Figure]
"""What was measured in one round, by its name and unit."""


class Writer:
    """Somebody who talks in the lobby, on the JSON wire."""

    def __init__(self, server: Server) -> None:
        self._client = Client(socket.create_connection(("127.0.0.1", server.rooms)))
        self._client.socket.settimeout(PATIENCE)
        self._client.asks(action="client-hello", from_="writer").line()
        self._said = 0

    def says(self, count: int) -> None:
        """Say so many messages, `IN_FLIGHT` at once; they are stored when this returns."""
        for first in range(self._said + 1, self._said + count + 1, IN_FLIGHT):
            last = min(first + IN_FLIGHT, self._said + count + 1) - 1
            lines = (
                json.dumps({"action": "client-broadcast", "msg": f"message {number} of many", "ref": number})
                for number in range(first, last + 1)
            )
            self._client.says("\n".join(lines)).object(ref=last)
        self._said += count

    def talks(self) -> None:
        """Say some at a pace."""
        start = time.perf_counter()
        for number in range(SECONDS * PER_SECOND):
            time.sleep(max(0.0, start + number / PER_SECOND - time.perf_counter()))
            self.says(1)

    def close(self) -> None:
        """Leave."""
        self._client.close()


def long_frames(frames: list[float]) -> float:
    """The percentage of ``frames`` that are long."""
    return 100 * sum(frame > LONG_FRAME for frame in frames) / len(frames)


def size() -> Figures:
    """Of what a browser loads in a language before the user can write, and of all, as it is sent."""
    figures: Figures = {}
    for language, name in (("en", "English"), ("fr", "French")):
        first, everything = (bytes_of(paths) / 1024 for paths in (first_files(language), all_files(language)))
        figures[f"loaded at first in {name}, KiB"] = Figure(first, MOST_BYTES_AT_FIRST // 1024)
        figures[f"page and assets in {name}, KiB"] = Figure(everything, MOST_BYTES // 1024)
    return figures


def opened(browser: Browser, address: str) -> Figures:
    """The page in a browser that has never seen it, to the lobby."""
    visitor = Visitor(browser, address)
    painted = visitor.comes().page.evaluate(PAINTED)
    start = time.perf_counter()
    visitor.logs_in("alice")
    took = time.perf_counter() - start
    visitor.context.close()
    return {"first paint, ms": Figure(painted, 300), "load again and log in, ms": Figure(took * 1000)}


def busy(browser: Browser, address: str, writer: Writer) -> Figures:
    """A room into which messages come at a pace."""
    visitor = Visitor(browser, address).logs_in("alice")
    visitor.page.evaluate(FRAMES)
    talk = Thread(target=writer.talks)
    talk.start()
    typed = []
    while talk.is_alive():
        start = time.perf_counter()
        visitor.page.keyboard.press("x")
        visitor.page.evaluate("() => new Promise(requestAnimationFrame)")
        typed.append((time.perf_counter() - start) * 1000)
        visitor.page.wait_for_timeout(200)
    frames = visitor.page.evaluate(RECORDED)
    visitor.context.close()
    return {
        "busy: frames over 50 ms, %": Figure(long_frames(frames), 1),
        "busy: frames a second": Figure(len(frames) / SECONDS),
        "busy: longest frame, ms": Figure(max(frames)),
        "busy: a key, pressed to drawn, median, ms": Figure(statistics.median(typed)),
    }


def long(browser: Browser, address: str, messages: int) -> Figures:
    """A log that is read to its beginning, and scrolled in."""
    visitor = Visitor(browser, address).logs_in("alice")
    page = visitor.page
    page.keyboard.press("Control+f")
    start = time.perf_counter()
    page.evaluate(FRAMES)
    page.fill("#search-text", "message 700 of")
    expect(page.locator("#search-count")).to_have_text("1 of 1", timeout=PATIENCE * 1000)
    read = time.perf_counter() - start
    reading = page.evaluate(RECORDED)
    page.keyboard.press("Escape")
    figures = {
        "long: read and searched through, s": Figure(read),
        "long: frames over 50 ms while it is read, %": Figure(long_frames(reading)),
    }
    for name, step in (("a fifth of a view", 0.2), ("twenty views", 20)):
        page.evaluate("document.getElementById('scroll').scrollTop = 0")
        page.evaluate(FRAMES)
        nodes = page.evaluate(SCROLLED, [300, step])
        frames = page.evaluate(RECORDED)
        figures[f"long: {name} a frame: over 50 ms, %"] = Figure(long_frames(frames), 1)
        figures[f"long: {name} a frame: longest, ms"] = Figure(max(frames))
        figures[f"long: {name} a frame: elements"] = Figure(nodes, 1500)
    memory = page.evaluate("performance.memory.usedJSHeapSize")
    visitor.context.close()
    return {**figures, "long: JavaScript's memory, MiB": Figure(memory / 2**20)}


def measured(browser: Browser, messages: int) -> Figures:
    """One round, with a daemon of its own."""
    with chatd() as server:
        address = f"http://127.0.0.1:{server.lobbies['web'][1]}/"
        writer = Writer(server)
        figures = {**size(), **opened(browser, address), **busy(browser, address, writer)}
        writer.says(messages - SECONDS * PER_SECOND)
        figures |= long(browser, address, messages)
        writer.close()
    return figures


def main() -> int:
    """Run it; the exit code."""
    options = argparse.ArgumentParser("bench.page", description="Measure the page in Chromium.")
    options.add_argument("--messages", type=int, default=100_000, help="in the long room [100000]")
    options.add_argument("--rounds", type=int, default=3)
    chosen = options.parse_args()
    chromium = find_chromium()
    if chromium is None:
        print("page: there is no Chromium here", file=sys.stderr)
        return 1
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=[*OPTIONS, "--enable-precise-memory-info"]
        )
        rounds = [measured(browser, chosen.messages) for _ in range(chosen.rounds)]
        browser.close()
    print(f"{f'{chosen.messages} messages':<50}{'median':>10}{'goal':>10}")
    for name, (_, goal) in rounds[0].items():
        median = statistics.median(figures[name].value for figures in rounds)
        print(f"{name:<50}{median:>10.1f}" + (f"{f'< {goal}':>10}" if goal is not None else ""))
    return 0


if __name__ == "__main__":
    sys.exit(main())
