"""How each limit is reached and exceeded on a wire; tests/test_limits.py plays this on each of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Final, NamedTuple

import msgspec
from twisted.internet.defer import Deferred, maybeDeferred

from chatd.carriers.carrier import MAX_FIRST_LINE_BYTES
from chatd.connections.session import LINGER_AFTER_REFUSAL_SECONDS, MAX_REFUSALS_BEFORE_LOGIN
from chatd.core.accounts import AccountPolicy
from chatd.core.declarations import MAX_DURATION_SECONDS
from chatd.core.names import MAX_GROUP_NAME_CODE_POINTS, MAX_NICK_CODE_POINTS
from chatd.daemon import passwords
from chatd.daemon.passwords import PasswordHashQueue
from tests.support.in_memory_daemon import UNTHROTTLED, Peer, StageTestCase
from tests.support.limit_ways import Told, Way

HOST: Final = "192.0.2.1"
"""An address that is not the daemon's own machine."""

SECRET: Final = "correct horse"
DAY_SECONDS: Final = 86_400


class Row(NamedTuple):
    """A limit: its value in the test, and the refusal one over it; ``french`` is for the chat room.

    Without a ``code`` nothing is refused: the client waits, or gets less.
    """

    limits: dict[str, int]
    code: str = ""
    english: str = ""
    french: str = ""
    retry_after: float | None = None


class Case(StageTestCase):
    """A daemon with the limits of the row that the test is named after: ``test_x`` plays the row ``x``."""

    way: ClassVar[Way]
    rows: ClassVar[dict[str, Row]]

    def setUp(self) -> None:
        """Set the limits."""
        self.row = self.rows[self._testMethodName.removeprefix("test_")]
        self.limits = msgspec.structs.replace(UNTHROTTLED, **self.row.limits)
        super().setUp()

    def comes(self, nick: str, host: str = "127.0.0.1") -> Peer:
        """Somebody who has logged in."""
        peer = self.connect(host)
        self.allows(peer, self.way.sample.hello(nick.encode()))
        return peer

    def connect(self, host: str = "127.0.0.1") -> Peer:
        """Somebody who has said nothing yet."""
        return self.stage.connect(self.way.wire, host, self.way.sample.subprotocol)

    def asks(self, name: str, **fields: Any) -> bytes:
        """A command."""
        return self.way.asks(name, fields)

    def hears(self, peer: Peer) -> list[Told]:
        """The refusals that ``peer`` has got since the last time."""
        self.stage.wait(1)
        return list(self.way.told(peer.hears()))

    def allows(self, peer: Peer, *said: bytes) -> None:
        """Say something that is not refused, and does not end the connection."""
        for data in said:
            peer.says(data)
        self.assertEqual((self.hears(peer), peer.closed), ([], False))

    @property
    def expected(self) -> Told:
        """The refusal of this row as this client gets it."""
        sentence = self.row.french if self.way.language == "french" else self.row.english
        return Told(self.row.code, sentence, self.row.retry_after if self.way.says_when else None)

    def refuses(self, peer: Peer, said: bytes, ends: bool = False) -> None:
        """Say something that is refused as the row has it; ``ends`` says whether the client must go."""
        peer.says(said)
        self.assertEqual(self.hears(peer), [self.expected])
        self.stage.wait(LINGER_AFTER_REFUSAL_SECONDS)
        self.assertEqual((peer.closed, peer.wire.aborted), (ends, False))

    def stored(self, query: str) -> list[Any]:
        """The values of the one column that ``query`` selects."""
        return [value for (value,) in self.stage.rows(query)]

    def bodies(self, kind: str = "message") -> list[str]:
        """The messages in the log."""
        return self.stored(f"SELECT body FROM log WHERE kind = '{kind}' ORDER BY id")


class Connecting(Case):
    """The limits of clients that have said nothing yet."""

    def assert_sent_away(self, peer: Peer) -> None:
        """It is told why before it is; an answer of HTTP says when to come back in a header."""
        expected = self.expected
        if self.way.sample.subprotocol:
            expected = expected._replace(retry_after=self.row.retry_after)
        self.assertEqual(list(self.way.told_first(peer.hears())), [expected])
        self.stage.wait(LINGER_AFTER_REFUSAL_SECONDS)
        self.assertEqual((peer.closed, peer.wire.aborted), (True, False))

    def test_connections(self) -> None:
        peers = [self.connect() for _ in range(2)]
        self.assert_sent_away(self.connect())
        self.assertEqual([peer.closed for peer in peers], [False, False])
        self.allows(peers[1], self.way.sample.hello(b"bob"))

    def test_connections_per_address(self) -> None:
        peers = [self.connect(HOST) for _ in range(2)]
        self.assert_sent_away(self.connect(HOST))
        self.assertEqual([peer.closed for peer in peers], [False, False])
        self.allows(peers[1], self.way.sample.hello(b"bob"))

    def test_login_seconds(self) -> None:
        """``slow_logins`` may take longer; of one more, the oldest goes when its time is over."""
        oldest, other = (self.connect() for _ in range(2))
        self.stage.wait(9.9)
        self.assertEqual((oldest.closed, list(self.way.told_first(oldest.hears()))), (False, []))
        self.stage.wait(0.2)
        self.assert_sent_away(oldest)
        self.stage.wait(100)
        self.allows(other, self.way.sample.hello(b"bob"))


