"""The page as an application: installed, without the daemon, and while nobody looks at it."""

from __future__ import annotations

import json
from typing import Any

from playwright.sync_api import expect

from tests.support.browser import NO_CONNECTION, OPTIONS, BrowserTestCase, Visitor, find_chromium

WATCHED = """
    window.hiddenNow = false;
    Object.defineProperty(document, "hidden", { get: () => hiddenNow });
    window.shown = [];
    window.Notification = class extends Notification {
        constructor(title, options) {
            super(title, options);
            shown.push({ title, body: options.body, tag: options.tag, notification: this });
        }
    };
    window.badges = [];
    navigator.setAppBadge = async number => { badges.push(number); };
"""
"""Has a page believe that it is hidden when it is told so, and remembers its notifications and badges.

In a browser without a screen no page is hidden.
"""


class Installed(BrowserTestCase):
    """What a browser needs to offer that the page be installed."""

    def test_the_browser_finds_no_fault_with_the_manifest(self) -> None:
        """In a profile of its own: nothing is installed from a private window."""
        daemon = self.start()
        address = f"http://127.0.0.1:{daemon.port('web')}/"
        context = self.browser.browser_type.launch_persistent_context(
            self.folder / "profile", executable_path=find_chromium(), args=OPTIONS
        )
        self.addCleanup(context.close)
        page = context.pages[0]
        page.goto(address)
        session = context.new_cdp_session(page)
        found = session.send("Page.getAppManifest")
        self.assertEqual((found["url"], found["errors"]), (f"{address}manifest.webmanifest", []))
        manifest = found["manifest"]
        self.assertEqual((manifest["startUrl"], manifest["scope"]), (address, address))
        self.assertEqual(manifest["display"], "kStandalone")
        self.assertEqual(session.send("Page.getInstallabilityErrors"), {"installabilityErrors": []})


KEPT_PAGES = """new Promise((resolve, reject) => {
    const opening = indexedDB.open("chatd");
    opening.onerror = reject;
    opening.onsuccess = () => {
        const reading = opening.result.transaction("pages").objectStore("pages").getAll();
        reading.onerror = reject;
        reading.onsuccess = () => resolve(JSON.stringify(reading.result));
    };
})"""
"""What the page has kept of its conversations, once what it is writing is written."""


class Offline(BrowserTestCase):
    """The daemon is gone, and the page is loaded anew."""

    def test_what_is_kept_is_shown_until_the_daemon_is_back(self) -> None:
        daemon = self.start()
        alice = self.visit(daemon, service_workers="allow").logs_in("alice")
        alice.expected_problem = NO_CONNECTION
        page = alice.page
        alice.says("/create den").sees("den", where="#title").says("in the den").opens("Lobby")
        alice.says("before the tunnel").sees("before the tunnel")
        expect(page.locator("#outbox li")).to_have_count(0)
        page.evaluate("navigator.serviceWorker.ready.then(() => null)")  # the page itself is kept then
        page.evaluate("dispatchEvent(new Event('pagehide'))")
        self.assertIn(
            "before the tunnel", page.evaluate(KEPT_PAGES)
        )  # a browser that is busy may keep it late
        daemon.kill()
        alice.sees("Connection lost", where="#status").says("in the tunnel")
        page.reload()
        alice.sees("Offline: this is what was kept here.", where="#status").sees("before the tunnel")
        expect(page.locator("#me-nick")).to_have_text("alice")
        alice.sees("in the tunnel", where="#outbox")
        alice.opens("den").sees("in the den")
        expect(page.locator("#text")).to_be_disabled()

        # In French, which this browser has not loaded before.
        page.evaluate("""localStorage["chatd:settings"] = '{"language":"fr"}'""")
        page.reload()
        alice.sees("Hors ligne", where="#status").sees("before the tunnel")
        alice.opens("den").sees("alice a créé den", "in the den")

        # In another tab, by whoever says whose pages are wanted.
        tab = alice.context.new_page()
        tab.goto(alice.address)
        tab.press("#login-nick", "Enter")
        tab.get_by_role("button", name="Lire ce qui est gardé ici").click()
        expect(tab.locator("#log")).to_contain_text("before the tunnel")
        tab.close()

        daemon = self.start(f"--listen=web=tcp:{daemon.port('web')}")
        page.evaluate("dispatchEvent(new Event('online'))")
        alice.is_in()
        expect(page.locator("#status")).to_be_empty()
        alice.opens("Accueil").sees("before the tunnel", "in the tunnel")
        alice.says("behind the tunnel").sees("behind the tunnel")
        expect(page.locator("#outbox li")).to_have_count(0)


