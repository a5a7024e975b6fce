"""The JSON dialect, for clients of all generations of the course-work chat "tchat" and for clients that
delimit their JSON objects with newlines.

Sources: seeds td2, td4 and project-part2. The base actions and the habits of real clients are described in
SPEC.md, chapter JSON.
"""

from __future__ import annotations

import codecs
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import accumulate
from typing import Any, Final

from msgspec import UNSET
from msgspec.structs import replace

from chatd import __version__
from chatd.boundaries import DeliveryEncoder, Dialect, Payloads
from chatd.core.answers import (
    AccountChanged,
    Ack,
    ActiveConversations,
    Answer,
    Clients,
    Conversations,
    Goodbye,
    Groups,
    Help,
    IgnoredUsers,
    InvitationLinkList,
    InvitationLinkMade,
    Members,
    Moderated,
    ModerationLog,
    Page,
    ReadMark,
    SearchResult,
    TokenList,
    TokenMade,
    TransientMessageSent,
    Welcome,
)
from chatd.core.commands import COMMANDS, COMMANDS_BY_JSON_ACTION, SENDER_JSON_KEYS, Command, ReadHistory
from chatd.core.declarations import MAX_ID_VALUE
from chatd.core.events import (
    DELIVERY_TYPES_FOR_CHANNEL_CLIENTS,
    Delivery,
    LogEntry,
    ReadMarkMoved,
    TransientMessage,
)
from chatd.core.limits import Limits
from chatd.core.refusals import Refusal
from chatd.core.requests import Request
from chatd.core.wires import OpeningBytes, Wire
from chatd.dialects.json_entries import (
    ack_object,
    active_conversation_object,
    event_object,
    found_message_object,
    history_message_object,
    image_placeholder,
    invitation_link_object,
    live_event_object,
    message_object,
    moderation_object,
    read_mark_object,
    server_event_object,
    token_object,
    typing_object,
)
from chatd.dialects.json_requests import (
    MAX_REPEATED_ACTION_LENGTH,
    JsonObject,
    build_command,
    check_depth,
    is_valid_ref,
    parse_object,
)
from chatd.json_wire import objects

MAX_COURSEWORK_OBJECT_BYTES: Final = 60_000
"""The maximum size of an object sent to a course-work client, in bytes. Such a client takes one read of 64
KiB for one object.
"""

MAX_NEWLINE_DELIMITED_LIST_BYTES: Final = 256 * 1024
"""The maximum size of an answer to a newline-delimited client that is a list, in bytes. A page of the log of
this size never fills an outbox.
"""

COURSEWORK_SECONDS_BETWEEN_WRITES: Final = 0.04
"""Seconds between two objects sent to a course-work client, which takes one read for one object."""

LIST_OVERHEAD_BYTES: Final = 4096
"""The bytes of a list's maximum size that are reserved for the keys around its entries. An image that does
not fit into the rest is replaced by a placeholder.
"""

CLIENT_ACK_PREFIX: Final = "ack-"
"""The prefix of the actions with which some course-work clients acknowledge a relayed message. These clients
expect no answer, and some disconnect on a refusal.
"""

CLIENT_LIST_COPIES_IN_ANSWER: Final = 4
"""How many copies of the list of clients an answer to a course-work client contains, each under another key.
Each client program reads one of the four keys, and some crash without it.
"""

_RELAYED: Final = {
    "server-send": "client-send",
    "server-broadcast": "client-broadcast",
    "server-quit": "server-go",
}
"""The actions that replace ours for clients that give their nick as ``name`` in their hello."""

_STRING: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"')
_TEMPLATE: Final = re.compile(rb"[${}]")


