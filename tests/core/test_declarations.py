"""Declarations: how values become a command, and what their fields refuse."""

from __future__ import annotations

from typing import Annotated

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from chatd.core import commands as c
from chatd.core.commands import COMMANDS, COMMANDS_BY_CLASS, COMMANDS_BY_JSON_ACTION
from chatd.core.declarations import (
    MAX_ID_VALUE,
    Command,
    CommandDeclaration,
    FieldDeclaration,
    check_text_size,
    declare_command,
)
from chatd.core.limits import Limits
from chatd.core.refusals import Refusal
from tests.support.effort import effort

LIMITS = Limits()


def refused(row: CommandDeclaration, **values: object) -> str:
    """How a command with these fields is refused."""
    try:
        row.build(values, LIMITS)
    except Refusal as refusal:
        return f"{refusal.code}: {refusal.text}"
    return ""


class Declaring(SynchronousTestCase):
    def test_a_command_enters_every_table(self) -> None:
        class Sing(Command, frozen=True):
            song: Annotated[str, FieldDeclaration("text", "what to sing")]
            key: Annotated[str, FieldDeclaration("note", "in which key")] = ""

        self.addCleanup(COMMANDS.pop, "sing")
        self.addCleanup(COMMANDS_BY_CLASS.pop, Sing)
        self.addCleanup(COMMANDS_BY_JSON_ACTION.pop, "client-sing")
        declare_command(
            "sing",
            required_role="anyone",
            answer="ack",
            help="sing",
            example="SNG la",
            json_actions=("client-sing",),
            text_verb="SNG song",
        )(Sing)
        row = COMMANDS["sing"]
        self.assertIs(COMMANDS_BY_CLASS[Sing], row)
        self.assertIs(COMMANDS_BY_JSON_ACTION["client-sing"], row)
        self.assertEqual((list(row.fields), row.required_fields), (["song", "key"], {"song"}))
        self.assertEqual(
            (row.text_verb, row.text_verb_fields, row.preferred_usage), ("SNG", ("song",), "SNG song")
        )

    def test_a_row_with_a_code_that_is_not_in_the_list_is_noticed_at_the_start(self) -> None:
        with self.assertRaises(AssertionError):
            declare_command(
                "x", required_role="anyone", answer="ack", help="x", example="x", refusal_codes="no_such_code"
            )(c.Quit)
        self.assertNotIn("x", COMMANDS)

    def test_a_verb_with_a_field_that_the_command_does_not_have_is_noticed_at_the_start(self) -> None:
        with self.assertRaises(AssertionError):
            declare_command(
                "x", required_role="anyone", answer="ack", help="x", example="x", text_verb="BYE nick"
            )(c.Quit)
        self.assertNotIn("x", COMMANDS)


