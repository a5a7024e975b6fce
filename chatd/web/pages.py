"""The page, its files and ``/healthz`` over HTTP. All files are read once, when the daemon starts."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Final

import msgspec
from twisted.internet.defer import DeferredLock
from websockets.http11 import Request

from chatd.boundaries import Clock
from chatd.locales import to_french
from chatd.web.answers import HttpAnswer
from chatd.web.command_table import command_table, french_catalogue
from chatd.web.shortening import shorten_script, shorten_style

STATIC_FOLDER: Final = Path(__file__).parent / "static"

HEALTH_CACHE_SECONDS: Final = 1.0
"""Seconds for which a result of the health check is cached."""

_CONTENT_TYPES: Final = {
    ".css": b"text/css; charset=utf-8",
    ".html": b"text/html; charset=utf-8",
    ".js": b"text/javascript; charset=utf-8",
    ".json": b"application/json",
    ".png": b"image/png",
    ".svg": b"image/svg+xml",
    ".webmanifest": b"application/manifest+json",
}

_SHORTENING: Final[Mapping[str, Callable[[bytes], bytes]]] = {".css": shorten_style, ".js": shorten_script}

Health = Callable[[], Awaitable[bool]]
"""A function that returns whether the daemon is healthy."""


class StaticFile(msgspec.Struct, frozen=True):
    """A file of the page: its bytes, the value of ``Content-Type`` and its entity tag."""

    content: bytes
    content_type: bytes
    etag: bytes


def make_static_file(name: str, content: bytes) -> StaticFile:
    """Return the file with this ``name``, whose suffix decides its type, and ``content``."""
    digest = hashlib.sha256(content).hexdigest()[:32]
    return StaticFile(content, _CONTENT_TYPES[Path(name).suffix], f'"{digest}"'.encode())


def read_static_files() -> dict[str, StaticFile]:
    """Return the files of the page by the paths of their URLs. ``index.html`` is ``/`` too."""
    contents = {
        path.name: _SHORTENING.get(path.suffix, bytes)(path.read_bytes())
        for path in STATIC_FOLDER.iterdir()
        if path.is_file()
    }
    contents["commands-en.json"] = command_table(str)
    contents["commands-fr.json"] = command_table(to_french)
    contents["french.json"] = french_catalogue()
    files = {f"/{name}": make_static_file(name, content) for name, content in contents.items()}
    return {"/": files["/index.html"], **files}


class Pages:
    """What is at each path: a file, ``/healthz``, or nothing."""

    def __init__(self, files: Mapping[str, StaticFile], health: Health, clock: Clock) -> None:
        self._files = files
        self._health = health
        self._clock = clock
        # The last answer about the health, and when it is too old. One request at a time asks for another.
        self._health_lock = DeferredLock()
        self._healthy = False
        self._health_until = 0.0

    async def answer(self, request: Request) -> HttpAnswer:
        """Return the answer to ``request``. For HEAD it has the same body as for GET; the caller leaves the
        body out.
        """
        if request.method not in ("GET", "HEAD"):
            return HttpAnswer(HTTPStatus.METHOD_NOT_ALLOWED, b"use GET or HEAD\n", {b"allow": b"GET, HEAD"})
        path = request.path.partition("?")[0]
        if path == "/healthz":
            return await self._answer_health()
        file = self._files.get(path)
        if file is None:
            return HttpAnswer(HTTPStatus.NOT_FOUND, b"there is no such page\n")
        if file.etag.decode() in ",".join(request.headers.get_all("If-None-Match")):
            return HttpAnswer(HTTPStatus.NOT_MODIFIED, headers={b"etag": file.etag})
        return HttpAnswer(
            HTTPStatus.OK, file.content, {b"etag": file.etag, b"content-type": file.content_type}
        )

    async def _answer_health(self) -> HttpAnswer:
        await self._health_lock.acquire()
        try:
            if self._clock.seconds() >= self._health_until:
                self._healthy = await self._health()
                self._health_until = self._clock.seconds() + HEALTH_CACHE_SECONDS
        finally:
            self._health_lock.release()
        headers = {b"content-type": b"application/json", b"cache-control": b"no-store"}
        if self._healthy:
            return HttpAnswer(HTTPStatus.OK, b'{"status":"ok"}\n', headers)
        return HttpAnswer(HTTPStatus.SERVICE_UNAVAILABLE, b'{"status":"failing"}\n', headers)
