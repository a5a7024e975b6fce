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


class VerbDeclaration(NamedTuple):
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
        dialect.command_request(line, "quit"),
        quit_or_part_message=channels.parse_quit_or_part_message(line.params),
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
    "CAP": VerbDeclaration(registration.decode_cap, 1, True),
    "NICK": VerbDeclaration(registration.decode_nick, 0, True),
    "USER": VerbDeclaration(registration.decode_user, 4, True),
    "PASS": VerbDeclaration(registration.decode_pass, 1, True),
    "AUTHENTICATE": VerbDeclaration(accounts.decode_authenticate, 1, True),
    "REGISTER": VerbDeclaration(accounts.decode_register, 3, True),
    "VERIFY": VerbDeclaration(accounts.decode_verify, 2, True),
    "PING": VerbDeclaration(_ping, 1, True),
    "PONG": VerbDeclaration(_pong, 0, True),
    "QUIT": VerbDeclaration(_quit, 0, True),
    "MOTD": VerbDeclaration(_motd),
    "JOIN": VerbDeclaration(channels.decode_join, 1),
    "PART": VerbDeclaration(channels.decode_part, 1),
    "NAMES": VerbDeclaration(channels.decode_names),
    "TOPIC": VerbDeclaration(channels.decode_topic, 1),
    "KICK": VerbDeclaration(channels.decode_kick, 2),
    "INVITE": VerbDeclaration(channels.decode_invite),
    "LIST": VerbDeclaration(channels.decode_list),
    "MODE": VerbDeclaration(channels.decode_mode, 1),
    "PRIVMSG": VerbDeclaration(messages.decode_privmsg),
    "NOTICE": VerbDeclaration(messages.decode_notice),
    "TAGMSG": VerbDeclaration(transient.decode_tagmsg, 1),
    **{
        name: VerbDeclaration(decode, min_params)
        for subject in _SUBJECTS
        for name, (decode, min_params) in subject.items()
    },
}
"""The verbs that the dialect knows."""
