"""The search in all conversations, and reading what was said around a message that it has found."""

from __future__ import annotations

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.support.browser import BrowserTestCase
from tests.support.xss import TEXTS

WITHIN = """(selector) => {
    const ids = [...document.querySelectorAll(selector)].map(row => Number(row.dataset.id));
    return ids.every((id, n) => n === 0 || id > ids[n - 1]);
}"""
"""Whether the rows are in order, each once."""


class Search(BrowserTestCase):
    """Bob has written much, and alice looks for some of it."""

    def test_everywhere_here_and_in_context(self) -> None:
        daemon = self.start()
        bob = self.connect(daemon, "json")
        bob.asks(action="client-hello", from_="bob").object(action="server-hello")
        bob.asks(action="cgroupe", group="wob", ref=1).object(ref=1)
        bob.asks(action="gbroadcast", group="wob", msg="L'examen d'été <b>est</b> jeudi", ref=2).object(ref=2)
        for number in range(400):
            bob.asks(action="gbroadcast", group="wob", msg=f"filler {number}", ref=number)
        bob.object(ref=399)
        for text in TEXTS[:8]:
            bob.asks(action="gbroadcast", group="wob", msg=f"hostile {text}")
        bob.asks(action="client-broadcast", msg="the EXAMEN, alice", ref="last").object(ref="last")
        alice = self.visit(daemon)
        page = alice.logs_in("alice").page
        alice.says("/join wob").sees("filler 399")
        bob.asks(action="client-send", dest="alice", msg="examen: 42", ref="private").object(ref="private")

        # Everywhere, the newest first, with the place.
        page.keyboard.press("Control+f")
        page.keyboard.type("examen")
        page.locator("#search-list").click()
        found = page.locator("#results li")
        expect(found).to_have_count(3)
        self.assertEqual([row.split(" · ")[0] for row in found.all_inner_texts()], ["bob", "Lobby", "#wob"])
        expect(found.locator("mark")).to_have_text(["examen", "EXAMEN", "examen"])
        expect(found.last).to_contain_text("bob L'examen d'été <b>est</b> jeudi")
        violations = Axe().run(page).response["violations"]
        self.assertEqual([node["html"] for one in violations for node in one["nodes"]], [])

        # In this conversation, and by a command with an operator.
        page.get_by_role("button", name="Only here").click()
        expect(found).to_have_count(1)
        page.get_by_role("button", name="Everywhere").click()
        expect(found).to_have_count(3)
        page.fill("#search-text", "hostile")
        expect(found).to_have_count(8)
        page.fill("#search-text", "!?")
        expect(page.locator("#results [role=status]")).to_contain_text("a letter or a digit")
        alice.opens("Lobby").says("/search in:wob examen")
        expect(found).to_have_count(1)

        # A click leads to the message, between its neighbours.
        found.get_by_role("button").click()
        expect(page.locator("#title")).to_have_text("#wob")
        message = page.locator('#log > [data-id="2"]')
        expect(message.locator(".found")).to_be_in_viewport()
        alice.sees("filler 3")
        bob.asks(action="gbroadcast", group="wob", msg="meanwhile", ref="m").object(ref="m")
        expect(page.locator("#jump")).to_contain_text("1 unread")
        expect(page.locator("#log")).not_to_contain_text("meanwhile")

        # From there, one can read on to the end.
        page.evaluate(
            """async () => {
                const log = document.getElementById("log");
                const scroller = document.getElementById("scroll");
                while (!log.textContent.includes("meanwhile")) {
                    scroller.scrollTop += scroller.clientHeight / 2;
                    await new Promise(requestAnimationFrame);
                }
            }"""
        )
        self.assertTrue(page.evaluate(WITHIN, "#log > [data-id]"))
        page.locator("#jump").click()
        expect(page.locator("#jump")).to_be_hidden()
        expect(alice.room("wob")).not_to_contain_text("unread")

        # Or say something, which is at the end.
        found.get_by_role("button").click()
        expect(message).to_be_in_viewport()
        alice.says("found it").sees("meanwhile", "found it")
        expect(page.locator("#jump")).to_be_hidden()
        page.locator("#search-close").click()
        expect(page.locator("#results")).to_be_hidden()