class Lines(Case):
    """The limit of a line or a chunk."""

    def test_line(self) -> None:
        alice = self.comes("alice")
        text = b"x" * (40 - self.way.overhead)
        self.allows(alice, self.way.sample.says(text), self.way.sample.says(text).replace(b"\n", b"\r\n"))
        self.refuses(alice, self.way.sample.says(text + b"x"), ends=True)
        self.assertEqual(self.bodies(), [text.decode()] * 2)


class Values(Case):
    """The limit of a JSON value, and of a message of a WebSocket."""

    def test_json(self) -> None:
        if self.way.sample.subprotocol:
            english = self.row.english.replace("a JSON value", "a WebSocket message")
            self.row = self.row._replace(english=english)
        alice = self.comes("alice")
        text = "x" * (100 - self.way.overhead)
        self.allows(alice, self.way.sample.says(text.encode()))
        self.refuses(alice, self.way.sample.says(text.encode() + b"x"), ends=True)
        self.assertEqual(self.bodies(), [text])


class FirstLine(Case):
    """The limit of a first line that may be that of an HTTP request."""

    def test_first_line(self) -> None:
        """Until that is clear, it is no JSON value."""
        peer, start = self.connect(), b"GET /"
        self.allows(peer, start + b"x" * (MAX_FIRST_LINE_BYTES - len(start)))
        self.refuses(peer, b"x", ends=True)


class Depth(Case):
    """The limit of what is nested in JSON."""

    def test_depth(self) -> None:
        """Deeper JSON ends the connection where only its end would show where the next value begins."""
        alice = self.comes("alice")
        self.allows(alice, self.asks("broadcast", msg="[[[[", more=[[1], [2], {"a": 3}]))
        self.refuses(alice, self.asks("broadcast", msg="hi", more=[[[1]]]), ends=self.way.framing == "json")
        self.assertEqual(self.bodies(), ["[[[["])


class Images(Case):
    """The limit of an image, where images can be sent."""

    def test_image(self) -> None:
        assert self.way.image is not None
        alice = self.comes("alice")
        self.allows(alice, self.way.image(b"x" * 30))
        self.refuses(alice, self.way.image(b"x" * 31), ends=self.way.framing == "frames")
        self.assertEqual(self.bodies("image"), ["x" * 30])


