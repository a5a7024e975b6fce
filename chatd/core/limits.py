"""The limits that protect the daemon against overload and abuse, with their defaults."""

from __future__ import annotations

from typing import Annotated

import msgspec

PositiveInt = Annotated[int, msgspec.Meta(ge=1)]

MessageSize = Annotated[int, msgspec.Meta(ge=1, le=9_600)]
"""A maximum size of messages, in bytes.

A message of at most 9,600 bytes fits into one frame of the course-work clients, even fully escaped.
"""

ImageSize = Annotated[int, msgspec.Meta(ge=1, le=64 * 1024)]
"""A maximum size of images, in bytes.

An image of at most 64 KiB fits into an outbox, even if each byte becomes six in JSON.
"""

OutboxSize = Annotated[int, msgspec.Meta(ge=512 * 1024)]
"""A maximum size of an outbox, in bytes. Every list fits into an outbox of the minimum size, 512 KiB."""


class Limits(msgspec.Struct, forbid_unknown_fields=True):
    """The settings in the ``[limits]`` section of chatd.toml; each attribute is a key of the section.

    A daemon has one `Limits`, which all its parts share. Read an attribute each time when it is needed and
    keep no copy, because the values change when the daemon reloads chatd.toml (`chatd.daemon.reload`);
    nothing else changes them.

    Sizes are in bytes. The size of a text is the number of its bytes in UTF-8.
    """

    line: PositiveInt = 16 * 1024
    """Bytes in a line of the text wire, without the line end, or in a chunk of the TP6 chat room."""
    json: PositiveInt = 64 * 1024
    """Bytes in a JSON value."""
    depth: PositiveInt = 32
    """Nesting levels in a JSON value."""
    message: MessageSize = 8 * 1024
    """Bytes in the text of a message."""
    image: ImageSize = 48 * 1024
    """Bytes in an image, which is a text made of characters."""
    note: PositiveInt = 512
    """Bytes in a reason or a topic."""
    password: PositiveInt = 512
    """Bytes in a password."""
    page: PositiveInt = 50
    """Entries in a page if the client gives no limit."""
    page_max: PositiveInt = 500
    """Entries in a page at most; a larger limit of a client is lowered to it."""
    outbox: OutboxSize = 1024 * 1024
    """Bytes that may wait in the outbox of one client."""
    commit_queue: PositiveInt = 4096
    """Commands that may wait for a commit; beyond that the daemon pauses reading from clients."""
    database_size: PositiveInt = 4 * 1024**3
    """Bytes of the database on the disk; beyond that new messages are refused."""
    groups_per_user: PositiveInt = 100
    """Groups that one user owns."""
    members_per_group: PositiveInt = 5_000
    """Members of a group."""
    invitations: PositiveInt = 100
    """Invitations of one user that wait to be accepted."""
    invitation_days: PositiveInt = 30
    """Days after which an invitation expires."""
    links_per_group: PositiveInt = 20
    """Invitation links of a group that have not expired."""
    ignored: PositiveInt = 200
    """Users whom one user may ignore."""
    connections: PositiveInt = 20_000
    """Clients connected at the same time."""
    connections_per_address: PositiveInt = 256
    """Clients connected at once from one IPv4 address or IPv6 network (/64); no limit for this machine."""
    logins_per_address: PositiveInt = 600
    """Burst of logins from one IPv4 address or IPv6 network (/64); ten more are allowed every second."""
    new_nicks_per_address: PositiveInt = 200
    """Burst of new nicks from one IPv4 address or IPv6 network (/64); one more every 10 seconds."""
    requests_per_second: PositiveInt = 10
    """Requests a second of one client, once it has used up `burst_seconds`."""
    bytes_per_second: PositiveInt = 64 * 1024
    """Bytes a second in the requests of one client, once it has used up `burst_seconds`."""
    reads_per_second: PositiveInt = 5
    """Requests a second that read the log, or who is online (WHO), once `burst_seconds` is used up."""
    burst_seconds: PositiveInt = 10
    """Size of the burst: a client may at once send as much as the three rates allow in this many seconds."""
    login_seconds: PositiveInt = 30
    """Seconds without a login after which a client is slow; beyond `slow_logins` the oldest is cut off."""
    slow_logins: PositiveInt = 100
    """Clients that may stay connected without a login for longer than `login_seconds`."""
    tls_handshake_seconds: PositiveInt = 10
    """Seconds that a client has to complete the TLS handshake."""
    sessions_per_user: PositiveInt = 16
    """Sessions of one registered user with the password; each token has a quota of the same size."""
    tokens_per_user: PositiveInt = 16
    """Tokens that one registered user has."""
    wrong_passwords: PositiveInt = 60
    """Burst of wrong passwords from one IPv4 address or IPv6 network (/64); one more every 3 seconds."""
    wrong_passwords_per_nick: PositiveInt = 10
    """Burst of wrong passwords for one nick from one address or network; one more every 10 seconds."""
    password_queue: PositiveInt = 256
    """Passwords that may wait to be hashed or verified."""
