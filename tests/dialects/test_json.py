"""The JSON dialect: what requests mean, how answers look, what hostile input comes to."""

from __future__ import annotations

import json
from string import Formatter
from typing import Any, cast

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from chatd.core import commands as c
from chatd.core.answers import (
    Ack,
    Answer,
    Clients,
    Goodbye,
    GroupListItem,
    Groups,
    Help,
    Member,
    Members,
    Page,
    Reaction,
    Welcome,
)
from chatd.core.commands import COMMANDS, COMMANDS_BY_JSON_ACTION
from chatd.core.declarations import CommandDeclaration, FieldDeclaration
from chatd.core.events import (
    LOBBY,
    ChatEvent,
    Conversation,
    EventKind,
    LogEntry,
    User,
    UserArrived,
    UserDeparted,
)
from chatd.core.limits import Limits
from chatd.core.refusals import REFUSAL_SENTENCES, Refusal
from chatd.core.requests import Request
from chatd.dialects.json import (
    COURSEWORK_SECONDS_BETWEEN_WRITES,
    MAX_COURSEWORK_OBJECT_BYTES,
    MAX_NEWLINE_DELIMITED_LIST_BYTES,
    JsonDialect,
)
from chatd.dialects.json_requests import MAX_REF_LENGTH
from tests.support.effort import effort
from tests.support.framed import frames_of

LIMITS = Limits()
COURSE = JsonDialect(LIMITS)
LINES = COURSE.variant(newline_delimited=True, relays_client_actions=False)
RELAY = COURSE.variant(newline_delimited=False, relays_client_actions=True)
BOTH = COURSE.variant(newline_delimited=True, relays_client_actions=True)

ALICE = User(1, "alice", "alice", "#a03030")
BOB = User(2, "Bob", "bob", "#30a030")
WOB = Conversation(2, "group", "wob")
TOO_LARGE = f"(an image of {LIMITS.image // 2} bytes, too large for this client)"
DIRECT = Conversation(3, "direct", pair=(ALICE, BOB))
AT = 1_795_262_400_123
TS = b'"2026-11-21T12:00:00.123Z"'


def logged(
    conversation: Conversation,
    body: str,
    subject: User | None = None,
    kind: EventKind = "message",
    id: int = 7,
) -> LogEntry:
    """An entry of the log by alice; its kind is a string of its own, as one from the database is."""
    stored = cast(EventKind, str(kind.encode(), "ascii"))
    return LogEntry(id, 3, AT, ChatEvent(stored, conversation, ALICE, subject, body))


def decoded(dialect: JsonDialect = COURSE, **asked: Any) -> Request:
    """What the dialect makes of this object; ``from`` is spelt ``from_``."""
    return request(json.dumps({key.rstrip("_"): value for key, value in asked.items()}).encode(), dialect)


def request(frame: bytes, dialect: JsonDialect = COURSE) -> Request:
    """What the dialect makes of this frame, which is no thanks."""
    request = dialect.decode(frame)
    assert request is not None
    return request


def meant(request: Request) -> tuple[type[c.Command], dict[str, Any]]:
    """The command of a request, and its fields that are not at their default."""
    command = request.command
    assert isinstance(command, c.Command), command
    defaults = dict(zip(command.__struct_fields__[::-1], command.__struct_defaults__[::-1], strict=False))
    fields = msgspec.structs.asdict(command)
    return type(command), {k: v for k, v in fields.items() if k not in defaults or v != defaults[k]}


def refused(frame: bytes, dialect: JsonDialect = COURSE) -> str:
    """The code with which this frame is refused."""
    command = request(frame, dialect).command
    assert isinstance(command, Refusal), command
    return command.code


