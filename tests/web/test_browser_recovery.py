"""The daemon is killed under users who write, and comes back: nothing is lost, and nothing is there twice."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from typing import Final

from playwright.sync_api import WebSocketRoute, expect

from tests.support.browser import NO_CONNECTION, TALL, BrowserTestCase, Visitor

IN_LOBBY = """
    SELECT log.id, nick, body FROM log JOIN users ON users.id = actor
    WHERE conversation = 1 AND log.kind = 'message' ORDER BY log.id
"""

MISSED: Final = 150
"""Messages that come while a page is not connected: more than it gets of a conversation without resuming."""

ONCE = re.compile('"msg":"once","ref":"([^"]+)"')


class Recovery(BrowserTestCase):
    """Two visitors, whose view must be what the database holds."""

    def setUp(self) -> None:
        super().setUp()
        self.daemon = self.start()
        self.alice, self.bob = (self.visit(self.daemon, **TALL) for _ in range(2))
        for visitor in (self.alice, self.bob):
            visitor.expected_problem = NO_CONNECTION

    def test_killed_while_both_write(self) -> None:
        refs = self.lose_first_ack()
        alice, bob = self.alice.logs_in("alice"), self.bob.logs_in("bob")
        alice.says("once")
        bob.sees("once")
        expect(alice.page.locator("#outbox")).to_contain_text("Sending")
        alice.says_at_once(*(f"a {number}" for number in range(30)))
        bob.says_at_once(*(f"b {number}" for number in range(30)))
        alice.sees("b 3")  # some are stored, others are under way
        self.kill()
        alice.sees("Connection lost", where="#status").says("typed meanwhile")
        expect(alice.page.locator("#outbox")).to_contain_text("Waits for the connection")
        alice.says("not after all")
        alice.page.fill("#text", "second thoughts")
        unsent = alice.page.locator("#outbox li").filter(has_text="not after all")
        unsent.get_by_role("button", name="Take back").click()
        expect(alice.page.locator("#text")).to_have_value("not after all\nsecond thoughts")
        expect(unsent).to_have_count(0)
        alice.page.fill("#text", "")
        bob.page.fill("#text", "half a sentence")
        self.restart()
        self.wake(alice, bob)
        self.assertSame(62)
        self.assertEqual(len(refs), 2)
        self.assertEqual(len(set(refs)), 1)
        texts = [text for _, _, text in self.stored()]
        for nick in "ab":
            said = [text for text in texts if text.startswith(f"{nick} ")]
            self.assertEqual(said, [f"{nick} {number}" for number in range(30)])
        bob.page.press("#text", "Enter")
        alice.sees("half a sentence")

        # A page that is loaded anew has the same, and sends what the one before has left.
        self.kill()
        alice.says("left behind")
        self.restart()
        with self.daemon.connect("json") as carol:
            carol.asks(action="client-hello", from_="carol")
            for number in range(MISSED):
                carol.asks(action="client-broadcast", msg=f"c {number}", ref=number)
            carol.object(ref=MISSED - 1)
        alice.page.reload()
        alice.is_in()
        self.wake(bob)
        bob.sees("left behind")
        self.assertSame(64 + MISSED)

    def lose_first_ack(self) -> list[str]:
        """Keep the first ack from alice's page; the refs under which it sends its first message."""
        refs: list[str] = []
        lost: list[str] = []

        def between(route: WebSocketRoute) -> None:
            server = route.connect_to_server()

            def sent(message: str | bytes) -> None:
                refs.extend(ONCE.findall(str(message)))
                server.send(message)

            def received(message: str | bytes) -> None:
                if not lost and '"server-ack"' in str(message):
                    lost.append(str(message))
                else:
                    route.send(message)

            route.on_message(sent)
            server.on_message(received)

        self.alice.page.route_web_socket(re.compile("/ws$"), between)
        return refs

    def kill(self) -> None:
        """End the daemon without a warning; both see it."""
        self.daemon.kill()
        for visitor in (self.alice, self.bob):
            expect(visitor.page.locator("#app[data-online]")).to_have_count(0)

    def restart(self) -> None:
        """Start it again, on the same port."""
        self.daemon = self.start(f"--listen=web=tcp:{self.daemon.port('web')}")

    def wake(self, *visitors: Visitor) -> None:
        """Have them try to connect now, not when their next attempt is due."""
        for visitor in visitors:
            visitor.page.evaluate("dispatchEvent(new Event('online'))")

    def stored(self) -> list[tuple[int, str, str]]:
        """The id, the nick and the text of all messages of the lobby."""
        with closing(sqlite3.connect(f"file:{self.folder}/chat.db?mode=ro", uri=True)) as database:
            return database.execute(IN_LOBBY).fetchall()

    def assertSame(self, count: int) -> None:
        """Both see what is stored: so many messages."""
        for visitor in (self.alice, self.bob):
            expect(visitor.page.locator("#outbox li")).to_have_count(0)
            expect(visitor.page.locator("#log .body")).to_have_count(count)
            self.assertEqual(visitor.shown_messages(), self.stored())
