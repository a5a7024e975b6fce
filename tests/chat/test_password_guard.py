"""The guard against guessing, by its clock."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from chatd.chat.password_guard import (
    MAX_REMEMBERED_SUCCESSES,
    PASSWORD_DELAY_OF_ATTACKED_NICK_SECONDS,
    PasswordGuard,
)
from chatd.chat.token_buckets import MAX_TOKEN_BUCKETS, TokenBuckets
from chatd.core.limits import Limits
from chatd.core.refusals import Refusal


class Buckets(SynchronousTestCase):
    @given(st.lists(st.floats(0, 30), min_size=1, max_size=60), st.integers(1, 5), st.integers(1, 10))
    def test_no_more_than_the_size_and_the_rate(self, pauses: list[float], size: int, seconds: int) -> None:
        """In any stretch of time: the tokens taken are at most those that were there and came back."""
        clock = Clock()
        buckets = TokenBuckets(clock, lambda: size, seconds)
        taken: list[float] = []
        for pause in pauses:
            clock.advance(pause)
            if buckets.seconds_until_token("key") == 0:
                buckets.take_token("key")
                taken.append(clock.seconds())
        for first in range(len(taken)):
            for last in range(first, len(taken)):
                allowed = size + (taken[last] - taken[first]) / seconds
                self.assertLessEqual(last - first + 1, allowed + 1e-6)

    @given(st.integers(1, 5), st.integers(1, 10), st.integers(1, 20))
    def test_the_wait_is_exact(self, size: int, seconds: int, tries: int) -> None:
        clock = Clock()
        buckets = TokenBuckets(clock, lambda: size, seconds)
        for _ in range(tries):
            wait = buckets.seconds_until_token("key")
            if wait:
                clock.advance(wait / 2)
                self.assertGreater(buckets.seconds_until_token("key"), 0)
                clock.advance(wait / 2 + 1e-6)
                self.assertEqual(buckets.seconds_until_token("key"), 0)
            buckets.take_token("key")

    def test_they_are_bounded(self) -> None:
        """The buckets with the fewest tokens are kept."""
        clock = Clock()
        buckets = TokenBuckets(clock, lambda: 3, 10)
        for _ in range(3):
            buckets.take_token("guesser")
        for number in range(3 * MAX_TOKEN_BUCKETS):
            buckets.take_token(number)
        self.assertLessEqual(len(buckets._full_at), MAX_TOKEN_BUCKETS)
        self.assertGreater(buckets.seconds_until_token("guesser"), 0)


class Guard(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.guard = PasswordGuard(self.clock, Limits(wrong_passwords=4, wrong_passwords_per_nick=2))

    def guess(self, nick: str, client_network: str | None) -> float:
        """Make a wrong guess; the seconds that it was delayed."""
        delay = self.guard.check_attempt(nick, client_network)
        self.guard.count_failure(nick, client_network)
        return delay

    def refused(self, nick: str, client_network: str | None) -> float | None:
        """Seconds until the next attempt may be made."""
        refusal: Refusal = self.assertRaises(Refusal, self.guard.check_attempt, nick, client_network)
        self.assertEqual(refusal.code, "rate_limited")
        return refusal.retry_after

    def test_by_nick_and_network(self) -> None:
        self.guess("alice", "a"), self.guess("alice", "a")
        self.assertEqual(self.refused("alice", "a"), 10)
        self.guess("bob", "a")

    def test_by_network(self) -> None:
        for nick in ("alice", "bob", "carol", "dave"):
            self.guess(nick, "a")
        self.assertEqual(self.refused("eve", "a"), 3)
        self.guess("eve", "b")

    def test_whoever_was_right_there_before_is_not_locked_out_by_others(self) -> None:
        """Guesses at other nicks from the same address, as a classmate makes them, keep nobody out."""
        self.guard.remember_success("alice", "a")
        for number in range(4):
            self.guess(f"nick{number}", "a")
        self.assertEqual(self.guard.check_attempt("alice", "a"), 0)
        self.assertEqual(self.refused("eve", "a"), 3)
        self.guess("alice", "a"), self.guess("alice", "a")
        self.assertEqual(self.refused("alice", "a"), 10)

    def test_what_is_remembered_is_bounded(self) -> None:
        for number in range(MAX_REMEMBERED_SUCCESSES + 10):
            self.guard.remember_success(f"nick{number}", "a")
        self.assertEqual(len(self.guard._trusted), MAX_REMEMBERED_SUCCESSES)

    def test_this_machine(self) -> None:
        """Proxies come from there: one client's guesses at some nicks keep nobody from another nick."""
        for number in range(20):
            self.guess(f"nick{number}", None)
        self.guess("alice", None), self.guess("alice", None)
        self.assertEqual(self.refused("alice", None), 10)

    def test_many_networks_delay_and_never_lock_out(self) -> None:
        delays = [self.guess("alice", client_network) for client_network in "abcdef"]
        self.assertEqual(delays, [0, 0, *[PASSWORD_DELAY_OF_ATTACKED_NICK_SECONDS] * 4])
        self.assertEqual(self.guess("bob", "g"), 0)

    def test_right_passwords_cost_nothing(self) -> None:
        """However many are on their way at once: a class that comes back after a restart."""
        for _ in range(100):
            self.assertEqual(self.guard.check_attempt("alice", "a"), 0)
