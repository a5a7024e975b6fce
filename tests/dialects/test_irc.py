"""The IRC dialect: what all clients share."""

from __future__ import annotations

import gc
from typing import Any

from chatd.core.limits import Limits
from chatd.dialects.irc import IrcDialect
from chatd.dialects.irc_client import CAPABILITIES
from tests.support.irc_case import IrcCase


class Encoders(IrcCase):
    """Clients with the same capabilities share an encoder of deliveries, as long as there are any."""

    def test_they_are_shared(self) -> None:
        dialect = IrcDialect(Limits())
        one = dialect.with_client_changes(capabilities=frozenset(("server-time",)), nick="alice")
        other = dialect.with_client_changes(nick="bob").with_client_changes(
            capabilities=frozenset(("server-time",))
        )
        encoder = one.delivery_encoder
        self.assertIs(encoder, other.delivery_encoder)
        self.assertIsNot(encoder, dialect.delivery_encoder)

    def test_what_nobody_uses_is_forgotten(self) -> None:
        """One client asks for many sets of capabilities, one after the other, and then leaves."""
        first, second = self.irc("alice"), self.irc("bob", "server-time")
        carrier: Any = first.protocol
        encoders = carrier.session.dialect._encoders
        names = sorted(CAPABILITIES)
        for number in range(1, 200):
            wanted = [name for place, name in enumerate(names) if number >> place & 1]
            first.says(f"CAP REQ :{' '.join(wanted)}")
            first.says(f"CAP REQ :{' '.join(f'-{name}' for name in wanted)}")
        second.says("PRIVMSG #lobby :hello")
        self.assertTrue(first.lines()[-1].endswith("PRIVMSG #lobby :hello"))
        gc.collect()
        self.assertEqual(set(encoders), {frozenset(), frozenset(("server-time",))})
        second.says("CAP REQ :-server-time setname")
        gc.collect()
        self.assertEqual(set(encoders), {frozenset(), frozenset(("setname",))})
