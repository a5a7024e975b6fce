"""How somebody behaves on each wire, for the tests that every wire has to pass."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final, NamedTuple

from tests.support.websocket import frame


class Sample(NamedTuple):
    """One way to speak on ``wires``: how one says hello, says something to everybody, and hears it said.

    ``taken`` is in the refusal of a nick in use. Whoever sends ``broken`` is refused with what contains
    ``refusal``, and then goes on, or (``ends``) has lost the framing and the connection. ``stops`` is in what
    one is told when the daemon stops, ``guesses`` in what one is told after too many refusals without a name,
    ``late`` after too long without one, ``crowded`` where too many are connected, and ``full`` in the refusal
    of a message when the database is full. With a ``subprotocol``, all is said on a WebSocket.
    """

    wires: tuple[str, ...]
    hello: Callable[[bytes], bytes]
    says: Callable[[bytes], bytes]
    hears: Callable[[bytes, bytes], bytes]
    taken: bytes
    broken: bytes
    refusal: bytes
    ends: bool = False
    stops: bytes = b"shutting down"
    guesses: bytes = b"too_many_refusals"
    late: bytes = b"login_timeout"
    crowded: bytes = b"rate_limited"
    full: bytes = b"storage_full"
    subprotocol: str = ""


def _json(end: bytes, **request: str) -> bytes:
    return json.dumps({key.rstrip("_"): value for key, value in request.items()}).encode() + end


def _json_manner(end: bytes) -> Sample:
    return Sample(
        ("json", "auto"),
        lambda nick: _json(end, from_=nick.decode(), action="client-hello"),
        lambda text: _json(end, action="client-broadcast", msg=text.decode()),
        lambda nick, text: b'"server-broadcast","from":"%s","msg":"%s"' % (nick, text),
        taken=b'"code":"nick_taken"',
        broken=b'{"action":client-hello}' + end,
        refusal=b'"code":"bad_json"',
    )


def _frame(text: bytes) -> bytes:
    return b"\x01" + len(text).to_bytes(2, "big") + text


def _frame_heard(nick: bytes, text: bytes) -> bytes:
    return b"\x01%c%s\x01%c%s" % (len(nick), nick, len(text), text)


def _with_bonus(sample: Sample, lobby: bytes, hears: Callable[[bytes, bytes], bytes]) -> Sample:
    """The same on the wire that asks for a room, where a time and a colour stand in what is heard."""
    return sample._replace(wires=("tp6-bonus",), hello=lambda nick: sample.hello(nick) + lobby, hears=hears)


_TP6: Final = Sample(
    ("tp6", "auto"),
    lambda nick: b"Hello|%s\n" % nick,
    lambda text: b"%s\n" % text,
    lambda nick, text: b"%s a dit : %s\n" % (nick, text),
    taken=b"[nick_taken]",
    broken=b"\xff\n",
    refusal=b"[bad_utf8]",
    stops=b"[shutting_down]",
)
_TP6_FRAMES: Final = Sample(
    ("tp6", "auto"),
    lambda nick: _frame(b"Hello|%s" % nick),
    _frame,
    _frame_heard,
    taken=b"[nick_taken]",
    broken=b"\x02\x00",
    refusal=b"[bad_request]",
    ends=True,
    stops=b"[shutting_down]",
)


def _on_websocket(sample: Sample, subprotocol: str) -> Sample:
    """The same on a WebSocket, a message for each line."""
    return sample._replace(
        wires=("web",),
        hello=lambda nick: frame(sample.hello(nick).rstrip(b"\n")),
        says=lambda text: frame(sample.says(text).rstrip(b"\n")),
        hears=lambda nick, text: sample.hears(nick, text).rstrip(b"\n"),
        broken=frame(b"nonsense"),
        refusal=b"bad_json" if subprotocol == "chatd.json" else b"ERR unknown_action",
        guesses=b"too many refusals",
        subprotocol=subprotocol,
    )


_TEXT: Final = Sample(
    ("text", "auto"),
    lambda nick: b"IAM %s\n" % nick,
    lambda text: b"MSG %s\n" % text,
    lambda nick, text: b"MSG %s %s\n" % (nick, text),
    taken=b"TKN",
    broken=b"\xff\n",
    refusal=b"ERR bad_utf8",
)

_IRC: Final = Sample(
    ("irc", "auto"),
    lambda nick: b"NICK %s\nUSER %s 0 * :%s\n" % (nick, nick, nick),
    lambda text: b"PRIVMSG #lobby :%s\n" % text,
    lambda nick, text: b":%s!%s@chatd PRIVMSG #lobby :%s\r\n" % (nick, nick, text),
    taken=b" 433 ",
    broken=b"\xff\r\n",
    refusal=b"send text in UTF-8",
    guesses=b"too many refusals",
    late=b"no login within",
    crowded=b"too many connections",
    full=b"the database is full",
)

SAMPLES: Final = {
    "irc": _IRC,
    "text": _TEXT,
    "json": _json_manner(b"\n"),
    "json course": _json_manner(b""),
    "web json": _on_websocket(_json_manner(b"\n"), "chatd.json"),
    "web text": _on_websocket(_TEXT, "chatd.text"),
    "tp6": _TP6,
    "tp6 frames": _TP6_FRAMES,
    "tp6 bonus": _with_bonus(_TP6, b"/leave\n", lambda nick, text: b"m%s\x1b[0m a dit : %s\n" % (nick, text)),
    "tp6 bonus frames": _with_bonus(
        _TP6_FRAMES, _frame(b"/leave"), lambda nick, text: b"\x01%c%s" % (len(text), text)
    ),
}
"""Every way to speak that the wires of chatd know; a test holds that none is missing."""
