"""What somebody hostile writes is text, and what a page of another origin tries comes to nothing."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from playwright.sync_api import expect

from tests.support.browser import TALL, BrowserTestCase, Visitor
from tests.support.daemon_process import Client, Daemon
from tests.support.xss import NAMES, TEXTS

FOREIGN_ELEMENTS = (
    "script:not([src='app.js']), style, link:not([href]), base, meta[http-equiv], template, iframe, frame, "
    "object, embed, video, audio, source, image, math, marquee, foreignObject, [onerror], [onload], "
    "[onfocus], [onmouseover], [style*=url], #app img, #app svg script, "
    "a:not([href^='http']):not([href^='mailto:'])"
)
"""What the page never makes of a text."""


def plain(text: str) -> str:
    """Return ``text`` without the marks of code, which the page takes out."""
    return text.replace("`", "").strip("\n")


class Markup(BrowserTestCase):
    """All of it in all places, on a page without the policy that would stop a script that got in."""

    def sits_there(self, daemon: Daemon, nick: str) -> Client:
        """Somebody on the JSON wire."""
        client = self.connect(daemon, "json")
        client.asks(action="client-hello", from_=nick).object(action="server-hello")
        return client

    def test_no_text_is_markup(self) -> None:
        daemon = self.start()
        victim = self.visit(daemon, bypass_csp=True, **TALL)
        victim.logs_in(NAMES[3])
        others = [self.connect(daemon, "text").says(f"IAM {name}") for name in NAMES if name != NAMES[3]]
        mallory = self.sits_there(daemon, "mallory")
        for text in TEXTS:
            mallory.asks(action="client-broadcast", msg=text)
            mallory.asks(action="client-send", dest=NAMES[3], msg=text)
        for text in TEXTS[::4]:
            mallory.asks(action="client-send", dest=NAMES[3], msg=text, kind="image")
        for other in others:
            other.says(f"MSG {TEXTS[0]}").says(f"PRV {NAMES[3]} {TEXTS[1]}")
            other.says("groups;").hears_until(b"END groups")
        lobby = [*map(plain, TEXTS), *[plain(TEXTS[0])] * len(others)]
        self.is_literal(victim, lobby)

        # In groups: names, topics, messages, reasons.
        for group in NAMES:
            mallory.asks(action="cgroupe", group=group, visibility="private")
            mallory.asks(action="topic", group=group, topic=TEXTS[0])
            mallory.asks(action="invite", group=group, dest=NAMES[3])
        invitations = victim.page.locator(".invitation")
        expect(invitations).to_have_count(len(NAMES))
        sentences = invitations.locator("p:first-child").all_inner_texts()
        self.assertEqual(sentences, [f"mallory invites you to {group}" for group in NAMES])
        self.is_clean(victim)
        invitations.first.get_by_role("button", name="Join").click()
        expect(victim.page.locator("#title")).to_have_text(f"#{NAMES[0]}")
        guest = self.sits_there(daemon, "kicked")
        mallory.asks(action="visibility", group=NAMES[0], visibility="public")
        one_line = [text for text in TEXTS if text.isprintable()]
        topics, reasons = one_line[::2], one_line[1::2]
        for topic, reason in zip(topics, reasons, strict=False):
            mallory.asks(action="topic", group=NAMES[0], topic=topic)
            guest.asks(action="join", group=NAMES[0], ref=reason).object(ref=reason)
            mallory.asks(action="kick", group=NAMES[0], dest="kicked", reason=reason, ref=reason)
            mallory.object(ref=reason)
        for text in TEXTS:
            mallory.asks(action="gbroadcast", group=NAMES[0], msg=text)
        self.is_literal(victim, [*map(plain, TEXTS)])
        events = "\n".join(victim.page.locator("#log .event").all_inner_texts())
        for topic, reason in zip(topics, reasons, strict=False):
            self.assertIn(f"mallory set the topic: {' '.join(topic.split())}", events)
            self.assertIn(f"mallory removed kicked ({' '.join(reason.split())})", events)
        expect(victim.page.locator("#topic")).to_have_text(topic)

        # Reactions, quotes, menus, and what the victim answers.
        first = int(victim.page.locator("#log > div:has(.body)").first.get_attribute("data-id") or 0)
        for reaction in ("<b>x</b>", "<img/src=x>", "{actor}", "&lt;"):
            mallory.asks(action="react", id=first, reaction=reaction, ref=reaction).object(ref=reaction)
        answered = range(first, first + len(TEXTS), 4)
        for id in answered:
            mallory.asks(action="gbroadcast", group=NAMES[0], msg="answer", reply_to=id, ref=id).object(
                ref=id
            )
        expect(victim.page.locator("#log .quote")).to_have_count(len(answered))
        expect(victim.page.locator("#log .reaction")).to_have_text(
            ["<b>x</b> 1", "<img/src=x> 1", "{actor} 1", "&lt; 1"]
        )
        row = victim.page.locator(f'#log > [data-id="{first}"]')
        for item in ("Who has reacted", "Answer"):
            row.locator(".more").click()
            victim.page.get_by_role("menuitem", name=item).click()
            self.is_clean(victim)
            victim.page.keyboard.press("Escape")
        victim.page.keyboard.press("Control+k")
        expect(victim.page.get_by_role("option").first).to_be_visible()
        self.is_clean(victim)
        victim.page.keyboard.press("Escape")

        # Dialogs, replies, and what the victim types.
        for button in ("#browse", "#new-message", "#group-open", "#me"):
            victim.opens_dialog(button)
            self.is_clean(victim)
            victim.page.keyboard.press("Escape")
        victim.says("groups;").sees(TEXTS[0], where="#reply")
        victim.says_at_once(*(f"/x{text}" for text in TEXTS)).sees(TEXTS[-1], where="#reply")
        unknown = [text for text in TEXTS[::4] if text not in NAMES]
        victim.says_at_once(*(f"/join {text}" for text in unknown)).sees("unknown group", where="#reply")
        victim.says_at_once(*TEXTS)
        self.is_literal(victim, [*map(plain, TEXTS)] * 2 + ["answer"] * len(answered))
        victim.opens("mallory")
        self.is_literal(victim, [*map(plain, TEXTS)], images=True)

        # History after a reload, and search.
        victim.page.reload()
        victim.is_in().opens("Lobby")
        self.is_literal(victim, lobby)
        victim.page.click("#search-open")
        for text in (TEXTS[0], TEXTS[-1]):
            victim.page.fill("#search-text", text)
            victim.sees(" of ", where="#search-count")
            self.is_clean(victim)
        victim.page.fill("#search-text", "from:mallory")
        victim.page.click("#search-list")
        victim.sees("window.ran=1", where="#results")
        self.is_clean(victim)
        victim.comes(f"#invite={TEXTS[0]}")
        self.is_clean(victim)
        victim.comes("#invite=invite_0").page.get_by_role("button", name="Join", exact=True).click()
        expect(victim.page.locator("#reply .error")).to_be_visible()
        self.is_clean(victim)

    def is_literal(self, victim: Visitor, texts: list[str], images: bool = False) -> None:
        """The messages in view are exactly these; with ``images``, those that are characters are left out."""
        kind = "#log .body:not(:has(.art))" if images else "#log .body"
        expect(victim.page.locator(kind)).to_have_count(len(texts))
        found: list[str] = victim.page.eval_on_selector_all(kind, "all => all.map(one => one.textContent)")
        self.assertEqual(sorted(map(plain, found)), sorted(texts))
        self.is_clean(victim)

    def is_clean(self, victim: Visitor) -> None:
        """Nothing of what is hostile has become a part of the page, or has run."""
        self.assertEqual(
            victim.page.eval_on_selector_all(FOREIGN_ELEMENTS, "all => all.map(one => one.outerHTML)"), []
        )
        self.assertIsNone(victim.page.evaluate("window.ran ?? null"))
        self.assertEqual(victim.problems, [])

    def test_a_page_that_takes_it_for_markup_is_caught(self) -> None:
        """The texts are hostile, and the visitor notices it."""
        daemon = self.start()
        fool = self.visit(daemon)
        fool.context.route("**/*", lambda route: route.abort())
        fool.page.evaluate(
            """texts => {
                for (const text of texts) {
                    const div = document.createElement("div");
                    div.innerHTML = text;
                    document.body.append(div);
                }
            }""",
            TEXTS[16:],
        )
        fool.page.wait_for_function("() => window.ran")
        problems = "\n".join(fool.problems)
        self.assertIn("a dialog: 1", problems)
        self.assertIn("a request to http://evil.example/x.png", problems)
        fool.context.close()
        fool.problems.clear()


FOREIGN_PAGE = """<!doctype html><title>evil</title>
<link rel=icon href=data:,>
<body><script>
const asked = new URLSearchParams(location.search);
const page = asked.get("page");
const done = {};
const tries = (name, promise) =>
    promise.then(found => done[name] = found, error => done[name] = error.name);
