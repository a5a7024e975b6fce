"""Which hosts, origins and proxies are believed."""

from __future__ import annotations

from pathlib import Path

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.trial.unittest import SynchronousTestCase

from chatd.daemon.config import ConfigError, read_config
from chatd.web.policy import WebPolicy

LOCAL = IPv4Address("TCP", "192.0.2.7", 7080)


class Hosts(SynchronousTestCase):
    """The names that the daemon answers to."""

    def test_this_machine_and_the_address_of_the_connection(self) -> None:
        policy = WebPolicy()
        for host in (
            "localhost",
            "LOCALHOST:7080",
            "127.0.0.1:1",
            "[::1]:7080",
            "192.0.2.7",
            "192.0.2.7:7080",
        ):
            self.assertTrue(policy.allows_host(host, LOCAL), host)
        for host in (
            "",
            "evil.example",
            "192.0.2.8",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "[::2]",
        ):
            self.assertFalse(policy.allows_host(host, LOCAL), host)

    def test_ipv6_and_unix_sockets(self) -> None:
        policy = WebPolicy()
        self.assertTrue(policy.allows_host("[2001:db8::1]:80", IPv6Address("TCP", "2001:db8::1", 80)))
        self.assertTrue(policy.allows_host("192.0.2.7", IPv6Address("TCP", "::ffff:192.0.2.7", 80)))
        self.assertFalse(policy.allows_host("[2001:db8::2]", IPv6Address("TCP", "2001:db8::1", 80)))
        self.assertTrue(policy.allows_host("localhost", UNIXAddress(b"/x")))
        self.assertFalse(policy.allows_host("", UNIXAddress(b"/x")))

    def test_configured_names(self) -> None:
        policy = WebPolicy(hosts=("Chat.example",))
        for host in ("chat.example", "CHAT.EXAMPLE:443", "chat.example."):
            self.assertTrue(policy.allows_host(host, LOCAL), host)
        self.assertFalse(policy.allows_host("example", LOCAL))


class Origins(SynchronousTestCase):
    """The pages that may open a WebSocket."""

    def test_the_own_page_and_who_is_no_browser(self) -> None:
        policy = WebPolicy()
        self.assertTrue(policy.allows_origin(None, "chat.example"))
        for origin in ("http://chat.example:7080", "https://chat.example:7080", "HTTP://Chat.example:7080"):
            self.assertTrue(policy.allows_origin(origin, "chat.example:7080"), origin)
        for origin in ("null", "", "http://chat.example", "http://evil.example:7080", "chat.example:7080"):
            self.assertFalse(policy.allows_origin(origin, "chat.example:7080"), origin)

    def test_configured_ones(self) -> None:
        policy = WebPolicy(origins=("https://school.example",))
        self.assertTrue(policy.allows_origin("https://school.example", "chat.example"))
        self.assertFalse(policy.allows_origin("http://school.example", "chat.example"))


class Proxies(SynchronousTestCase):
    """Whose ``X-Forwarded-For`` is believed."""

    def test_nobody_is_until_configured(self) -> None:
        self.assertIsNone(
            WebPolicy().client_address_behind_proxy(IPv4Address("TCP", "127.0.0.1", 1), ["198.51.100.1"])
        )
        self.assertIsNone(WebPolicy().client_address_behind_proxy(UNIXAddress(b""), ["198.51.100.1"]))

    def test_the_last_address_that_is_no_proxy(self) -> None:
        """What stands before it was written by the client, who may write anything."""
        policy = WebPolicy(proxies=("127.0.0.1", "10.0.0.0/8", "unix"))
        proxy = IPv4Address("TCP", "127.0.0.1", 1)
        for forwarded, client in (
            (["198.51.100.1"], "198.51.100.1"),
            (["203.0.113.9, 198.51.100.1"], "198.51.100.1"),
            (["203.0.113.9", "198.51.100.1, 10.1.2.3"], "198.51.100.1"),
            (["x, 2001:db8::5"], "2001:db8::5"),
            (["[2001:db8::5]"], "2001:db8::5"),
            (["10.1.2.3"], "10.1.2.3"),
            (["198.51.100.1, unknown"], None),
            ([""], None),
            ([], None),
        ):
            self.assertEqual(policy.client_address_behind_proxy(proxy, forwarded), client, forwarded)
        self.assertEqual(
            policy.client_address_behind_proxy(UNIXAddress(b""), ["198.51.100.1"]), "198.51.100.1"
        )
        mapped = IPv6Address("TCP", "::ffff:127.0.0.1", 1)
        self.assertEqual(policy.client_address_behind_proxy(mapped, ["198.51.100.1"]), "198.51.100.1")
        self.assertIsNone(policy.client_address_behind_proxy(LOCAL, ["198.51.100.1"]))


class Configuration(SynchronousTestCase):
    """The section [web] of chatd.toml."""

    def reads(self, text: str) -> WebPolicy:
        """The section as it is read."""
        file = Path(self.mktemp())
        file.write_text(text)
        return read_config(file).web

    def test_its_keys(self) -> None:
        web = self.reads(
            '[web]\nhosts = ["a.example", "[::2]"]\norigins = ["https://b.example:1"]\nproxies = ["::1"]'
        )
        self.assertEqual(web, WebPolicy(("a.example", "[::2]"), ("https://b.example:1",), ("::1",)))

    def test_a_value_that_can_not_be_meant(self) -> None:
        """Is refused with a sentence that names it."""
        for key, value in (
            ("hosts", "a.example:80"),
            ("hosts", "https://a.example"),
            ("hosts", ""),
            ("origins", "a.example"),
            ("origins", "https://a.example/"),
            ("origins", "null"),
            ("proxies", "proxy.example"),
            ("proxies", "10.0.0.0/33"),
        ):
            with self.assertRaises(ConfigError) as caught:
                self.reads(f'[web]\n{key} = ["{value}"]')
            self.assertIn(value, str(caught.exception))
