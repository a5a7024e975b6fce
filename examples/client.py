"""A client as course work has it: one JSON object in each segment, and a socket.

    python client.py 127.0.0.1 8080 alice

A line is said to everyone; "bob: hello" is said to bob alone; an empty line or Ctrl-D leaves.
"""

import json
import socket
import sys
import threading
from collections.abc import Iterator
from typing import Any

host, port, name = sys.argv[1:]
server = socket.create_connection((host, int(port)))


def send(action: str, **fields: str) -> None:
    """Send one object."""
    server.sendall(json.dumps({"from": name, "action": action, **fields}).encode())


def objects() -> Iterator[dict[str, Any]]:
    """What comes: the server sends one object at a time, of which a read may bring a part."""
    come = b""
    while data := server.recv(65536):
        come += data
        try:
            said = json.loads(come)
        except ValueError:
            continue
        come = b""
        yield said


def listen() -> None:
    """Print what comes. What was said while one was away comes by itself, in pages of messages."""
    for said in objects():
        live = said["action"] in ("server-broadcast", "server-send", "server-gbroadcast")
        place = said.get("group") or said.get("with")
        for message in [said] if live else said.get("messages", []):
            print(f"({place}) " if place else "", f"{message['from']}: {message['msg']}", sep="", flush=True)
        if live:
            continue
        if said["action"] == "server-event":
            print(f"* {said['actor']} {said['event']}", flush=True)
        elif "msg" in said:
            print(f"* {said['msg']}", flush=True)


send("client-hello")
threading.Thread(target=listen).start()
for line in map(str.strip, sys.stdin):
    if not line:
        break
    friend, colon, text = line.partition(": ")
    if colon:
        send("client-send", to=friend, msg=text)
    else:
        send("client-broadcast", msg=line)
send("client-quit")