const loads = (element, address) => new Promise(resolve => {
    element.onload = () => resolve("loaded");
    element.onerror = () => resolve("refused");
    element.src = address;
    document.body.append(element);
});
const opens = protocol => new Promise(resolve => {
    const socket = new WebSocket(page.replace("http", "ws") + "ws", protocol);
    socket.onopen = () => resolve("open");
    socket.onclose = event => resolve(event.code);
});
const posts = (port, body) =>
    fetch(`http://127.0.0.1:${port}/`, {method: "POST", mode: "no-cors", body}).catch(() => {});
const submits = port => new Promise(resolve => {
    const frame = document.createElement("iframe");
    const form = document.createElement("form");
    const field = document.createElement("textarea");
    frame.name = form.target = `frame${port}`;
    Object.assign(form, {method: "post", enctype: "text/plain", action: `http://127.0.0.1:${port}/`});
    Object.assign(field, {name: "IAM eve\\nMSG hello\\n", value: "MSG hello"});
    form.append(field);
    document.body.append(frame, form);
    frame.onload = resolve;
    form.submit();
});
const reads = () => { try { return frames[0].document.title; } catch (error) { return error.name; } };
Promise.all([
    tries("frame", loads(document.createElement("iframe"), page).then(reads)),
    tries("socket", opens("chatd.json")),
    tries("text socket", opens("chatd.text")),
    tries("page", fetch(page).then(answer => answer.text())),
    tries("health", fetch(page + "healthz").then(answer => answer.text())),
    tries("commands", fetch(page + "commands-en.json", {mode: "no-cors"}).then(answer => answer.text())),
    tries("script", loads(document.createElement("script"), page + "app.js")),
    tries("module", import(page + "state.js")),
    tries("picture", loads(new Image(), page + "icon.svg")),
    ...asked.getAll("port").flatMap(port => [
        posts(port, "IAM eve\\r\\nMSG hello\\r\\n"),
        posts(port, '{"action":"client-hello","from":"eve"}\\n'),
        submits(port),
    ]),
]).then(() => window.done = done);
</script>"""


class OtherOrigin(BrowserTestCase):
    """A page that somebody who is on the chat's machine opens elsewhere."""

    def test_it_neither_talks_nor_reads(self) -> None:
        daemon = self.start("--listen=tp6=tcp:0")
        ports = [daemon.port(wire) for wire in ("web", "auto", "text", "json", "tp6")]
        page = f"http://127.0.0.1:{daemon.port('web')}/"
        visitor = self.visit(daemon)
        visitor.expected_problem = re.compile("")  # all that it tries fails aloud
        address = f"http://127.0.0.1:{self.serve(FOREIGN_PAGE.encode())}/"
        visitor.page.goto(f"{address}?page={page}&" + "&".join(f"port={port}" for port in ports))
        found = visitor.page.wait_for_function("() => window.done").json_value()
        self.assertEqual(
            found,
            {
                "socket": 1006,
                "text socket": 1006,
                "page": "TypeError",
                "health": "TypeError",
                "commands": "TypeError",
                "script": "refused",
                "module": "TypeError",
                "picture": "refused",
                "frame": "SecurityError",
            },
        )
        self.assertEqual({frame.url for frame in visitor.page.frames[1:]}, {"chrome-error://chromewebdata/"})
        with closing(sqlite3.connect(f"file:{self.folder}/chat.db?mode=ro", uri=True)) as database:
            self.assertEqual(database.execute("SELECT * FROM log").fetchall(), [])
            self.assertEqual(database.execute("SELECT nick FROM users").fetchall(), [("@console",)])
        self.assertNotIn("eve", daemon.log)

    def serve(self, content: bytes) -> int:
        """Serve a page, whatever is asked for; the port."""

        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                """Nothing is logged."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        return server.server_port
