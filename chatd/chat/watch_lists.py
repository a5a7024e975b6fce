"""Watch lists: the users of whose arrivals and departures a session has asked to be told.

A notice goes only to the sessions that watch the user, and costs other sessions nothing.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from chatd.boundaries import Client
from chatd.chat.authority import Authority
from chatd.core.answers import WatchedUsers
from chatd.core.channel_commands import WatchUsers
from chatd.core.channels import MAX_WATCHED_USERS
from chatd.core.events import User
from chatd.core.names import BadName, Name, parse_nick
from chatd.core.refusals import Refusal
from chatd.core.requests import Request

PLACEHOLDER_WATCH_REQUEST: Final = Request(WatchUsers("status"), "MONITOR")
"""The request that the daemon pretends to answer when it tells a client that a watched user comes or goes."""


class WatchLists:
    """The watch lists of all sessions.

    When a user on a session's watch list logs in or out, the session is told.

    A session without a watch list takes no memory.
    """

    def __init__(self, authority: Authority) -> None:
        self._authority = authority
        # For each session the watched nicks as they are shown, by their keys.
        self._lists: dict[Client, dict[str, str]] = {}
        # The other way round: for each key the sessions, with what they were told last: whether it is online.
        self._watchers: dict[str, dict[Client, bool]] = {}

    def execute(self, client: Client, command: WatchUsers) -> WatchedUsers:
        """Carry out ``command`` for ``client``, and return the answer. Invalid nicks count as offline."""
        listed = self._lists.get(client, {})
        if command.change == "add":
            return self._add(client, command.nicks)
        if command.change == "remove":
            for nick in command.nicks.split(","):
                if (name := _parse(nick)) is not None:
                    self._remove(client, name.normalized)
        elif command.change == "clear":
            self.forget(client)
        elif command.change == "list":
            return WatchedUsers(listed_nicks=tuple(map(self._own_form, listed.values())))
        else:
            return self._status(client, dict(listed))
        return WatchedUsers()

    def forget(self, client: Client) -> None:
        """Drop the watch list of ``client``, whose session has ended."""
        for key in list(self._lists.get(client, ())):
            self._remove(client, key)

    def watchers_of(self, user: User) -> Collection[Client]:
        """Return the sessions with ``user`` on their watch list."""
        return self._watchers.get(user.normalized_nick, {}).keys()

    def announce(self, user: User, is_online: bool) -> None:
        """Tell the sessions that watch ``user`` whether the user is online, unless they were told so
        before.
        """
        watchers = self._watchers.get(user.normalized_nick, {})
        notice = WatchedUsers(online_users=(user,)) if is_online else WatchedUsers(offline_nicks=(user.nick,))
        for client, was_online in list(watchers.items()):
            if was_online is not is_online:
                watchers[client] = is_online
                client.push_answer(PLACEHOLDER_WATCH_REQUEST, notice)

    def _add(self, client: Client, nicks: str) -> WatchedUsers:
        shown: dict[str, str] = {}
        refused: list[str] = []
        listed = self._lists.get(client, {})
        count = len(listed)
        for nick in filter(None, nicks.split(",")):
            name = _parse(nick)
            if name is None:
                shown[nick] = nick
            elif name.normalized in listed or name.normalized in shown:
                shown.setdefault(name.normalized, name.original)
            elif count < MAX_WATCHED_USERS:
                count += 1
                shown[name.normalized] = name.original
                self._lists.setdefault(client, {})[name.normalized] = name.original
                self._watchers.setdefault(name.normalized, {})[client] = False
            else:
                refused.append(nick)
        answer = self._status(client, shown)
        return WatchedUsers(answer.online_users, answer.offline_nicks, (), tuple(refused), MAX_WATCHED_USERS)

    def _remove(self, client: Client, key: str) -> None:
        listed, watchers = self._lists.get(client, {}), self._watchers.get(key, {})
        if listed.pop(key, None) is None:
            return
        del watchers[client]
        if not listed:
            del self._lists[client]
        if not watchers:
            del self._watchers[key]

    def _status(self, client: Client, shown: dict[str, str]) -> WatchedUsers:
        """Return which of the nicks in ``shown`` are online, and record that ``client`` was told."""
        online: list[User] = []
        offline: list[str] = []
        for key, nick in shown.items():
            user = self._online_user(nick)
            if user is None:
                offline.append(self._own_form(nick))
            else:
                online.append(user)
            if client in self._watchers.get(key, {}):
                self._watchers[key][client] = user is not None
        return WatchedUsers(tuple(online), tuple(offline))

    def _online_user(self, nick: str) -> User | None:
        user = self._known_user(nick)
        return user if user is not None and self._authority.sessions_of(user) else None

    def _own_form(self, nick: str) -> str:
        """Return ``nick`` as its user is shown, if it is known."""
        user = self._known_user(nick)
        return nick if user is None else user.nick

    def _known_user(self, nick: str) -> User | None:
        try:
            return self._authority.state.require_user(nick)
        except Refusal:
            return None


def _parse(nick: str) -> Name | None:
    try:
        return parse_nick(nick)
    except BadName:
        return None
