"""The delivery side: who is sent what, from which turn on, and in which batches."""

from __future__ import annotations

from typing import Any, cast

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from chatd.boundaries import Client, FrameFormat
from chatd.carriers.carrier import wrap_line
from chatd.chat.dispatch import (
    PRESENCE_BATCH_MIN_USERS,
    PRESENCE_DELAY_MAX_SECONDS,
    PRESENCE_DELAY_PER_USER_SECONDS,
    Dispatcher,
)
from chatd.core.accounts import Secret
from chatd.core.audience import Audience
from chatd.core.events import (
    LOBBY,
    ChatEvent,
    Conversation,
    Delivery,
    EventKind,
    LogEntry,
    OperatorAnnouncement,
    User,
    UserArrived,
    UserDeparted,
)
from chatd.core.limits import Limits
from chatd.core.tokens import Token
from chatd.dialects.text import TextDialect

TEXT = FrameFormat(TextDialect(Limits()), wrap_line, True)
GROUP = Conversation(2, "group", "wob")


class Session:
    """The part of a session that the dispatcher uses; it keeps what it is sent."""

    dialect = TextDialect(Limits())
    frame_format = TEXT
    in_lobby = True
    peer = "127.0.0.1:1"

    def __init__(self, token: Token | None = None) -> None:
        self.token = token
        self.heard = b""

    def send_stored(self, frame: bytes) -> None:
        """Keep an entry of the log."""
        self.heard += frame

    send_unstored = send_stored


class DispatcherTestCase(SynchronousTestCase):
    """A dispatcher, with sessions of alice and bob present."""

    def setUp(self) -> None:
        """Both are there; nothing has been said."""
        self.clock = Clock()
        self.logged: list[tuple[Delivery, bool]] = []
        self.dispatcher = Dispatcher(self.clock, lambda *delivery: self.logged.append(delivery), None)
        self.ids = 0
        self.alice, self.bob = self.user(1, "alice"), self.user(2, "bob")
        self.at_alice, self.at_bob = self.enter(self.alice), self.enter(self.bob)

    def user(self, id: int, nick: str) -> User:
        """A user."""
        return User(id, nick, nick, "#000000")

    def enter(self, user: User) -> Session:
        """A new session of ``user``, which is told what follows."""
        session = Session()
        self.dispatcher.add_client(cast(Client, session), user)
        return session

    def limited(self, user: User, place: int | None) -> Session:
        """A new session of ``user`` whose token is for the conversation ``place``, or for all."""
        places = None if place is None else frozenset((place,))
        session = Session(Token(user, "bot", Secret("digest"), "read", places, 0))
        self.dispatcher.add_client(cast(Client, session), user)
        return session

    def say(
        self,
        body: str,
        audience: Audience = None,
        author: Session | None = None,
        conversation: Conversation = LOBBY,
        kind: EventKind = "message",
        subject: User | None = None,
        private: bool = False,
    ) -> None:
        """Alice's entry has its turn."""
        self.ids += 1
        event = ChatEvent(kind, conversation, self.alice, subject, body)
        entry = LogEntry(self.ids, self.ids, 0, event)
        self.dispatcher.deliver(entry, audience, cast(Any, author), private)


