"""The verbs of IRC: what decodes their lines, and the few that are no subject of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec.structs import replace

from chatd.core.requests import Request
from chatd.dialects import irc_accounts as accounts
from chatd.dialects import irc_channels as channels
from chatd.dialects import irc_history as history
from chatd.dialects import irc_information as information
from chatd.dialects import irc_messages as messages
from chatd.dialects import irc_multiline as multiline
from chatd.dialects import irc_operators as operators
from chatd.dialects import irc_presence as presence
from chatd.dialects import irc_queries as queries
from chatd.dialects import irc_read_marks as read_marks
from chatd.dialects import irc_redaction as redaction
from chatd.dialects import irc_registration as registration
from chatd.dialects import irc_search as search
from chatd.dialects import irc_transient as transient
from chatd.dialects.irc_lines import IrcLine, format_line

if TYPE_CHECKING:
    from chatd.dialects.irc import IrcDialect


class Verb(NamedTuple):
    """How an IRC verb, such as ``JOIN``, is handled.

    ``decode`` decodes a line with the verb. A line needs at least ``min_params`` parameters. ``before_login``
    says whether the verb is allowed before the login.
    """

    decode: Callable[[IrcDialect, IrcLine], Request | None]
    min_params: int = 0
    before_login: bool = False


def _ping(dialect: IrcDialect, line: IrcLine) -> Request:
    server = dialect.client.server
    return dialect.reply_request(format_line("PONG", server, line.params[0], source=server, trailing=True))


def _pong(dialect: IrcDialect, line: IrcLine) -> Request:
    return dialect.reply_request()


def _quit(dialect: IrcDialect, line: IrcLine) -> Request:
    return replace(
        dialect.request(line, "quit"), quit_or_part_message=channels.parse_quit_or_part_message(line.params)
    )


def _motd(dialect: IrcDialect, line: IrcLine) -> Request:
    return dialect.reply_request(*registration.motd_lines(dialect.client))


_SUBJECTS: Final[tuple[Mapping[str, tuple[Callable[[IrcDialect, IrcLine], Request], int]], ...]] = (
    queries.VERB_DECODERS,
    presence.VERB_DECODERS,
    information.VERB_DECODERS,
    redaction.VERB_DECODERS,
    operators.VERB_DECODERS,
    history.VERB_DECODERS,
    multiline.VERB_DECODERS,
    read_marks.VERB_DECODERS,
    search.VERB_DECODERS,
)

VERBS: Final = {
    "CAP": Verb(registration.cap, 1, True),
    "NICK": Verb(registration.nick, 0, True),
    "USER": Verb(registration.user, 4, True),
    "PASS": Verb(registration.password, 1, True),
    "AUTHENTICATE": Verb(accounts.authenticate, 1, True),
    "REGISTER": Verb(accounts.register, 3, True),
    "VERIFY": Verb(accounts.verify, 2, True),
    "PING": Verb(_ping, 1, True),
    "PONG": Verb(_pong, 0, True),
    "QUIT": Verb(_quit, 0, True),
    "MOTD": Verb(_motd),
    "JOIN": Verb(channels.join, 1),
    "PART": Verb(channels.part, 1),
    "NAMES": Verb(channels.names),
    "TOPIC": Verb(channels.topic, 1),
    "KICK": Verb(channels.kick, 2),
    "INVITE": Verb(channels.invite),
    "LIST": Verb(channels.channel_list),
    "MODE": Verb(channels.mode, 1),
    "PRIVMSG": Verb(messages.privmsg),
    "NOTICE": Verb(messages.notice),
    "TAGMSG": Verb(transient.tagmsg, 1),
    **{
        name: Verb(decode, min_params)
        for subject in _SUBJECTS
        for name, (decode, min_params) in subject.items()
    },
}
"""The verbs that the dialect knows."""