class Hidden(BrowserTestCase):
    """Nobody looks at the page."""

    def test_notifications_for_what_concerns_the_user(self) -> None:
        daemon = self.start()
        alice = self.visit(daemon, permissions=["notifications"])
        alice.context.add_init_script(WATCHED)
        alice.logs_in("alice")
        with daemon.connect("text") as bob:
            bob.says("IAM bob").hears_until(b"ARR bob\n")
            bob.says("MSG alice, you are looking")
            alice.sees("you are looking")
            self.hides(alice, True)
            bob.says("MSG nothing for anybody").says("MSG this is for you, alice")
            expect(alice.page).to_have_title("(@1, 2) Lobby · chatd")
            self.assertEqual(self.shown(alice), [["bob · Lobby", "this is for you, alice", "lobby"]])
            self.chooses(alice, False)
            bob.says("MSG alice, again")
            expect(alice.page).to_have_title("(@2, 3) Lobby · chatd")
            self.chooses(alice, True)
            bob.says("PRV alice " + "x" * 300)
            expect(alice.page).to_have_title("(@3, 4) Lobby · chatd")
            self.assertEqual(self.shown(alice)[1:], [["bob", "x" * 200, "direct:bob"]])
            bob.says("cg;den").says("invite;den;alice")
            expect(alice.page.locator(".invitation")).to_be_visible()
            self.assertEqual(self.shown(alice)[2][1:], ["bob invites you to den", "invitation:den"])
            dialog = alice.opens_dialog("#group-open").page.locator("#dialog")
            dialog.get_by_label("Quiet").check()
            alice.page.keyboard.press("Escape")
            expect(alice.room("Lobby")).to_contain_text("quiet")
            bob.says("MSG alice, quietly")
            expect(alice.page).to_have_title("(@5, 5) Lobby · chatd")
            self.assertEqual(len(self.shown(alice)), 3)
        self.assertEqual(alice.page.evaluate("badges"), [1, 2, 3, 4, 5])
        self.hides(alice, False)
        expect(alice.page).to_have_title("(@2, 1) Lobby · chatd")
        alice.page.evaluate("shown[1].notification.onclick()")
        expect(alice.page).to_have_title("(@1) bob · chatd")
        self.assertEqual(alice.page.evaluate("badges"), [1, 2, 3, 4, 5, 2, 1])

    def hides(self, visitor: Visitor, hidden: bool) -> None:
        """Tell the page that it is hidden, or seen."""
        visitor.page.evaluate(
            "hidden => { hiddenNow = hidden; document.dispatchEvent(new Event('visibilitychange')); }", hidden
        )

    def chooses(self, visitor: Visitor, notified: bool) -> None:
        """Open the user's own settings, and say whether there are to be notifications."""
        dialog = visitor.opens_dialog("#me").page.locator("#dialog")
        dialog.get_by_label("Notify me").set_checked(notified)
        visitor.page.keyboard.press("Escape")

    def shown(self, visitor: Visitor) -> list[Any]:
        """The title, the text and the tag of each notification."""
        found: list[Any] = json.loads(
            visitor.page.evaluate("JSON.stringify(shown.map(({ title, body, tag }) => [title, body, tag]))")
        )
        return found
