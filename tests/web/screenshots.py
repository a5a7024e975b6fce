"""``python -m tests.web.screenshots FOLDER``: draws the page's pictures, of one conversation."""

from __future__ import annotations

import re
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Browser, WebSocketRoute, expect, sync_playwright

from tests.support.browser import OPTIONS, Visitor, find_chromium
from tests.support.daemon_process import Client, Daemon

AT: Final = datetime(2026, 11, 21, 10, 24, tzinfo=UTC)
"""When the first entry of the log came; one comes each minute."""

PICTURES: Final[dict[str, dict[str, Any]]] = {
    "web-light": {"color_scheme": "light", "viewport": {"width": 1280, "height": 760}},
    "web-dark": {"color_scheme": "dark", "viewport": {"width": 1280, "height": 760}},
    "web-phone": {"color_scheme": "light", "viewport": {"width": 390, "height": 760}},
}

CAT: Final = r""" /\_/\
( o.o )
 > ^ <"""

CODE: Final = """Over the JSON wire this is
```
{"action": "gbroadcast", "group": "course", "msg": "hello"}
```
and an ack with its `id` comes back."""

ENTRY: Final = re.compile(r'"id":(\d+)((?:(?!"id":).)*?)"ts":"[^"]*"')


def stage(daemon: Daemon) -> list[Client]:
    """Have five people talk, on three wires; their connections."""
    text, more, json, other = (daemon.connect(wire) for wire in ("text", "text", "json", "json"))
    bob = text.says("IAM bob")
    carol = more.says("IAM carol")
    dieter, erin = json, other
    bob.says("cg;course").hears_until(b"ACK cg")
    bob.says("topic;course;sockets, threads and a chat of our own").hears_until(b"ACK topic")
    carol.says("j;course").hears_until(b"ACK j")
    for client, nick in ((dieter, "dieter"), (erin, "erin")):
        client.asks(action="client-hello", from_=nick, ref=1).object(ref=1)
        client.asks(action="join", group="course", ref=2).object(ref=2)
    return [bob, carol, dieter, erin]


def talk(people: list[Client]) -> None:
    """What they say, once alice has joined."""
    bob, carol, dieter, erin = people
    bob.says("bg;course;The gateway test runs now, who tries it with telnet?").hears_until(b"ACK bg")
    carol.says("bg;course;Me. And somebody is here with netcat \N{GRINNING FACE}").hears_until(b"ACK bg")
    code = dieter.asks(action="gbroadcast", group="course", msg=CODE, ref=3).object(ref=3)["id"]
    erin.asks(action="react", id=code, reaction="+1", ref=6).object(ref=6)
    bob.says(f"react;{code};+1").hears_until(b"ACK react")
    erin.asks(action="gbroadcast", group="course", msg=CAT, kind="image", reply_to=code, ref=3).object(ref=3)
    line = "alice, the answer is in https://datatracker.ietf.org/doc/html/rfc6455 (section 5.2)"
    carol.says(f"bg;course;{line}").hears_until(b"ACK bg")


def aside(people: list[Client]) -> None:
    """What they say elsewhere meanwhile."""
    bob, _, dieter, erin = people
    erin.asks(action="client-send", dest="alice", msg="have you got a minute?", ref=4).object(ref=4)
    erin.asks(action="client-send", dest="alice", msg="it is about the outbox", ref=5).object(ref=5)
    dieter.asks(action="client-broadcast", msg="who has the slides?", ref=4).object(ref=4)
    bob.says("cg;exam").hears_until(b"ACK cg")
    bob.says("visibility;exam;private").hears_until(b"ACK visibility")
    bob.says("invite;exam;alice").hears_until(b"ACK invite")


def dated(message: str) -> str:
    """Return ``message`` with a time of the day for each entry, by its id."""

    def at(entry: re.Match[str]) -> str:
        moment = (AT + timedelta(minutes=int(entry[1]))).isoformat().replace("+00:00", "Z")
        return f'"id":{entry[1]}{entry[2]}"ts":"{moment}"'

    return ENTRY.sub(at, message)


def between(route: WebSocketRoute) -> None:
    """Change the times of what the daemon says."""
    server = route.connect_to_server()
    server.on_message(lambda message: route.send(dated(message) if isinstance(message, str) else message))


def draw(browser: Browser, options: dict[str, Any], target: Path) -> None:
    """Draw alice's page, with a daemon of its own."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Daemon(Path(folder), "--listen=web=tcp:0", *LISTEN) as daemon,
    ):
        people = stage(daemon)
        alice = Visitor(browser, f"http://127.0.0.1:{daemon.port('web')}/", **options)
        alice.page.route_web_socket(re.compile("/ws$"), between)
        alice.page.clock.set_system_time(AT + timedelta(minutes=30))
        alice.logs_in("alice").says("/join course").sees("joined")
        talk(people)
        alice.sees("section 5.2").says("Thank you. An ack means that it is on disk, whoever pulls the plug.")
        expect(alice.page.locator("#outbox li")).to_have_count(0)
        aside(people)
        expect(alice.page.locator(".invitation")).to_have_count(1)
        expect(alice.page).to_have_title("(@3, 3) #course · chatd")
        alice.page.screenshot(path=target, animations="disabled", caret="hide")
        alice.context.close()
        for client in people:
            client.close()


LISTEN: Final = ("--listen=text=tcp:0", "--listen=json=tcp:0")


def main() -> None:
    """Draw all."""
    folder = Path(sys.argv[1])
    folder.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=OPTIONS)
        for name, options in PICTURES.items():
            draw(browser, options, folder / f"{name}.png")
        browser.close()


if __name__ == "__main__":
    main()
