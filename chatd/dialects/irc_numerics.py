"""The numerics of IRC: their codes and texts, and which of them tells which refusal.

Sources: modern.ircdocs.horse, RFC 2812, and the IRCv3 specifications of SASL, MONITOR and standard replies.
"""

from __future__ import annotations

from typing import Final

NUMERICS: Final[dict[str, tuple[str, str]]] = {
    "welcome": ("001", "Welcome to chatd, {nick}"),
    "your_host": ("002", "Your host is chatd, running version {version}"),
    "created": ("003", "Who is away, and what was said, is on disk: nothing here is lost at a restart"),
    "my_info": ("004", ""),
    "isupport": ("005", "are supported by this server"),
    "user_modes": ("221", ""),
    "users": ("251", "There are {count} users on 1 server"),
    "channels": ("254", "channels formed"),
    "clients": ("255", "I have {count} clients and 0 servers"),
    "local_users": ("265", "Current local users {count}, max {most}"),
    "global_users": ("266", "Current global users {count}, max {most}"),
    "try_again": ("263", ""),
    "away": ("301", ""),
    "userhost": ("302", ""),
    "ison": ("303", ""),
    "unaway": ("305", "You are no longer marked as being away"),
    "now_away": ("306", "You have been marked as being away"),
    "whois_user": ("311", ""),
    "whois_server": ("312", "chatd"),
    "whowas_user": ("314", ""),
    "end_of_who": ("315", "End of WHO list"),
    "end_of_whois": ("318", "End of WHOIS list"),
    "whois_channels": ("319", ""),
    "list_start": ("321", "Users  Name"),
    "list": ("322", ""),
    "list_end": ("323", "End of LIST"),
    "channel_modes": ("324", ""),
    "creation_time": ("329", ""),
    "whois_account": ("330", "is logged in as"),
    "no_topic": ("331", "No topic is set"),
    "topic": ("332", ""),
    "topic_author": ("333", ""),
    "inviting": ("341", ""),
    "version": ("351", ""),
    "who": ("352", ""),
    "names": ("353", ""),
    "whox": ("354", ""),
    "end_of_names": ("366", "End of NAMES list"),
    "ban": ("367", ""),
    "end_of_bans": ("368", "End of channel ban list"),
    "end_of_whowas": ("369", "End of WHOWAS"),
    "info": ("371", ""),
    "motd": ("372", ""),
    "end_of_info": ("374", "End of INFO list"),
    "motd_start": ("375", "- chatd message of the day -"),
    "end_of_motd": ("376", "End of MOTD command"),
    "time": ("391", ""),
    "no_such_nick": ("401", "No such nick"),
    "no_such_server": ("402", "No such server"),
    "no_such_channel": ("403", "No such channel"),
    "cannot_send": ("404", "Cannot send to channel"),
    "was_no_such_nick": ("406", "There was no such nickname"),
    "too_many_targets": ("407", "Give one target"),
    "bad_cap": ("410", "Invalid CAP command"),
    "no_recipient": ("411", "No recipient given"),
    "no_text": ("412", "No text to send"),
    "line_too_long": ("417", "Input line was too long"),
    "unknown_command": ("421", "Unknown command"),
    "no_nick": ("431", "No nickname given"),
    "not_on_channel": ("442", "You're not on that channel"),
    "not_registered": ("451", "You have not registered: send NICK and USER"),
    "need_more_params": ("461", "Not enough parameters"),
    "already_registered": ("462", "You may not reregister"),
    "unknown_mode": ("472", "is unknown mode char to me"),
    "bad_mask": ("415", "A ban is for a nick: NICK!*@*"),
    "unknown_user_mode": ("501", "Unknown MODE flag"),
    "users_dont_match": ("502", "Can't change or view modes of other users"),
}
"""The numerics that are no refusals of the chat: the code and the text. An empty text means that the last
parameter is what is told.
"""

NUMERICS_BY_REFUSAL: Final[dict[str, str]] = {
    "bad_nick": "432",
    "nick_taken": "433",
    "password_required": "433",
    "wrong_password": "464",
    "token_expired": "464",
    "blocked": "465",
    "not_identified": "451",
    "no_such_user": "401",
    "no_such_group": "403",
    "bad_group": "403",
    "not_member": "442",
    "not_operator": "482",
    "not_owner": "482",
    "is_owner": "482",
    "banned": "474",
    "not_invited": "473",
    "already_member": "443",
    "no_such_member": "441",
    "no_such_operator": "441",
    "group_full": "471",
    "too_many_groups": "405",
    "muted": "404",
    "empty": "412",
    "rate_limited": "263",
    "unknown_action": "421",
}
"""The numeric of each refusal for which IRC has one. Others are standard replies (``FAIL``) or notices."""

REFUSALS_WITH_NICK: Final = frozenset(
    (
        "no_such_member",
        "no_such_operator",
        "already_member",
        "already_invited",
        "already_operator",
        "already_banned",
        "not_banned",
        "too_many_invitations",
    )
)
"""The refusals that name a nick in front of the channel, and not the channel alone."""

NUMERICS_BY_VERB_AND_REFUSAL: Final[dict[tuple[str, str], str]] = {
    ("PRIVMSG", "not_member"): "404",
    ("PRIVMSG", "banned"): "404",
    ("TAGMSG", "not_member"): "404",
}
"""The numerics that differ from `NUMERICS_BY_REFUSAL` when they answer a verb."""