class EveryWire(Connecting):
    """The limits that hold on each wire."""

    def test_message(self) -> None:
        """A frame that is too long ends the connection: what follows it can't be found."""
        alice, says, framed = self.comes("alice"), self.way.sample.says, self.way.framing == "frames"
        if framed:
            self.row = self.row._replace(french=self.row.french.replace("message", "la trame"))
        self.allows(alice, says("é".encode() * 10))
        self.refuses(alice, says("é".encode() * 10 + b"x"), ends=framed)
        self.assertEqual(self.bodies(), ["é" * 10])

    def test_note(self) -> None:
        alice = self.comes("alice")
        self.allows(alice, self.asks("cgroupe", group="wob"), self.asks("topic", group="wob", topic="x" * 10))
        self.refuses(alice, self.asks("topic", group="wob", topic="x" * 11))
        self.assertEqual(self.bodies("topic"), ["x" * 10])

    def test_password(self) -> None:
        alice = self.comes("alice")
        self.refuses(alice, self.asks("register", password="x" * 13))
        self.allows(alice, self.asks("register", password="x" * 12))
        self.assertEqual(self.stored("SELECT hash FROM credentials"), [f"1${'x' * 12}"])

    def test_password_min(self) -> None:
        alice = self.comes("alice")
        self.refuses(alice, self.asks("register", password="x" * 7))
        self.allows(alice, self.asks("register", password="x" * 8))
        self.assertEqual(self.stored("SELECT hash FROM credentials"), [f"1${'x' * 8}"])

    def test_nick(self) -> None:
        """On the text wire the seed's ``ERR nick`` has no sentence."""
        self.comes("x" * MAX_NICK_CODE_POINTS)
        peer = self.connect()
        peer.says(self.way.sample.hello(b"y" * (MAX_NICK_CODE_POINTS + 1)))
        expected = (
            Told("y" * (MAX_NICK_CODE_POINTS + 1), "") if self.way.sample.taken == b"TKN" else self.expected
        )
        self.assertEqual(self.hears(peer), [expected])
        self.assertEqual(self.stored("SELECT nick FROM users WHERE id > 0"), ["x" * MAX_NICK_CODE_POINTS])

    def test_group(self) -> None:
        alice = self.comes("alice")
        self.allows(alice, self.asks("cgroupe", group="x" * MAX_GROUP_NAME_CODE_POINTS))
        self.refuses(alice, self.asks("cgroupe", group="y" * (MAX_GROUP_NAME_CODE_POINTS + 1)))
        self.assertEqual(self.stored("SELECT name FROM conversations WHERE kind = 'group'"), ["x" * 64])

    def test_duration(self) -> None:
        days = MAX_DURATION_SECONDS // DAY_SECONDS
        alice = self.comes("alice")
        self.allows(alice, self.asks("register", password=SECRET))
        bot = {"token": "bot", "scope": "read", "groups": "*"}
        self.allows(alice, self.asks("maketoken", **bot, duration=f"{days}d"))
        self.refuses(alice, self.asks("maketoken", **bot, duration=f"{MAX_DURATION_SECONDS + 1}"))
        self.assertEqual(self.stored("SELECT expires - made FROM tokens"), [MAX_DURATION_SECONDS * 1000])

    def test_groups_per_user(self) -> None:
        alice = self.comes("alice")
        self.allows(alice, self.asks("cgroupe", group="wob"), self.asks("cgroupe", group="den"))
        self.refuses(alice, self.asks("cgroupe", group="hut"))
        self.assertEqual(self.stored("SELECT name FROM conversations WHERE kind = 'group'"), ["wob", "den"])

    def test_members_per_group(self) -> None:
        alice, bob, carol = map(self.comes, ("alice", "bob", "carol"))
        self.allows(alice, self.asks("cgroupe", group="wob"))
        self.allows(bob, self.asks("join", group="wob"))
        self.refuses(carol, self.asks("join", group="wob"))
        self.assertEqual(self.stored("SELECT count(*) FROM log WHERE kind = 'joined'"), [1])

    def test_invitations(self) -> None:
        alice, _bob = self.comes("alice"), self.comes("bob")
        groups = ("wob", "den", "hut")
        self.allows(alice, *(self.asks("cgroupe", group=group) for group in groups))
        self.allows(alice, *(self.asks("invite", group=group, dest="bob") for group in groups[:2]))
        self.refuses(alice, self.asks("invite", group="hut", dest="bob"))
        self.assertEqual(self.stored("SELECT count(*) FROM log WHERE kind = 'invited'"), [2])

    def test_invitation_days(self) -> None:
        """To the millisecond."""
        alice, bob, carol = map(self.comes, ("alice", "bob", "carol"))
        self.allows(alice, self.asks("cgroupe", group="den", visibility="private"))
        self.allows(
            alice,
            self.asks("invite", group="den", dest="bob"),
            self.asks("invite", group="den", dest="carol"),
        )
        bobs, carols = self.stored("SELECT at FROM log WHERE kind = 'invited' ORDER BY id")
        join = self.asks("join", group="den")
        in_two_days = 2 * DAY_SECONDS + 0.0005  # in the middle of a millisecond
        self.stage.reactor.rightNow = bobs / 1000 + in_two_days
        self.allows(bob, join)
        self.stage.reactor.rightNow = (carols + 1) / 1000 + in_two_days
        self.refuses(carol, join)
        self.assertEqual(self.stored("SELECT count(*) FROM log WHERE kind = 'joined'"), [1])

    def test_ignored(self) -> None:
        alice, *_others = map(self.comes, ("alice", "bob", "carol", "dave"))
        self.allows(alice, self.asks("ignore", dest="bob"), self.asks("ignore", dest="carol"))
        self.refuses(alice, self.asks("ignore", dest="dave"))
        self.assertEqual(self.stored("SELECT count(*) FROM ignores"), [2])

    def test_tokens_per_user(self) -> None:
        alice = self.comes("alice")
        self.allows(alice, self.asks("register", password=SECRET))
        for token in ("one", "two"):
            self.allows(alice, self.asks("maketoken", token=token, scope="read"))
        self.refuses(alice, self.asks("maketoken", token="three", scope="read"))
        self.assertEqual(self.stored("SELECT name FROM tokens"), ["one", "two"])

    def test_links_per_group(self) -> None:
        alice = self.comes("alice")
        self.allows(alice, self.asks("cgroupe", group="wob"))
        for _ in range(2):
            self.allows(alice, self.asks("invitelink", group="wob"))
        self.refuses(alice, self.asks("invitelink", group="wob"))
        self.assertEqual(len(self.stored("SELECT number FROM links")), 2)

    def test_sessions_per_user(self) -> None:
        """The oldest goes."""
        first = self.comes("alice")
        self.allows(first, self.asks("register", password=SECRET))
        second, third = (self.connect() for _ in range(2))
        login = self.asks("identify", nick="alice", password=SECRET)
        if self.way.wire == "irc":
            login += self.way.sample.hello(b"alice")  # SASL comes before the login
        self.allows(second, login)
        self.assertEqual((self.hears(first), first.closed), ([], False))
        self.allows(third, login)
        self.assertEqual((self.hears(first), first.closed, second.closed), ([self.expected], True, False))

    def test_database_size(self) -> None:
        alice, says = self.comes("alice"), self.way.sample.says
        self.stage.journal.database_bytes = self.stage.limits.database_size
        self.allows(alice, says(b"one"))
        self.stage.journal.database_bytes = self.stage.limits.database_size + 1
        self.refuses(alice, says(b"two"))
        self.assertEqual(self.bodies(), ["one"])

    def test_anonymous_refusals(self) -> None:
        self.comes("bob")
        for refusals in (MAX_REFUSALS_BEFORE_LOGIN - 1, MAX_REFUSALS_BEFORE_LOGIN):
            peer = self.connect()
            for _ in range(refusals):
                peer.says(self.asks("identify", nick="bob", password=SECRET))
            told = self.hears(peer)
            self.assertEqual({one.code for one in told[:refusals]}, {"wrong_password"})
            self.assertEqual(
                told[refusals:], [self.expected] if refusals == MAX_REFUSALS_BEFORE_LOGIN else []
            )
            self.stage.wait(LINGER_AFTER_REFUSAL_SECONDS)
            self.assertEqual(peer.closed, refusals == MAX_REFUSALS_BEFORE_LOGIN)

    def test_logins_per_address(self) -> None:
        """Of users who are known; the next may come when the refusal says."""
        for nick in ("alice", "bob", "carol"):
            self.comes(nick).hangs_up()
        self.logs_in("alice", "bob", "carol")

    def test_new_nicks_per_address(self) -> None:
        self.logs_in("alice", "bob", "carol")

    def logs_in(self, *nicks: str) -> None:
        """Log in at once from one address: the last is refused, and not after the time that it is told."""
        *allowed, refused = (self.connect(HOST) for _ in nicks)
        hellos = [self.way.sample.hello(nick.encode()) for nick in nicks]
        for peer, hello in zip((*allowed, refused), hellos, strict=True):
            peer.says(hello)
        self.assertEqual([self.hears(peer) for peer in allowed], [[]] * len(allowed))
        self.assertEqual(self.hears(refused), [self.expected])
        self.assertEqual(self.stage.chat.session_count, len(allowed))
        self.stage.wait(self.row.retry_after or 0)
        self.allows(refused, hellos[-1])

    def guesses(self, *nicks: str) -> list[Told]:
        """Log in at once with a wrong password for each of these users; what is refused."""
        peer = self.connect(HOST)
        for nick in nicks:
            peer.says(self.asks("identify", nick=nick, password="wrong horse"))
        return self.hears(peer)

    def test_wrong_passwords(self) -> None:
        told = self.guesses("alice", "bob", "carol", "dave")
        self.assertEqual([one.code for one in told], ["wrong_password"] * 3 + ["rate_limited"])
        self.assertEqual(told[-1], self.expected)

    def test_wrong_passwords_per_nick(self) -> None:
        told = self.guesses("alice", "alice", "alice")
        self.assertEqual([one.code for one in told], ["wrong_password"] * 2 + ["rate_limited"])
        self.assertEqual(told[-1], self.expected)

    def test_password_queue(self) -> None:
        """One is hashed, two wait, and one more is refused."""
        pool = PasswordHashQueue(
            self.stage.reactor, AccountPolicy(argon2_memory=8, argon2_time=1), self.stage.limits
        )
        self.patch(self.stage.chat._authenticator, "_passwords", pool)
        begun: list[tuple[Deferred[Any], Callable[[], Any]]] = []

        def hash_later(reactor: object, threads: object, work: Callable[[], Any]) -> Deferred[Any]:
            done: Deferred[Any] = Deferred()
            begun.append((done, work))
            return done

        self.patch(passwords, "deferToThreadPool", hash_later)
        *allowed, refused = map(self.comes, ("alice", "bob", "carol", "dave"))
        register = self.asks("register", password=SECRET)
        for peer in allowed:
            self.allows(peer, register)
        self.refuses(refused, register)
        while begun:
            done, work = begun.pop()
            maybeDeferred(work).chainDeferred(done)
        self.stage.settle()
        self.assertEqual(self.stored("SELECT user FROM credentials"), [1, 2, 3])
        self.assertEqual([self.hears(peer) for peer in allowed], [[]] * 3)

    # What is not refused.

    def test_page(self) -> None:
        self.assert_cut(self.asks("msgs", group="wob"))

    def test_page_max(self) -> None:
        self.assert_cut(self.asks("msgs", group="wob", limit="3"))

    def assert_cut(self, asked: bytes) -> None:
        """Of two messages a page has all, of three it has two, and says that there are more."""
        alice, note = self.comes("alice"), self.asks("gbroadcast", group="wob", msg="note")
        self.allows(alice, self.asks("cgroupe", group="wob"))
        for messages, more in ((2, False), (3, True)):
            self.allows(alice, *[note] * (messages - len(self.bodies())))
            alice.says(asked)
            self.stage.wait(1)
            page = alice.hears()
            self.assertEqual((page.count(b"note"), self.way.more in page), (2, more))

    def test_commit_queue(self) -> None:
        """Three messages wait for a commit; the next is read when they have had their turn."""
        alice, says = self.comes("alice"), self.way.sample.says
        self.stage.writer.held = True
        waiting = []
        for number in range(1, 9):
            alice.says(says(b"%d" % number))
            waiting.append(len(self.stage.journal))
        # The first is being stored; the client itself waits behind the three.
        self.assertEqual(waiting, [0, 1, 2, *[3 + 1] * 5])
        self.stage.writer.held = False
        self.stage.writer.run_next()
        self.assertEqual((self.hears(alice), self.bodies()), ([], list("12345678")))

    def assert_slowed(
        self, alice: Peer, said: bytes, count: Callable[[], int], burst: int, pause: float
    ) -> None:
        """Say ``said`` often at once. ``count`` is how often it was answered: ``burst`` times and, as it is
        read while the credit is not overdrawn, once more; then every ``pause`` seconds. None is lost.
        """
        self.stage.wait(10)  # the credit is whole again
        alice.hears()
        before, times = count(), burst + 4
        alice.says(said * times)
        self.stage.wait(pause - 0.05)
        self.assertEqual(count() - before, burst + 1)
        self.stage.wait(0.1)
        self.assertEqual(count() - before, burst + 2)
        self.stage.wait(2 * pause)
        self.assertEqual((count() - before, alice.closed), (times, False))
        self.assertEqual(dict(self.stage.chat.counters.refusals), {})

    def test_requests_per_second(self) -> None:
        """``burst_seconds`` of them at once, and then so many in a second."""
        alice = self.comes("alice")
        self.assert_slowed(alice, self.way.sample.says(b"hi"), lambda: len(self.bodies()), 6, 0.5)

    def test_bytes_per_second(self) -> None:
        alice, text = self.comes("alice"), b"x" * (100 - self.way.overhead)
        self.assert_slowed(alice, self.way.sample.says(text), lambda: len(self.bodies()), 3, 1)

    def test_reads_per_second(self) -> None:
        alice, answers = self.comes("alice"), 0
        self.allows(alice, self.way.sample.says(b"note"))

        def count() -> int:
            nonlocal answers
            answers += alice.hears().count(b"note")
            return answers

        self.assert_slowed(alice, self.asks("history"), count, 6, 0.5)

    def test_outbox(self) -> None:
        """Whoever does not read is cut off when more waits than the outbox holds."""
        told, measured = self.stage.text("told"), self.comes("alice")
        told.says("MSG hello")
        self.stage.wait(1)
        size = len(measured.hears())
        for nick, missing, is_cut in (("bob", 0, False), ("carol", 1, True)):
            self.stage.limits.outbox = 3 * size - missing
            listener = self.comes(nick)
            listener.wire.stuck = True
            for _ in range(1 + 3):  # the first one is in the transport
                self.assertFalse(listener.closed)
                told.says("MSG hello")
                self.stage.wait(0.5)
            self.assertEqual(listener.wire.aborted, is_cut)
            self.assertEqual(self.stage.chat.counters.refusals["slow_consumer"], int(is_cut))
            listener.hangs_up()