class Decoding(SynchronousTestCase):
    """Requests in all their spellings."""

    def test_every_action(self) -> None:
        """Each with the fields of the seeds."""
        group, user, text = {"group": "wob"}, {"dest": "bob"}, {"msg": "hello"}
        table: list[tuple[str, type[c.Command], dict[str, Any]]] = [
            ("client-hello", c.Hello, {}),
            ("client-connection", c.Hello, {}),
            ("connection", c.Hello, {}),
            ("client-quit", c.Quit, {}),
            ("quit", c.Quit, {}),
            ("client-error", c.Quit, {}),
            ("client-list-clients", c.ListClients, {}),
            ("list", c.ListClients, {}),
            ("client-broadcast", c.SendToLobby, text),
            ("broadcast", c.SendToLobby, text),
            ("client-send", c.SendToUser, {**user, **text}),
            ("send", c.SendToUser, {**user, **text}),
            ("sendTo", c.SendToUser, {**user, **text}),
            ("cgroupe", c.CreateGroup, group),
            ("cgroup", c.CreateGroup, group),
            ("join", c.Join, group),
            ("joinpr", c.Join, group),
            ("gbroadcast", c.SendToGroup, {**group, **text}),
            ("bgroup", c.SendToGroup, {**group, **text}),
            ("members", c.ListMembers, group),
            ("msgs", c.ListGroupMessages, group),
            ("messages", c.ListGroupMessages, group),
            ("groups", c.ListGroups, {}),
            ("leave", c.Leave, group),
            ("invite", c.Invite, {**group, **user}),
            ("kick", c.Kick, {**group, **user, "reason": "too loud"}),
            ("ban", c.Ban, {**group, **user, "reason": "spam"}),
            ("unban", c.Unban, {**group, **user}),
            ("states", c.ListGroupEvents, group),
            ("promote", c.Promote, {**group, **user}),
            ("demote", c.Demote, {**group, **user}),
            ("visibility", c.SetVisibility, {**group, "visibility": "private"}),
            ("topic", c.SetTopic, {**group, "topic": "the weather"}),
            ("history", c.ReadHistory, user),
            ("conversations", c.ListConversations, {}),
            ("search", c.Search, {"words": "hi", "group": "wob", "author": "bob", "before": 9, "limit": 5}),
            ("markread", c.MarkRead, {**group, "upto": 17}),
            ("register", c.Register, {"password": "correct horse"}),
            ("passwd", c.ChangePassword, {"password": "correct horse", "new": "battery staple"}),
            ("unregister", c.Unregister, {"password": "correct horse"}),
            ("regain", c.EndOtherSessions, {}),
            ("mute", c.Mute, {**user, "duration": 600, "reason": "loud"}),
            ("unmute", c.Unmute, user),
            ("disconnect", c.DisconnectUser, {**user, "reason": "calm down"}),
            ("block", c.Block, {"target": "192.0.2.0/24", "duration": 60, "reason": "spam"}),
            ("blockaddress", c.BlockAddressesOfUser, {**user, "duration": 60, "reason": "spam"}),
            ("unblock", c.Unblock, {"target": "bob"}),
            ("ignore", c.IgnoreUser, user),
            ("unignore", c.UnignoreUser, user),
            ("ignored", c.ListIgnored, {}),
            ("uninvite", c.Uninvite, {**group, **user}),
            ("decline", c.Decline, group),
            ("invitelink", c.MakeInvitationLink, {**group, "lifetime": 60}),
            ("uselink", c.UseInvitationLink, {"link": "invite_0"}),
            ("links", c.ListInvitationLinks, group),
            ("revokelink", c.RevokeInvitationLink, {**group, "number": 2}),
            ("setkeep", c.SetRetention, {**group, "age": 60}),
            ("sethistory", c.SetHistoryVisibility, {**group, "mode": "since_joining"}),
            ("give", c.AssignGroupOwner, {**group, **user}),
            ("close", c.CloseGroup, {**group, "reason": "over"}),
            ("delete", c.DeleteMessage, {"id": 17, "reason": "spam"}),
            ("edit", c.EditMessage, {"id": 17, "msg": "hello all"}),
            ("reply", c.ReplyToMessage, {"id": 17, "msg": "hello you"}),
            ("react", c.ReactToMessage, {"id": 17, "reaction": "+1"}),
            ("unreact", c.TakeReactionBack, {"id": 17, "reaction": "+1"}),
            ("typing", c.SendTyping, {**group, "state": "paused"}),
            ("announce", c.Announce, {"msg": "hear"}),
            ("resetpassword", c.ResetPassword, {**user, "new": "correct horse"}),
            (
                "maketoken",
                c.MakeToken,
                {"token": "deploy", "scope": "write", "groups": "wob,ops", "duration": 60},
            ),
            ("tokens", c.ListTokens, {}),
            ("revoketoken", c.RevokeToken, {"token": "deploy"}),
            ("usertokens", c.ListUserTokens, user),
            ("revokeusertoken", c.RevokeUserToken, {**user, "token": "deploy"}),
            ("modlog", c.ListModerations, {}),
            ("help", c.ListCommands, {}),
        ]
        for action, command, fields in table:
            request = decoded(action=action, **fields)
            self.assertEqual(meant(request), (command, fields), action)
            self.assertEqual((request.command_word, request.sender, request.ref), (action, "", None))
        # All that are declared, but for the two that say private by themselves, and one that needs a sender.
        self.assertEqual(
            {action for action, _, _ in table} | {"cgroupeprive", "cgroupeprivé", "identify"},
            set(COMMANDS_BY_JSON_ACTION),
        )

    def test_every_alias_of_every_field(self) -> None:
        """A field is the same under each of its names, in every command that has it."""
        samples: dict[str, Any] = {
            "name": "wob",
            "text": "hello",
            "note": "why",
            "secret": "correct horse",
            "duration": 60,
            "id": 5,
            "count": 5,
            "time": "1970-01-01T00:00:05.25Z",
        }
        in_command = {"1970-01-01T00:00:05.25Z": 5250}
        for row in COMMANDS.values():
            if not row.json_actions or any(field.accepts_sender_keys for field in row.fields.values()):
                continue
            said_as = {
                name: field.choices[-1] if field.choices else samples[field.value_kind]
                for name, field in row.fields.items()
            }
            required = {name: said_as[name] for name in row.required_fields}
            for name, field in row.fields.items():
                sample = said_as[name]
                for alias in (name, *(a for a in field.aliases if field.value_kind != "choice")):
                    said = {k: v for k, v in required.items() if k != name}
                    asked: dict[str, Any] = {**said, alias: sample}
                    request = decoded(action=row.json_actions[0], **asked)
                    values = {**required, name: in_command.get(sample, sample)}
                    self.assertEqual(meant(request), (row.command, values), alias)

    def test_a_field_that_is_added_to_a_command_reaches_it(self) -> None:
        """Here a hello with a colour: the dialect names no field."""

        class HelloWithColour(c.Hello, frozen=True):
            colour: str = ""

        row = COMMANDS["hello"]
        colour = FieldDeclaration("note", "the colour of the nick", ("color",))
        for action in row.json_actions:
            self.patch_action(
                action,
                msgspec.structs.replace(
                    row, command=HelloWithColour, fields={**row.fields, "colour": colour}
                ),
            )
        for key in ("colour", "color"):
            asked: dict[str, Any] = {"from": "alice", "since": 5, key: "red"}
            request = decoded(action="client-hello", **asked)
            self.assertEqual(
                meant(request), (HelloWithColour, {"nick": "alice", "since": 5, "colour": "red"})
            )
        self.assertEqual(refused(b'{"action":"client-hello","colour":7}'), "bad_request")

    def patch_action(self, action: str, row: CommandDeclaration) -> None:
        """Let ``action`` be ``row`` until the end of the test."""
        self.addCleanup(COMMANDS_BY_JSON_ACTION.__setitem__, action, COMMANDS_BY_JSON_ACTION[action])
        COMMANDS_BY_JSON_ACTION[action] = row

    def test_senders(self) -> None:
        """from, sender and name are who asks, the first that is there; null is not."""
        for said, sender in (
            ({"from": "alice"}, "alice"),
            ({"sender": "alice"}, "alice"),
            ({"name": "alice"}, "alice"),
            ({"name": "x", "sender": "y", "from": "alice"}, "alice"),
            ({"name": "alice", "sender": None}, "alice"),
            ({}, ""),
            ({"from": ""}, ""),
        ):
            self.assertEqual(decoded(action="groups", **said).sender, sender, said)
            hello = decoded(action="client-hello", **said)
            self.assertEqual(hello.sender, sender)
            self.assertEqual(meant(hello), (c.Hello, {"nick": sender} if sender else {}))

    def test_refs(self) -> None:
        """A string or a whole number is kept as it is; what is empty is none."""
        for said, ref in (("m1", "m1"), (5, 5), (-1, -1), ("x" * 128, "x" * 128), (None, None), ("", None)):
            self.assertEqual(decoded(action="groups", ref=said).ref, ref)
        odd: list[Any] = ["x" * 129, 10**128, 1.5, True, [1], {"a": 1}]
        for value in odd:
            request = decoded(action="groups", ref=value)
            self.assertIsInstance(request.command, Refusal)
            self.assertIsNone(request.ref)

    def test_a_refused_request_keeps_what_its_answer_repeats(self) -> None:
        """Name, sender and ref, as far as they are any good."""
        request = decoded(action="kick", sender="alice", ref=3)
        self.assertEqual((request.command_word, request.sender, request.ref), ("kick", "alice", 3))
        request = decoded(action="fly" * 100, sender=["alice"], ref="r")
        self.assertEqual((request.command_word, request.sender, request.ref), (("fly" * 100)[:64], "", "r"))
        request = decoded(ref="r")
        self.assertEqual((request.command_word, request.sender, request.ref), ("", "", "r"))

    def test_private(self) -> None:
        """Whatever says private, and whatever says public; private by action wins."""
        table: list[tuple[dict[str, Any], str]] = [
            ({"type": "private"}, "private"),
            ({"type": "privé"}, "private"),
            ({"type": "Public"}, "public"),
            ({"groupType": "private"}, "private"),
            ({"typeg": "groupe privee"}, "private"),
            ({"typeg": "groupe publique"}, "public"),
            ({"public": False}, "private"),
            ({"public": True}, "public"),
            ({"isPublic": 0}, "private"),
            ({"isPublic": 1}, "public"),
            ({"private": True}, "private"),
            ({"private": 1}, "private"),
            ({"private": False}, "public"),
            ({"private": None}, "public"),
            ({"action": "cgroupeprive"}, "private"),
            ({"action": "cgroupeprivé", "type": "public"}, "private"),
        ]
        for said, visibility in table:
            command = decoded(**{"action": "cgroupe", "group": "wob", **said}).command
            assert isinstance(command, c.CreateGroup)
            self.assertEqual(command.visibility, visibility, said)
        odd: list[Any] = ["secret", 2, [], {}, ["private"]]
        for value in odd:
            for key in ("type", "public", "visibility"):
                request = decoded(action="cgroupe", group="wob", **{key: value})
                self.assertIsInstance(request.command, Refusal, (key, value))

    def test_wrapped(self) -> None:
        """Only what is inside messageFormat counts, when it is an object."""
        request = decoded(messageFormat={"action": "join", "group": "wob", "sender": "alice"}, action="leave")
        self.assertEqual(meant(request), (c.Join, {"group": "wob"}))
        self.assertEqual(request.sender, "alice")
        self.assertEqual(
            meant(decoded(messageFormat="json", action="leave", group="wob")), (c.Leave, {"group": "wob"})
        )

    def test_numbers_may_be_digits(self) -> None:
        """Ids and counts come as numbers or as their digits."""
        self.assertEqual(
            meant(decoded(action="msgs", group="wob", before="12", limit=3)),
            (c.ListGroupMessages, {"group": "wob", "before": 12, "limit": 3}),
        )
        self.assertEqual(meant(decoded(action="client-hello", since="0")), (c.Hello, {"since": 0}))

    def test_thanks_have_no_answer(self) -> None:
        """Whatever else is in them; but a newline client that gives a ref waits for one."""
        for frame in (
            b'{"action":"ack-client-broadcast"}',
            b'{"from":"alice","action":"ack-client-send","ref":[1]}',
            b'{"messageFormat":{"action":"ack-","from":5}}',
        ):
            for dialect in (COURSE, RELAY):
                self.assertIsNone(dialect.decode(frame), frame)
            self.assertEqual(LINES.decode(frame) is None, b"ref" not in frame, frame)
        for frame in (b'{"action":"ack"}', b'{"action":"ACK-x"}', b'{"action":"x-ack-"}'):
            self.assertEqual(refused(frame), "unknown_action")
        self.assertEqual(refused(b'{"action":"ack-x","framing":"lines","ref":1}'), "unknown_action")
        self.assertEqual(refused(b'{"action":"ack-x","ref":"r"}', LINES), "unknown_action")
        self.assertIsNone(LINES.decode(b'{"action":"ack-x"}'))

    def test_null_is_absent(self) -> None:
        """As JavaScript has it for what was never set."""
        self.assertEqual(
            meant(decoded(action="kick", group="wob", dest="bob", reason=None)),
            (c.Kick, {"group": "wob", "dest": "bob"}),
        )


