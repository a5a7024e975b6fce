"""A long conversation is read back to its beginning."""

from __future__ import annotations

import json

from playwright.sync_api import expect

from tests.support.browser import BrowserTestCase
from tests.support.daemon_process import Client

MESSAGES = 10_000

PAGED = 1000
"""Messages that are looked at one by one, while their pages come in."""

SCROLLED_UP = """async ([end, views]) => {
    const scroller = document.getElementById("scroll");
    const log = document.getElementById("log");
    const seen = new Set();
    let nodes = 0;
    let disorder = 0;
    const look = () => {
        nodes = Math.max(nodes, document.querySelectorAll("*").length);
        const ids = [...log.children].map(row => Number(row.dataset.id));
        ids.forEach((id, n) => {
            if (id >= end) seen.add(id);
            if (n > 0 && id !== ids[n - 1] + 1) disorder++;
        });
        return ids[0];
    };
    while (look() > end) {
        scroller.scrollTop -= views * scroller.clientHeight;
        await new Promise(requestAnimationFrame);
    }
    return {seen: seen.size, nodes, disorder};
}"""
"""Scrolls up to an entry, by so many views in each frame, and returns what was there on the way."""


class LongHistory(BrowserTestCase):
    """Somebody reads it, and searches in it."""

    def test_ten_thousand_messages(self) -> None:
        daemon = self.start()
        with daemon.connect("json") as writer:
            self.write(writer)
        alice = self.visit(daemon).logs_in("alice")
        page = alice.page
        alice.sees(f"message {MESSAGES} of many")
        found = page.evaluate(SCROLLED_UP, [MESSAGES - PAGED + 1, 1])
        self.assertEqual((found["seen"], found["disorder"]), (PAGED, 0))
        page.keyboard.press("Control+f")
        page.keyboard.type("message 1 of")
        alice.sees("1 of 1", where="#search-count")
        expect(page.locator(".found")).to_contain_text("message 1 of many")
        expect(page.locator(".found mark")).to_be_in_viewport()
        expect(page.locator("#beginning")).to_have_text("The conversation begins here.")
        page.keyboard.press("Escape")

        with daemon.connect("text") as bob:
            bob.says("IAM bob").says("MSG and one more").says("groups;").hears_until(b"END groups")
        jump = page.locator("#jump")
        expect(jump).to_contain_text("1 unread")
        alice.sees("message 1 of many")
        jump.click()
        alice.sees("and one more")
        expect(jump).to_be_hidden()
        found = page.evaluate(SCROLLED_UP, [1, 10])
        self.assertEqual(found["disorder"], 0)
        self.assertLess(found["nodes"], 1500)
        alice.sees("message 1 of many")

    def write(self, writer: Client) -> None:
        """Fill the lobby."""
        writer.asks(action="client-hello", from_="writer")
        lines = (
            json.dumps({"action": "client-broadcast", "msg": f"message {number} of many", "ref": number})
            for number in range(1, MESSAGES + 1)
        )
        writer.says("\n".join(lines)).object(ref=MESSAGES)
