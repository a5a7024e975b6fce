"""The page, its files and ``/healthz`` over HTTP. All files are read once, when the daemon starts."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
from twisted.internet.defer import Deferred, DeferredLock
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web import http
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET
from twisted.web.server import Request as AnyRequest

from chatd.chat.fair_queue import FairQueue
from chatd.web.command_table import command_table, french_catalogue
from chatd.web.modules import without_comments
from chatd.web.policy import WebPolicy
from chatd.web.requests import KeepAliveRequest, SilentSite

STATIC_FOLDER: Final = Path(__file__).parent / "static"

IDLE_TIMEOUT_SECONDS: Final = 15
"""Seconds of silence after which a connection is closed that asks for pages."""

HEALTH_CACHE_SECONDS: Final = 1.0
"""Seconds for which a result of the health check is cached."""

CONTENT_SECURITY_POLICY: Final = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'"
    b"; manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The page may load files of its own origin and talk to it, and nothing else: no inline script, no frame."""

SECURITY_HEADERS: Final = {
    b"content-security-policy": CONTENT_SECURITY_POLICY,
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
    b"cache-control": b"no-cache",
    b"server": b"chatd",
}
"""The headers of every answer."""

MISDIRECTED: Final = (421, b"Misdirected Request")
"""The status of the answer to a request for a host that is none of the daemon's (RFC 9110, 15.5.20)."""

WRONG_HOST: Final = b"the daemon has another name: add this one to `hosts` under [web] in chatd.toml\n"
"""The body of a 421 answer (`MISDIRECTED`)."""

_CONTENT_TYPES: Final = {
    ".css": b"text/css; charset=utf-8",
    ".html": b"text/html; charset=utf-8",
    ".js": b"text/javascript; charset=utf-8",
    ".json": b"application/json",
    ".png": b"image/png",
    ".svg": b"image/svg+xml",
    ".webmanifest": b"application/manifest+json",
}

Health = Callable[[], Awaitable[bool]]
"""A function that returns whether the daemon is healthy."""


class StaticFile(msgspec.Struct, frozen=True):
    """A file of the page: its bytes, the value of ``Content-Type`` and its entity tag."""

    content: bytes
    content_type: bytes
    etag: bytes


def make_file(name: str, content: bytes) -> StaticFile:
    """Return the file with this ``name``, whose suffix decides its type, and ``content``."""
    digest = hashlib.sha256(content).hexdigest()[:32]
    return StaticFile(content, _CONTENT_TYPES[Path(name).suffix], f'"{digest}"'.encode())


def read_files() -> dict[bytes, StaticFile]:
    """Return the files of the page by the paths of their URLs. ``index.html`` is ``/`` too."""
    contents = {path.name: path.read_bytes() for path in STATIC_FOLDER.iterdir() if path.is_file()}
    contents = {
        name: without_comments(content) if name.endswith(".js") else content
        for name, content in contents.items()
    }
    contents["commands.json"] = command_table()
    contents["french.json"] = french_catalogue()
    files = {f"/{name}".encode(): make_file(name, content) for name, content in contents.items()}
    return {b"/": files[b"/index.html"], **files}


class Pages(Resource):
    """The resource of all paths: a file, ``/healthz``, or 404.

    At most one answer is made in each iteration of the reactor, so that a flood of requests delays the chat
    by one answer at a time.
    """

    isLeaf = True
    _log = Logger()

    def __init__(
        self, files: Mapping[bytes, StaticFile], policy: WebPolicy, health: Health, clock: Any
    ) -> None:
        super().__init__()
        self._files = files
        self._policy = policy
        self._health = health
        self._clock = clock
        self._turns = FairQueue(clock)
        # The last answer about the health, and when it is too old. One request at a time asks for another.
        self._health_lock = DeferredLock()
        self._healthy = False
        self._health_until = 0.0

    def render(self, request: AnyRequest) -> int:
        """Answer ``request`` in a turn of its own. For HEAD, Twisted leaves out the body."""
        assert isinstance(request, KeepAliveRequest)
        Deferred.fromCoroutine(self._answer(request)).addErrback(
            lambda failure: self._log.failure("bug while answering a browser", failure)
        )
        return NOT_DONE_YET

    async def _answer(self, request: KeepAliveRequest) -> None:
        gone: list[Failure] = []
        request.notifyFinish().addErrback(gone.append)
        await self._turns.wait()
        if request.path == b"/healthz":
            await self._ask_health()
        if gone:
            return
        for name, value in SECURITY_HEADERS.items():
            request.setHeader(name, value)
        request.end_pipelining()
        body = self._respond(request)
        request.setHeader(b"content-length", b"%d" % len(body))
        request.write(body)
        request.finish()

    def _respond(self, request: KeepAliveRequest) -> bytes:
        """Set the status and the headers of the answer to ``request``, and return its body."""
        request.setHeader(b"content-type", b"text/plain; charset=utf-8")
        host = request.getHeader("host") or ""
        if not self._policy.allows_host(host, request.getHost()):
            request.setResponseCode(*MISDIRECTED)
            return WRONG_HOST
        if request.method not in (b"GET", b"HEAD"):
            request.setHeader(b"allow", b"GET, HEAD")
            request.setResponseCode(http.NOT_ALLOWED)
            return b"use GET or HEAD\n"
        if request.path == b"/healthz":
            request.setHeader(b"content-type", b"application/json")
            request.setHeader(b"cache-control", b"no-store")
            if self._healthy:
                return b'{"status":"ok"}\n'
            request.setResponseCode(http.SERVICE_UNAVAILABLE)
            return b'{"status":"failing"}\n'
        file = self._files.get(request.path)
        if file is None:
            request.setResponseCode(http.NOT_FOUND)
            return b"there is no such page\n"
        request.setHeader(b"content-type", file.content_type)
        if request.setETag(file.etag) is http.CACHED:
            return b""
        return file.content

    async def _ask_health(self) -> None:
        await self._health_lock.acquire()
        try:
            if self._clock.seconds() >= self._health_until:
                self._healthy = await self._health()
                self._health_until = self._clock.seconds() + HEALTH_CACHE_SECONDS
        finally:
            self._health_lock.release()


def make_site(pages: Pages, clock: Any) -> SilentSite:
    """Return the Twisted factory of connections that ask for ``pages``."""
    site = SilentSite(pages, KeepAliveRequest, timeout=IDLE_TIMEOUT_SECONDS, reactor=clock)
    site.noisy = False
    return site