class Showing(SynchronousTestCase):
    """How a client shows what it wants to be spoken to in."""

    def test_framing(self) -> None:
        """Any request may say lines; nothing says the opposite."""
        self.assertIs(decoded(action="client-hello", framing="lines").detected_dialect, LINES)
        self.assertIs(decoded(action="what", framing="lines").detected_dialect, LINES)
        self.assertIs(decoded(RELAY, action="groups", framing="lines").detected_dialect, BOTH)
        self.assertIsNone(decoded(action="client-hello", framing="chunks").detected_dialect)
        self.assertIsNone(decoded(action="client-hello", framing=["lines"]).detected_dialect)
        self.assertIsNone(decoded(LINES, action="client-hello", framing="lines").detected_dialect)
        self.assertIsNone(decoded(LINES, action="client-hello").detected_dialect)

    def test_relay(self) -> None:
        """A hello that says name and neither from nor sender; no other request."""
        self.assertIs(decoded(action="client-hello", name="alice").detected_dialect, RELAY)
        self.assertIs(decoded(LINES, action="client-hello", name="alice").detected_dialect, BOTH)
        self.assertIs(decoded(action="client-hello", name="alice", framing="lines").detected_dialect, BOTH)
        self.assertIsNone(decoded(action="groups", name="alice").detected_dialect)
        self.assertIsNone(decoded(action="client-hello", name="alice", sender="alice").detected_dialect)
        self.assertIsNone(decoded(RELAY, action="client-hello", from_="alice").detected_dialect)

    def test_one_family(self) -> None:
        """Each way to speak is one object, so that what it encodes is shared."""
        for dialect in (COURSE, LINES, RELAY, BOTH):
            self.assertIs(dialect.variant(dialect.newline_delimited, dialect.relays_client_actions), dialect)
            self.assertIs(dialect.variant(newline_delimited=False, relays_client_actions=False), COURSE)
        self.assertEqual(
            [dialect.seconds_between_writes for dialect in (COURSE, RELAY, LINES, BOTH)],
            [COURSEWORK_SECONDS_BETWEEN_WRITES, COURSEWORK_SECONDS_BETWEEN_WRITES, 0, 0],
        )


