"""Moderation as records: acts of operators, deletions, erasures, addresses of bans, and who ignores whom."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Final, Literal

import msgspec

from chatd.core.events import Conversation, User
from chatd.core.names import parse_nick

ModerationKind = Literal[
    "mute",
    "unmute",
    "disconnect",
    "block",
    "unblock",
    "give",
    "close",
    "delete",
    "announce",
    "resetpassword",
    "revokeusertoken",
    "appoint",
    "dismiss",
    "export",
    "erase",
]
"""The kinds of entries of the moderation log.

``appoint``, ``dismiss``, ``export`` and ``erase`` are acts of the administrator on the control socket only.
"""

IPV6_PREFIX_BITS: Final = 64
"""The prefix length of the IPv6 network that stands for a single address. A customer usually gets a whole
/64.
"""


class MessageTextDeleted(msgspec.Struct, frozen=True, eq=False):
    """A record that deletes the text of the message with the log id ``message_id`` from the disk."""

    message_id: int


class BannedNetworks(msgspec.Struct, frozen=True, eq=False):
    """A record of the networks that the ban of ``user`` from the group of ``conversation`` applies to.

    ``networks`` are IPv4 addresses and IPv6 networks. They are empty after an unban, or if the ban applies to
    no network. The record replaces an earlier one for the same user and group.
    """

    conversation: Conversation
    user: User
    networks: tuple[str, ...]


class IgnoreChanged(msgspec.Struct, frozen=True, eq=False):
    """A record that ``user`` ignores the user ``other_user`` from now on, or stops ignoring if ``is_ignored``
    is false.
    """

    user: User
    other_user: User
    is_ignored: bool


class ConversationTrimmed(msgspec.Struct, frozen=True, eq=False):
    """A record that deletes the messages of ``conversation`` with ids up to ``last_id`` from the log."""

    conversation: Conversation
    last_id: int


class UserErased(msgspec.Struct, frozen=True, eq=False):
    """A record that replaces the nick of a user by a neutral one, at the beginning of the user's erasure.

    ``user`` has the same id as before, and the neutral nick and key. The user's texts in the log are erased
    later. ``redacted_entries`` replace the entries of the moderation log with the same ids.
    """

    user: User
    redacted_entries: tuple[ModerationEntry, ...]


class TextsErased(msgspec.Struct, frozen=True, eq=False):
    """A record that erases texts of ``user``, a user under erasure, from the log entries with the ids
    ``entry_ids``.

    There is at least one id, and they are in ascending order. After the record is stored, no log entry with
    an id up to the last one of ``entry_ids`` has a text of the user.
    """

    user: User
    entry_ids: tuple[int, ...]


class ErasureCompleted(msgspec.Struct, frozen=True, eq=False):
    """A record that the erasure of ``user`` is complete: no texts are left in the log or the
    write-ahead log.
    """

    user: User


class ModerationEntry(msgspec.Struct, frozen=True, eq=False):
    """An entry of the moderation log: an action of a server operator.

    ``id`` counts from 1, and ``at`` is the time in milliseconds since 1970. ``until`` is the time at which a
    mute or block ends, in milliseconds since 1970. It is None if the mute or block lasts until it is lifted,
    and for the other kinds.

    ``target`` depends on ``kind``:

    - ``block``, ``unblock``: a nick, or an IP network in CIDR notation.
    - ``close``: a group.
    - ``give``: a group and the nick of its new owner.
    - ``delete``: the id of the message.
    - ``revokeusertoken``: a nick and the name of the token.
    - ``export``: ``user`` or ``group``, and the name of the exported user or group.
    - ``announce``: empty; the text is the ``reason``.
    - ``erase``: empty.
    - other kinds: a nick.
    """

    id: int
    at: int
    operator: User
    kind: ModerationKind
    target: str
    until: int | None = None
    reason: str = ""

    def is_active(self, now: int) -> bool:
        """Return whether this mute or block still lasts at ``now``, in milliseconds since 1970.

        Only its end (``until``) is checked. For whether it was lifted, see `State.latest_mute_or_block`.
        """
        return self.until is None or self.until > now


class ServerOperator(msgspec.Struct, frozen=True):
    """A nick that the configuration or the administrator has made a server operator.

    ``configured`` says whether the configuration names the nick, ``appointed`` whether the administrator has
    appointed it. Both may be true. ``registered`` says whether the nick has the operator's rights now,
    because it is registered and its account is not closed.
    """

    nick: str
    configured: bool
    appointed: bool
    registered: bool


def mute_or_block_target_key(kind: Literal["mute", "block"], target: str) -> str:
    """Return the key that identifies the target of a mute or block, a nick or a network. Raises `BadName`.

    The key is the normalized nick or, for a block, the network in CIDR notation. If a nick looks like an
    address, a block means the address, and a mute means the nick.
    """
    network = parse_network(target) if kind == "block" else None
    return network or parse_nick(target).normalized


def parse_network(text: str) -> str | None:
    """Return the IP network that ``text`` names, in CIDR notation, or None if it names none.

    An IPv4 address is a network of one address. An IPv6 address, or an IPv6 network smaller than a /64, is
    widened to its /64.
    """
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        return None
    if network.version == 6 and network.prefixlen > IPV6_PREFIX_BITS:
        network = network.supernet(new_prefix=IPV6_PREFIX_BITS)
    return str(network)


def is_in_network(client_network: str, network: str) -> bool:
    """Return whether the address or network ``client_network`` of a client lies in ``network``."""
    inner, outer = ip_network(client_network, strict=False), ip_network(network)
    return inner.prefixlen >= outer.prefixlen and inner.network_address in outer
