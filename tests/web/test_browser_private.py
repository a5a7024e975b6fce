"""What the page does not do without asking, what it tells nobody, and what it does not leave behind."""

from __future__ import annotations

import json

from playwright.sync_api import Locator, Page, expect

from tests.support.browser import NO_CONNECTION, BrowserTestCase, Visitor
from tests.support.daemon_process import Client, Daemon


class InvitationLinks(BrowserTestCase):
    """Any site can send a visitor to the page with a link of its own."""

    def test_the_user_is_asked(self) -> None:
        daemon = self.start()
        mallory, link = self.makes_link(daemon)
        victim = self.visit(daemon)
        self.logs_in(victim.comes("#invite=%"), "alice")
        victim.opens_dialog("#me").page.keyboard.press("Escape")
        expect(self.offer(victim)).to_have_count(0)

        # In a tab that is logged in.
        for page_before in (victim.address, "about:blank"):
            victim.page.goto(page_before)
            victim.page.evaluate("address => location = address", f"{victim.address}#invite={link}")
            expect(self.offer(victim)).to_have_count(1)
            expect(victim.page.locator("#title")).to_have_text("Lobby")
            self.assertNotIn(link, victim.page.url)
            victim.is_in().says("no, thanks")
            mallory.object(msg="no, thanks")
            self.assertEqual(self.members(mallory), ["mallory"])
            self.offer(victim).get_by_role("button", name="No").click()
            expect(self.offer(victim)).to_have_count(0)

        # On the form of the login, then by consent.
        bob = self.visit(daemon, locale="fr").comes(f"#invite={link}")
        expect(bob.page.locator("#login-invited")).to_be_visible()
        self.logs_in(bob, "bob")
        self.offer(bob).get_by_role("button", name="Rejoindre").click()
        expect(bob.page.locator("#title")).to_have_text("#den")
        expect(self.offer(bob)).to_have_count(0)
        self.assertEqual(self.members(mallory), ["bob", "mallory"])

    def logs_in(self, visitor: Visitor, nick: str) -> None:
        """On the page as it was opened."""
        visitor.page.fill("#login-nick", nick)
        visitor.page.press("#login-nick", "Enter")
        visitor.is_in()

    def makes_link(self, daemon: Daemon) -> tuple[Client, str]:
        """Somebody who has a private group, and a link into it."""
        mallory = self.connect(daemon, "json")
        mallory.asks(action="client-hello", from_="mallory").object(action="server-hello")
        mallory.asks(action="cgroupe", group="den", visibility="private")
        mallory.asks(action="invitelink", group="den")
        return mallory, str(mallory.object(action="server-invitelink")["link"])

    def members(self, client: Client) -> list[str]:
        """The members of the group, sorted."""
        answer = client.asks(action="members", group="den").object(action="server-members")
        return sorted(row["name"] for row in answer["members"])

    def offer(self, visitor: Visitor) -> Locator:
        """What asks."""
        return visitor.page.locator("#notices p")


KEPT = "JSON.stringify([{...localStorage}, {...sessionStorage}])"
"""What is in the storages of the browser."""

KEPT_PAGES = """async wanted => {
    let nicks;
    for (let n = 0; n < 1000 && String(nicks) !== String(wanted); n++) {
        nicks = await new Promise(resolve => {
            const opening = indexedDB.open("chatd", 1);
            opening.onupgradeneeded = () => opening.result.createObjectStore("pages", { keyPath: "nick" });
            opening.onsuccess = () => {
                const request = opening.result.transaction("pages").objectStore("pages").getAllKeys();
                opening.result.close();
                request.onsuccess = () => resolve(request.result);
            };
        });
    }
    return nicks;
}"""
"""Return the nicks whose pages are kept, at the latest after a thousand looks."""

NOT_SENT = json.dumps(
    {"ref": "x", "key": "lobby", "kind": "lobby", "name": "", "msg": "a secret", "at": 1, "state": "failed"}
)
"""A message that was refused, as the outbox keeps it."""


