"""The client side of the control socket: one request, and the lines of its answer."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

ANSWER_TIMEOUT_SECONDS: Final = 30.0
"""Seconds to wait for each part of an answer, unless the command is slow."""


class NoDaemon(Exception):
    """The error if no daemon answers on the control socket, or if its answer can't be understood.

    The text of the exception is a sentence.
    """


def request_objects(path: Path, request: Mapping[str, object], is_slow: bool) -> Iterator[dict[str, Any]]:
    """Send ``request`` to the control socket at ``path``, and yield the objects of the answer as they arrive.

    Nothing is sent before the first object is requested from the iterator, which ends when the daemon closes
    the connection. If ``is_slow`` is true, there is no time limit for the answer. Raises `NoDaemon` if no
    daemon listens at ``path``, if it does not answer in time or at all, or if the answer is not JSON.
    """
    for line in request_lines(path, request, is_slow):
        try:
            answer: dict[str, Any] = json.loads(line)
        except ValueError as error:
            raise NoDaemon(f"can't understand the daemon at {path}: {error}") from None
        yield answer


def request_lines(path: Path, request: Mapping[str, object], is_slow: bool) -> Iterator[bytes]:
    """Send ``request`` to the control socket at ``path``, and yield the lines of the answer unparsed.

    If ``is_slow`` is true, there is no time limit for the answer. Raises `NoDaemon` as `ask` does.
    """
    address = min(str(path.absolute()), os.path.relpath(path), key=len)  # an address has at most 100 bytes
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(ANSWER_TIMEOUT_SECONDS)
            connection.connect(address)
            connection.settimeout(None if is_slow else ANSWER_TIMEOUT_SECONDS)
            connection.sendall(json.dumps(request).encode() + b"\n")
            answered = False
            with connection.makefile("rb") as lines:
                for line in lines:
                    answered = True
                    yield line
    except (FileNotFoundError, ConnectionRefusedError):
        raise NoDaemon(f"no daemon listens at {path}: start it, or name its --config or --socket") from None
    except TimeoutError:
        raise NoDaemon(f"the daemon at {path} does not answer") from None
    except OSError as error:
        raise NoDaemon(f"can't talk to the daemon at {path}: {error}") from None
    if not answered:
        raise NoDaemon(f"the daemon at {path} closed the connection without an answer")
