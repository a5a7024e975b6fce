"""A client as course work has it: one JSON object in each segment, and a socket.

    python client.py 127.0.0.1 8080 alice

A line is said to everyone; "bob: hello" is said to bob alone; an empty line or Ctrl-D leaves.
"""

import json
import socket
import sys
import threading

host, port, name = sys.argv[1:]
server = socket.create_connection((host, int(port)))


def send(action: str, **fields: str) -> None:
    """Send one object."""
    server.sendall(json.dumps({"from": name, "action": action, **fields}).encode())


def listen() -> None:
    """Print what comes: the server sends one object at a time."""
    while data := server.recv(65536):
        said = json.loads(data)
        if said["action"] in ("server-broadcast", "server-send"):
            print(f"{said['from']}: {said['msg']}", flush=True)
        elif said["action"] == "server-event":
            print(f"* {said['actor']} {said['event']}", flush=True)
        elif said["action"] != "server-ack":
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
