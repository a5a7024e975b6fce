"""TLS on any wire: who must use it, how long its handshake may take, and whose certificate counts."""

from __future__ import annotations

import ssl

from cryptography.x509.oid import ExtendedKeyUsageOID
from twisted.logger import capturedLogs, formatEvent

from chatd.carriers.detection import GREETING_DELAY_SECONDS
from chatd.carriers.foreign import TLS
from chatd.connections.session import LINGER_AFTER_REFUSAL_SECONDS
from chatd.connections.welcome_buffer import CLIENT_SILENCE_SECONDS
from tests.support.certificates import Issued, issue
from tests.support.in_memory_daemon import Stage
from tests.support.in_memory_tls import TlsStageTestCase

SECRET = "correct horse battery"
REQUIRED = "this server takes encrypted connections only: connect with TLS"


class Handshakes(TlsStageTestCase):
    """A handshake may take ``tls_handshake_seconds``, wherever it takes place."""

    def test_one_that_is_not_complete_in_time_is_cut(self) -> None:
        """It is not as long as the time lasts. The log says who it was."""
        seconds = self.stage.limits.tls_handshake_seconds
        for wire, tls_only in (("auto", False), ("auto", True), ("text", True), ("tp6", True)):
            for end in (2, 40, None):
                peer = self.comes(wire, tls_only=tls_only)
                peer.sends(peer.begins()[:end])
                self.stage.wait(seconds - 0.1)
                self.assertFalse(peer.wire.aborted)
                with capturedLogs() as logged:
                    self.stage.wait(0.1)
                self.assertTrue(peer.wire.aborted)
                said = [formatEvent(event) for event in logged]
                self.assertIn("127.0.0.1:40000: no TLS handshake within 10 seconds", said)
        self.assertEqual(len(self.stage.sessions), 0)

    def test_one_that_is_may_take_all_the_time(self) -> None:
        seconds = self.stage.limits.tls_handshake_seconds
        for wire, tls_only in (("auto", False), ("text", True)):
            peer = self.comes(wire, tls_only=tls_only)
            hello = peer.begins()
            peer.sends(hello[:3])
            self.stage.wait(seconds - 0.1)
            peer.sends(hello[3:])
            peer.shake_hands()
            self.stage.wait(100)
            self.assertEqual(peer.says("IAM alice").lines(), ["WHO", "ARR alice"])
            self.assertFalse(peer.wire.disconnecting)
            peer.says("BYE").lines()
            self.stage = Stage(self.stage.database.with_name(f"{wire}.db"))

    def test_what_is_offered_by_alpn_is_ignored(self) -> None:
        """Browsers and curl offer HTTP/2 and HTTP/1.1, clients of other protocols their own."""
        for offers in (("h2", "http/1.1"), ("irc",)):
            peer = self.comes("auto", offers=offers).shake_hands()
            self.assertIsNone(peer.chosen)
            peer.says("GET /healthz HTTP/1.1\r", "Host: localhost\r", "\r")
            self.assertEqual(peer.lines()[0], "HTTP/1.1 200 OK")

    def test_one_that_fails(self) -> None:
        """The log says why, in a line."""
        peer = self.comes()
        with capturedLogs() as logged:
            peer.sends(peer.begins()[:60] + bytes(1000))
        self.assertTrue(peer.wire.disconnecting)
        said = [str(formatEvent(event)) for event in logged]
        self.assertTrue(any(line.startswith("127.0.0.1:40000: the TLS handshake failed: ") for line in said))


