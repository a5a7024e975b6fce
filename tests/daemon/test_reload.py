"""The configuration is read again: what holds at once, what needs a restart, and what is said."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace
from twisted.logger import LogLevel, capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from chatd.core.accounts import AccountPolicy
from chatd.core.limits import Limits
from chatd.daemon.config import Config, ConfigError, ControlConfig, LogConfig, TlsConfig
from chatd.daemon.reload import ConfigReloader, ReloadResult


class SpoiltCertificate:
    """A certificate whose file can't be used."""

    def reload(self) -> None:
        """Say so."""
        raise ConfigError("chat.pem: no certificate")


class Reloads(SynchronousTestCase):
    def setUp(self) -> None:
        """A configuration of defaults, in force and in the file."""
        self.config = Config()
        self.file = Config()
        self.levels: list[str] = []
        self.reloader = ConfigReloader(self.config, lambda: self.file, None, self.levels.append)

    def reload(self, **changes: Any) -> ReloadResult:
        """What comes of a file with these changes."""
        self.file = replace(self.file, **changes)
        return self.reloader.reload()

    def test_nothing_new(self) -> None:
        self.assertEqual(self.reload(), ReloadResult((), ()))

    def test_limits_and_accounts_hold_at_once(self) -> None:
        limits, accounts = self.config.limits, self.config.accounts
        result = self.reload(
            limits=Limits(message=5, commit_queue=6),
            accounts=AccountPolicy(names="registered", operators=("a",)),
        )
        self.assertEqual(
            result.changed, ("limits.message", "limits.commit_queue", "accounts.names", "accounts.operators")
        )
        self.assertEqual((limits, accounts), (self.file.limits, self.file.accounts))
        self.assertEqual(self.reload().changed, ())

    def test_the_log_level(self) -> None:
        self.assertEqual(self.reload(log=LogConfig(level="debug")), ReloadResult(("log.level",), ()))
        self.assertEqual(self.reload().changed, ())
        self.reload(log=LogConfig())
        self.assertEqual(self.levels, ["debug", "info"])

    def test_what_needs_a_restart_is_named_until_then(self) -> None:
        names = (
            "database",
            "listen",
            "keep",
            "durability",
            "accounts.argon2_time",
            "control.socket",
            "tls.certificate",
            "log.json",
        )
        changes: dict[str, Any] = {
            "database": "other.db",
            "listen": ("text=tcp:1",),
            "keep": "90d",
            "tls": TlsConfig("x.pem"),
            "durability": "process",
            "accounts": AccountPolicy(argon2_time=9),
            "control": ControlConfig(""),
            "log": LogConfig(json="log"),
        }
        for _ in range(2):
            self.assertEqual(self.reload(**changes), ReloadResult((), names))
        self.assertEqual(self.config.accounts.argon2_time, AccountPolicy().argon2_time)

    def test_each_limit_is_reloaded(self) -> None:
        doubled = Limits(**{name: 2 * getattr(Limits(), name) for name in Limits.__struct_fields__})
        self.assertEqual(len(self.reload(limits=doubled).changed), len(Limits.__struct_fields__))

    def test_what_is_said(self) -> None:
        with capturedLogs() as logged:
            self.reload(limits=Limits(message=5), database="x.db")
        self.assertEqual(
            [formatEvent(event) for event in logged],
            ["the configuration was read again: limits.message changed; needs a restart: database"],
        )

    def test_what_can_not_be_used_changes_nothing(self) -> None:
        def broken() -> Config:
            raise ConfigError("chatd.toml: no TOML")

        certificate: Any = SpoiltCertificate()
        new = Config(limits=Limits(message=5))
        for reloader, why in (
            (ConfigReloader(self.config, broken, None, self.levels.append), "chatd.toml: no TOML"),
            (
                ConfigReloader(self.config, lambda: new, certificate, self.levels.append),
                "chat.pem: no certificate",
            ),
        ):
            with capturedLogs() as logged:
                error = self.assertRaises(ConfigError, reloader.reload)
            self.assertEqual(str(error), why)
            (event,) = logged
            self.assertEqual(event["log_level"], LogLevel.warn)
            self.assertEqual(formatEvent(event), f"{why}: the present configuration stays")
        self.assertEqual(self.config, Config())