class Fields(SynchronousTestCase):
    def test_what_is_missing_is_asked_for(self) -> None:
        kick = COMMANDS["kick"]
        self.assertEqual(refused(kick, group="wob"), "bad_request: kick needs dest")
        self.assertEqual(refused(kick, group="wob", dest=None), "bad_request: kick needs dest")
        self.assertEqual(refused(kick, group="wob", dest="bob", reason=None), "")

    def test_what_is_optional_has_its_default(self) -> None:
        built = COMMANDS["cgroupe"].build({"group": "wob"}, LIMITS)
        assert isinstance(built, c.CreateGroup)
        self.assertEqual((built.group, built.visibility), ("wob", "public"))
        listed = COMMANDS["msgs"].build({"group": "wob"}, LIMITS)
        assert isinstance(listed, c.ListGroupMessages)
        self.assertEqual((listed.limit, listed.before, listed.after), (None, None, None))

    def test_what_is_unknown_is_no_business_of_ours(self) -> None:
        self.assertEqual(refused(COMMANDS["join"], group="wob", colour="red"), "")

    def test_texts_are_strings(self) -> None:
        for value in (5, 5.0, True, ["wob"], {"a": 1}, b"wob"):
            self.assertEqual(refused(COMMANDS["join"], group=value), "bad_request: group must be a string")
            self.assertEqual(refused(COMMANDS["broadcast"], msg=value), "bad_request: msg must be a string")

    def test_messages_are_measured_in_bytes_of_utf_8(self) -> None:
        broadcast = COMMANDS["broadcast"]
        too_long = "too_long: msg is longer than 8192 bytes: shorten it, or split it"
        for letter, size in (("a", 1), ("é", 2), ("€", 3), ("😀", 4)):
            self.assertEqual(refused(broadcast, msg=letter * (8192 // size)), "")
            self.assertEqual(refused(broadcast, msg=letter * (8192 // size + 1)), too_long)

    def test_images_may_be_longer(self) -> None:
        for name, more in (("broadcast", {}), ("send", {"dest": "bob"}), ("gbroadcast", {"group": "wob"})):
            row, art = COMMANDS[name], "é" * (LIMITS.image // 2)
            row.build({**more, "msg": art, "kind": "image"}, LIMITS)
            for values, limit in (
                ({"msg": art + "x", "kind": "image"}, LIMITS.image),
                ({"msg": art}, LIMITS.message),
                ({"msg": art, "kind": "message"}, LIMITS.message),
            ):
                why = f"too_long: msg is longer than {limit} bytes: shorten it, or split it"
                self.assertEqual(refused(row, **more, **values), why)
            self.assertEqual(refused(row, **more, msg=" \n", kind="image")[:6], "empty:")
            self.assertEqual(refused(row, **more, msg="x", kind="song")[:12], "bad_request:")

    def test_times(self) -> None:
        """In RFC 3339; commands have milliseconds since 1970."""
        built = COMMANDS["history"].build({"before_time": "1970-01-01T00:00:01.5Z"}, LIMITS)
        assert isinstance(built, c.ReadHistory)
        self.assertEqual(built.before_time, 1500)
        values: tuple[object, ...] = ("", "now", "1970-01-01", 5, 5.0, True, [], b"1970-01-01T00:00:00Z")
        for value in values:
            why = "bad_request: before_time must be a time such as 2026-11-21T10:00:00.000Z"
            self.assertEqual(refused(COMMANDS["history"], before_time=value), why, value)

    def test_what_is_for_programs_is_not_typed(self) -> None:
        self.assertEqual(
            {name for row in COMMANDS.values() for name in row.fields if name not in row.typeable_fields},
            {"history", "kind", "missed", "missing", "limit", "realname", "reply_to", "state", "username"}
            | {"after", "author", "before", "dest", "group"}
            | {"around", "before_time", "after_time", "around_time", "order", "events", "whole_milliseconds"},
        )
        self.assertEqual(COMMANDS["leave"].slash_usage, "/leave [group]")
        self.assertEqual(COMMANDS["kick"].slash_usage, "/kick group dest [reason]")
        self.assertEqual(COMMANDS["hello"].slash_usage, "")

    def test_messages_say_something(self) -> None:
        for blank in ("", " ", "\n\t", "\N{NO-BREAK SPACE}"):
            self.assertEqual(
                refused(COMMANDS["broadcast"], msg=blank), "empty: the text is empty: write something"
            )
        self.assertEqual(check_text_size("  hi ", "msg", 10, allow_blank=False), "  hi ")

    def test_notes_may_be_blank_but_not_long(self) -> None:
        topic = COMMANDS["topic"]
        self.assertEqual(refused(topic, group="wob", topic=""), "")
        self.assertEqual(refused(topic, group="wob", topic="é" * 256), "")
        self.assertEqual(
            refused(topic, group="wob", topic="é" * 257),
            "too_long: topic is longer than 512 bytes: shorten it, or split it",
        )

    def test_choices(self) -> None:
        self.assertEqual(
            refused(COMMANDS["cgroupe"], group="wob", visibility="secret"),
            "bad_request: visibility must be one of public, private",
        )

    def test_numbers_may_be_digits(self) -> None:
        for value in (0, 7, "0", "007", MAX_ID_VALUE, str(MAX_ID_VALUE)):
            built = COMMANDS["msgs"].build({"group": "wob", "before": value}, LIMITS)
            assert isinstance(built, c.ListGroupMessages)
            self.assertEqual(built.before, int(value))

    def test_numbers_that_are_none(self) -> None:
        msgs = COMMANDS["msgs"]
        for value in (
            -1,
            MAX_ID_VALUE + 1,
            str(MAX_ID_VALUE + 1),
            "1" * 5000,
            "",
            "-1",
            "1.0",
            " 1",
            "٣",
            "²",
            1.0,
            True,
            [1],
        ):
            self.assertEqual(
                refused(msgs, group="wob", after=value),
                "bad_request: after must be a whole number of at least 0",
            )
        self.assertEqual(
            refused(msgs, group="wob", limit=0), "bad_request: limit must be a whole number of at least 1"
        )

    @settings(max_examples=effort(200), deadline=None)
    @given(
        st.sampled_from(list(COMMANDS.values())),
        st.dictionaries(
            st.sampled_from(sorted({name for row in COMMANDS.values() for name in row.fields})),
            st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.text()),
        ),
    )
    def test_any_values_are_a_command_or_a_refusal(
        self, row: CommandDeclaration, values: dict[str, object]
    ) -> None:
        try:
            built = row.build(values, LIMITS)
        except Refusal as refusal:
            self.assertIn(refusal.code, {*row.refusal_codes, "bad_request"})
        else:
            self.assertIs(type(built), row.command)