class TlsOnly(TlsStageTestCase):
    """A port that is for TLS only."""

    def refused(self, wire: str, *said: bytes) -> bytes:
        """What a client without TLS gets that says this."""
        peer = self.comes(wire, tls_only=True)
        for segment in said:
            peer.sends(segment)
        heard = peer.hears()
        self.stage.wait(LINGER_AFTER_REFUSAL_SECONDS)
        self.assertTrue(peer.wire.disconnecting)
        return heard

    def test_without_tls_each_wire_refuses_in_its_form(self) -> None:
        """Nothing is done that was said, with or behind it; and nothing is sent before."""
        bob = self.stage.text("bob")
        text = f"ERR tls_required {REQUIRED}\n".encode()
        json = f'{{"action":"server-error","code":"tls_required","msg":"{REQUIRED}"}}'.encode()
        sentence = "ce serveur n'accepte que des connexions chiffrées : connectez-vous en TLS"
        french = f"Erreur [tls_required] : {sentence}".encode()
        hello = b'{"from":"alice","action":"client-hello"}\n'
        for wire, said, refusal in (
            ("text", b"IAM alice\n", text),
            ("json", hello, json),
            ("tp6", b"Hello|alice", french + b"\n"),
            ("tp6-bonus", b"Hello|alice", french + b"\n"),
            ("tp6", b"\x01\x00\x0bHello|alice", b"\x01\x00\x01" + bytes([len(french)]) + french),
            ("irc", b"NICK alice\r\n", f"ERROR :{REQUIRED}\r\n".encode()),
            ("auto", b"IAM alice\n", text),
            ("auto", hello, json),
            ("auto", b"Hello|alice", french + b"\n"),
            ("auto", b"PWD " + SECRET.encode(), text),
        ):
            with self.subTest(wire):
                heard = self.refused(wire, said + b"\nIAM alice\nMSG hello\n", b"MSG hello\n")
                self.assertEqual(heard, refusal)
        self.assertEqual(bob.hears(), b"")

    def test_a_web_page_can_not_talk_to_it(self) -> None:
        self.assertIn(b"tls_required", self.refused("json", b"POST / HTTP/1.1\r\n\r\n" + b"{}\n"))
        for wire in ("auto", "web"):
            refused = self.refused(wire, b"POST / HTTP/1.1\r\n\r\nIAM eve\n")
            self.assertRegex(refused, rb"HTTP/1.1 400 Bad Request[^{]*\r\n\r\ntls_required: ")

    def test_who_says_nothing_hears_nothing_until_the_time_is_over(self) -> None:
        """No greeting asks for a password that would be read on the way."""
        peers = [self.comes(wire, tls_only=True) for wire in ("text", "auto")]
        self.stage.wait(self.stage.limits.tls_handshake_seconds - 0.1)
        self.assertEqual([peer.hears() for peer in peers], [b"", b""])
        self.stage.wait(0.1)
        for peer in peers:
            self.assertEqual(peer.hears(), f"ERR tls_required {REQUIRED}\n".encode())

    def test_half_a_hello_of_tls_is_not_refused_before_it_is_clear(self) -> None:
        peer = self.comes("text", tls_only=True)
        peer.sends(b"\x16")
        self.stage.wait(2 * GREETING_DELAY_SECONDS)
        self.assertEqual(peer.hears(), b"")
        peer.sends(b"\x15")
        self.assertEqual(peer.hears(), f"ERR tls_required {REQUIRED}\n".encode())

    def test_inside_it_is_the_wire(self) -> None:
        """With its greeting at once, on a port of one wire."""
        alice = self.comes("text", tls_only=True).shake_hands()
        self.assertEqual(alice.lines(), ["WHO"])
        self.assertEqual(alice.says("IAM alice").lines(), ["ARR alice"])
        self.stage.wait(CLIENT_SILENCE_SECONDS)
        bob = self.comes("auto", tls_only=True).shake_hands()
        bob.says('{"from":"bob","action":"client-hello"}')
        self.assertIn('"server-hello"', bob.lines()[0])
        carol = self.comes("tp6", tls_only=True).shake_hands()
        self.assertEqual(carol.says("Hello|carol").lines(), ["Annonce : carol a rejoint la chatroom"])
        self.assertEqual(alice.lines(), ["ARR bob", "ARR carol"])

    def test_no_tls_in_tls(self) -> None:
        peer = self.comes("text", tls_only=True).shake_hands()
        peer.says("\x16\x03\x01\x00\x05hello", "IAM eve")
        self.assertEqual(peer.lines(), ["WHO", f"ERR bad_request {TLS.why}"])

    def test_at_the_end_of_the_daemon(self) -> None:
        """Who has not begun yet is told, and nobody is waited for."""
        peer = self.comes("text", tls_only=True)
        self.stage.sessions.close()
        self.stage.wait(0.1)
        self.assertIn(b"shutting_down", peer.hears())
        self.assertEqual(len(self.stage.sessions), 0)


