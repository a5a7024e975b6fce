"""The page itself: logging in, languages, small and dark screens, the keyboard, and what axe has to say."""

from __future__ import annotations

import re

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.support.browser import BrowserTestCase, Visitor

PASSWORD = "correct horse battery"


class Login(BrowserTestCase):
    """Who may come in, and as whom."""

    def test_as_a_guest_by_name_and_with_a_password(self) -> None:
        daemon = self.start()
        visitor = self.visit(daemon, locale="fr-FR")
        page = visitor.page
        error = page.locator("#login-error")
        with daemon.connect("json") as alice:
            alice.asks(action="client-hello", from_="alice").object(action="server-hello")
            visitor.comes()
            expect(page.locator("html")).to_have_attribute("lang", "fr")
            page.get_by_label("Votre pseudo").fill("alice")
            page.get_by_role("button", name="Se connecter").click()
            expect(error).to_contain_text("alice")
            expect(error).to_contain_text("déjà")
            page.click("#login-language")
            expect(page.locator("html")).to_have_attribute("lang", "en")
            page.get_by_label("Your nick").fill("")
            page.get_by_role("button", name="Log in").click()
            expect(error).to_have_text("Write the nick that you want to have, or continue as a guest.")
            page.fill("#login-nick", "a:b")
            page.press("#login-nick", "Enter")
            expect(error).to_contain_text("must not contain")
            page.get_by_role("button", name="Continue as guest").click()
            visitor.is_in()
            expect(page.locator("#me-nick")).to_have_text(re.compile("^guest[0-9]+$"))
            visitor.says("I am a guest")
            alice.object(msg="I am a guest")
            self.leaves(visitor)
            alice.asks(action="register", password=PASSWORD, ref=1).object(ref=1)

        # The nick has a password now.
        page.fill("#login-nick", "alice")
        page.press("#login-nick", "Enter")
        expect(page.locator("#login-password")).to_be_focused()
        page.keyboard.type("wrong horse")
        page.keyboard.press("Enter")
        expect(error).to_contain_text("wrong nick or password")
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.keyboard.press("Enter")
        visitor.is_in().sees("I am a guest")
        kept = page.evaluate("JSON.stringify([localStorage, sessionStorage, document.body.outerHTML])")
        self.assertNotIn(PASSWORD, kept)
        page.reload()
        expect(page.locator("#login-password")).to_be_focused()
        page.keyboard.type(PASSWORD)
        page.keyboard.press("Enter")
        visitor.is_in()
        self.leaves(visitor)

    def leaves(self, visitor: Visitor) -> None:
        """Log out."""
        visitor.opens_dialog("#me")
        visitor.page.get_by_role("button", name="Log out").click()
        expect(visitor.page.locator("#login-nick")).to_be_focused()


class Everybody(BrowserTestCase):
    """Whoever cannot use a mouse, sees little, or has a small screen."""

    def test_keyboard_small_and_dark_screens_and_axe(self) -> None:
        daemon = self.start()
        with daemon.connect("json") as bob:
            bob.asks(action="client-hello", from_="bob")
            bob.asks(action="cgroupe", group="course").object(action="server-ack")
            bob.asks(action="gbroadcast", group="course", msg="see https://example.org/ and `code`, alice")
            bob.asks(action="gbroadcast", group="course", msg="```\n" + "x" * 300 + "\n```")
            bob.asks(action="gbroadcast", group="course", msg=" /\\_/\\\n( o.o )", kind="image")
            bob.asks(action="client-broadcast", msg="hello " + "w" * 200)
            alice = self.visit(daemon, color_scheme="dark", viewport={"width": 320, "height": 640})
            page = alice.comes().page
            self.fits(alice)
            self.is_accessible(alice)

            # With the keyboard only.
            page.keyboard.type("alice")
            page.keyboard.press("Enter")
            alice.is_in()
            expect(page.locator("#text")).to_be_focused()
            page.keyboard.type("/j")
            page.keyboard.press("Tab")
            page.keyboard.type("cou")
            page.keyboard.press("Tab")
            expect(page.locator("#text")).to_have_value(re.compile("^/join course ?$"))
            page.keyboard.press("Enter")
            expect(page.locator("#title")).to_have_text("#course")
            page.keyboard.type("two lines")
            page.keyboard.press("Shift+Enter")
            page.keyboard.type("in one message")
            page.keyboard.press("Enter")
            bob.object(msg="two lines\nin one message")
            page.keyboard.press("Alt+ArrowUp")
            expect(page.locator("#title")).to_have_text("Lobby")
            self.fits(alice)
            page.keyboard.press("Control+k")
            expect(page.get_by_role("combobox")).to_be_focused()
            page.keyboard.type("#crs")
            expect(page.get_by_role("option", selected=True)).to_have_text("#course")
            self.fits(alice)
            self.is_accessible(alice)
            page.keyboard.press("Enter")
            alice.sees("two lines")
            self.fits(alice)
            self.is_accessible(alice)
            self.tabs_to(alice, "#members-open")
            page.keyboard.press("Enter")
            self.fits(alice)
            self.is_accessible(alice)
            self.tabs_to(alice, "[data-nick=bob] button")
            page.keyboard.press("Enter")
            expect(page.locator("#dialog")).to_be_visible()
            self.fits(alice)
            page.keyboard.press("Escape")
            expect(page.locator("[data-nick=bob] button")).to_be_focused()
            self.tabs_to(alice, "#members-close")
            page.keyboard.press("Enter")

            # On a large and light screen.
            page.set_viewport_size({"width": 3840, "height": 2160})
            page.emulate_media(color_scheme="light")
            self.fits(alice)
            alice.says("groups;").sees("public", where="#reply")
            for button in ("#browse", "#group-open", "#me"):
                alice.opens_dialog(button)
                self.is_accessible(alice)
                page.emulate_media(color_scheme="dark")
                self.is_accessible(alice, "color-contrast")
                page.emulate_media(color_scheme="light")
                page.keyboard.press("Escape")

    def tabs_to(self, visitor: Visitor, selector: str) -> None:
        """Press Tab until the focus is there; everything that has it on the way shows that it has."""
        wanted = visitor.page.locator(selector)
        for _ in range(40):
            if wanted.evaluate("wanted => wanted.contains(document.activeElement)"):
                return
            visitor.page.keyboard.press("Shift+Tab")
        self.fail(f"Tab does not lead to {selector}")

    def fits(self, visitor: Visitor) -> None:
        """Nothing has to be scrolled sideways, except what is within a box of its own."""
        wide = visitor.page.evaluate("document.documentElement.scrollWidth > innerWidth")
        self.assertFalse(wide, "wider than the screen")

    def is_accessible(self, visitor: Visitor, *rules: str) -> None:
        """Axe finds no violation, of all its rules or of these."""
        options = {"runOnly": list(rules)} if rules else None
        found = [
            f"{violation['id']}: {node['html']} ({node['failureSummary']})"
            for violation in Axe().run(visitor.page, options=options).response["violations"]
            for node in violation["nodes"]
        ]
        self.assertEqual(found, [])