class LogOut(BrowserTestCase):
    """The next user of the machine may be another."""

    def keeps_pages(self, page: Page, *nicks: str) -> None:
        """Pages of these users are kept, or soon will be."""
        self.assertEqual(page.evaluate(KEPT_PAGES, nicks), [*nicks])

    def test_nothing_of_the_user_stays(self) -> None:
        daemon = self.start()
        bob = self.connect(daemon, "json")
        bob.asks(action="client-hello", from_="bob").object(action="server-hello")
        alice = self.visit(daemon).logs_in("alice")
        page = alice.page
        bob.asks(action="client-send", dest="alice", msg="psst")
        alice.opens("bob").sees("psst")
        page.evaluate("text => localStorage.setItem('chatd:out:alice:x', text)", NOT_SENT)
        page.reload()
        alice.is_in().opens("Lobby").sees("a secret", where="#outbox").opens("bob")
        page.fill("#text", "half a sentence")
        page.wait_for_function(f"() => {KEPT}.includes('half a sentence')")
        # What looks like a command takes the place of the draft.
        page.fill("#text", " /register my password")
        page.wait_for_function(f"() => !{KEPT}.includes('half a sentence')")
        self.assertNotIn("my password", page.evaluate(KEPT))
        page.evaluate("dispatchEvent(new Event('pagehide'))")
        self.keeps_pages(page, "alice")

        alice.opens_dialog("#me").page.get_by_role("button", name="Log out").click()
        dialog = page.locator("#dialog")
        expect(dialog).to_contain_text("not sent")
        dialog.get_by_role("button", name="Cancel").click()
        page.fill("#text", "another half")  # its timer runs while the user logs out
        alice.opens_dialog("#me").page.get_by_role("button", name="Log out").click()
        dialog.get_by_role("button", name="Log out").click()
        expect(page.locator("#login-nick")).to_be_focused()
        expect(page.locator("#login-nick")).to_have_value("")
        kept = page.evaluate(KEPT)
        for trace in ("alice", "bob", "half", "secret"):
            self.assertNotIn(trace, kept)
        self.keeps_pages(page)

    def test_pages_are_not_offered_to_whom_types_a_nick(self) -> None:
        daemon = self.start()
        visitor = self.visit(daemon).logs_in("alice")
        visitor.expected_problem = NO_CONNECTION
        page = visitor.page
        page.evaluate("dispatchEvent(new Event('pagehide'))")
        self.keeps_pages(page, "alice")
        page.evaluate("sessionStorage.clear()")
        visitor.logs_in("bob").opens_dialog("#me").page.get_by_role("button", name="Log out").click()
        expect(page.locator("#login-nick")).to_be_focused()
        self.keeps_pages(page, "alice")
        daemon.kill()
        page.fill("#login-nick", "alice")
        page.press("#login-nick", "Enter")
        visitor.sees("does not answer", where="#login-error")
        expect(page.locator("#login-offline")).to_be_hidden()

    def test_pages_go_with_the_account(self) -> None:
        daemon = self.start()
        visitor = self.visit(daemon).logs_in("alice")
        page = visitor.page
        page.evaluate("dispatchEvent(new Event('pagehide'))")
        self.keeps_pages(page, "alice")
        visitor.says("/register correct horse battery").sees("registered", where="#reply")
        other = self.connect(daemon, "json")
        other.asks(action="client-hello", from_="alice", password="correct horse battery")
        other.object(action="server-hello")
        other.asks(action="passwd", password="correct horse battery", new="another horse battery")
        visitor.sees("password", where="#login-error")
        self.keeps_pages(page)


class Lists(BrowserTestCase):
    """What others do must not make all pages ask the daemon."""

    def test_the_list_of_groups_is_read_rarely(self) -> None:
        daemon = self.start()
        mallory = self.connect(daemon, "json")
        mallory.asks(action="client-hello", from_="mallory").object(action="server-hello")
        mallory.asks(action="cgroupe", group="course", ref=1).object(ref=1)
        visitor = self.visit(daemon)
        requests: list[str] = []
        visitor.page.on(
            "websocket", lambda socket: socket.on("framesent", lambda sent: requests.append(str(sent)))
        )
        visitor.page.clock.install()
        visitor.logs_in("alice").says("/join course").sees("alice joined")
        visitor.page.clock.run_for(5000)
        visitor.says("/members").sees("mallory", where="#reply")
        requests.clear()
        for number in range(10):
            visibility = ("private", "public")[number % 2]
            mallory.asks(action="visibility", group="course", visibility=visibility, ref=number).object(
                ref=number
            )
            expect(visitor.page.locator("#log .event")).to_have_count(3 + number)
            visitor.page.clock.run_for(1000)
        visitor.says("the end")
        mallory.object(msg="the end")
        self.assertEqual([sent for sent in requests if '"groups"' in sent], [])


class LongMessages(BrowserTestCase):
    """One message must not push away all others."""

    def test_a_row_has_at_most_sixty_lines(self) -> None:
        daemon = self.start()
        mallory = self.connect(daemon, "json")
        mallory.asks(action="client-hello", from_="mallory").object(action="server-hello")
        mallory.asks(action="client-broadcast", msg="short before")
        visitor = self.visit(daemon, viewport={"width": 700, "height": 700})
        visitor.logs_in("alice").sees("short before")
        page = visitor.page
        texts = ("." + "\n." * 4000, "w" * 8000, "```\n" + "x\n" * 4000 + "```")
        for number, text in enumerate(texts):
            mallory.asks(action="client-broadcast", msg=text)
            mallory.asks(action="client-broadcast", msg=f"short {number}")
            visitor.sees(f"short {number}")
        rows = page.locator("#log > div")
        more = page.get_by_role("button", name="Show more")
        page.set_viewport_size({"width": 700, "height": 8000})
        expect(rows).to_have_count(7)
        expect(more).to_have_count(3)
        heights = page.eval_on_selector_all("#log > div", "rows => rows.map(row => row.offsetHeight)")
        self.assertLess(max(heights), 1500)
        self.assertEqual(
            [height > 1000 for height in heights], [False, True, False, True, False, True, False]
        )
        row = page.locator(f"#log > div[data-id='{visitor.shown_messages()[1][0]}']")

        page.set_viewport_size({"width": 700, "height": 700})
        expect(row).to_have_count(0)
        self.scrolls_to_top(page)
        row.get_by_role("button", name="Show more").click()
        expect(row.locator(".whole")).to_be_visible()
        self.assertGreater(row.evaluate("row => row.offsetHeight"), 80_000)
        expect(row).to_be_in_viewport()
        page.click("#jump")
        visitor.sees("short 2")
        expect(row).to_have_count(0)
        self.scrolls_to_top(page)
        self.assertGreater(row.evaluate("row => row.offsetHeight"), 80_000)

    def scrolls_to_top(self, page: Page) -> None:
        """Read from the beginning."""
        page.locator("#scroll").evaluate("scroller => scroller.scrollTop = 0")
        expect(page.get_by_text("short before")).to_be_in_viewport()
