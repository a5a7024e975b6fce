"""chatd.toml: what it may say, and what is said about one that can't be used."""

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from chatd.core.irc_policy import IrcPolicy
from chatd.core.limits import Limits
from chatd.daemon.config import (
    Config,
    ConfigError,
    LogConfig,
    TlsConfig,
    configured_listeners,
    read_config,
)


class ReadTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.path = Path(self.mktemp())

    def reads(self, text: str | bytes) -> Config:
        """The configuration in a file of these contents."""
        self.path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_config(self.path)

    def refuses(self, text: str | bytes) -> str:
        """The sentence that refuses it, after the file's name."""
        with self.assertRaises(ConfigError) as caught:
            self.reads(text)
        name, _, reason = str(caught.exception).partition(": ")
        self.assertEqual(name, str(self.path))
        return reason

    def test_an_empty_file_means_the_defaults_which_listen_on_the_usual_ports(self) -> None:
        self.assertEqual(
            self.reads(""),
            Config(
                database="chat.db",
                listen=(
                    "auto=tcp:7070",
                    "web=tcp:7080",
                    "irc=tcp:6667",
                    "text=tcp:4567",
                    "json=tcp:8080",
                    "tp6=tcp:8888",
                    "tp6-bonus=tcp:8889",
                ),
                durability="full",
                limits=Limits(),
                log=LogConfig(conversation=None, conversation_private=False, json=None, level="info"),
            ),
        )

    def test_irc_is_served_with_tls_too_if_there_is_a_certificate(self) -> None:
        """Unless the listeners are named."""
        plain = self.reads("")
        self.assertEqual(configured_listeners(plain), plain.listen)
        certified = self.reads('[tls]\ncertificate = "chat.pem"')
        self.assertEqual(configured_listeners(certified), (*plain.listen, "irc=ssl:6697"))
        named = self.reads('listen = ["text=tcp:1"]\n[tls]\ncertificate = "chat.pem"')
        self.assertEqual(configured_listeners(named), ("text=tcp:1",))

    def test_the_names_of_the_irc_server(self) -> None:
        said = self.reads('[irc]\nserver = "irc.example.org"\nnetwork = "Example"\nlobby = "ask"')
        self.assertEqual(said.irc, IrcPolicy("irc.example.org", "Example", "ask"))
        self.assertFalse(self.reads("[irc]\nregister_before_login = false").irc.register_before_login)
        for name in ("", "a b", ":x", "é", "-x", "x" * 64):
            self.assertIn(f"not {name}", self.refuses(f'[irc]\nserver = "{name}"'))
            self.assertIn("`network` is a name of", self.refuses(f'[irc]\nnetwork = "{name}"'))

    def test_everything_can_be_said(self) -> None:
        self.assertEqual(
            self.reads("""
                database = "/srv/chat.db"
                listen = ["text=tcp:1", "json=unix:/run/chatd"]
                durability = "process"
                [tls]
                certificate = "chat.pem"
                key = "chat.key"
                require = true
                client_ca = "class.pem"
                [limits]
                line = 100
                connections = 3
                [log]
                conversation = "said.log"
                conversation_private = true
                json = "all.log"
                level = "debug"
            """),
            Config(
                database="/srv/chat.db",
                listen=("text=tcp:1", "json=unix:/run/chatd"),
                durability="process",
                limits=Limits(line=100, connections=3),
                tls=TlsConfig("chat.pem", "chat.key", True, "class.pem"),
                log=LogConfig(
                    conversation="said.log", conversation_private=True, json="all.log", level="debug"
                ),
            ),
        )

    def test_the_certificate_has_moved(self) -> None:
        """Where it was before there were other keys of TLS, it is refused with its new place."""
        self.assertEqual(
            self.refuses("certificate = 'chat.pem'"),
            "`certificate` is a key of the section [tls] now: move it there",
        )

    def test_an_unknown_key_is_refused_with_its_path(self) -> None:
        self.assertEqual(self.refuses("listne = []"), "there is no key `listne`")
        self.assertEqual(self.refuses("[limits]\nlines = 1"), "there is no key `lines` - at `$.limits`")
        self.assertEqual(self.refuses("[log]\nfile = ''"), "there is no key `file` - at `$.log`")

    def test_a_value_of_the_wrong_type_is_refused_with_its_path(self) -> None:
        for text, reason in {
            "database = 1": "Expected `str`, got `int` - at `$.database`",
            "listen = 'text=tcp:1'": "Expected `array`, got `str` - at `$.listen`",
            "listen = ['text=tcp:1', 2]": "Expected `str`, got `int` - at `$.listen[1]`",
            "listen = []": "Expected `array` of length >= 1 - at `$.listen`",
            "durability = 'none'": "Invalid enum value 'none' - at `$.durability`",
            "limits = 3": "Expected `object`, got `int` - at `$.limits`",
            "[limits]\nline = '16 KiB'": "Expected `int`, got `str` - at `$.limits.line`",
            "[limits]\nline = 1.5": "Expected `int`, got `float` - at `$.limits.line`",
            "[limits]\nline = true": "Expected `int`, got `bool` - at `$.limits.line`",
            "[log]\nconversation_private = 1": "Expected `bool`, got `int` - at `$.log.conversation_private`",
            "[log]\nlevel = 'loud'": "Invalid enum value 'loud' - at `$.log.level`",
        }.items():
            with self.subTest(text):
                self.assertEqual(self.refuses(text), reason)

    def test_a_file_that_is_no_toml_is_refused_with_the_place(self) -> None:
        self.assertEqual(self.refuses("database = "), "Invalid value (at end of document)")
        self.assertIn("(at line 2, ", self.refuses("[log]\n[log]"))

    def test_a_file_that_is_no_utf8_is_refused(self) -> None:
        self.assertIn("can't decode byte 0xe9", self.refuses(b'database = "caf\xe9.db"'))

    def test_a_file_that_cannot_be_read_is_refused(self) -> None:
        with self.assertRaises(ConfigError) as missing:
            read_config(self.path)
        self.assertEqual(str(missing.exception), f"{self.path}: No such file or directory")
        self.path.mkdir()
        with self.assertRaises(ConfigError) as folder:
            read_config(self.path)
        self.assertEqual(str(folder.exception), f"{self.path}: Is a directory")
