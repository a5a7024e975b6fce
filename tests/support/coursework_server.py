"""A chat server as course work has it: ``json.loads`` on every read, a dict of names, and no newline."""

from __future__ import annotations

import json
import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from tests.support.daemon_process import PATIENCE


class CourseServer(socketserver.ThreadingTCPServer):
    """Such a server on loopback; ``manners`` are the ways in which it differs from others.

    A read that holds several requests is served all the same: on a busy machine the server may wake late.

    ``msg_list`` lists clients under ``msg``, ``strict`` closes the connection for an action that it does not
    know, ``glued`` says two objects in one segment, ``split`` one in two, ``silent`` answers no hello,
    ``echo`` sends a broadcast to whoever said it as well, ``lines`` ends objects with a newline and reads
    lines.
    """

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, *manners: str, port: int = 0) -> None:
        self.manners = manners
        self.clients: dict[str, socket.socket] = {}
        self.groups: dict[str, set[str]] = {}
        self.said: list[tuple[str, str]] = []
        self.asked: list[dict[str, Any]] = []
        self.mistakes: list[Exception] = []
        self.news = threading.Condition()
        super().__init__(("127.0.0.1", port), Course)
        self.port: int = self.server_address[1]
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A course-work server dies here; for the test to see."""

    def close(self) -> None:
        """Hang up on everybody, and listen no more."""
        self.shutdown()
        self.server_close()
        self._thread.join(PATIENCE)
        self.hang_up()

    def hang_up(self) -> None:
        """Close all connections."""
        for connection in list(self.clients.values()):
            with suppress(OSError):  # its thread may have closed it meanwhile
                connection.shutdown(socket.SHUT_RDWR)

    def says(self, nick: str, **said: Any) -> None:
        """Send an object to ``nick``; ``from`` may be spelt ``from_``."""
        data = json.dumps({key.rstrip("_"): value for key, value in said.items()}).encode()
        connection = self.clients[nick]
        if "lines" in self.manners:
            data += b"\n"
        if "split" in self.manners:
            connection.sendall(data[:7])
            time.sleep(0.02)  # so that it is a segment of its own, as on a slow line
            data = data[7:]
        if "glued" in self.manners:
            data += json.dumps({"action": "server-broadcast", "from": "clock", "msg": "tick"}).encode()
        connection.sendall(data)

    def waits_for(self, *wanted: str) -> list[dict[str, Any]]:
        """Wait until the last requests have these actions; everything that was asked."""
        with self.news:
            come = self.news.wait_for(lambda: self.actions[-len(wanted) :] == list(wanted), PATIENCE)
        assert come, self.actions
        return self.asked

    @property
    def actions(self) -> list[str]:
        """What was asked for, by its names."""
        return [asked["action"] for asked in self.asked]


def objects_in(text: str) -> Iterator[dict[str, Any]]:
    """The JSON objects that ``text`` holds, one at least. Raises `ValueError` if one is not whole."""
    while True:
        found, end = json.JSONDecoder().raw_decode(text)
        yield found
        text = text[end:].lstrip()
        if not text:
            return


class Course(socketserver.BaseRequestHandler):
    """A connection to it."""

    server: CourseServer

    def handle(self) -> None:
        """Read requests as course work does, and carry them out."""
        name = ""
        if "lines" in self.server.manners:
            reads = iter(self.request.makefile("rb").readline, b"")
        else:
            reads = iter(lambda: self.request.recv(65536), b"")
        try:
            for asked in (request for data in reads for request in objects_in(data.decode())):
                with self.server.news:
                    self.server.asked.append(asked)
                    self.server.news.notify_all()
                if asked["action"] == "client-hello":
                    name = asked["from"]
                    self.server.clients[name] = self.request
                if not self.does(name, asked):
                    return
        except (ValueError, KeyError) as mistake:
            self.server.mistakes.append(mistake)
        except OSError:
            pass
        finally:
            self.server.clients.pop(name, None)

    def does(self, name: str, asked: dict[str, Any]) -> bool:
        """Do what is asked; whether the connection goes on."""
        server, action = self.server, asked["action"]
        if action == "client-hello":
            if "silent" in server.manners:
                server.says(name, action="server-list-clients", clients=list(server.clients))
            else:
                server.says(name, action="server-hello", msg="Hello", **{"sender-ip": "127.0.0.1"})
        elif action == "client-broadcast":
            server.said.append((asked["from"], asked["msg"]))
            for other in list(server.clients):
                if other != name or "echo" in server.manners:
                    server.says(other, action="server-broadcast", from_=asked["from"], msg=asked["msg"])
        elif action == "client-send":
            if asked["to"] not in server.clients:
                server.says(name, action="server-error", code=404, msg="no such client")
            else:
                server.says(
                    asked["to"],
                    action="server-send",
                    from_=asked["from"],
                    to=asked["to"],
                    msg=asked["msg"],
                )
        elif action == "client-list-clients":
            key = "msg" if "msg_list" in server.manners else "clients"
            server.says(name, action="server-list-clients", **{key: list(server.clients)})
        elif action == "client-quit":
            server.says(name, action="server-quit")
            return False
        elif "strict" in server.manners:
            return False
        else:
            self.does_in_a_group(name, asked)
        return True

    def does_in_a_group(self, name: str, asked: dict[str, Any]) -> None:
        """The same for the actions of the seeds, of which most are answered in a server's own words."""
        server, action, sender = self.server, asked["action"], asked["sender"]
        if action == "groups":
            server.says(name, action="groups", list=list(server.groups))
            return
        group = asked["group"]
        if action == "cgroupe":
            server.groups[group] = {sender}
            server.says(name, action="cgroupe", msg=f"group {group} created")
        elif action == "join" and group not in server.groups:
            server.says(name, action="server-error", msg=f"no group {group}")
        elif action == "join":
            server.groups[group].add(sender)
            for member in server.groups[group]:
                server.says(member, action="join", sender=sender, group=group)
        elif action == "gbroadcast":
            for member in server.groups[group] - {sender}:
                server.says(member, action="server-gbroadcast", sender=sender, group=group, msg=asked["msg"])
        elif action == "members":
            server.says(name, action="server-members", data=sorted(server.groups[group]))
        elif action == "msgs":
            server.says(name, action="server-msgs", msgs=[{"sender": "bob", "msg": "from the past"}])
        elif action == "states":
            server.says(name, action="server-states", states=["alice created it", "bob joined"])
        else:
            server.says(name, action="server-surprise", answer=42)