class ClientCertificates(TlsStageTestCase):
    """A certificate that names a registered user is as good as the password."""

    def setUp(self) -> None:
        """Alice and Zoë are registered; bob has a nick alone."""
        super().setUp()
        for nick in ("alice", "Zoë", "bob"):
            peer = self.stage.text(nick)
            if nick != "bob":
                peer.says(f"register;{SECRET}")
            peer.says("BYE")

    def signed(self, *names: str, days: tuple[int, int] = (-1, 1)) -> Issued:
        """A certificate for these names by the authority that the daemon trusts."""
        return issue(*names, issuer=self.authority, days=days)

    def answer(self, shows: Issued | None, *said: str) -> str:
        """What a client with this certificate hears last that says this in text."""
        peer = self.comes(shows=shows).shake_hands()
        heard = peer.says(*said).lines()
        self.stage.wait(1)
        heard += peer.lines()
        peer.says("BYE")
        self.stage.wait(1)
        return heard[-1]

    def test_it_takes_the_place_of_the_password(self) -> None:
        """In whatever spelling the nick is given, on every wire; beside another session as well."""
        for nick, name in (("alice", "alice"), ("ALICE", "alice"), ("zoë", "Zoë")):
            self.assertEqual(self.answer(self.signed(name), f"IAM {nick}"), f"BCK {name}")
        for hello, welcome in (
            ('{"from":"alice","action":"client-hello"}', "Welcome back alice !"),
            ('{"sender":"alice","action":"groups"}', '"server-groups"'),
            ("Hello|alice", "Welcome back alice !"),
        ):
            peer = self.comes(shows=self.signed("alice")).shake_hands()
            self.stage.wait(0.1)
            peer.says(hello)
            self.stage.wait(1)
            self.assertIn(welcome, "\n".join(peer.lines()))

    def test_sasl_external(self) -> None:
        """On IRC the certificate says who the client is, if it is asked; the nick may be left out."""
        for name, response, answer in (
            ("alice", "+", ":chatd 903 * :SASL authentication successful"),
            ("alice", "QUxJQ0U=", ":chatd 903 * :SASL authentication successful"),  # ALICE
            ("Zoë", "YWxpY2U=", ":chatd 904 * :no certificate of a registered nick was shown"),  # alice
            ("bob", "+", ":chatd 904 * :no certificate of a registered nick was shown"),
        ):
            with self.subTest(name, response=response):
                peer = self.comes("irc", shows=self.signed(name), tls_only=True).shake_hands()
                peer.says("CAP REQ sasl", "AUTHENTICATE EXTERNAL", f"AUTHENTICATE {response}")
                self.assertEqual(peer.lines()[-1], answer)
                if " 903 " in answer:
                    peer.says("NICK x", "USER x 0 * :x", "CAP END")
                    self.assertEqual(peer.lines()[0], f":chatd 001 {name} :Welcome to chatd, {name}")
                peer.says("QUIT")
                self.stage.wait(1)

    def test_another_certificate_gives_nothing(self) -> None:
        """Another spelling of the nick may be somebody else's, and two names are no name."""
        wide = "".join(chr(ord(letter) + 0xFEE0) for letter in "alice")
        for names in (("bob",), ("ALICE",), ("alice\0",), (wide,), ("alice", "alice"), ("bob", "alice"), ()):
            self.assertIn("ERR password_required", self.answer(self.signed(*names), "IAM alice"), names)
        self.assertIn("ERR password_required", self.answer(self.signed("Zoe\u0308"), "IAM Zoë"))
        self.assertIn("ERR password_required", self.answer(None, "IAM alice"))
        self.assertIn("ERR password_required", self.answer(self.signed("Alice"), "IAM alice"))

    def test_a_nick_without_a_password_is_as_free_as_ever(self) -> None:
        self.assertEqual(self.answer(self.signed("bob"), "IAM bob"), "BCK bob")
        self.assertEqual(self.answer(self.signed("alice"), "IAM bob"), "BCK bob")

    def test_a_password_that_is_given_has_to_be_right(self) -> None:
        for shows in (self.signed("alice"), self.signed("bob")):
            self.assertIn("ERR wrong_password", self.answer(shows, "PWD wrong", "IAM alice"))
            self.assertEqual(self.answer(shows, f"PWD {SECRET}", "IAM alice"), "BCK alice")

    def test_a_closed_account_stays_closed(self) -> None:
        """And the certificate opens the account of whoever has the nick next: the authority names nicks."""
        self.answer(None, f"PWD {SECRET}", "IAM alice", f"unregister;{SECRET}")
        self.assertIn("ERR password_required", self.answer(self.signed("alice~1"), "IAM alice~1"))
        self.answer(None, "IAM alice", "register;staple of nine")
        self.assertEqual(self.answer(self.signed("alice"), "IAM alice"), "BCK alice")

    def test_one_that_is_not_valid_ends_the_handshake(self) -> None:
        """Expired, not valid yet, for servers, by itself, or by an authority of the same name."""
        for shows in (
            self.signed("alice", days=(-3, -1)),
            self.signed("alice", days=(1, 3)),
            issue("alice", issuer=self.authority, usage=ExtendedKeyUsageOID.SERVER_AUTH),
            issue("alice"),
            issue("alice", issuer=issue("class", authority=True)),
            issue("alice", issuer=self.signed("bob")),
        ):
            peer = self.comes(shows=shows)
            with capturedLogs() as logged, self.assertRaises(ssl.SSLError):
                peer.shake_hands().says("IAM alice").lines()
            self.stage.wait(1)
            said = [formatEvent(event) for event in logged]
            self.assertIn("127.0.0.1:40000: the TLS handshake failed: certificate verify failed", said)
            self.assertTrue(peer.wire.disconnecting)
        self.assertEqual(len(self.stage.sessions), 0)

    def test_it_does_not_change_a_password(self) -> None:
        answer = self.answer(self.signed("alice"), "IAM alice", "passwd;wrong;staple of nine")
        self.assertIn("ERR wrong_password", answer)
