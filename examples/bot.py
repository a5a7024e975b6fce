"""A bot that repeats in a group what follows "!echo": once for each message, whoever ends and comes back.

    python bot.py 127.0.0.1 8080 echo wob

Its place is in echo.cursor, in the working folder.
"""

import json
import socket
import sys
from pathlib import Path

host, port, nick, group = sys.argv[1:]
place = Path(f"{nick}.cursor")  # the id of the last message that is done with


def keep(cursor: int) -> None:
    """Write the place down: whole or not at all."""
    place.with_suffix(".new").write_text(str(cursor))
    place.with_suffix(".new").replace(place)


with socket.create_connection((host, int(port))) as connection, connection.makefile() as lines:

    def ask(**request: object) -> None:
        """Send a request, as a line."""
        connection.sendall(json.dumps(request).encode() + b"\n")

    since = {"since": int(place.read_text())} if place.exists() else {}
    ask(action="client-hello", **{"from": nick}, **since)
    ask(action="join", group=group)  # refused if it is in there already, which does no harm
    for said in map(json.loads, lines):
        if said["action"] == "server-hello" and not since:
            keep(said["cursor"])
        elif said["action"] == "server-gbroadcast" and said["msg"].startswith("!echo "):
            if said.get("kind") == "notice":
                continue  # two bots that answered each other's notices would never end
            # A message is stored once under a ref, so an answer that was not acked may be given again.
            echo = said["msg"].removeprefix("!echo ")
            ask(action="gbroadcast", group=group, msg=echo, kind="notice", ref=said["id"])
        elif said["action"] == "server-ack" and "ref" in said:
            keep(said["ref"])  # the answer is on disk
