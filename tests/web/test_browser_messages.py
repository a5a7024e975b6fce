"""What is done with messages that are there: edits, deletions, answers, reactions, and who is writing."""

from __future__ import annotations

import re
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Route, expect

from tests.support.browser import BrowserTestCase, Visitor
from tests.support.daemon_process import Client
from tests.support.page_size import first_files

LIVE = {"action": "server-event"}


class Messages(BrowserTestCase):
    """Alice on the page, and bob on the JSON wire, who sees what is sent."""

    def setUp(self) -> None:
        super().setUp()
        self.daemon = self.start()
        self.bob = self.joins("bob")

    def joins(self, nick: str) -> Client:
        """Return a connection on the JSON wire that is told who writes."""
        client = self.connect(self.daemon, "json")
        client.asks(action="client-hello", from_=nick, typing="show").object(action="server-hello")
        return client

    def menu(self, visitor: Visitor, id: int, item: str) -> None:
        """Choose an item of the menu of a message, with the pointer."""
        row = self.row(visitor, id)
        row.hover()
        row.locator(".more").click()
        visitor.page.get_by_role("menuitem", name=item).click()

    def row(self, visitor: Visitor, id: int) -> Locator:
        """The row of a message."""
        return visitor.page.locator(f'#log > [data-id="{id}"]')

    def test_with_the_pointer_and_the_keyboard(self) -> None:
        alice = self.visit(self.daemon).logs_in("alice")
        page = alice.page
        text, target = page.locator("#text"), page.locator("#target")
        self.bob.asks(action="client-broadcast", msg="who has the key?", ref=1)
        alice.sees("who has the key?")

        # Her last message, by the arrow key; a draft outlives the edit that is given up.
        alice.says("I hvae it").sees("I hvae it")
        self.bob.object(msg="I hvae it")
        page.keyboard.press("ArrowUp")
        expect(target).to_contain_text("You edit: I hvae it")
        page.keyboard.press("Escape")
        expect(target).to_be_hidden()
        expect(text).to_have_value("")
        page.keyboard.press("ArrowUp")
        page.keyboard.press("Control+a")
        page.keyboard.type("I have it")
        page.keyboard.press("Enter")
        self.bob.object(edited=2, msg="I have it")
        alice.sees("I have it (edited)")
        expect(text).to_have_value("")
        self.bob.asks(action="edit", id=1, msg="who has the red key?")
        alice.sees("who has the red key? (edited)")

        # Others see that she writes. A command is nobody's business.
        page.keyboard.type("/topic")
        page.fill("#text", "an answer")
        self.bob.object(action="server-typing", **{"from": "alice", "state": "active"})
        page.fill("#text", "")
        self.bob.object(action="server-typing", **{"from": "alice", "state": "done"})
        self.bob.asks(action="typing")
        expect(page.locator("#typing")).to_have_text("bob is writing…")
        carol = self.joins("carol")
        carol.asks(action="typing")
        expect(page.locator("#typing")).to_have_text("bob and carol are writing…")
        carol.asks(action="typing", state="done")
        self.bob.asks(action="client-broadcast", msg="found it")
        alice.sees("found it")
        expect(page.locator("#typing")).to_be_empty()

        # An answer, by the menu, which the keyboard opens as well.
        page.keyboard.type("half a dr")
        row = self.row(alice, 5)
        row.locator(".more").focus()
        page.keyboard.press("ArrowUp")
        page.keyboard.press("ArrowUp")
        expect(self.row(alice, 1).locator(".more")).to_be_focused()
        page.keyboard.press("Enter")
        menu = page.get_by_role("menu")
        expect(menu.get_by_role("menuitem").first).to_be_focused()
        self.is_accessible(alice)
        page.keyboard.press("Escape")
        expect(menu).to_have_count(0)
        expect(self.row(alice, 1).locator(".more")).to_be_focused()
        page.keyboard.press("Enter")
        page.keyboard.press("End")
        expect(menu.get_by_role("menuitem", name="Copy the text")).to_be_focused()
        page.keyboard.press("ArrowUp")
        page.keyboard.press("Enter")
        expect(target).to_contain_text("You answer bob: who has the red key?")
        expect(text).to_be_focused()
        page.keyboard.type("aft")
        page.keyboard.press("Enter")
        self.bob.object(msg="half a draft", reply_to=1, reply_from="bob")
        answer = self.row(alice, 6)
        expect(answer.locator(".quote")).to_contain_text("bob who has the red key?")
        self.bob.asks(action="delete", id=1)
        expect(answer.locator(".quote")).to_contain_text("This message was deleted.")
        answer.locator(".quote").click()
        expect(self.row(alice, 1).locator(".found")).to_be_visible()

        # Reactions: who has reacted, hers marked, added and taken away.
        self.bob.asks(action="react", id=6, reaction="+1")
        reaction = answer.locator(".reaction")
        expect(reaction).to_have_text("+1 1")
        expect(reaction).to_have_attribute("aria-pressed", "false")
        reaction.focus()
        page.keyboard.press("Enter")
        expect(reaction).to_have_text("+1 2")
        expect(reaction).to_be_focused()
        expect(reaction).to_have_attribute("aria-pressed", "true")
        expect(reaction).to_have_attribute("aria-label", "+1 2: bob, alice")
        self.bob.object(event="reacted", actor="alice", message=6)
        page.keyboard.press("Space")
        self.bob.object(event="unreacted", actor="alice", message=6)
        expect(reaction).to_have_text("+1 1")
        self.menu(alice, 6, "Another reaction…")
        page.keyboard.type("bravo")
        page.keyboard.press("Enter")
        expect(reaction).to_have_text(["+1 1", "bravo 1"])
        self.menu(alice, 6, "Who has reacted…")
        expect(page.locator("#dialog")).to_contain_text("bravo")
        page.keyboard.press("Escape")

        # What may not be done is not offered, and what is refused is said.
        row = self.row(alice, 5)
        row.hover()
        row.locator(".more").click()
        expect(menu).to_be_visible()
        expect(menu.get_by_role("menuitem", name=re.compile("Edit|Delete"))).to_have_count(0)
        page.keyboard.press("Escape")
        alice.says("/edit 5 stolen").sees("only its author may edit a message", where="#reply")
        alice.says("/reply 5 typed").sees("typed").says("/edit typed too").sees("typed too (edited)")
        self.bob.object(msg="typed", reply_to=5)
        self.menu(alice, 6, "Delete…")
        page.locator("#dialog").get_by_role("button", name="Delete").click()
        self.bob.object(deleted=6)
        expect(answer.locator(".deleted")).to_be_visible()
        expect(reaction).to_have_count(0)

        # A page that is loaded anew has all of it.
        before = page.locator("#log").inner_text()
        page.reload()
        alice.is_in().sees("typed too (edited)")
        self.assertEqual(page.locator("#log").inner_text(), before)

    def test_by_touch_in_french_and_with_2000_reactions(self) -> None:
        fans = [self.joins(f"fan{number}") for number in range(10)]
        for id in range(1, 11):
            self.bob.asks(action="client-broadcast", msg=f"message {id} " + "w" * 300, ref=id)
        self.bob.object(ref=10)
        for fan in fans:
            for id in range(1, 11):
                fan.asks(action="react", id=id, reaction=f"<b>{id}</b>")
                for number in range(19):
                    fan.asks(action="react", id=id, reaction=f"<i>{number}</i>", ref=f"{id}/{number}")
        for fan in fans:
            fan.object(ref="10/18")
        phone: dict[str, Any] = {
            "viewport": {"width": 360, "height": 640},
            "has_touch": True,
            "is_mobile": True,
        }
        alice = self.visit(self.daemon, locale="fr-FR", **phone).logs_in("alice")
        page = alice.page
        row = self.row(alice, 10)
        expect(row.locator(".reaction")).to_have_count(20)
        expect(row.locator(".reaction").first).to_have_text("<b>10</b> 10")
        self.assertFalse(page.evaluate("document.documentElement.scrollWidth > innerWidth"))
        self.assertFalse(page.evaluate("document.querySelector('#scroll').scrollWidth > innerWidth"))
        self.is_accessible(alice)
        row.locator(".more").tap()
        page.get_by_role("menuitem", name="Répondre").tap()
        page.fill("#text", "merci")
        page.get_by_role("button", name="Envoyer", exact=True).tap()
        self.bob.object(msg="merci", reply_to=10)
        row.locator(".reaction").first.tap()
        alice.sees("de réactions", where="#reply")
        page.locator("#members-open").tap()
        page.locator("#rooms-open").tap()  # at the edge that the members do not cover
        alice.room("Accueil").tap()
        expect(page.locator("#members")).to_be_hidden()

    def is_accessible(self, visitor: Visitor) -> None:
        """Axe finds no violation."""
        violations = Axe().run(visitor.page).response["violations"]
        found = [f"{one['id']}: {node['html']}" for one in violations for node in one["nodes"]]
        self.assertEqual(found, [])


class FirstLoad(BrowserTestCase):
    """What a browser loads before the first message can be written."""

    def test_no_other_files(self) -> None:
        daemon = self.start()
        alice = self.visit(daemon, locale="fr-FR")
        loaded: set[str] = set()

        def note(route: Route) -> None:
            loaded.add("/" + route.request.url.removeprefix(alice.address).split("?")[0])
            route.continue_()

        alice.page.route("**/*", note)
        # What is loaded later begins when the browser has nothing else to do.
        alice.context.add_init_script("requestIdleCallback = () => {}")
        alice.logs_in("alice").says("premier").sees("premier")
        expect(alice.page.locator("#outbox li")).to_have_count(0)
        self.assertEqual(
            {"/index.html" if path == "/" else path for path in loaded} - first_files("fr"), set()
        )
        self.assertIn("/app.js", loaded)