class JsonDialect:
    """The JSON dialect. It has variants for different clients.

    A variant is for newline-delimited clients or for course-work clients. If ``relays_client_actions`` is
    true, a relayed message has the action of the client that sent it, such as ``client-send``, instead of
    ``server-send``. If ``shows_typing`` is true, which only newline-delimited clients can ask for, the client
    is sent typing notices. `variant` returns another variant. ``variants`` is the table of all variants,
    which they share; only `variant` passes it. ``wire`` is the name of the wire (protocol).
    """

    shows_groups_as_channels = False
    enters_lobby = True
    receives_watched_user_changes = False
    shows_own_messages = True
    greeting: Final = ()
    requires_login = False
    login_history_scope: Final = "all"

    def __init__(
        self,
        limits: Limits,
        newline_delimited: bool = False,
        relays_client_actions: bool = False,
        variants: DialectVariants | None = None,
        wire: str = "json",
        shows_typing: bool = False,
    ) -> None:
        self.wire = wire
        self.shows_typing = shows_typing
        self.newline_delimited = newline_delimited
        self.relays_client_actions = relays_client_actions
        self.seconds_between_writes = 0.0 if newline_delimited else COURSEWORK_SECONDS_BETWEEN_WRITES
        self.max_list_bytes = (
            MAX_NEWLINE_DELIMITED_LIST_BYTES if newline_delimited else MAX_COURSEWORK_OBJECT_BYTES
        )
        self._limits = limits
        self._variants: DialectVariants = {} if variants is None else variants
        self._variants[newline_delimited, relays_client_actions, shows_typing] = self

    def variant(
        self, newline_delimited: bool, relays_client_actions: bool, shows_typing: bool = False
    ) -> JsonDialect:
        """Return the variant of this dialect with these properties. It is the same object each time."""
        found = self._variants.get((newline_delimited, relays_client_actions, shows_typing))
        return found or JsonDialect(
            self._limits, newline_delimited, relays_client_actions, self._variants, self.wire, shows_typing
        )

    @property
    def newline_delimited_variant(self) -> JsonDialect:
        """The variant of this dialect for clients that end each JSON object with a newline."""
        return self.variant(True, self.relays_client_actions, self.shows_typing)

    @property
    def delivery_encoder(self) -> DeliveryEncoder:
        """The encoder of the deliveries to clients of this dialect: the dialect itself."""
        return self

    # Decoding of requests.

    def decode(self, frame: bytes) -> Request | None:
        """Return the request in one JSON object, or None for an acknowledgement, which gets no answer.

        For an invalid object, return a request whose command is a refusal.
        """
        try:
            request_object = parse_object(frame)
            check_depth(request_object, frame, self._limits.depth)
        except Refusal as refusal:
            return Request(refusal)
        inner = request_object.get("messageFormat")
        if isinstance(inner, dict):
            request_object = inner
        name = request_object.get("action")
        if (
            isinstance(name, str)
            and name.startswith(CLIENT_ACK_PREFIX)
            and self._wants_no_answer(request_object)
        ):
            return None
        ref = None if request_object.get("ref") == "" else request_object.get("ref")
        sender: object = ""
        for key in SENDER_JSON_KEYS:
            if request_object.get(key) is not None:
                sender = request_object[key]
                break
        try:
            command: Command | Refusal = build_command(request_object, name, ref, sender, self._limits)
        except Refusal as refusal:
            command = refusal
        return Request(
            command,
            name[:MAX_REPEATED_ACTION_LENGTH] if isinstance(name, str) else "",
            sender if isinstance(sender, str) else "",
            ref if is_valid_ref(ref) else None,
            self._shown(request_object, name),
        )

    def _shown(self, request_object: JsonObject, name: object) -> Dialect | None:
        asks_for_typing = request_object.get("typing") == "show"
        if self.newline_delimited and "name" not in request_object and not asks_for_typing:
            return None
        names_itself = "name" in request_object and not {"from", "sender"} & request_object.keys()
        client_names = self.relays_client_actions or (names_itself and name in COMMANDS["hello"].json_actions)
        in_lines = self._in_lines(request_object)
        shown = self.variant(in_lines, client_names, in_lines and (self.shows_typing or asks_for_typing))
        return None if shown is self else shown

    def _wants_no_answer(self, request_object: JsonObject) -> bool:
        """Return whether an acknowledgement gets no answer. A newline-delimited client that gives it a
        ``ref`` waits for an answer.
        """
        return request_object.get("ref") is None or not self._in_lines(request_object)

    def _in_lines(self, request_object: JsonObject) -> bool:
        return self.newline_delimited or request_object.get("framing") == "lines"

    # Encoding of answers and deliveries.

    def encode_answer(self, request: Request, answer: Answer) -> Payloads:
        """Return ``answer`` as one JSON object."""
        return _ANSWERS[type(answer)](self, request, answer)

    def encode_refusal(self, request: Request | None, refusal: Refusal) -> Payloads:
        """Return ``refusal`` as one JSON object with the action ``server-error``."""
        return self._payload(
            objects.Error(
                action="server-error",
                code=refusal.code,
                msg=refusal.text,
                request=request.command_word if request is not None else "",
                ref=request.ref if request is not None else None,
                retry_after=refusal.retry_after,
            )
        )

    def encode_delivery(self, delivery: Delivery) -> Payloads:
        """Return ``delivery`` as one JSON object: a log entry, a login, a logout, an announcement or a read
        mark.

        An image that is too large for a course-work client is replaced by a placeholder. Such a client is not
        sent read marks, which it does not know.
        """
        if isinstance(delivery, LogEntry):
            if delivery.event.is_message:
                return self._message(delivery)
            return self._payload(live_event_object(delivery))
        if isinstance(delivery, DELIVERY_TYPES_FOR_CHANNEL_CLIENTS):
            if self.shows_typing and isinstance(delivery, TransientMessage):
                typing = typing_object(delivery)
                return () if typing is None else self._payload(typing)
            return ()
        if isinstance(delivery, ReadMarkMoved):
            if not self.newline_delimited:
                return ()
            return self._payload(read_mark_object(delivery.user, delivery.conversation, delivery.entry_id))
        return self._payload(server_event_object(delivery))

    def encode_for_subject(self, delivery: Delivery) -> Payloads:
        """Return the JSON object of an event for the user whom it is about, such as the kicked user.

        It is the same object that all clients get, because a JSON client is sent the events of all its
        groups.
        """
        return self.encode_delivery(delivery)

    def _message(self, entry: LogEntry) -> Payloads:
        message = message_object(entry)
        if self.relays_client_actions:
            message = replace(message, action=self._name(message.action))
        if self.newline_delimited:
            return (objects.encode(message),)
        payload = self._encoded(message)
        if len(payload) > MAX_COURSEWORK_OBJECT_BYTES:
            payload = self._encoded(replace(message, msg=image_placeholder(entry.event)))
        return (payload,)

    def _welcome(self, request: Request, answer: Welcome) -> Payloads:
        user, limits = answer.user, self._limits
        msg = f"Welcome back {user.nick} !" if answer.is_returning_user else f"Hello {user.nick}"
        if not self.newline_delimited:
            return self._payload(objects.BasicWelcome(sender="server", action="server-hello", msg=msg))
        return self._payload(
            objects.Welcome(
                sender="server",
                action="server-hello",
                msg=msg,
                user=objects.User(user.id, user.nick, user.colour),
                cursor=answer.cursor,
                seen=answer.last_seen_id,
                returning=answer.is_returning_user,
                limits=objects.WelcomeLimits(limits.json, limits.message, limits.page_max),
                version=__version__,
                ref=request.ref,
            )
        )

    def _ack(self, request: Request, answer: Ack) -> Payloads:
        return self._payload(ack_object(answer.entry, request))

    def _account(self, request: Request, answer: AccountChanged) -> Payloads:
        return self._payload(
            objects.AccountChanged(
                action="server-account", ref=request.ref, nick=answer.nick, registered=answer.is_registered
            )
        )

    def _token_made(self, request: Request, answer: TokenMade) -> Payloads:
        token, secret = token_object(answer.token), str(answer.secret)
        return self._payload(
            objects.TokenMade(action="server-token", ref=request.ref, token=token, secret=secret)
        )

    def _tokens(self, request: Request, answer: TokenList) -> Payloads:
        reply = objects.TokenList(action="server-tokens", ref=request.ref, nick=answer.nick, tokens=[])
        return self._list(reply, "tokens", map(token_object, answer.tokens))

    def _link_made(self, request: Request, answer: InvitationLinkMade) -> Payloads:
        link = invitation_link_object(answer.link)
        return self._payload(
            objects.InvitationLinkMade(
                action="server-invitelink",
                ref=request.ref,
                group=answer.link.group,
                number=link.number,
                link=str(answer.secret),
                expires=link.expires,
            )
        )

    def _links(self, request: Request, answer: InvitationLinkList) -> Payloads:
        reply = objects.InvitationLinkList(
            action="server-links", ref=request.ref, group=answer.group, links=[]
        )
        return self._list(reply, "links", map(invitation_link_object, answer.links))

    def _moderated(self, request: Request, answer: Moderated) -> Payloads:
        acts = [moderation_object(act) for act in answer.entries]
        return self._payload(objects.Moderated(action="server-moderation", ref=request.ref, acts=acts))

    def _moderation_log(self, request: Request, answer: ModerationLog) -> Payloads:
        reply = objects.ModerationLog(action="server-modlog", ref=request.ref, acts=[])
        return self._list(reply, "acts", map(moderation_object, answer.entries))

    def _ignored(self, request: Request, answer: IgnoredUsers) -> Payloads:
        reply = objects.IgnoredUsers(action="server-ignored", ref=request.ref, ignored=[])
        return self._list(reply, "ignored", answer.nicks)

    def _clients(self, request: Request, answer: Clients) -> Payloads:
        nicks = list(answer.nicks)
        said = objects.Clients(action="server-list-clients", ref=request.ref, clients=[])
        if self.newline_delimited:
            return self._list(said, "clients", nicks)
        room = MAX_COURSEWORK_OBJECT_BYTES - len(
            self._encoded(replace(said, msg=[], data=[], list_=[], more=True))
        )
        sizes = accumulate(CLIENT_LIST_COPIES_IN_ANSWER * (len(self._encoded(nick)) + 1) for nick in nicks)
        shown = nicks[: bisect_right(list(sizes), room)]
        more = len(shown) < len(nicks)
        return self._payload(replace(said, clients=shown, msg=shown, data=shown, list_=shown, more=more))

    def _members(self, request: Request, answer: Members) -> Payloads:
        said = objects.Members(action="server-members", ref=request.ref, group=answer.group, members=[])
        return self._list(
            said,
            "members",
            (objects.Member(one.nick, one.role, one.is_online, one.is_registered) for one in answer.members),
        )

    def _groups(self, request: Request, answer: Groups) -> Payloads:
        said = objects.Groups(action="server-groups", ref=request.ref, groups=[])
        return self._list(
            said,
            "groups",
            (
                objects.Group(
                    line.group,
                    line.visibility,
                    line.topic,
                    line.member_count,
                    line.role,
                    line.owner,
                    line.owner_is_registered,
                    line.history,
                )
                for line in answer.items
            ),
        )

    def _page(self, request: Request, answer: Page) -> Payloads:
        conversation, ref = answer.conversation, request.ref
        ordered: Iterable[LogEntry] = answer.entries if answer.reads_forward else reversed(answer.entries)
        if answer.is_event_page:
            states = objects.EventPage(action="server-states", ref=ref, group=conversation.name, events=[])
            return self._list(
                states, "events", map(event_object, ordered), answer.has_more, answer.reads_forward
            )
        command = request.command
        row = COMMANDS_BY_JSON_ACTION.get(request.command_word)
        page = objects.Page(
            action="server-msgs" if row is not None and row.answer == "messages" else "server-history",
            ref=ref,
            group=conversation.name,
            friend=conversation.other_user(answer.reader).nick if conversation.kind == "direct" else "",
            seen=answer.last_seen_id,
            messages=[],
            events=[] if isinstance(command, ReadHistory) and command.events == "all" else None,
            trimmed=answer.trimmed_up_to_id or None,
        )
        from_centre = _from_the_centre(command, answer.entries) if isinstance(command, ReadHistory) else []
        items = (self._item(entry, answer) for entry in from_centre or ordered)
        kept, more = self._fitting(page, items, answer.has_more)
        if from_centre:
            kept.sort(key=lambda item: item.id)
        elif not answer.reads_forward:
            kept.reverse()
        messages = [item for item in kept if isinstance(item, objects.HistoryMessage)]
        events = [item for item in kept if isinstance(item, objects.GroupEvent)]
        shown = replace(page, messages=messages, more=more)
        return self._payload(shown if page.events is None else replace(shown, events=events))

    def _item(self, entry: LogEntry, page: Page) -> objects.HistoryMessage | objects.GroupEvent:
        if not entry.event.is_message:
            return event_object(entry)
        reactions = page.reactions.get(entry.id, ())
        item = history_message_object(entry, self.newline_delimited, reactions)
        # What fits into no page would hide all that is before it.
        if reactions and not self._fits(item):
            item = replace(item, reactions=None)
        if item.kind == "image" and not self._fits(item):
            return replace(item, msg=image_placeholder(entry.event))
        return item

    def _fits(self, item: objects.HistoryMessage) -> bool:
        """Return whether a page with nothing but ``item`` is not too large."""
        return len(self._encoded(item)) <= self.max_list_bytes - LIST_OVERHEAD_BYTES

    def _search_result(self, request: Request, answer: SearchResult) -> Payloads:
        result = objects.SearchResult(action="server-search", ref=request.ref, messages=[])
        most = replace(result, before=MAX_ID_VALUE, after=MAX_ID_VALUE)
        items = (
            found_message_object(entry, answer.reader, coloured=self.newline_delimited)
            for entry in answer.entries
        )
        kept, is_cut = self._fitting(most, items, False)
        bound = kept[-1].id if is_cut and kept else answer.resume_id
        before, after = (None, bound) if answer.searches_forward else (bound, None)
        return self._payload(
            replace(result, messages=kept, more=bound is not None, before=before, after=after)
        )

    def _conversations(self, request: Request, answer: Conversations) -> Payloads:
        said = objects.Conversations(action="server-conversations", ref=request.ref, conversations=[])
        summaries = (
            objects.ConversationSummary(
                line.kind,
                line.name,
                line.last_id,
                line.unread_count,
                line.read_mark_id or 0,
                UNSET if line.read_mark_id != 0 else True,
            )
            for line in answer.items
        )
        return self._list(said, "conversations", summaries, answer.has_more)

    def _read_mark(self, request: Request, answer: ReadMark) -> Payloads:
        mark = read_mark_object(answer.reader, answer.conversation, answer.entry_id)
        return self._payload(replace(mark, ref=request.ref))

    def _transient_sent(self, request: Request, answer: TransientMessageSent) -> Payloads:
        typing = typing_object(answer.sent)
        assert typing is not None  # a JSON client sends nothing else in passing
        return self._payload(replace(typing, ref=request.ref))

    def _active(self, request: Request, answer: ActiveConversations) -> Payloads:
        said = objects.ActiveConversations(action="server-active", ref=request.ref, conversations=[])
        lines = map(active_conversation_object, answer.items)
        return self._list(said, "conversations", lines, answer.has_more)

    def _help(self, request: Request, answer: Help) -> Payloads:
        commands = (
            objects.CommandHelp(row.json_actions[0], list(row.fields), row.help)
            for row in answer.commands
            if row.json_actions
        )
        return self._list(
            objects.Help(action="server-help", ref=request.ref, commands=[]), "commands", commands
        )

    def _goodbye(self, request: Request, answer: Goodbye) -> Payloads:
        msg = f"Goodbye {answer.user.nick}" if answer.user is not None else ""
        return self._payload(objects.Goodbye(action=self._name("server-quit"), ref=request.ref, msg=msg))

    def _list(
        self,
        reply: objects.AnswerBase,
        key: str,
        items: Iterable[Any],
        more: bool = False,
        forward: bool = True,
    ) -> Payloads:
        """Return ``reply``, an answer that contains a list, with as many ``items`` under ``key`` as fit into
        its maximum size.

        The items come in the direction of reading; unless ``forward``, their order is reversed in the answer.
        ``more`` says that there are further items.
        """
        kept, more = self._fitting(reply, items, more)
        return self._payload(replace(reply, more=more, **{key: kept if forward else kept[::-1]}))

    def _fitting(self, reply: objects.AnswerBase, items: Iterable[Any], more: bool) -> tuple[list[Any], bool]:
        """Return the first ``items``, as many as fit into ``reply``, and whether there are more."""
        room = self.max_list_bytes - len(self._encoded(replace(reply, more=True)))
        kept: list[Any] = []
        for item in items:
            room -= len(self._encoded(item)) + 1
            if room < 0:
                more = True
                break
            kept.append(item)
        return kept, more

    def _name(self, action: str) -> str:
        """Return the action that this variant sends instead of ``action``."""
        return _RELAYED.get(action, action) if self.relays_client_actions else action

    def _payload(self, said: objects.ServerObject | objects.BasicWelcome) -> Payloads:
        return (self._encoded(said),)

    def _encoded(self, said: object) -> bytes:
        return objects.encode(said) if self.newline_delimited else _STRING.sub(_escape, objects.encode(said))


