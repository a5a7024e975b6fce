"""Which names the daemon answers to on HTTP, and which web pages may open a WebSocket.

A web page can make a browser connect to any address, also to one that only the browser's machine reaches. The
browser says in the ``Origin`` of a WebSocket which page that is. A page whose own name was pointed at the
daemon's address (DNS rebinding) has the right origin, but gives itself away by the ``Host`` of its requests.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import ip_address, ip_network
from typing import Any, Final

import msgspec

LOOPBACK_HOSTS: Final = frozenset(("localhost", "127.0.0.1", "[::1]"))
"""The names of this machine in a ``Host``, which no other machine can have."""


class WebPolicy(msgspec.Struct, forbid_unknown_fields=True):
    """The section ``[web]`` of chatd.toml.

    ``hosts`` are the additional host names, without a port, under which browsers reach the daemon. The
    address that a browser connects to and the names of this machine are always accepted. ``origins`` are the
    additional origins, such as ``https://example.org``, whose pages may open a WebSocket. ``proxies`` are the
    addresses and networks of reverse proxies whose ``X-Forwarded-For`` header is trusted; ``unix`` stands for
    all proxies on Unix sockets.
    """

    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    proxies: tuple[str, ...] = ()

    def check(self) -> None:
        """Check the values of the section. Raises `ValueError` with a text that names the invalid value."""
        for host in self.hosts:
            if not host or _without_port(host) != host:
                raise ValueError(f"`hosts` has names without a port, not {host}")
        for origin in self.origins:
            scheme, separator, host = origin.partition("://")
            if scheme not in ("http", "https") or not separator or not host or "/" in host:
                raise ValueError(f"`origins` has items such as https://example.org, not {origin}")
        for proxy in self.proxies:
            if proxy != "unix":
                ip_network(proxy, strict=False)

    def allows_host(self, host: str, local_address: Any) -> bool:
        """Return whether ``host``, the value of the ``Host`` header, is a name of the daemon.

        ``local_address`` is the transport address that the client has connected to.
        """
        name = _without_port(host.lower()).removesuffix(".")
        if not name:
            return False
        known = map(str.lower, self.hosts)
        return name in LOOPBACK_HOSTS or name == _host_of(local_address) or name in known

    def allows_origin(self, origin: str | None, host: str) -> bool:
        """Return whether a page of ``origin`` may open a WebSocket on a connection to ``host``.

        ``origin`` is the value of the ``Origin`` header, or None without that header. Browsers always send it
        with a WebSocket handshake. A client without it is allowed.
        """
        if origin is None:
            return True
        _, separator, name = origin.lower().partition("://")
        return bool(separator) and (name == host.lower() or origin.lower() in map(str.lower, self.origins))

    def client_address_behind_proxy(self, address: Any, forwarded: Sequence[str]) -> str | None:
        """Return the address of the client for which a reverse proxy has opened the connection, or None.

        ``address`` is the transport address of the connection, and ``forwarded`` are the values of the
        ``X-Forwarded-For`` header, in order. The result is None if ``address`` is not a known proxy, or if
        the forwarded value is not an address.
        """
        peer = getattr(address, "host", None) or "unix"
        if not self._is_proxy(peer):
            return None
        for item in reversed(",".join(forwarded).split(",")):
            peer = item.strip().strip("[]")
            try:
                ip_address(peer)
            except ValueError:
                return None
            if not self._is_proxy(peer):
                return peer
        return peer

    def _is_proxy(self, peer: str) -> bool:
        if peer == "unix":
            return "unix" in self.proxies
        address = ip_address(peer.partition("%")[0])
        address = getattr(address, "ipv4_mapped", None) or address
        return any(address in ip_network(proxy, strict=False) for proxy in self.proxies if proxy != "unix")


def _without_port(host: str) -> str:
    """Return the name in the value of ``Host``; an IPv6 address keeps its brackets."""
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return re.split("[:/]", host, maxsplit=1)[0]


def _host_of(address: Any) -> str:
    """Return the IP address of a transport ``address`` as a ``Host`` has it; empty for a Unix socket."""
    host = getattr(address, "host", None)
    if host is None:
        return ""
    ip = ip_address(host.partition("%")[0])
    mapped = getattr(ip, "ipv4_mapped", None)
    return str(mapped or ip) if ip.version == 4 or mapped else f"[{ip}]"
