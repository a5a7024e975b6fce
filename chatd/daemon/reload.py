"""Reads the configuration again while the daemon runs, and applies what can change without a restart."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import msgspec
from twisted.logger import Logger

from chatd.daemon.certificates import Certificate
from chatd.daemon.config import Config, ConfigError

KEYS_NEEDING_RESTART: Final = frozenset(("accounts.argon2_memory", "accounts.argon2_time"))
"""Keys of `RELOADABLE_SECTIONS` that are only read when the daemon starts."""

RELOADABLE_SECTIONS: Final = ("limits", "accounts", "web")
"""The sections of chatd.toml whose keys take effect at a reload, except `KEYS_NEEDING_RESTART`.

The components of the daemon hold the objects of these sections and read a value each time they need it; a
reload changes the objects in place.
"""

LOG_LEVEL_KEY: Final = "log.level"
"""The key outside of `RELOADABLE_SECTIONS` that can change while the daemon runs."""


class ReloadResult(msgspec.Struct, frozen=True):
    """The result of reloading the configuration: the keys whose values have changed.

    ``changed`` are the keys whose new values are in force. ``needs_restart`` are the keys whose new values
    take effect only after a restart.
    """

    changed: tuple[str, ...]
    needs_restart: tuple[str, ...]

    def __str__(self) -> str:
        changed = ", ".join(self.changed) or "no key"
        restart = f"; needs a restart: {', '.join(self.needs_restart)}" if self.needs_restart else ""
        return f"the configuration was read again: {changed} changed{restart}"


class ConfigReloader:
    """Reads the configuration again while the daemon runs.

    ``config`` is the configuration in force; its sections `RELOADABLE_SECTIONS` are the objects that the
    parts of the daemon share. ``read`` returns the configuration as the command line and the file have it
    now; it raises `ConfigError`. ``set_log_level`` is called with ``info`` or ``debug``.
    """

    _log = Logger()

    def __init__(
        self,
        config: Config,
        read: Callable[[], Config],
        certificate: Certificate | None,
        set_log_level: Callable[[str], None],
    ) -> None:
        self._config = config
        self._read = read
        self._certificate = certificate
        self._set_log_level = set_log_level

    def reload(self) -> ReloadResult:
        """Read the configuration and the certificate, and apply what can change while the daemon runs.

        The result, or the error, is logged. Raises `ConfigError` if the file or the certificate can't be
        used; nothing has changed then.
        """
        try:
            new = self._read()
            if self._certificate is not None:
                self._certificate.reload()
        except ConfigError as error:
            self._log.warn("{why}: the present configuration stays", why=str(error))
            raise
        changed, needs_restart = [], []
        for key in _different_keys(self._config, new):
            section, _, name = key.rpartition(".")
            if section in RELOADABLE_SECTIONS and key not in KEYS_NEEDING_RESTART:
                setattr(getattr(self._config, section), name, getattr(getattr(new, section), name))
            elif key != LOG_LEVEL_KEY:
                needs_restart.append(key)
                continue
            changed.append(key)
        if LOG_LEVEL_KEY in changed:
            self._config = msgspec.structs.replace(
                self._config, log=msgspec.structs.replace(self._config.log, level=new.log.level)
            )
            self._set_log_level(new.log.level)
        result = ReloadResult(tuple(changed), tuple(needs_restart))
        self._log.info("{result}", result=str(result))
        return result


def _different_keys(old: msgspec.Struct, new: msgspec.Struct, section: str = "") -> Iterator[str]:
    """Yield the keys, such as ``limits.message``, whose values differ in two configurations."""
    for name in old.__struct_fields__:
        before, after = getattr(old, name), getattr(new, name)
        if isinstance(before, msgspec.Struct):
            yield from _different_keys(before, after, f"{section}{name}.")
        elif before != after:
            yield f"{section}{name}"
