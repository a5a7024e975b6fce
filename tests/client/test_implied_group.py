"""Which group a typed command is for."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from chatd.client.codec import LOBBY, ConversationRef
from chatd.client.implied_group import NO_NAMES_KNOWN, KnownNames, slash_usage_in_conversation
from chatd.client.typed_lines import parse_typed_line
from chatd.core import commands as c
from chatd.core.refusals import Refusal
from tests.support.languages import speak

WOB = ConversationRef("group", "wob")

KNOWN = KnownNames(["bob", "carol", "both"], ["den", "wob", "both", "7d"], ["bob", "carol"])


def fields(command: object) -> dict[str, object]:
    """The fields of a command that are not at their default."""
    assert isinstance(command, c.Command)
    values = {name: getattr(command, name) for name in command.__struct_fields__}
    return {name: value for name, value in values.items() if value}


class Implied(SynchronousTestCase):
    """In the group wob, with the groups den, both and 7d, and the users bob, carol and both."""

    def setUp(self) -> None:
        """English."""
        speak(self, "en")

    def means(self, typed: str, known: KnownNames = KNOWN, here: ConversationRef = WOB) -> dict[str, object]:
        """What ``typed`` stands for."""
        return fields(parse_typed_line(typed, here, known))

    def refused(self, typed: str, known: KnownNames = KNOWN, here: ConversationRef = WOB) -> str:
        """Why ``typed`` is refused."""
        with self.assertRaises(Refusal) as caught:
            parse_typed_line(typed, here, known)
        self.assertEqual(caught.exception.code, "bad_request")
        return str(caught.exception.text)

    def test_the_group_on_the_screen(self) -> None:
        for typed, wanted in {
            "/kick carol": {"group": "wob", "dest": "carol"},
            "/kick carol too loud": {"group": "wob", "dest": "carol", "reason": "too loud"},
            "/kick nobody too loud": {"group": "wob", "dest": "nobody", "reason": "too loud"},
            "/invite bob": {"group": "wob", "dest": "bob"},
            "/topic the weather": {"group": "wob", "topic": "the weather"},
            "/op bob": {"group": "wob", "dest": "bob"},
            "/visibility private": {"group": "wob", "visibility": "private"},
            "/members": {"group": "wob"},
            "/names": {"group": "wob"},
            "/messages 20": {"group": "wob", "limit": 20},
            "/setkeep 1d": {"group": "wob", "age": 86_400},
            "/invite --link": {"group": "wob"},
            "/leave": {"group": "wob"},
            "/part": {"group": "wob"},
        }.items():
            with self.subTest(typed):
                self.assertEqual(self.means(typed), wanted)

    def test_a_setting_is_not_removed_without_the_name_of_the_group(self) -> None:
        """On IRC, ``/topic`` alone shows the topic."""
        for typed in ("/topic", "/TOPIC ", "/setkeep"):
            for known in (KNOWN, NO_NAMES_KNOWN):
                why = self.refused(typed, known)
                self.assertIn(f"removes the setting of wob: enter {typed.strip().lower()} #wob to do so", why)
        self.assertEqual(self.means("/topic #wob"), {"group": "wob"})
        self.assertEqual(self.means("/setkeep #wob"), {"group": "wob"})

    def test_a_group_that_is_named(self) -> None:
        """Is that one, be it the one on the screen or not; ``#`` makes any word a group."""
        for typed, wanted in {
            "/kick wob bob too loud": {"group": "wob", "dest": "bob", "reason": "too loud"},
            "/kick WOB bob": {"group": "WOB", "dest": "bob"},
            "/kick den carol": {"group": "den", "dest": "carol"},
            "/kick #den carol": {"group": "den", "dest": "carol"},
            "/kick #both carol": {"group": "both", "dest": "carol"},
            "/kick #unknown carol": {"group": "unknown", "dest": "carol"},
            "/invite den carol": {"group": "den", "dest": "carol"},
            "/invite unknown carol": {"group": "unknown", "dest": "carol"},
            "/topic wob the weather": {"group": "wob", "topic": "the weather"},
            "/topic #den the weather": {"group": "den", "topic": "the weather"},
            "/visibility unknown private": {"group": "unknown", "visibility": "private"},
            "/setkeep unknown 1d": {"group": "unknown", "age": 86_400},
            "/setkeep den": {"group": "den"},
            "/members den": {"group": "den"},
            "/leave den": {"group": "den"},
            "/leave unknown": {"group": "unknown"},
            "/say den hello": {"group": "den", "msg": "hello", "kind": "message"},
            "kick;den;carol": {"group": "den", "dest": "carol"},
        }.items():
            with self.subTest(typed):
                self.assertEqual(self.means(typed), wanted)

    def test_what_may_mean_two_things_is_refused(self) -> None:
        """Also when somebody gives a group the name of a user, or of a duration."""
        self.assertEqual(
            self.refused("/kick both carol"),
            "both is a group, too: write /kick #both carol or /kick #wob both carol",
        )
        for typed in ("/ban both carol", "/topic den is open", "/setkeep 7d", "/states den 3"):
            with self.subTest(typed):
                if typed == "/states den 3":  # which makes sense in one way only
                    self.assertEqual(self.means(typed), {"group": "den", "limit": 3})
                else:
                    self.assertIn("is a group, too", self.refused(typed))
        namesake = KnownNames(["wob", "bob"], ["wob"], ["wob", "bob"])
        self.assertIn("wob is a group, too", self.refused("/kick wob bob", namesake))
        self.assertEqual(self.means("/kick wob", namesake), {"group": "wob", "dest": "wob"})

    def test_a_client_that_knows_no_groups(self) -> None:
        """Takes the first word as one wherever that makes sense, as in a script that was written before."""
        for typed, wanted in {
            "/kick den carol": {"group": "den", "dest": "carol"},
            "/kick carol": {"group": "wob", "dest": "carol"},
            "/invite bob": {"group": "wob", "dest": "bob"},
            "/topic sunny": {"group": "sunny"},
        }.items():
            self.assertEqual(self.means(typed, KnownNames()), wanted)

    def test_outside_a_group(self) -> None:
        """It has to be named."""
        bob = ConversationRef("direct", "bob")
        for here in (LOBBY, bob):
            self.assertEqual(self.means("/kick #den carol", here=here), {"group": "den", "dest": "carol"})
            self.assertEqual(self.means("/kick den carol", here=here), {"group": "den", "dest": "carol"})
            self.assertEqual(self.refused("/invite bob", here=here), "usage: /invite group nick")
        self.assertEqual(self.refused("/kick"), "usage: /kick [group] nick [reason]")

    def test_commands_that_always_name_their_group(self) -> None:
        """Who says something elsewhere, closes, gives away, joins or creates."""
        for typed in ("/say hello", "/close", "/give bob", "/create", "/decline"):
            with self.subTest(typed):
                self.assertIn("usage", self.refused(typed))
        self.assertEqual(slash_usage_in_conversation(c.COMMANDS["close"], WOB), "/close group [reason]")

    def test_the_other_words_of_irc(self) -> None:
        self.assertIn("chat --name bobby", self.refused("/nick bobby"))
        with self.assertRaises(Refusal) as caught:
            parse_typed_line("/whois bob", WOB, KNOWN)
        self.assertEqual(caught.exception.code, "unknown_action")

    @given(
        st.sampled_from(("kick", "ban", "unban", "promote", "demote", "uninvite", "invite")),
        st.sampled_from(("bob", "carol", "dora", "wob", "den", "both", "#den", "#wob", "#x")),
        st.sampled_from(("", " bob", " carol", " den", " wob", " too loud")),
    )
    def test_nobody_is_kicked_out_of_a_group_that_is_neither_named_nor_shown(
        self, word: str, first: str, rest: str
    ) -> None:
        """The group is the one on the screen, or the first word; and a user is what was typed as one."""
        try:
            found = self.means(f"/{word} {first}{rest}")
        except Refusal:
            return
        if found["group"] == "wob" and first not in ("wob", "#wob"):
            self.assertEqual(found["dest"], first)
        else:
            self.assertEqual(found["group"], first.removeprefix("#"))
