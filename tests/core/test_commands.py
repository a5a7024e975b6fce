"""The table of commands: whole, consistent, and strict about what its fields take."""

from __future__ import annotations

from collections import Counter
from typing import get_args

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from chatd.core import commands as c
from chatd.core.commands import COMMANDS, DECLARED, ID_MAX, Declaration, measured
from chatd.core.limits import Limits
from chatd.core.names import parse_group, parse_nick
from chatd.core.refusals import SENTENCES, Refusal

LIMITS = Limits()

# Seeds td2, td4 and project-part2: the JSON action and what is typed, for each line of their tables.
OF_THE_SEEDS = {
    "send": "s",
    "cgroupe": "cg",
    "join": "j",
    "gbroadcast": "bg",
    "members": "members",
    "msgs": "messages",
    "groups": "groups",
    "leave": "leave",
    "invite": "invite",
    "kick": "kick",
    "ban": "ban",
    "unban": "unban",
    "states": "states",
}

USAGES = """
    IAM nick since
    BYE
    WHO skip
    MSG msg
    s;dest;msg
    cg;group[;visibility]
    j;group
    /join group
    bg;group;msg
    members;group[;skip]
    messages;group[;limit][;before][;after]
    groups[;skip]
    leave;group
    invite;group;dest
    kick;group;dest[;reason]
    ban;group;dest[;reason]
    unban;group;dest
    states;group[;limit][;before][;after]
    promote;group;dest
    demote;group;dest
    visibility;group;visibility
    topic;group[;topic]
    history[;dest][;limit][;before][;after][;group]
conversations[;skip]
    HELP
"""


def values_of(row: Declaration) -> dict[str, str]:
    """The fields in a row's example."""
    parts = row.example.split(";") if row.word else row.example.split(" ", 1)
    assert parts[0] in (row.word, row.keyword, f"/{row.slash}"), row.example
    return {name: part for name, part in zip(row.fields, parts[1:], strict=False) if part}


def refused(row: Declaration, **values: object) -> str:
    """How a command with these fields is refused."""
    try:
        row.build(values, LIMITS)
    except Refusal as refusal:
        return f"{refusal.code}: {refusal.text}"
    return ""


