"""The site: the page, its files and ``/healthz``. All files are read once, when the daemon starts."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from http import HTTPStatus
from pathlib import Path
from types import MappingProxyType
from typing import Final

from twisted.internet.defer import Deferred, DeferredLock
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http import CACHED
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site

from chatd.boundaries import Clock
from chatd.locales import to_french
from chatd.web.answers import PLAIN_TEXT_CONTENT_TYPE, SECURITY_HEADERS
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

HealthCheck = Callable[[], Awaitable[bool]]
"""A function that returns whether the daemon is healthy."""


class PagePath(Resource):
    """A path of the site as a Twisted resource. Every answer has the headers in `SECURITY_HEADERS`.

    A subclass overrides `answer`. This class itself answers with 404.
    """

    def getChild(self, path: bytes, request: Request) -> Resource:
        """Return a resource that answers with 404, for an unknown path below this one.

        Twisted calls this method only for paths that were not added with ``putChild``.
        """
        return PagePath()

    def render(self, request: Request) -> int:
        """Answer ``request``. For HEAD, Twisted leaves out the body."""
        for name, value in SECURITY_HEADERS.items():
            request.setHeader(name, value)
        if request.method in (b"GET", b"HEAD"):
            self.answer(request)
        else:
            request.setHeader(b"Allow", b"GET, HEAD")
            _finish(request, HTTPStatus.METHOD_NOT_ALLOWED, b"use GET or HEAD\n")
        return NOT_DONE_YET

    def answer(self, request: Request) -> None:
        """Answer ``request``, either at once or later."""
        _finish(request, HTTPStatus.NOT_FOUND, b"there is no such page\n")


class StaticFile(PagePath):
    """A file of the web page: its bytes, its ``Content-Type``, and its entity tag.

    The suffix of the file name decides the ``Content-Type``.
    """

    def __init__(self, name: str, content: bytes) -> None:
        super().__init__()
        self.content = content
        self.content_type = _CONTENT_TYPES[Path(name).suffix]
        self.etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'.encode()

    def answer(self, request: Request) -> None:
        """Answer with the file, or with 304 if the client already has this version."""
        if request.setETag(self.etag) is CACHED:
            request.finish()
        else:
            _finish(request, HTTPStatus.OK, self.content, self.content_type)


class HealthPage(PagePath):
    """The page ``/healthz``, which says whether the daemon is healthy.

    The page shows the result of a health check that is at most `HEALTH_CACHE_SECONDS` old.
    """

    _log = Logger()

    def __init__(self, health: HealthCheck, clock: Clock) -> None:
        super().__init__()
        self._health = health
        self._clock = clock
        # The last answer about the health, and when it is too old. One request at a time asks for another.
        self._lock = DeferredLock()
        self._healthy = False
        self._until = 0.0

    def answer(self, request: Request) -> None:
        """Answer ``request`` from the last health check, or after a new one if the last is too old."""
        Deferred.fromCoroutine(self._answer(request)).addErrback(self._end_after_bug, request)

    async def _answer(self, request: Request) -> None:
        gone: list[Failure] = []
        request.notifyFinish().addErrback(gone.append)
        async with self._lock:
            if self._clock.seconds() >= self._until:
                self._healthy = await self._health()
                self._until = self._clock.seconds() + HEALTH_CACHE_SECONDS
        if gone:
            return
        request.setHeader(b"Cache-Control", b"no-store")
        status, body = HTTPStatus.OK, b'{"status":"ok"}\n'
        if not self._healthy:
            request.setHeader(b"Retry-After", b"%d" % HEALTH_CACHE_SECONDS)
            status, body = HTTPStatus.SERVICE_UNAVAILABLE, b'{"status":"failing"}\n'
        _finish(request, status, body, b"application/json")

    def _end_after_bug(self, failure: Failure, request: Request) -> None:
        self._log.failure("bug while checking the health for a browser", failure)
        request.loseConnection()


@cache
def read_static_files() -> Mapping[str, StaticFile]:
    """Return the files of the web page by their URL paths. ``index.html`` is also at ``/``.

    The files are read from disk once, and later calls return the same objects.
    """
    contents = {
        path.name: _SHORTENING.get(path.suffix, bytes)(path.read_bytes())
        for path in STATIC_FOLDER.iterdir()
        if path.is_file()
    }
    contents["commands-en.json"] = command_table(str)
    contents["commands-fr.json"] = command_table(to_french)
    contents["french.json"] = french_catalogue()
    files = {f"/{name}": StaticFile(name, content) for name, content in contents.items()}
    return MappingProxyType({"/": files["/index.html"], **files})


def make_site(files: Mapping[str, StaticFile], health: HealthCheck, clock: Clock) -> Site:
    """Return the Twisted site that serves ``files``, a mapping of URL paths to files, and ``/healthz``."""
    root = PagePath()
    for path, file in files.items():
        root.putChild(path[1:].encode(), file)
    root.putChild(b"healthz", HealthPage(health, clock))
    return Site(root, reactor=clock, timeout=None)


def _finish(
    request: Request, status: HTTPStatus, body: bytes, content_type: bytes = PLAIN_TEXT_CONTENT_TYPE
) -> None:
    """Send the answer to ``request``."""
    request.setResponseCode(status)
    request.setHeader(b"Content-Type", content_type)
    # Without it, Twisted would send chunks.
    request.setHeader(b"Content-Length", b"%d" % len(body))
    request.write(body)
    request.finish()
