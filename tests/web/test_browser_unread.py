"""What is unread: on the page, on the daemon, and for the user's other sessions."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.support.browser import BrowserTestCase

PASSWORD = "correct horse battery"


class Unread(BrowserTestCase):
    """Alice is on the page and on the JSON wire, and bob writes."""

    def test_marks_are_shared_and_the_first_unread_message_is_found(self) -> None:
        daemon = self.start()
        bob, laptop = (self.connect(daemon, "json") for _ in range(2))
        bob.asks(action="client-hello", from_="bob").object(action="server-hello")
        laptop.asks(action="client-hello", from_="alice").object(action="server-hello")
        laptop.asks(action="register", password=PASSWORD, ref=1).object(ref=1)
        bob.asks(action="cgroupe", group="wob", ref=1).object(ref=1)
        laptop.asks(action="join", group="wob", ref=2).object(ref=2)
        for number in range(150):
            bob.asks(action="gbroadcast", group="wob", msg=f"number {number}", ref=number)
        bob.asks(action="gbroadcast", group="wob", msg="and you, alice?", ref="last").object(ref="last")

        # The daemon's mark is the truth, and not what it has delivered.
        laptop.asks(action="markread", group="wob", upto=1, ref=3).object(ref=3)
        alice = self.visit(daemon)
        page = alice.comes().page
        page.fill("#login-nick", "alice")
        page.click("#login-has-password")
        page.keyboard.type(PASSWORD)
        page.keyboard.press("Enter")
        alice.is_in()
        expect(alice.room("wob")).to_contain_text("151 unread, mentions: 1")
        expect(page).to_have_title("(@1, 151) Lobby · chatd")
        laptop.asks(action="markread", group="wob", upto=12, ref=4).object(ref=4)
        expect(alice.room("wob")).to_contain_text("141 unread, mentions: 1")

        # Her eyes move it: the end is in view. The way back to the first unread message is offered.
        page.keyboard.press("Alt+Shift+ArrowDown")
        alice.sees("and you, alice?")
        laptop.object(action="server-read", group="wob", id=153)
        expect(page).to_have_title("#wob · chatd")
        go = page.get_by_role("button", name="New messages")
        expect(go).to_be_visible()
        page.keyboard.press("Alt+PageUp")
        expect(page.locator("#log .new")).to_be_in_viewport()
        expect(page.locator('[data-id="13"]')).to_contain_text("New")
        expect(page.locator('[data-id="13"]')).to_contain_text("number 10")
        expect(go).to_be_hidden()
        page.keyboard.press("Alt+PageUp")
        expect(page.locator('[data-id="153"] .found')).to_be_in_viewport()
        page.keyboard.press("Alt+PageUp")
        expect(page.locator("#log .new")).to_be_in_viewport()

        # What comes meanwhile is not read.
        bob.asks(action="gbroadcast", group="wob", msg="one more", ref="more").object(ref="more")
        expect(page.locator("#jump")).to_contain_text("1 unread")
        expect(alice.room("wob")).to_contain_text("1 unread")
        page.locator("#jump").click()
        alice.sees("one more")
        laptop.object(action="server-read", group="wob", id=154)
        expect(page).to_have_title("#wob · chatd")

        # Neither is what comes while the window has no focus, also after a reload.
        page.evaluate("document.hasFocus = () => false; dispatchEvent(new Event('blur'))")
        bob.asks(action="gbroadcast", group="wob", msg="look at this", ref="look").object(ref="look")
        expect(page).to_have_title("(1) #wob · chatd")
        page.evaluate("sessionStorage.setItem('chatd:open', 'lobby')")
        page.reload()
        page.locator("#login-password").fill(PASSWORD)
        page.keyboard.press("Enter")
        alice.is_in()
        expect(alice.room("wob")).to_contain_text("1 unread")