class Entries(DispatcherTestCase):
    """`Dispatcher.deliver` and what ends a batch."""

    def test_entries_are_sent_at_the_end_of_the_commit(self) -> None:
        """Together, to everyone but their author's session."""
        self.say("one", author=self.at_alice)
        self.say("two", author=self.at_alice)
        self.assertEqual(self.at_bob.heard, b"")
        self.dispatcher.flush_entries()
        self.assertEqual(self.at_bob.heard, b"MSG alice one\nMSG alice two\n")
        self.assertEqual(self.at_alice.heard, b"")

    def test_another_audience_ends_the_batch(self) -> None:
        """Else what is said in a group could overtake what was said before it."""
        self.say("one", author=self.at_alice)
        self.say("two", (1,), self.at_alice, GROUP)
        self.assertEqual(self.at_bob.heard, b"MSG alice one\n")
        self.dispatcher.flush_entries()
        self.assertEqual(self.at_bob.heard, b"MSG alice one\n")

    def test_every_session_of_a_user_in_the_audience_hears_it(self) -> None:
        second = self.enter(self.bob)
        audience = (2,)
        self.say("psst", audience, self.at_alice, Conversation(3, "direct", pair=(self.alice, self.bob)))
        self.dispatcher.flush()
        self.assertEqual((self.at_bob.heard, second.heard), (b"PRV alice psst\n",) * 2)

    def test_a_limited_session_gets_what_its_token_is_for(self) -> None:
        """Whoever the audience is, in the order of the others, and nothing that the others do not get."""
        wob, lobby = self.limited(self.bob, GROUP.id), self.limited(self.bob, LOBBY.id)
        whole = self.limited(self.bob, None)
        stranger = self.limited(self.user(3, "carol"), GROUP.id)
        members = (1, 2)
        self.say("one")
        self.say("two", members, conversation=GROUP)
        self.say("three", frozenset((2,)))
        self.say("four", members, conversation=GROUP)
        self.say("", members, conversation=GROUP, kind="kicked", subject=self.bob)
        self.say("", (2, 3), conversation=Conversation(4, "group", "den"), kind="invited", subject=self.bob)
        self.dispatcher.flush()
        kicked = b"GEV wob kicked alice bob\n"
        self.assertEqual(wob.heard, b"GMS wob alice two\nGMS wob alice four\n" + kicked)
        self.assertEqual(lobby.heard, b"MSG alice one\n")
        self.assertEqual(stranger.heard, b"")
        self.assertEqual(whole.heard, self.at_bob.heard)
        self.assertIn(b"GEV den invited alice bob", self.at_bob.heard)

    def test_arrivals_belong_to_the_lobby_and_announcements_to_everyone(self) -> None:
        wob, lobby = self.limited(self.bob, GROUP.id), self.limited(self.bob, LOBBY.id)
        carol = self.user(3, "carol")
        self.dispatcher.announce_departure(UserDeparted(carol, 0))
        self.dispatcher.broadcast_announcement(OperatorAnnouncement(self.alice, "hear", 0))
        self.dispatcher.announce_departure(UserDeparted(carol, 0))
        self.dispatcher.flush()
        self.assertEqual(wob.heard, b"ANN alice hear\n")
        self.assertEqual(lobby.heard, b"LFT carol\nANN alice hear\nLFT carol\n")

    def test_a_limited_session_leaves(self) -> None:
        wob = self.limited(self.bob, GROUP.id)
        for is_there in (True, False):
            self.assertEqual(self.dispatcher.remove_client(cast(Client, wob), self.bob), is_there)
        self.say("two", (2,), conversation=GROUP)
        self.dispatcher.flush()
        self.assertEqual(wob.heard, b"")

    def test_who_enters_hears_only_what_follows(self) -> None:
        self.say("before", author=self.at_alice)
        carol = self.enter(self.user(3, "carol"))
        self.say("after", author=self.at_alice)
        self.dispatcher.flush()
        self.assertEqual(carol.heard, b"MSG alice after\n")

    def test_who_leaves_hears_nothing_more(self) -> None:
        self.assertTrue(self.dispatcher.remove_client(cast(Client, self.at_bob), self.bob))
        self.assertFalse(self.dispatcher.remove_client(cast(Client, self.at_bob), self.bob))
        self.say("gone", author=self.at_alice)
        self.dispatcher.flush()
        self.assertEqual(self.at_bob.heard, b"")

    def test_the_subject_hears_an_event_if_in_its_audience(self) -> None:
        """A kicked user is in it; a user who ignores the author of an invitation is not."""
        self.say("", (1, 2), self.at_alice, GROUP, "kicked", self.bob)
        self.assertIn(b"wob", self.at_bob.heard)
        self.at_bob.heard = b""
        self.say("", (1,), self.at_alice, GROUP, "invited", self.bob)
        self.assertEqual(self.at_bob.heard, b"")

    def test_everyone_but_some(self) -> None:
        self.say("one", frozenset({2}))
        self.dispatcher.flush()
        self.assertEqual(self.at_bob.heard, b"")

    def test_the_conversation_log_gets_each_once_and_whether_it_is_private(self) -> None:
        self.say("one")
        self.say("two", (1, 2), private=True)
        self.assertEqual([private for _, private in self.logged], [False, True])

    def test_a_bug_in_one_fan_out_harms_no_other(self) -> None:
        """It is logged once."""

        def broken(frame: bytes) -> None:
            raise ZeroDivisionError

        self.at_bob.send_stored = broken  # type: ignore[method-assign]
        self.say("one")
        self.dispatcher.flush()
        self.say("two", (1,))
        self.dispatcher.flush()
        self.assertIn(b"two", self.at_alice.heard)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)


class PresenceService(DispatcherTestCase):
    """Arrivals and departures."""

    def setUp(self) -> None:
        """The batch that began with the two sessions is over."""
        super().setUp()
        self.clock.advance(PRESENCE_DELAY_MAX_SECONDS)

    def come(self, id: int) -> None:
        """Somebody arrives."""
        user = self.user(id, f"u{id}")
        session = cast(Client, Session())
        self.dispatcher.announce_arrival(session, user, UserArrived(user, False, 0))
        self.dispatcher.add_client(session, user)

    def test_few_users_are_told_in_the_same_turn_of_the_reactor(self) -> None:
        self.come(3)
        self.dispatcher.announce_departure(UserDeparted(self.user(3, "u3"), 0))
        self.clock.advance(0)
        self.assertEqual(self.at_bob.heard, b"ARR u3\nLFT u3\n")

    def test_many_users_are_told_in_batches(self) -> None:
        """The delay grows with their number."""
        for id in range(3, PRESENCE_BATCH_MIN_USERS + 1):
            self.come(id)
        self.clock.advance(0)
        heard = self.at_bob.heard
        self.come(500)
        delay = (PRESENCE_BATCH_MIN_USERS + 1) * PRESENCE_DELAY_PER_USER_SECONDS
        self.clock.advance(delay * 0.9)
        self.assertEqual(self.at_bob.heard, heard)
        self.clock.advance(delay * 0.2)
        self.assertEqual(self.at_bob.heard, heard + b"ARR u500\n")

    def test_an_entry_is_not_held_up_by_a_batch_of_arrivals(self) -> None:
        """It ends the batch, and comes behind the arrivals that were before it."""
        for id in range(3, PRESENCE_BATCH_MIN_USERS + 1):
            self.come(id)
        self.say("hello", author=self.at_alice)
        self.dispatcher.flush_entries()
        self.assertTrue(self.at_bob.heard.endswith(b"MSG alice hello\n"))
        self.assertEqual(self.at_bob.heard.count(b"ARR "), PRESENCE_BATCH_MIN_USERS - 2)
