"""``python -m tests.client.snapshot FILE``: the client's picture, which is the same whenever it is drawn."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

from chatd.client.codec import ConversationRef
from chatd.client.composer import Composer
from chatd.client.connection import Address
from chatd.client.language import load_translations
from chatd.client.log import ChatLog
from chatd.client.screen import ChatApp
from chatd.core.colours import nick_colour_of
from tests.support.client_daemon import Person

NICKS = ("alice", "bob", "carol", "dieter", "erin")

AT = datetime(2026, 11, 21, 10, 42, tzinfo=UTC)

CAT = r""" /\_/\
( o.o )
 > ^ <"""

SAID = (
    ("bob", "The gateway test runs on 4567 now, who tries it?"),
    ("bob", "Like this:\n```\ntelnet 127.0.0.1 4567\nIAM bob\n```"),
    ("carol", "Me. And the client from 2019 is still in the room \N{GRINNING FACE}"),
    ("alice", "That is the idea: nobody can tell which wire the others use."),
    ("dieter", CAT),
    ("carol", "Kill the daemon while we type. Nothing gets lost: an ack means that it is on disk."),
)

FONT = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)


class Address8080(Address, frozen=True):
    """Shown under its usual port, wherever it is."""

    def __str__(self) -> str:
        return "127.0.0.1:8080"


def told(action: str, **fields: Any) -> dict[str, Any]:
    """What a daemon says; ``from`` is spelt ``from_``."""
    return {"action": f"server-{action}", **{key.rstrip("_"): value for key, value in fields.items()}}


def group_said(number: int, nick: str, text: str, group: str) -> dict[str, Any]:
    """A message in a group, one a minute."""
    return told(
        "gbroadcast", from_=nick, group=group, msg=text, kind="image" if text == CAT else "message",
        id=number, seq=number, ts=AT.replace(minute=AT.minute + number).isoformat(),
        colour=nick_colour_of(NICKS.index(nick)),
    )  # fmt: skip


class Stage:
    """A daemon that always tells the same."""

    ANSWERS = {
        "client-list-clients": told("list-clients", clients=["alice", "bob", "carol", "erin"]),
        "groups": told(
            "groups",
            groups=[
                {"group": "course", "visibility": "public", "members": 4, "topic": "sockets", "role": ""},
                {"group": "staff", "visibility": "private", "members": 2, "topic": "", "role": "owner"},
            ],
        ),
        "members": told(
            "members",
            group="course",
            members=[
                {"name": "bob", "role": "owner", "online": True},
                {"name": "alice", "role": "member", "online": True},
                {"name": "carol", "role": "operator", "online": True},
                {"name": "dieter", "role": "member", "online": False},
            ],
        ),
        "history": told("history", messages=[]),
        "conversations": told("conversations", conversations=[]),
        "markread": told("read", id=0),
    }  # fmt: skip

    async def play(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one client."""
        while line := await reader.readline():
            asked = json.loads(line)
            if asked["action"] == "client-hello":
                user = {"id": 1, "nick": "alice", "colour": nick_colour_of(0)}
                answer = told(
                    "hello", from_="server", msg="Hello alice", user=user, cursor=0, seen=0, returning=False
                )
            elif asked["action"] == "client-quit":
                answer = told("quit")
            else:
                answer = self.ANSWERS[asked["action"]]
            said = [{**answer, "ref": asked["ref"]}]
            if asked["action"] == "members":
                said += [group_said(number, *each, "course") for number, each in enumerate(SAID, 1)]
                said += [group_said(7, "erin", "?", "staff"), group_said(8, "erin", "there?", "staff")]
            writer.write(b"".join(json.dumps(each).encode() + b"\n" for each in said))
        writer.close()


async def _drawn() -> str:
    server = await asyncio.start_server(Stage().play, "127.0.0.1", 0)
    with tempfile.NamedTemporaryFile() as file:
        log = ChatLog(Path(file.name))
        app = ChatApp(Address8080("127.0.0.1", server.sockets[0].getsockname()[1]), "alice", log)
        async with app.run_test(size=(100, 24)) as pilot:
            alice = Person(pilot)
            await alice.sees("Join a room")
            await alice.presses("escape")
            app.query_one(Composer).cursor_blink = False
            app.switch_conversation(ConversationRef("group", "course"))
            await alice.sees("staff 2", "disk.")
            await alice.presses(*"/ki", "tab")
            await alice.sees("remove a user from a group")
            svg = app.export_screenshot(title="chat")
            await app.leave()
        log.close()
    server.close()
    return FONT.sub("", svg)


def drawn() -> str:
    """The picture, as SVG. It is English, and in UTC, whatever one's own is."""
    with patch.dict(os.environ, LANGUAGE="en", TZ="UTC"), patch("chatd.client.screen.datetime") as clock:
        clock.now.return_value = AT
        time.tzset()
        load_translations.cache_clear()
        svg = asyncio.run(_drawn())
    time.tzset()
    load_translations.cache_clear()
    return svg


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.parent.mkdir(exist_ok=True)
    target.write_text(drawn(), "utf-8")
