"""What people type: three forms of a command, one grammar."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from chatd.core.commands import COMMANDS
from chatd.core.events import ACTION_PREFIX
from chatd.core.refusals import Refusal
from chatd.core.typed_commands import (
    COMMANDS_BY_SEMICOLON_WORD,
    COMMANDS_BY_SLASH_WORD,
    COMMANDS_BY_TEXT_VERB,
    ME_SLASH_WORD,
    SlashLine,
    parse_semicolon_command,
    parse_slash_fields,
    parse_slash_line,
    parse_text_verb_fields,
    unescape_leading_slash,
)
from tests.support.effort import effort

A_LINE = st.text(max_size=40) | st.lists(
    st.sampled_from(["kick", "S", "bg", "msg", "/", "/KICK", "/say", ";", " ", "\n", "wob", "bob", "//"])
).map("".join)


class Tables(SynchronousTestCase):
    def test_every_form_of_every_command_is_found(self) -> None:
        for row in COMMANDS.values():
            self.assertIs(COMMANDS_BY_SEMICOLON_WORD.get(row.semicolon_word, row), row)
            self.assertIs(COMMANDS_BY_SLASH_WORD.get(row.slash_word, row), row)
            self.assertIs(COMMANDS_BY_TEXT_VERB.get(row.text_verb, row), row)
        self.assertNotIn("", {*COMMANDS_BY_SEMICOLON_WORD, *COMMANDS_BY_SLASH_WORD, *COMMANDS_BY_TEXT_VERB})

    def test_words_are_in_the_case_that_they_are_looked_up_in(self) -> None:
        self.assertEqual(
            [word for word in (*COMMANDS_BY_SEMICOLON_WORD, *COMMANDS_BY_SLASH_WORD) if word != word.lower()],
            [],
        )
        self.assertEqual([word for word in COMMANDS_BY_TEXT_VERB if word != word.upper()], [])


class Invitations(SynchronousTestCase):
    def test_invite_makes_links_too(self) -> None:
        """Wherever its option stands."""
        for line, word, rest in (
            ("/invite wob --link", "invitelink", "wob"),
            ("/Invite --link wob 7d", "invitelink", "wob 7d"),
            ("/invite wob --link 7d", "invitelink", "wob 7d"),
            ("/invite wob bob", "invite", "wob bob"),
            ("/invite wob --links", "invite", "wob --links"),
            ("/msg bob --link", "msg", "bob --link"),
        ):
            self.assertEqual(parse_slash_line(line), SlashLine(word, rest))


class Actions(SynchronousTestCase):
    def typed(self, line: str) -> str | None:
        """The text of the action in a line."""
        slash = parse_slash_line(line)
        assert slash is not None
        return slash.action_message(str.upper)

    def test_me_in_any_case(self) -> None:
        for line in ("/me waves", "/ME waves", "/me\twaves", "/Me   waves"):
            self.assertEqual(self.typed(line), "/me waves")
        self.assertEqual(self.typed("/me  is  here \nand there"), "/me is  here \nand there")
        self.assertIsNone(self.typed("/meow x"))
        self.assertIsNone(self.typed("/kick wob bob"))

    def test_without_a_text_the_usage_is_said(self) -> None:
        for line in ("/me", "/me ", "/ME \n"):
            refusal = self.assertRaises(Refusal, self.typed, line)
            self.assertEqual((refusal.code, refusal.text), ("bad_request", "usage: /me MSG"))

    def test_no_command_has_its_word(self) -> None:
        self.assertEqual((ME_SLASH_WORD, f"/{ME_SLASH_WORD} "), ("me", ACTION_PREFIX))
        self.assertNotIn(ME_SLASH_WORD, COMMANDS_BY_SLASH_WORD)


class Semicolons(SynchronousTestCase):
    def test_the_last_field_takes_the_rest(self) -> None:
        for line, name, values in (
            (
                "kick;wob;bob;too loud; really",
                "kick",
                {"group": "wob", "dest": "bob", "reason": "too loud; really"},
            ),
            ("KICK; wob ;bob", "kick", {"group": "wob", "dest": "bob"}),
            ("bg;wob; a;b ", "gbroadcast", {"group": "wob", "msg": " a;b "}),
            ("bg;wob;", "gbroadcast", {"group": "wob", "msg": ""}),
            ("messages;wob;10;;5", "msgs", {"group": "wob", "limit": "10", "after": "5"}),
            ("groups;", "groups", {}),
            ("s;bob;one\ntwo", "send", {"dest": "bob", "msg": "one\ntwo"}),
        ):
            self.assertEqual(parse_semicolon_command(line), (COMMANDS[name], values), line)

    def test_other_lines_are_no_commands(self) -> None:
        for line in (
            "",
            ";",
            "groups",
            "kick wob bob",
            "nothing;wob",
            " kick;wob;bob",
            "MSG;hello",
            "/kick;wob",
        ):
            self.assertIsNone(parse_semicolon_command(line), line)

    @settings(max_examples=effort(200), deadline=None)
    @given(A_LINE)
    def test_values_are_of_typed_fields(self, line: str) -> None:
        parsed = parse_semicolon_command(line)
        if parsed is not None:
            row, values = parsed
            self.assertLessEqual(values.keys(), row.typeable_fields.keys())
            self.assertTrue(line.lower().startswith(f"{row.semicolon_word};"))


class Slashes(SynchronousTestCase):
    def test_the_last_field_takes_the_rest(self) -> None:
        for line, name, values in (
            ("/kick wob bob too loud ", "kick", {"group": "wob", "dest": "bob", "reason": "too loud"}),
            ("/KICK  wob\tbob", "kick", {"group": "wob", "dest": "bob"}),
            ("/msg bob  a b ", "send", {"dest": "bob", "msg": "a b "}),
            ("/say wob hi", "gbroadcast", {"group": "wob", "msg": "hi"}),
            ("/all hello all", "broadcast", {"msg": "hello all"}),
            ("/rooms", "groups", {}),
        ):
            typed = parse_slash_line(line)
            assert typed is not None, line
            assert typed.declaration is not None, line
            self.assertEqual(
                (typed.declaration.name, parse_slash_fields(typed.declaration, typed.rest)),
                (name, values),
                line,
            )

    def test_a_word_that_is_no_command(self) -> None:
        typed = parse_slash_line("/Dance all night")
        assert typed is not None
        self.assertEqual((typed.word, typed.rest, typed.declaration), ("Dance", "all night", None))

    def test_other_lines_are_no_commands(self) -> None:
        for line in ("", "/", "//kick wob", "/ kick", "/1", " /kick", "kick"):
            self.assertIsNone(parse_slash_line(line), line)

    def test_a_second_slash_escapes_the_first(self) -> None:
        for line, said in (("//kick", "/kick"), ("///", "//"), ("/", "/"), ("hi //", "hi //"), ("", "")):
            self.assertEqual(unescape_leading_slash(line), said)

    @settings(max_examples=effort(200), deadline=None)
    @given(A_LINE)
    def test_values_are_of_typed_fields(self, line: str) -> None:
        typed = parse_slash_line(line)
        if typed is not None and typed.declaration is not None:
            self.assertLessEqual(
                parse_slash_fields(typed.declaration, typed.rest).keys(),
                typed.declaration.typeable_fields.keys(),
            )


class Keywords(SynchronousTestCase):
    def test_the_last_field_takes_the_rest(self) -> None:
        for text_verb, rest, values in (
            ("IAM", "  bo bby ", {"nick": "bo bby"}),
            ("MSG", " hello  all ", {"msg": " hello  all "}),
            ("MSG", "", {"msg": ""}),
            ("PRV", "  bob  hi ", {"dest": "bob", "msg": " hi "}),
            ("PRV", "bob", {"dest": "bob"}),
            ("WHO", "is there", {}),
            ("BYE", "", {}),
        ):
            self.assertEqual(
                parse_text_verb_fields(COMMANDS_BY_TEXT_VERB[text_verb], rest), values, (text_verb, rest)
            )

    def test_a_login_without_a_name_is_refused(self) -> None:
        for rest in ("", " \t"):
            refusal: Refusal = self.assertRaises(
                Refusal, parse_text_verb_fields, COMMANDS_BY_TEXT_VERB["IAM"], rest
            )
            self.assertEqual((refusal.code, refusal.text), ("bad_request", "usage: IAM nick"))
