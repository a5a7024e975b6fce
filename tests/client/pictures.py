"""``python -m tests.client.pictures FOLDER``: the client's pictures, of a conversation on a real daemon.

They are the same whenever they are drawn: a relay between daemon and client gives each entry of the log a
fixed time.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple
from unittest.mock import patch

from chatd.client.account_files import account_file_stem
from chatd.client.account_settings import SETTINGS_SUFFIX, AccountSettings
from chatd.client.codec import ConversationRef
from chatd.client.composer import Composer
from chatd.client.language import load_translations
from chatd.client.log import ChatLog
from chatd.client.screen import ChatApp
from tests.client.snapshot import CAT, FONT, Address8080
from tests.support.client_daemon import Person
from tests.support.daemon_process import Client, Daemon

AT: Final = datetime(2026, 11, 20, 16, 42, tzinfo=UTC)
"""The time of the first entry of the log; one comes each minute."""

NIGHT: Final = timedelta(hours=16)
"""The time between the last entry of the first day and the first one of the next day."""

LOGS_IN: Final = "alice"

CODE: Final = """Try this:
```python
sock = socket.create_connection(("127.0.0.1", 4567))
sock.sendall(b"IAM dieter\\n")  # one line, one command
```
and the list comes back."""

ENTRY: Final = re.compile(rb'"id":(\d+)((?:(?!"id":).)*?)"ts":"[^"]*"')


class Look(NamedTuple):
    """How one picture is drawn: the size of the terminal in columns and lines, and its colours."""

    size: tuple[int, int]
    colours: str


LOOKS: Final = {
    "client-80x24-dark": Look((80, 24), "dark"),
    "client-80x24-light": Look((80, 24), "light"),
    "client-80x24-no-color": Look((80, 24), "no-color"),
    "client-60x15-dark": Look((60, 15), "dark"),
    "client-60x15-no-color": Look((60, 15), "no-color"),
    "client-200x50-light": Look((200, 50), "light"),
}


class People:
    """The users who talk on ``daemon``, each with one connection."""

    def __init__(self, daemon: Daemon) -> None:
        self._clients: dict[str, Client] = {}
        for nick in ("bob", "carol", "dieter", "erin", LOGS_IN):
            client = daemon.connect("json")
            client.asks(action="client-hello", from_=nick, ref=0).object(ref=0)
            self._clients[nick] = client
        self._requests = 0
        self.last_id = 0

    def ask(self, nick: str, action: str, **fields: object) -> int:
        """Send a request as ``nick``; the id of the entry of the log that it made, or 0."""
        self._requests += 1
        answer = (
            self._clients[nick].asks(action=action, ref=self._requests, **fields).object(ref=self._requests)
        )
        assert answer["action"] != "server-error", answer
        return int(answer.get("id") or 0)

    def say(self, nick: str, text: str, **fields: object) -> int:
        """Send a message to the group; its id."""
        return self.ask(nick, "gbroadcast", group="course", msg=text, **fields)

    def leave(self, nick: str) -> None:
        """End the connection of ``nick``."""
        self.ask(nick, "client-quit")
        self._clients.pop(nick).close()

    def close(self) -> None:
        """End all connections."""
        for client in self._clients.values():
            client.close()


def talk(people: People) -> int:
    """What they say on the first day, while alice is there, and on the next one, partly without her.

    Return the id of the last entry of the first day.
    """
    people.ask("bob", "cgroupe", group="course", visibility="public")
    people.ask("bob", "topic", group="course", topic="sockets, threads and a chat of our own")
    for nick in ("carol", "dieter", "erin", LOGS_IN):
        people.ask(nick, "join", group="course")
    people.ask("bob", "promote", group="course", dest="carol")
    people.say("bob", "The gateway test runs on 4567 now, who tries it with telnet?")
    last_of_day = people.say("carol", "Me. And somebody is here with netcat \N{GRINNING FACE}")
    question = people.say("dieter", "How do I log in without a client?")
    people.say("bob", CODE, reply_to=question)
    mine = people.say(LOGS_IN, "An ack menas that it is on disk.")
    people.ask(LOGS_IN, "edit", id=mine, msg="An ack means that it is on disk.")
    for nick, reaction in (("bob", "+1"), ("carol", "+1"), ("erin", "\N{BLACK HEART SUIT}")):
        people.ask(nick, "react", id=mine, reaction=reaction)
    people.ask(LOGS_IN, "markread", group="course", upto=mine)
    people.ask(LOGS_IN, "markread", upto=mine)
    people.leave(LOGS_IN)
    people.say("erin", CAT, kind="image")
    asked = people.say("carol", "alice, does a replay count what I have sent myself?")
    people.say("dieter", "/me reads https://datatracker.ietf.org/doc/html/rfc6455", reply_to=asked)
    people.ask("erin", "client-send", dest=LOGS_IN, msg="have you got a minute?")
    people.ask("erin", "client-send", dest=LOGS_IN, msg="it is about the outbox")
    people.ask("dieter", "client-broadcast", msg="who has the slides?")
    people.ask("bob", "client-broadcast", msg="@alice has them")
    people.ask("bob", "cgroupe", group="exam", visibility="private")
    people.ask("bob", "invite", group="exam", dest=LOGS_IN)
    return last_of_day


def dated(line: bytes, last_of_day: int) -> bytes:
    """Return ``line``, a JSON object, with a fixed time for each entry of the log, by its id."""

    def at(entry: re.Match[bytes]) -> bytes:
        number = int(entry[1])
        moment = AT + timedelta(minutes=number) + (NIGHT if number > last_of_day else timedelta())
        written = moment.isoformat().replace("+00:00", "Z").encode()
        return b'"id":%d%b"ts":"%b"' % (number, entry[2], written)

    return ENTRY.sub(at, line)


async def draw(look: Look, port: int, last_of_day: int, folder: Path) -> str:
    """Return the screen of alice, who comes back to the group, as SVG."""

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_daemon, to_daemon = await asyncio.open_connection("127.0.0.1", port, limit=2**20)

        async def forward() -> None:
            while data := await reader.read(65_536):
                to_daemon.write(data)
            to_daemon.close()

        forwarding = asyncio.create_task(forward())
        while line := await from_daemon.readline():
            writer.write(dated(line, last_of_day))
        writer.close()
        await forwarding

    server = await asyncio.start_server(relay, "127.0.0.1", 0)
    log = ChatLog(folder / "log")
    address = Address8080("127.0.0.1", server.sockets[0].getsockname()[1])
    # As after an earlier start: the client begins in the group.
    settings = AccountSettings(folder / f"{account_file_stem(address, LOGS_IN)}{SETTINGS_SUFFIX}")
    settings.set_last_conversation(ConversationRef("group", "course"))
    app = ChatApp(address, LOGS_IN, log, state_folder=folder)
    async with app.run_test(size=look.size) as pilot:
        alice = Person(pilot)
        if look.colours == "light":
            await alice.presses("f5")
        app.query_one(Composer).cursor_blink = False
        await alice.sees("Welcome back", "bob invited alice to exam")
        await alice.until(lambda: len(app.memory.participants()) > 4, "the members")
        await alice.until(lambda: app.memory.shown_conversation.read.new_after is not None, "new messages")
        await alice.sees(
            "lobby 2 @1", "@erin 2", "exam invited"
        )  # in the list, or in the line of a narrow screen
        await alice.presses("f7")
        await alice.sees("new messages")
        if look.size[1] > 40:
            await alice.presses(*"/ki", "tab")
        await pilot.pause()
        svg = app.export_screenshot(title="chat")
        await app.leave()
    log.close()
    server.close()
    return FONT.sub("", svg)


def picture(look: Look) -> str:
    """Return a picture as SVG. It is English, and in UTC, whatever one's own is."""
    settings = {"LANGUAGE": "en", "TZ": "UTC"}
    if look.colours == "no-color":
        settings["NO_COLOR"] = "1"
    with tempfile.TemporaryDirectory() as name, Daemon(Path(name)) as daemon:
        people = People(daemon)
        last_of_day = talk(people)
        with patch.dict(os.environ, settings), patch("chatd.client.screen.datetime") as clock:
            clock.now.return_value = AT + NIGHT + timedelta(minutes=25)
            time.tzset()
            load_translations.cache_clear()
            svg = asyncio.run(draw(look, daemon.port("json"), last_of_day, Path(name)))
        people.close()
    time.tzset()
    load_translations.cache_clear()
    return svg


if __name__ == "__main__":
    for name, look in LOOKS.items():
        Path(sys.argv[1], f"{name}.svg").write_text(picture(look), "utf-8")
