"""The memory of what departed users were called."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from chatd.chat.earlier_profiles import MAX_PROFILES_PER_USER, MAX_REMEMBERED_USERS, EarlierProfiles
from chatd.core.answers import Profile
from chatd.core.events import User


def user(number: int) -> User:
    """A user."""
    return User(number, f"u{number}", f"u{number}", "#000000")


class Memory(SynchronousTestCase):
    """The latest profiles of the users who left last."""

    def setUp(self) -> None:
        """Remember nothing."""
        super().setUp()
        self.memory = EarlierProfiles()

    def names(self, number: int) -> list[str]:
        """The realnames that are remembered."""
        return [profile.realname for profile in self.memory.profiles_of(user(number))]

    def test_the_latest_comes_first_and_each_once(self) -> None:
        for name in ("a", "b", "a"):
            self.memory.remember(user(1), Profile("u", name, away="lunch"))
        self.assertEqual(self.names(1), ["a", "b"])
        self.assertEqual({one.away for one in self.memory.profiles_of(user(1))}, {""})

    def test_it_is_bounded(self) -> None:
        for number in range(MAX_PROFILES_PER_USER + 3):
            self.memory.remember(user(1), Profile("u", str(number)))
        self.assertEqual(len(self.names(1)), MAX_PROFILES_PER_USER)
        for number in range(2, MAX_REMEMBERED_USERS + 2):
            self.memory.remember(user(number), Profile("u", "x"))
        self.assertEqual((self.names(1), self.names(2)), ([], ["x"]))

    def test_it_forgets(self) -> None:
        self.memory.remember(user(1), Profile("u", "a"))
        self.memory.forget(user(1))
        self.memory.forget(user(2))
        self.assertEqual(self.names(1), [])