class TheTable(SynchronousTestCase):
    def test_the_seeds_commands_are_all_there(self) -> None:
        words = {action: row.word for row in COMMANDS.values() for action in row.actions}
        self.assertEqual({action: words.get(action) for action in OF_THE_SEEDS}, OF_THE_SEEDS)
        self.assertEqual(
            [row.keyword for row in COMMANDS.values() if row.keyword],
            ["IAM", "BYE", "WHO", "MSG", "PRV", "HELP"],
        )

    def test_usages(self) -> None:
        self.assertEqual(
            [row.usage for row in COMMANDS.values()], [use.strip() for use in USAGES.split("\n")[1:-1]]
        )

    def test_every_row_has_help_and_says_how_it_is_called(self) -> None:
        for row in COMMANDS.values():
            self.assertTrue(row.help and row.help.isprintable() and not row.help.endswith("."), row.name)
            self.assertTrue((row.actions and (row.word or row.keyword)) or row.slash, row.name)
            self.assertIs(DECLARED[row.command], row)
            for name, field in row.fields.items():
                self.assertTrue(field.doc, name)
                self.assertEqual(bool(field.choices), field.kind == "choice", name)

    def test_every_name_means_one_command(self) -> None:
        for names in (
            [action for row in COMMANDS.values() for action in row.actions],
            [row.word for row in COMMANDS.values() if row.word],
            [row.keyword for row in COMMANDS.values() if row.keyword],
            [row.slash for row in COMMANDS.values() if row.slash],
        ):
            self.assertEqual([name for name, count in Counter(names).items() if count > 1], [])

    def test_every_field_of_a_command_has_names_of_its_own(self) -> None:
        for row in COMMANDS.values():
            names = [name for field, takes in row.fields.items() for name in (field, *takes.aliases)]
            self.assertEqual(len(names), len(set(names)), row.name)

    def test_every_example_is_a_command(self) -> None:
        for row in COMMANDS.values():
            values = values_of(row)
            row.build(values, LIMITS)
            self.assertLessEqual(row.required, set(values), row.name)

    def test_every_kind_of_answer_has_its_command(self) -> None:
        self.assertEqual({row.answer for row in COMMANDS.values()}, set(get_args(c.AnswerName)))

    def test_every_refusal_is_in_the_list(self) -> None:
        for row in COMMANDS.values():
            self.assertLessEqual(set(row.refused), set(SENTENCES), row.name)
            self.assertEqual(len(row.refused), len(set(row.refused)), row.name)

    def test_fields_explain_the_refusals_that_come_with_them(self) -> None:
        for row in COMMANDS.values():
            kinds = {field.kind for field in row.fields.values()}
            if "text" in kinds:
                self.assertIn("empty", row.refused, row.name)
            if kinds & {"text", "note"}:
                self.assertIn("too_long", row.refused, row.name)
            if row.who != "anyone" and "dest" in row.fields:
                self.assertIn("no_such_user", row.refused, row.name)
            if row.who in ("members", "operators", "owner"):
                self.assertLessEqual({"no_such_group", "not_member"}, set(row.refused), row.name)
            if row.answer == "ack" or row.reads:
                self.assertIn("storage_failed", row.refused, row.name)

    def test_a_row_with_a_code_that_is_not_in_the_list_is_noticed_at_the_start(self) -> None:
        with self.assertRaises(AssertionError):
            c.declare("x", who="anyone", answer="ack", help="x", example="x", refused="no_such_code")(c.Quit)
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
        assert isinstance(listed, c.ListMessages)
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

    def test_what_is_for_programs_is_not_typed(self) -> None:
        self.assertEqual(
            {name for row in COMMANDS.values() for name in row.fields if name not in row.typed},
            {"history", "kind", "missed", "missing"},
        )
        self.assertEqual(COMMANDS["leave"].slash_usage, "/leave [group]")
        self.assertEqual(COMMANDS["kick"].slash_usage, "/kick group dest [reason]")
        self.assertEqual(COMMANDS["hello"].slash_usage, "")

    def test_messages_say_something(self) -> None:
        for blank in ("", " ", "\n\t", "\N{NO-BREAK SPACE}"):
            self.assertEqual(
                refused(COMMANDS["broadcast"], msg=blank), "empty: the text is empty: write something"
            )
        self.assertEqual(measured("  hi ", "msg", 10, blank=False), "  hi ")

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
        for value in (0, 7, "0", "007", ID_MAX, str(ID_MAX)):
            built = COMMANDS["msgs"].build({"group": "wob", "before": value}, LIMITS)
            assert isinstance(built, c.ListMessages)
            self.assertEqual(built.before, int(value))

    def test_numbers_that_are_none(self) -> None:
        msgs = COMMANDS["msgs"]
        for value in (
            -1,
            ID_MAX + 1,
            str(ID_MAX + 1),
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

    @settings(max_examples=200, deadline=None)
    @given(
        st.sampled_from(list(COMMANDS.values())),
        st.dictionaries(
            st.sampled_from(sorted({name for row in COMMANDS.values() for name in row.fields})),
            st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.text()),
        ),
    )
    def test_any_values_are_a_command_or_a_refusal(self, row: Declaration, values: dict[str, object]) -> None:
        try:
            built = row.build(values, LIMITS)
        except Refusal as refusal:
            self.assertIn(refusal.code, {*row.refused, "bad_request"})
        else:
            self.assertIs(type(built), row.command)


class Examples(SynchronousTestCase):
    def test_names_in_examples_are_names(self) -> None:
        for row in COMMANDS.values():
            values = values_of(row)
            for name, parse in (("group", parse_group), ("dest", parse_nick), ("nick", parse_nick)):
                if name in values:
                    self.assertEqual(parse(values[name]).shown, values[name])