class Answering(SynchronousTestCase):
    """Every answer, byte for byte."""

    def course(self, answer: Answer, expected: bytes, name: str = "x", **more: Any) -> None:
        """A course-work client is answered exactly this, a newline client the same as a line, in colour."""
        request = Request(c.Quit(), name, **more)
        self.assertEqual(frames_of(COURSE.encode_answer, request, answer), expected)
        coloured = expected.replace(b'"kind":"message"}', b'"kind":"message","colour":"#a03030"}')
        self.assertEqual(frames_of(LINES.encode_answer, request, answer), coloured + b"\n")

    def test_hello(self) -> None:
        """Three keys to course work, more to newline clients."""
        request = Request(c.Hello("alice"), "client-hello", "alice", "r1")
        self.assertEqual(
            frames_of(COURSE.encode_answer, request, Welcome(ALICE, False, 41, 40)),
            b'{"from":"server","action":"server-hello","msg":"Hello alice"}',
        )
        self.assertEqual(
            frames_of(RELAY.encode_answer, request, Welcome(BOB, True, 41, 40)),
            b'{"from":"server","action":"server-hello","msg":"Welcome back Bob !"}',
        )
        self.assertEqual(
            frames_of(LINES.encode_answer, request, Welcome(ALICE, True, 41, 40)),
            b'{"from":"server","action":"server-hello","msg":"Welcome back alice !",'
            b'"user":{"id":1,"nick":"alice","colour":"#a03030"},"cursor":41,"seen":40,"returning":true,'
            b'"limits":{"json":65536,"message":8192,"page":500},"version":"0.1.0","ref":"r1"}\n',
        )

    def test_acks(self) -> None:
        """With where it went, and its place in the log."""
        place = b'"id":7,"seq":3,"ts":' + TS
        self.course(Ack(logged(LOBBY, "hi")), b'{"action":"server-ack","request":"x",%b}' % place)
        self.course(
            Ack(logged(LOBBY, "hi")),
            b'{"action":"server-ack","ref":"m1","request":"broadcast",%b}' % place,
            "broadcast",
            ref="m1",
        )
        self.course(Ack(logged(WOB, "hi")), b'{"action":"server-ack","request":"x","group":"wob",%b}' % place)
        self.course(
            Ack(logged(DIRECT, "hi", BOB)), b'{"action":"server-ack","request":"x","to":"Bob",%b}' % place
        )
        self.course(
            Ack(logged(WOB, "spam", BOB, "kicked")),
            b'{"action":"server-ack","request":"kick","group":"wob","to":"Bob",%b}' % place,
            "kick",
        )

    def test_lists(self) -> None:
        """Clients, members, groups."""
        for nicks, ref in ((("alice", "Bob"), None), ((), 4)):
            asked = Request(c.ListClients(), "x", ref=ref)
            more = {} if ref is None else {"ref": ref}
            lines = json.dumps(
                {"action": "server-list-clients", **more, "clients": nicks}, separators=(",", ":")
            )
            self.assertEqual(frames_of(LINES.encode_answer, asked, Clients(nicks)), lines.encode() + b"\n")
            # Course work looks for it in one of four places.
            places = {key: list(nicks) for key in ("clients", "msg", "data", "list")}
            self.assertEqual(
                json.loads(frames_of(COURSE.encode_answer, asked, Clients(nicks))),
                {"action": "server-list-clients", **more, **places},
            )
        self.course(
            Members("wob", (Member("alice", "owner", True, True), Member("Bob", "member", False, False))),
            b'{"action":"server-members","group":"wob","members":[{"name":"alice","role":"owner","online":true,"registered":true},'
            b'{"name":"Bob","role":"member","online":false,"registered":false}]}',
        )
        self.course(
            Groups((GroupListItem("wob", "private", "tea", 2, "invited", "alice", True, "all"),)),
            b'{"action":"server-groups","groups":[{"group":"wob","visibility":"private","topic":"tea",'
            b'"members":2,"role":"invited","owner":"alice","registered":true,'
            b'"history":"all"}]}',
        )

    def test_pages(self) -> None:
        """Messages of a group, its events, a conversation with somebody, the lobby."""
        item = b'{"id":7,"seq":3,"ts":%b,"from":"alice","msg":"hi","kind":"message"}' % TS
        self.course(
            Page(WOB, (logged(WOB, "hi"),), True, False, False, ALICE),
            b'{"action":"server-msgs","group":"wob","messages":[%b],"more":true}' % item,
            "messages",
        )
        self.course(
            Page(WOB, (logged(WOB, "private", None, "created"),), False, False, True, ALICE),
            b'{"action":"server-states","group":"wob","events":[{"id":7,"seq":3,"ts":%b,"event":"created",'
            b'"actor":"alice","visibility":"private"}]}' % TS,
            "states",
        )
        for reader, other in ((ALICE, b"Bob"), (BOB, b"alice")):
            self.course(
                Page(DIRECT, (logged(DIRECT, "hi", BOB),), False, False, False, reader),
                b'{"action":"server-history","with":"%b","messages":[%b]}' % (other, item),
                "history",
            )
        self.course(
            Page(LOBBY, (), False, False, False, ALICE),
            b'{"action":"server-history","messages":[]}',
            "history",
        )
        self.course(
            Page(WOB, (), False, False, False, ALICE),
            b'{"action":"server-history","group":"wob","messages":[]}',
            "history",
        )

    def test_help_and_goodbye(self) -> None:
        """Every command that has an action; the last word."""
        help = json.loads(
            frames_of(LINES.encode_answer, Request(c.ListCommands(), "help"), Help(tuple(COMMANDS.values())))
        )
        self.assertEqual(list(help), ["action", "commands"])
        self.assertEqual(
            [said["action"] for said in help["commands"]],
            [r.json_actions[0] for r in COMMANDS.values() if r.json_actions],
        )
        self.assertEqual(
            next(said for said in help["commands"] if said["action"] == "client-send"),
            {
                "action": "client-send",
                "fields": ["dest", "msg", "kind", "reply_to"],
                "help": COMMANDS["send"].help,
            },
        )
        self.course(Goodbye(ALICE), b'{"action":"server-quit","msg":"Goodbye alice"}')
        self.course(Goodbye(None), b'{"action":"server-quit","ref":1}', ref=1)
        self.assertEqual(
            frames_of(RELAY.encode_answer, Request(c.Quit(), "client-quit"), Goodbye(ALICE)),
            b'{"action":"server-go","msg":"Goodbye alice"}',
        )


