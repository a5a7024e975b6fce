"""The table of commands: whole, consistent, and strict about what its fields take."""

from __future__ import annotations

import json
from collections import Counter
from typing import get_args

from twisted.trial.unittest import SynchronousTestCase

from chatd.core.commands import COMMANDS, COMMANDS_BY_CLASS
from chatd.core.declarations import AnswerName, CommandDeclaration
from chatd.core.limits import Limits
from chatd.core.names import parse_group, parse_nick
from chatd.core.refusals import REFUSAL_SENTENCES

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
    IAM nick
    PWD password
    identify;nick;password
    BYE
    WHO
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
    invitelink;group[;lifetime]
    uselink;link
    links;group
    revokelink;group;number
    uninvite;group;dest
    decline;group
    kick;group;dest[;reason]
    ban;group;dest[;reason]
    unban;group;dest
    states;group[;limit][;before][;after]
    promote;group;dest
    demote;group;dest
    visibility;group;visibility
    topic;group[;topic]
    sethistory;group;mode
    setkeep;group[;age]
    history[;dest][;limit][;before][;after][;group]
    search;words
    conversations[;skip]
    markread[;group][;upto][;dest]
    ignore;dest
    unignore;dest
    ignored;
    register;password
    passwd;password;new
    unregister;password
    regain;
    maketoken;token;scope[;groups][;duration]
    tokens;
    revoketoken;token
    mute;dest[;duration][;reason]
    unmute;dest
    disconnect;dest[;reason]
    block;target[;duration][;reason]
    blockaddress;dest[;duration][;reason]
    unblock;target
    give;group;dest
    close;group[;reason]
    delete;id[;reason]
    edit;id;msg
    reply;id;msg
    react;id;reaction
    unreact;id;reaction
    announce;msg
    resetpassword;dest;new
    usertokens;dest
    revokeusertoken;dest;token
    modlog[;skip]
    HELP
"""


FOR_PROGRAMS = ("typing",)
"""The commands that have no typed form."""


def values_of(row: CommandDeclaration) -> dict[str, str]:
    """The fields in a row's example."""
    if row.name in FOR_PROGRAMS:
        return {name: value for name, value in json.loads(row.example).items() if name != "action"}
    parts = row.example.split(";") if row.semicolon_word else row.example.split(" ", 1)
    assert parts[0] in (row.semicolon_word, row.text_verb, f"/{row.slash_word}"), row.example
    return {name: part for name, part in zip(row.fields, parts[1:], strict=False) if part}


class TheTable(SynchronousTestCase):
    def test_the_seeds_commands_are_all_there(self) -> None:
        words = {action: row.semicolon_word for row in COMMANDS.values() for action in row.json_actions}
        self.assertEqual({action: words.get(action) for action in OF_THE_SEEDS}, OF_THE_SEEDS)
        self.assertEqual(
            [row.text_verb for row in COMMANDS.values() if row.text_verb],
            ["IAM", "PWD", "BYE", "WHO", "MSG", "PRV", "HELP"],
        )

    def test_usages(self) -> None:
        self.assertEqual(
            [row.preferred_usage for row in COMMANDS.values() if row.name not in FOR_PROGRAMS],
            [use.strip() for use in USAGES.split("\n")[1:-1]],
        )

    def test_every_row_has_help_and_says_how_it_is_called(self) -> None:
        for row in COMMANDS.values():
            self.assertTrue(row.help and row.help.isprintable() and not row.help.endswith("."), row.name)
            is_typed = bool(row.semicolon_word or row.text_verb or row.slash_word)
            self.assertEqual(is_typed, row.name not in FOR_PROGRAMS, row.name)
            self.assertIs(COMMANDS_BY_CLASS[row.command], row)
            for name, field in row.fields.items():
                self.assertTrue(field.description, name)
                self.assertEqual(bool(field.choices), field.value_kind == "choice", name)

    def test_every_name_means_one_command(self) -> None:
        for names in (
            [action for row in COMMANDS.values() for action in row.json_actions],
            [row.semicolon_word for row in COMMANDS.values() if row.semicolon_word],
            [row.text_verb for row in COMMANDS.values() if row.text_verb],
            [row.slash_word for row in COMMANDS.values() if row.slash_word],
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
            self.assertLessEqual(row.required_fields, set(values), row.name)

    def test_every_kind_of_answer_has_its_command(self) -> None:
        self.assertEqual({row.answer for row in COMMANDS_BY_CLASS.values()}, set(get_args(AnswerName)))

    def test_every_refusal_is_in_the_list(self) -> None:
        for row in COMMANDS.values():
            self.assertLessEqual(set(row.refusal_codes), set(REFUSAL_SENTENCES), row.name)
            self.assertEqual(len(row.refusal_codes), len(set(row.refusal_codes)), row.name)

    def test_fields_explain_the_refusals_that_come_with_them(self) -> None:
        for row in COMMANDS.values():
            kinds = {field.value_kind for field in row.fields.values()}
            if "text" in kinds:
                self.assertIn("empty", row.refusal_codes, row.name)
            if kinds & {"text", "note"}:
                self.assertIn("too_long", row.refusal_codes, row.name)
            if row.required_role != "anyone" and "dest" in row.fields:
                self.assertIn("no_such_user", row.refusal_codes, row.name)
            if row.required_role in ("members", "operators", "owner"):
                self.assertLessEqual({"no_such_group", "not_member"}, set(row.refusal_codes), row.name)
            if row.answer == "ack" or row.reads_log:
                self.assertIn("storage_failed", row.refusal_codes, row.name)


class Examples(SynchronousTestCase):
    def test_names_in_examples_are_names(self) -> None:
        for row in COMMANDS.values():
            values = values_of(row)
            for name, parse in (("group", parse_group), ("dest", parse_nick), ("nick", parse_nick)):
                if name in values:
                    self.assertEqual(parse(values[name]).original, values[name])
