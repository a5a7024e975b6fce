"""Every limit on every wire: exactly at it a client goes on, one over it is refused, and is told what to do.

A new limit needs a row in `ROWS` and a test in tests/support/limit_contract.py, a new wire an entry in
tests/support/limit_ways.py.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec
from twisted.python.reflect import namedAny, prefixedMethodNames
from twisted.trial.unittest import SynchronousTestCase

from chatd.core.declarations import MAX_DURATION_SECONDS
from chatd.core.limits import Limits
from chatd.daemon.wires import wire_names
from tests.support import limit_contract as contract
from tests.support.control_client import ControlDesk
from tests.support.in_memory_daemon import UNTHROTTLED, StageTestCase
from tests.support.limit_contract import SECRET, Row
from tests.support.limit_ways import WAYS

_IN_NO_ROOM: Final = (
    " ; vous n'êtes dans aucun salon : /join pour en rejoindre un, /leave pour aller dans la chatroom"
)
"""What the chat room adds if whoever is refused wanted to go to another room."""

ROWS: Final = {
    # How long something is.
    "line": Row(
        {"line": 40},
        "too_long",
        "the line is longer than 40 bytes: shorten it, or split it",
        "le message dépasse 40 octets : raccourcissez, ou envoyez en plusieurs fois",
    ),
    "json": Row(
        {"json": 100},
        "too_long",
        "a JSON value is longer than 100 bytes: shorten it, or split it",
    ),
    "depth": Row(
        {"depth": 3},
        "bad_json",
        "invalid JSON request: it is nested more than 3 levels deep: nest it less",
    ),
    "first_line": Row(
        {},
        "too_long",
        "the first line is longer than 65536 bytes: shorten it, or split it",
    ),
    "message": Row(
        {"message": 20},
        "too_long",
        "msg is longer than 20 bytes: shorten it, or split it",
        "message dépasse 20 octets : raccourcissez, ou envoyez en plusieurs fois",
    ),
    "image": Row(
        {"image": 30, "message": 20},
        "too_long",
        "msg is longer than 30 bytes: shorten it, or split it",
        "la trame dépasse 30 octets : raccourcissez, ou envoyez en plusieurs fois",
    ),
    "note": Row(
        {"note": 10},
        "too_long",
        "topic is longer than 10 bytes: shorten it, or split it",
        "sujet dépasse 10 octets : raccourcissez, ou envoyez en plusieurs fois",
    ),
    "password": Row(
        {"password": 12},
        "too_long",
        "password is longer than 12 bytes: shorten it, or split it",
        "mot-de-passe dépasse 12 octets : raccourcissez, ou envoyez en plusieurs fois",
    ),
    "password_min": Row(
        {},
        "weak_password",
        "a password must have at least 8 characters: choose a longer one",
        "un mot de passe a au moins 8 caractères : choisissez-en un plus long",
    ),
    "nick": Row(
        {},
        "bad_nick",
        f"{'y' * 33} is not a valid nick: a name may have at most 32 characters: shorten it",
        f"{'y' * 33} n'est pas un pseudo valide : un nom a au plus 32 caractères : raccourcissez-le",
    ),
    "group": Row(
        {},
        "bad_group",
        f"{'y' * 65} is not a valid group name: a name may have at most 64 characters: shorten it",
        f"{'y' * 65} n'est pas un nom de salon valide : un nom a au plus 64 caractères : raccourcissez-le"
        + _IN_NO_ROOM,
    ),
    "duration": Row(
        {},
        "bad_request",
        "duration must be seconds, or a time such as 10m, 2h or 7d, of at most 3650 days",
        "durée doit être un nombre de secondes, ou une durée comme 10m, 2h ou 7d, de 3650 jours au plus",
    ),
    # How many there are of something.
    "groups_per_user": Row(
        {"groups_per_user": 2},
        "too_many_groups",
        "you own 2 groups, the most that one user may own: use one of them",
        "vous avez 2 groupes, le maximum pour un utilisateur : servez-vous de l'un d'eux" + _IN_NO_ROOM,
    ),
    "members_per_group": Row(
        {"members_per_group": 2},
        "group_full",
        "wob has 2 members, the most that a group may have: create another group",
        "wob a 2 membres, le maximum pour un groupe : créez-en un autre" + _IN_NO_ROOM,
    ),
    "invitations": Row(
        {"invitations": 2},
        "too_many_invitations",
        "bob has 2 invitations waiting, no more are allowed: wait until one is accepted or declined",
        "bob a 2 invitations en attente, le maximum pour un utilisateur : attendez qu'une soit acceptée"
        " ou déclinée",
    ),
    "invitation_days": Row(
        {"invitation_days": 2},
        "not_invited",
        "den is private: ask a member to invite you",
        "den est privé : demandez une invitation à un membre" + _IN_NO_ROOM,
    ),
    "ignored": Row(
        {"ignored": 2},
        "too_many_ignored",
        "you ignore 2 users, the most that one user may: unignore one of them",
        "vous ignorez 2 personnes, et pas plus : cessez d'abord d'en ignorer une",
    ),
    "tokens_per_user": Row(
        {"tokens_per_user": 2},
        "too_many_tokens",
        "you have 2 tokens, the most that one user may have: revoke one of them",
        "vous avez 2 jetons, le maximum par personne : révoquez-en un",
    ),
    "links_per_group": Row(
        {"links_per_group": 2},
        "too_many_links",
        "wob has 2 links, the most that a group may have: revoke one of them",
        "wob a 2 liens, le maximum pour un salon : révoquez-en un",
    ),
    "sessions_per_user": Row(
        {"sessions_per_user": 2},
        "session_replaced",
        "another session of alice has ended this one: log in again",
        "une autre session de alice a mis fin à celle-ci : reconnectez-vous",
    ),
    "database_size": Row(
        {"database_size": 10**9},
        "storage_full",
        "the database is full: ask an operator of the server to make room, or try later",
        "la base de données est pleine : demandez à un opérateur du serveur de faire de la place,"
        " ou réessayez plus tard",
        60.0,
    ),
    # Who may connect and log in.
    "connections": Row(
        {"connections": 2},
        "rate_limited",
        "too many connections: try again in 5 seconds",
        "trop de connexions : réessayez dans 5 secondes",
        5.0,
    ),
    "connections_per_address": Row(
        {"connections_per_address": 2},
        "rate_limited",
        "too many connections: try again in 5 seconds",
        "trop de connexions : réessayez dans 5 secondes",
        5.0,
    ),
    "login_seconds": Row(
        {"login_seconds": 10, "slow_logins": 1},
        "login_timeout",
        "no login within 10 seconds: connect again and give your nick first",
        "pas de pseudo en 10 secondes : reconnectez-vous et donnez d'abord votre pseudo",
    ),
    "anonymous_refusals": Row(
        {},
        "too_many_refusals",
        "too many refusals before login: connect again and give your nick first",
        "trop de refus avant un pseudo : reconnectez-vous et donnez-le d'abord",
    ),
    "logins_per_address": Row(
        {"logins_per_address": 2},
        "rate_limited",
        "too many logins from your address: try again in 1 seconds",
        "trop de connexions depuis votre adresse : réessayez dans 1 secondes",
        1.0,
    ),
    "new_nicks_per_address": Row(
        {"new_nicks_per_address": 2},
        "rate_limited",
        "too many new nicks from your address: try again in 10 seconds",
        "trop de nouveaux pseudos depuis votre adresse : réessayez dans 10 secondes",
        10.0,
    ),
    "wrong_passwords": Row(
        {"wrong_passwords": 3, "wrong_passwords_per_nick": 2},
        "rate_limited",
        "too many wrong passwords or links: try again in 3 seconds",
        "trop de mots de passe ou de liens faux : réessayez dans 3 secondes",
        3.0,
    ),
    "wrong_passwords_per_nick": Row(
        {"wrong_passwords": 3, "wrong_passwords_per_nick": 2},
        "rate_limited",
        "too many wrong passwords or links: try again in 10 seconds",
        "trop de mots de passe ou de liens faux : réessayez dans 10 secondes",
        10.0,
    ),
    "password_queue": Row(
        {"password_queue": 2},
        "rate_limited",
        "too many passwords at once: try again in 2 seconds",
        "trop de mots de passe à la fois : réessayez dans 2 secondes",
        2.0,
    ),
    # Beyond these the client gets less, waits, or is cut off for not reading; it is told nothing.
    "page": Row({"page": 2, "page_max": 5}),
    "page_max": Row({"page": 1, "page_max": 2}),
    "commit_queue": Row({"commit_queue": 3}),
    "requests_per_second": Row({"requests_per_second": 2, "burst_seconds": 3}),
    "bytes_per_second": Row({"bytes_per_second": 100, "burst_seconds": 3}),
    "reads_per_second": Row({"reads_per_second": 2, "burst_seconds": 3}),
    "outbox": Row({}),
}
"""By the name of the limit: a key of ``[limits]`` or ``[accounts]``, or a word for one that nothing sets."""

ELSEWHERE: Final = {
    "burst_seconds": "tests.support.limit_contract.EveryWire.test_requests_per_second",
    "slow_logins": "tests.support.limit_contract.Connecting.test_login_seconds",
    "tls_handshake_seconds": "tests.carriers.test_tls.Handshakes",
}
"""The limits without a row of their own, with what goes up to each of them and over it."""

PLAYED: Final = {
    "lines": (contract.EveryWire, contract.Lines),
    "json": (contract.EveryWire, contract.Values, contract.FirstLine, contract.Depth, contract.Images),
    "json messages": (contract.EveryWire, contract.Values, contract.Depth, contract.Images),
    "text messages": (contract.EveryWire, contract.Values),
    "frames": (contract.EveryWire, contract.Images),
    "undetected": (contract.Connecting,),
}
"""What is played, by the framing of a wire."""

for _name, _way in WAYS.items():
    _title = f"On_{_name.replace(' ', '_')}"
    _body = {"way": _way, "rows": ROWS, "__module__": __name__, "__qualname__": _title}
    globals()[_title] = type(_title, PLAYED[_way.framing], _body)


class Complete(SynchronousTestCase):
    """No limit and no wire is forgotten."""

    def test_every_limit_is_played(self) -> None:
        self.assertEqual(set(Limits.__struct_fields__) - ROWS.keys(), set(ELSEWHERE))
        self.assertEqual(ROWS.keys() & ELSEWHERE.keys(), set())
        for name in ELSEWHERE.values():
            self.assertTrue(callable(namedAny(name)), name)

    def test_every_row_is_played(self) -> None:
        """On each wire, unless it is a matter of the framing."""
        of_framing = {"line", "json", "depth", "first_line", "image"}
        for framing, classes in PLAYED.items():
            found = {name for one in classes for name in prefixedMethodNames(one, "test_")}
            rows = {"connections", "connections_per_address", "login_seconds"}
            self.assertEqual(
                found - of_framing, rows if framing == "undetected" else ROWS.keys() - of_framing
            )

    def test_every_wire_is_played(self) -> None:
        self.assertEqual({way.wire for way in WAYS.values()}, set(wire_names()) - {"tp6-bonus"})


class OnTheControlSocket(StageTestCase):
    """The limits that `chatctl` meets; those of the socket itself are in tests/daemon/test_control.py."""

    def setUp(self) -> None:
        """Have limits that can be changed."""
        self.limits = msgspec.structs.replace(UNTHROTTLED)
        super().setUp()

    def test_each(self) -> None:
        """A request at the limit is carried out, one over it refused; some fields have another name here."""
        desk = ControlDesk(self.stage, self.stage.database.parent)
        self.stage.text("bob").says(f"register;{SECRET}")
        mute = {"action": "mute", "dest": "bob"}
        reset = {"action": "resetpassword", "dest": "bob"}
        for name, asked, field, at, over in (
            ("message", {"action": "announce"}, "msg", "x" * 20, "x" * 21),
            ("note", mute, "reason", "x" * 10, "x" * 11),
            ("duration", mute, "duration", f"{MAX_DURATION_SECONDS}", f"{MAX_DURATION_SECONDS + 1}"),
            ("password_min", reset, "new", "x" * 8, "x" * 7),
            ("password", reset, "new", "x" * 12, "x" * 13),
        ):
            row = ROWS[name]
            for limit, value in row.limits.items():
                setattr(self.stage.limits, limit, value)
            self.assertEqual(desk.asks(**asked, **{field: at})["action"], "server-moderation", name)
            refused = desk.asks(**asked, **{field: over})
            sentence = re.sub(r"^\w+ is longer", f"{field} is longer", row.english)
            self.assertEqual((refused["code"], refused["msg"]), (row.code, sentence), name)