class Telling(SynchronousTestCase):
    """Everything that comes by itself, byte for byte."""

    def test_messages(self) -> None:
        """To everyone, to a group, to one."""
        place = b'"id":7,"seq":3,"ts":%b,"colour":"#a03030"}' % TS
        for entry, expected, relayed in (
            (
                logged(LOBBY, "hi"),
                b'{"action":"server-broadcast","from":"alice","msg":"hi",',
                b'{"action":"client-broadcast","from":"alice","msg":"hi",',
            ),
            (
                logged(WOB, "hi"),
                b'{"action":"server-gbroadcast","from":"alice","group":"wob","msg":"hi",',
                b'{"action":"server-gbroadcast","from":"alice","group":"wob","msg":"hi",',
            ),
            (
                logged(DIRECT, "hi", BOB),
                b'{"action":"server-send","from":"alice","to":"Bob","msg":"hi",',
                b'{"action":"client-send","from":"alice","to":"Bob","msg":"hi",',
            ),
        ):
            self.assertEqual(frames_of(COURSE.encode_delivery, entry), expected + place)
            self.assertEqual(frames_of(LINES.encode_delivery, entry), expected + place + b"\n")
            self.assertEqual(frames_of(RELAY.encode_delivery, entry), relayed + place)
            self.assertEqual(frames_of(BOTH.encode_delivery, entry), relayed + place + b"\n")

    def test_images(self) -> None:
        """They say so; a course-work client is told of one that its frames can't hold."""
        entry = logged(WOB, "##", kind="image")
        self.assertEqual(
            frames_of(COURSE.encode_delivery, entry),
            b'{"action":"server-gbroadcast","from":"alice","group":"wob","msg":"##","kind":"image",'
            b'"id":7,"seq":3,"ts":%b,"colour":"#a03030"}' % TS,
        )
        art = "{" * (LIMITS.image // 2)
        for dialect, msg in ((LINES, art), (COURSE, TOO_LARGE), (RELAY, TOO_LARGE), (BOTH, art)):
            said = json.loads(frames_of(dialect.encode_delivery, logged(LOBBY, art, kind="image")))
            self.assertEqual((said["msg"], said["kind"]), (msg, "image"))
        fits = json.loads(frames_of(COURSE.encode_delivery, logged(LOBBY, "#" * LIMITS.image, kind="image")))
        self.assertEqual(fits["msg"], "#" * LIMITS.image)

    def test_actions_and_notices(self) -> None:
        """They say so wherever an image would; the text is as it was sent."""
        table: list[tuple[EventKind, str]] = [("action", "/me waves"), ("notice", "done")]
        for kind, text in table:
            entry = logged(WOB, text, kind=kind)
            said = (
                b'{"action":"server-gbroadcast","from":"alice","group":"wob","msg":"%b","kind":"%b",'
                b'"id":7,"seq":3,"ts":%b,"colour":"#a03030"}' % (text.encode(), kind.encode(), TS)
            )
            self.assertEqual(frames_of(COURSE.encode_delivery, entry), said)
            self.assertEqual(frames_of(LINES.encode_delivery, entry), said + b"\n")

    def test_actions_can_not_be_asked_for(self) -> None:
        """The text alone says what is one; a notice can be asked for."""
        self.assertEqual(
            meant(decoded(action="broadcast", msg="done", kind="notice")),
            (c.SendToLobby, {"msg": "done", "kind": "notice"}),
        )
        refusal = decoded(action="broadcast", msg="/me waves", kind="action").command
        assert isinstance(refusal, Refusal)
        self.assertEqual(
            (refusal.code, refusal.text),
            ("bad_request", "kind must be one of message, image, notice"),
        )

    def test_events(self) -> None:
        """Every kind, with its body under its own name."""
        table: list[tuple[EventKind, User | None, str, bytes]] = [
            ("created", None, "private", b'"visibility":"private"'),
            ("joined", None, "", b""),
            ("left", None, "", b""),
            ("invited", BOB, "", b'"subject":"Bob"'),
            ("kicked", BOB, "too loud", b'"subject":"Bob","reason":"too loud"'),
            ("banned", BOB, "", b'"subject":"Bob","reason":""'),
            ("unbanned", BOB, "", b'"subject":"Bob"'),
            ("promoted", BOB, "", b'"subject":"Bob","role":"operator"'),
            ("promoted", BOB, "owner", b'"subject":"Bob","role":"owner"'),
            ("demoted", BOB, "", b'"subject":"Bob","role":"operator"'),
            ("demoted", BOB, "owner", b'"subject":"Bob","role":"owner"'),
            ("visibility", None, "public", b'"visibility":"public"'),
            ("history", None, "all", b'"history":"all"'),
            ("keep", None, "60", b'"keep":60'),
            ("keep", None, "", b'"keep":0'),
            ("topic", None, "tea", b'"topic":"tea"'),
        ]
        for kind, subject, body, more in table:
            self.assertEqual(
                frames_of(COURSE.encode_delivery, logged(WOB, body, subject, kind)),
                b'{"action":"server-event","group":"wob","id":7,"seq":3,"ts":%b,"event":"%b","actor":"alice"%b}'
                % (TS, kind.encode(), b"," + more if more else b""),
            )

    def test_presence(self) -> None:
        """Who comes, with a colour, and who goes."""
        self.assertEqual(
            frames_of(COURSE.encode_delivery, UserArrived(ALICE, True, AT)),
            b'{"action":"server-event","actor":"alice","ts":%b,"event":"arrived","returning":true,'
            b'"colour":"#a03030"}' % TS,
        )
        self.assertEqual(
            frames_of(LINES.encode_delivery, UserDeparted(ALICE, AT)),
            b'{"action":"server-event","actor":"alice","ts":%b,"event":"left"}\n' % TS,
        )

    def test_strings_of_course_work(self) -> None:
        """What a template would take is escaped in strings, nowhere else; newline clients get it plain."""
        entry = logged(LOBBY, 'a "${b}" \\ } \\{ é')
        self.assertIn(
            rb'"msg":"a \"\u0024\u007bb\u007d\" \\ \u007d \\\u007b ' + "é".encode() + b'"',
            frames_of(COURSE.encode_delivery, entry),
        )
        self.assertIn(
            rb'"msg":"a \"${b}\" \\ } \\{ ' + "é".encode() + b'"', frames_of(LINES.encode_delivery, entry)
        )

    @settings(max_examples=effort(100), deadline=None)
    @given(st.text())
    def test_any_text_reads_back(self, text: str) -> None:
        """In both framings, on one line, and without a character that a template would take."""
        course, line = (
            frames_of(COURSE.encode_delivery, logged(LOBBY, text)),
            frames_of(LINES.encode_delivery, logged(LOBBY, text)),
        )
        self.assertEqual(json.loads(course)["msg"], text)
        self.assertEqual(json.loads(line), json.loads(course))
        self.assertEqual((line.count(b"\n"), course.count(b"\n"), course.count(b"$")), (1, 0, 0))
        self.assertEqual((course.count(b"{"), course.count(b"}")), (1, 1))


class Refusing(SynchronousTestCase):
    """Refusals, byte for byte."""

    def test_with_and_without_a_request(self) -> None:
        """What was asked and its ref, when there was something asked."""
        self.assertEqual(
            frames_of(
                COURSE.encode_refusal, Request(c.Quit(), "kick", ref=9), Refusal("not_operator", group="wob")
            ),
            b'{"action":"server-error","code":"not_operator",'
            b'"msg":"only the owner and the operators of wob may do this","request":"kick","ref":9}',
        )
        self.assertEqual(
            frames_of(LINES.encode_refusal, None, Refusal("shutting_down")),
            b'{"action":"server-error","code":"shutting_down",'
            b'"msg":"the daemon is shutting down: connect again later","retry_after":5.0}\n',
        )
        self.assertEqual(
            frames_of(COURSE.encode_refusal, Request(Refusal("empty")), Refusal("empty")),
            b'{"action":"server-error","code":"empty","msg":"the text is empty: write something"}',
        )

    def test_every_code(self) -> None:
        """None lacks a sentence that can be told."""
        for code, sentence in REFUSAL_SENTENCES.items():
            details = {name: "${x}" for _, name, _, _ in Formatter().parse(sentence) if name}
            frame = frames_of(COURSE.encode_refusal, None, Refusal(code, **details))
            self.assertEqual(json.loads(frame)["code"], code)
            self.assertNotIn(b"$", frame)


class Paging(SynchronousTestCase):
    """Lists that are too long for a frame."""

    def test_a_list_is_cut_to_a_frame(self) -> None:
        """As much as fits, from the front, and word of more."""
        nicks = tuple(f"{number:032}" for number in range(10_000))
        for dialect, limit in (
            (COURSE, MAX_COURSEWORK_OBJECT_BYTES),
            (LINES, MAX_NEWLINE_DELIMITED_LIST_BYTES),
        ):
            frame = frames_of(dialect.encode_answer, Request(c.ListClients(), "list"), Clients(nicks))
            heard = json.loads(frame)
            places = ("clients", "msg", "data", "list") if dialect is COURSE else ("clients",)
            self.assertTrue(limit - 50 * len(places) < len(frame) <= limit, len(frame))
            self.assertIs(heard["more"], True)
            self.assertEqual([key for key in heard if heard[key] == heard["clients"]], list(places))
            self.assertEqual(tuple(heard["clients"]), nicks[: len(heard["clients"])])

    def test_an_image_that_fits_no_frame_keeps_nobody_from_the_next_page(self) -> None:
        """It is mentioned in its place."""
        art = "\x01" * LIMITS.image
        entries = (
            logged(LOBBY, "hi", id=1),
            logged(LOBBY, art, kind="image", id=2),
            logged(LOBBY, "ho", id=3),
        )
        page = Page(LOBBY, entries, False, True, False, BOB)
        for dialect, frame in (
            (COURSE, MAX_COURSEWORK_OBJECT_BYTES),
            (LINES, MAX_NEWLINE_DELIMITED_LIST_BYTES),
        ):
            said = frames_of(
                dialect.encode_answer, Request(c.ReadHistory(), "history", ref="r" * MAX_REF_LENGTH), page
            )
            self.assertLessEqual(len(said), frame)
            self.assertEqual(
                [(item["msg"], item["kind"]) for item in json.loads(said)["messages"]],
                [
                    ("hi", "message"),
                    ("(an image of 49152 bytes, too large for this client)", "image"),
                    ("ho", "message"),
                ],
            )

    def test_a_message_too_large_with_its_reactions_has_none(self) -> None:
        """A page without it would hide all that was said before."""
        entries = tuple(logged(WOB, body, id=id) for id, body in enumerate(("hi", "{" * 8192, "ho"), 1))
        many = [Reaction(f"{number}", ["x" * 32] * 10) for number in range(20)]
        page = Page(WOB, entries, False, False, False, ALICE, reactions={2: many, 3: many})
        (payload,) = COURSE.encode_answer(Request(c.ReadHistory("wob"), "history"), page)
        self.assertLessEqual(len(payload), MAX_COURSEWORK_OBJECT_BYTES)
        shown = [(one["id"], "reactions" in one) for one in json.loads(payload)["messages"]]
        self.assertEqual(shown, [(1, False), (2, False), (3, True)])
        (payload,) = LINES.encode_answer(Request(c.ReadHistory("wob"), "history"), page)
        self.assertEqual([len(one["reactions"]) for one in json.loads(payload)["messages"][1:]], [20, 20])

    def test_a_list_that_just_fits_is_whole(self) -> None:
        """With one character more, its last entry is left out."""
        said = (
            b'{"action":"server-list-clients","clients":[""],"msg":[""],"data":[""],"list":[""],"more":true}'
        )
        room = (MAX_COURSEWORK_OBJECT_BYTES - len(said)) // 4
        request = Request(c.ListClients(), "list")
        whole = json.loads(frames_of(COURSE.encode_answer, request, Clients(("x" * (room - 1),))))
        self.assertEqual((len(whole["clients"]), "more" in whole), (1, False))
        cut = json.loads(frames_of(COURSE.encode_answer, request, Clients(("x" * room,))))
        self.assertEqual((len(cut["clients"]), cut["more"]), (0, True))

    def test_pages_are_cut_at_the_far_end(self) -> None:
        """A page read backwards keeps its newest entries, one read forwards its oldest; each says so once."""
        # Six bytes a character: 29,400 an entry, and a little.
        sizes = [4_900] * 5 + [100] * 5
        entries = tuple(logged(WOB, "$" * size, id=id) for id, size in enumerate(sizes, 1))
        for forward, kept in ((False, [5, 6, 7, 8, 9, 10]), (True, [1, 2])):
            (frame,) = COURSE.encode_answer(
                Request(c.ListGroupMessages("wob"), "msgs"), Page(WOB, entries, False, forward, False, ALICE)
            )
            heard = json.loads(frame)
            self.assertLessEqual(len(frame), MAX_COURSEWORK_OBJECT_BYTES)
            self.assertEqual([message["id"] for message in heard["messages"]], kept)
            self.assertIs(heard["more"], True)

    def test_pages_around_an_entry_are_cut_at_both_ends(self) -> None:
        """The entries next to the place stay."""
        entries = tuple(logged(WOB, "$" * 2_000, id=id) for id in range(1, 10))  # 12,000 bytes each
        for command, kept in (
            (c.ReadHistory(group="wob", around=5), [3, 4, 5, 6]),
            (c.ReadHistory(group="wob", around=9), [6, 7, 8, 9]),
            (c.ReadHistory(group="wob", around=1), [1, 2, 3, 4]),
            (c.ReadHistory(group="wob", around=10), [6, 7, 8, 9]),
            (c.ReadHistory(group="wob", around_time=AT), [1, 2, 3, 4]),
            (c.ReadHistory(group="wob", around_time=AT + 1), [6, 7, 8, 9]),
        ):
            page = Page(WOB, entries, False, False, False, ALICE)
            (frame,) = COURSE.encode_answer(Request(command, "history"), page)
            heard = json.loads(frame)
            self.assertEqual([message["id"] for message in heard["messages"]], kept)
            self.assertIs(heard["more"], True)

    def test_messages_and_events_are_cut_together(self) -> None:
        entries = tuple(
            logged(WOB, "$" * 4_900, kind="message" if id % 2 else "topic", id=id) for id in range(1, 7)
        )
        command = c.ReadHistory(group="wob", events="all")
        for forward, messages, events in ((False, [5], [6]), (True, [1], [2])):
            page = Page(WOB, entries, False, forward, False, ALICE)
            (frame,) = COURSE.encode_answer(Request(command, "history"), page)
            heard = json.loads(frame)
            self.assertEqual([message["id"] for message in heard["messages"]], messages)
            self.assertEqual([event["id"] for event in heard["events"]], events)
            self.assertIs(heard["more"], True)


HOSTILE: dict[bytes, str] = {
    b"": "bad_json",
    b"nonsense": "bad_json",
    b"null": "bad_json",
    b"12": "bad_json",
    b'"BYE"': "bad_json",
    b"[1,2]": "bad_json",
    b"{}": "bad_request",
    b'{"action":NaN}': "bad_json",
    b'{"action":"groups","x":Infinity}': "bad_json",
    b'{"action":"groups","x":-Infinity}': "bad_json",
    b'{"action":"groups","x":1e999}': "bad_json",
    b'{"action":"groups","x":01}': "bad_json",
    b'{"action":"groups","x":"\\ud800"}': "bad_json",
    b'{"action":"groups","x":"\\udc00\\ud800"}': "bad_json",
    b'{"action":"groups","\\ud800":1}': "bad_json",
    b'{"action":"groups","x":"\\x41"}': "bad_json",
    b'{"action":"groups","x":"\x01"}': "bad_json",
    b'{"action":"groups"} trailing': "bad_json",
    b'{"action":"groups",}': "bad_json",
    b"{'action':'groups'}": "bad_json",
    b'\xef\xbb\xbf{"action":"groups"}': "bad_json",
    b'{"action":"groups"}'.decode().encode("utf-16"): "bad_json",
    b'{"action":"groups","action":"leave"}': "bad_json",
    b'{"action":"groups","a":1,"a":1}': "bad_json",
    b'{"action":"groups","a":1,"\\u0061":1}': "bad_json",
    b'{"action":"groups","a":{"b":1,"b":2}}': "bad_json",
    b'{"action":"groups","a":[{"b":1,"b":2}]}': "bad_json",
    b'{"action":"groups","a":"x:y","a":"x"}': "bad_json",
    b'{"messageFormat":{"action":"groups","action":"leave"}}': "bad_json",
    b'{"action":"groups","x":"\xff"}': "bad_utf8",
    b'{"action":"groups","x":"\xc3"}': "bad_utf8",
    b'{"action":"groups","x":"\xed\xa0\x80"}': "bad_utf8",
    b'{"\xff":1}': "bad_utf8",
    b'{"action":%b1%b}' % (b"[" * 5_000, b"]" * 5_000): "bad_json",
    b"[" * 60_000: "bad_json",
    b'{"a":' * 10_000: "bad_json",
    b'{"a":' * 32 + b"1" + b"}" * 32: "bad_request",
    b'{"a":' * 33 + b"1" + b"}" * 33: "bad_json",
    b'{"a":' * 900 + b"1" + b"}" * 900: "bad_json",
    b'{"action":"groups","skip":1' + b"0" * 400 + b"}": "bad_request",
    b'{"action":"groups","skip":1' + b"0" * 5_000 + b"}": "bad_json",
    b'{"action":"groups","skip":-1}': "bad_request",
    b'{"action":"groups","skip":9223372036854775808}': "bad_request",
    b'{"action":"groups","skip":1.0}': "bad_request",
    b'{"action":"groups","skip":true}': "bad_request",
    b'{"action":"groups","skip":"-1"}': "bad_request",
    b'{"action":"groups","skip":"99999999999999999999"}': "bad_request",
    '{"action":"groups","skip":"١"}'.encode(): "bad_request",
    b'{"action":"client-hello","since":true}': "bad_request",
    b'{"action":"client-hello","since":-1}': "bad_request",
    b'{"action":"client-hello","since":[1]}': "bad_request",
    b'{"action":"history","limit":0}': "bad_request",
    b'{"action":"history","limit":false}': "bad_request",
    b'{"action":5}': "bad_request",
    b'{"action":["groups"]}': "bad_request",
    b'{"action":null}': "bad_request",
    b'{"action":""}': "unknown_action",
    b'{"action":"GROUPS"}': "unknown_action",
    b'{"action":"groups","from":5}': "bad_request",
    b'{"action":"groups","sender":["alice"]}': "bad_request",
    b'{"action":"groups","name":{"a":1}}': "bad_request",
    b'{"action":"client-hello","from":false}': "bad_request",
    b'{"action":"client-broadcast"}': "bad_request",
    b'{"action":"client-broadcast","msg":5}': "bad_request",
    b'{"action":"client-broadcast","msg":["hi"]}': "bad_request",
    b'{"action":"client-broadcast","msg":{"text":"hi"}}': "bad_request",
    b'{"action":"client-broadcast","msg":""}': "empty",
    b'{"action":"client-broadcast","msg":" \\n\\u3000"}': "empty",
    b'{"action":"client-broadcast","msg":"%b"}' % (b"x" * 8_193): "too_long",
    '{"action":"client-broadcast","msg":"%s"}'.__mod__("é" * 4_097).encode(): "too_long",
    b'{"action":"client-send","to":5,"msg":"hi"}': "bad_request",
    b'{"action":"cgroupe","group":7}': "bad_request",
    b'{"action":"cgroupe","group":"wob","type":7}': "bad_request",
    b'{"action":"kick","group":"wob","dest":"bob","reason":1}': "bad_request",
    b'{"action":"kick","group":"wob","dest":"bob","reason":"%b"}' % (b"x" * 513): "too_long",
}


class Hostile(SynchronousTestCase):
    """Every frame is a request or a refusal, whatever is in it."""

    def test_each_is_refused_with_a_code(self) -> None:
        """And the refusal can be told."""
        for frame, code in HOSTILE.items():
            for dialect in (COURSE, BOTH):
                self.assertEqual(refused(frame, dialect), code, frame[:80])
                asked = request(frame, dialect)
                assert isinstance(asked.command, Refusal)
                answer = frames_of(dialect.encode_refusal, asked, asked.command)
                self.assertEqual(json.loads(answer)["code"], code)
                self.assertLessEqual(len(answer), MAX_COURSEWORK_OBJECT_BYTES)

    def test_keys_that_only_seem_to_stand_twice(self) -> None:
        """A colon in a text or a key in another object is nothing wrong."""
        for frame in (
            b'{"action":"client-broadcast","msg":"a:b:c"}',
            b'{"action":"client-broadcast","msg":"\\"msg\\":1","x":{"msg":1,"action":2}}',
            b'{"action":"client-broadcast","msg":"hi","x":[{"a":1},{"a":1}]}',
            b'{"action":"client-broadcast","msg":"hi","a:b":1,"a":1}',
        ):
            self.assertIs(meant(request(frame))[0], c.SendToLobby, frame)

    @settings(max_examples=effort(200), deadline=None)
    @given(st.binary(max_size=200))
    def test_any_bytes(self, frame: bytes) -> None:
        """Never an exception."""
        self.assertIsInstance(COURSE.decode(frame), Request)

    @settings(max_examples=effort(200), deadline=None)
    @given(
        st.sampled_from([*COMMANDS_BY_JSON_ACTION, "what"]),
        st.dictionaries(
            st.sampled_from(
                ["from", "sender", "name", "ref", "framing", "messageFormat", "action"]
                + [n for row in COMMANDS.values() for k, f in row.fields.items() for n in (k, *f.aliases)]
            ),
            st.recursive(
                st.none()
                | st.booleans()
                | st.integers()
                | st.floats(allow_nan=False, allow_infinity=False)
                | st.text(),
                lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
                max_leaves=5,
            ),
            max_size=6,
        ),
    )
    def test_any_value_in_any_field(self, action: str, fields: dict[str, Any]) -> None:
        """Never an exception; and what is refused is refused in words."""
        asked = request(json.dumps({"action": action, **fields}).encode())
        self.assertIsInstance(asked.sender, str)
        self.assertIsInstance(asked.command_word, str)
        if isinstance(asked.command, Refusal):
            answer = json.loads(frames_of(COURSE.encode_refusal, asked, asked.command))
            self.assertTrue(answer["msg"])
            self.assertEqual(answer.get("ref"), asked.ref)
