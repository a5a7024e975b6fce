"""What a client says of its user."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from chatd.core.answers import Profile
from chatd.core.channel_commands import SetProfile
from chatd.core.profiles import (
    MAX_AWAY_BYTES,
    MAX_REALNAME_BYTES,
    MAX_USERNAME_BYTES,
    changed_profile,
    make_profile,
)


class Profiles(SynchronousTestCase):
    """Texts are cleaned and cut, whatever wire they come from."""

    def test_a_client_that_says_nothing_has_the_nick(self) -> None:
        self.assertEqual(make_profile("bob"), Profile("bob", "bob"))
        self.assertEqual(make_profile("bob", " ", "\n"), Profile("bob", "bob"))

    def test_controls_are_replaced(self) -> None:
        profile = make_profile("bob", "b\0b", "Bob\r\nQUIT\x1b[2J")
        self.assertEqual(profile, Profile("b\ufffdb", "Bob\ufffd\ufffdQUIT\ufffd[2J"))

    def test_long_texts_are_cut_between_characters(self) -> None:
        profile = make_profile("bob", "é" * 100, "日" * 100)
        self.assertEqual(profile.username, "é" * (MAX_USERNAME_BYTES // 2))
        self.assertEqual(profile.realname, "日" * (MAX_REALNAME_BYTES // 3))
        away = changed_profile(profile, SetProfile(away="x" * 1000)).away
        self.assertEqual(len(away), MAX_AWAY_BYTES)

    def test_what_is_not_named_stays(self) -> None:
        profile = Profile("~bob", "Bob", "lunch")
        self.assertEqual(changed_profile(profile, SetProfile(realname="B")), Profile("~bob", "B", "lunch"))
        self.assertEqual(changed_profile(profile, SetProfile(away="")), Profile("~bob", "Bob"))
        self.assertEqual(changed_profile(profile, SetProfile(realname=" ")), profile)
