"""The network that a connection comes from, and TCP probes that detect when the client's machine is gone."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any, Final

from chatd.core.moderation import IPV6_PREFIX_BITS

TCP_KEEP_ALIVE_OPTIONS: Final = (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3))
"""Linux names and values (seconds, seconds, number) of the TCP options for keep-alive probes.

With these values, a machine that is gone is detected 60 seconds after its last packet.
"""


def client_network_of_address(address: Any) -> str | None:
    """Return the IPv4 address or the IPv6 network of a client, given its transport ``address``.

    Return None if the client is on this machine, connected by TCP or a Unix socket. Raises `ValueError` if
    the host of ``address`` is not an IP address.
    """
    host = getattr(address, "host", None)
    if host is None:
        return None
    ip = ip_address(host.partition("%")[0])
    if isinstance(ip, IPv6Address):
        mapped: IPv4Address | None = ip.ipv4_mapped
        if mapped is None:
            return None if ip.is_loopback else str(ip_network((ip, IPV6_PREFIX_BITS), strict=False))
        ip = mapped
    return None if ip.is_loopback else str(ip)


def enable_keep_alive(transport: Any) -> None:
    """Turn on TCP keep-alive, so that the connection of a client whose machine is gone does not block its
    nick.
    """
    transport.setTcpKeepAlive(True)
    connection = getattr(transport, "socket", None)  # of TLS: that of the transport below
    if connection is not None and connection.family in (socket.AF_INET, socket.AF_INET6):
        for name, value in TCP_KEEP_ALIVE_OPTIONS:
            if hasattr(socket, name):
                connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
