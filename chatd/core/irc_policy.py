"""The settings of the IRC wire."""

from __future__ import annotations

import re
from typing import Final, Literal

import msgspec


class IrcPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The section ``[irc]`` of chatd.toml.

    ``server`` is the name of the server and ``network`` that of the network, as IRC clients show them.
    ``lobby`` says whether clients are in ``#lobby`` from the login on (``join``), or only after they have
    sent ``JOIN #lobby`` (``ask``). ``register_before_login`` says whether a client may register a nick before
    it has logged in.
    """

    server: str = "chatd"
    network: str = "chatd"
    lobby: Literal["join", "ask"] = "join"
    register_before_login: bool = True

    def check(self) -> None:
        """Check the values of the section. Raises `ValueError` with a text that names the invalid value."""
        for key, name in (("server", self.server), ("network", self.network)):
            if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", name):
                raise ValueError(f"`{key}` is a name of letters, digits, `.`, `_` and `-`, not {name}")


DEFAULT_IRC_POLICY: Final = IrcPolicy()
"""The settings of a chatd.toml without the section."""