def _from_the_centre(command: ReadHistory, entries: Sequence[LogEntry]) -> list[LogEntry]:
    """Return ``entries``, those next to what ``command`` asks for first, if it asks for a page around it.

    Otherwise return an empty list.
    """
    if command.around is not None:
        centre = sum(entry.id < command.around for entry in entries)
    elif command.around_time is not None:
        centre = sum(entry.at < command.around_time for entry in entries)
    else:
        return []
    return [entries[place] for place in sorted(range(len(entries)), key=lambda place: abs(place - centre))]


DialectVariants = dict[tuple[bool, bool, bool], JsonDialect]
"""The variants of one dialect made so far, by ``newline_delimited``, ``relays_client_actions`` and
``shows_typing``.
"""

_ANSWERS: Final[dict[type, Callable[[JsonDialect, Request, Any], Payloads]]] = {
    Welcome: JsonDialect._welcome,
    Ack: JsonDialect._ack,
    AccountChanged: JsonDialect._account,
    TokenMade: JsonDialect._token_made,
    TokenList: JsonDialect._tokens,
    InvitationLinkMade: JsonDialect._link_made,
    InvitationLinkList: JsonDialect._links,
    Moderated: JsonDialect._moderated,
    ModerationLog: JsonDialect._moderation_log,
    IgnoredUsers: JsonDialect._ignored,
    Clients: JsonDialect._clients,
    Members: JsonDialect._members,
    Groups: JsonDialect._groups,
    Page: JsonDialect._page,
    SearchResult: JsonDialect._search_result,
    Conversations: JsonDialect._conversations,
    ReadMark: JsonDialect._read_mark,
    TransientMessageSent: JsonDialect._transient_sent,
    ActiveConversations: JsonDialect._active,
    Help: JsonDialect._help,
    Goodbye: JsonDialect._goodbye,
}


def _escape(string: re.Match[bytes]) -> bytes:
    """Escape ``$``, ``{`` and ``}`` in a JSON string: one client program runs its input through a template
    engine.
    """
    return _TEMPLATE.sub(lambda found: b"\\u%04x" % found[0][0], string[0])


WIRES: Final = (
    Wire(
        "json",
        "json",
        JsonDialect,
        (
            OpeningBytes(b"{", may_follow_blanks=True),
            OpeningBytes(b"[", may_follow_blanks=True),
            OpeningBytes(codecs.BOM_UTF8),
        ),
    ),
    # Every WebSocket message is one object, as every line is for the clients that end theirs with a newline.
    Wire(
        "web",
        "websocket",
        partial(JsonDialect, newline_delimited=True, wire="web"),
        subprotocol="chatd.json",
    ),
)
