"""Rings the terminal's bell and shows desktop notifications for what concerns the user in person."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from chatd.client.codec import LOBBY, ConversationRef, News, conversation_of_message
from chatd.client.language import _
from chatd.client.memory import Memory
from chatd.client.mentions import text_mentions_nick
from chatd.client.render import conversation_label, sanitize_to_one_line
from chatd.json_wire.objects import GroupEvent, Message

RING_INTERVAL_SECONDS: Final = 3.0
"""The shortest time between two rings, so that nobody can keep the terminal ringing."""

USER_IDLE_AFTER_SECONDS: Final = 60.0
"""On a terminal that does not report the focus, the user counts as away after this time without a key."""

MAX_NOTIFICATION_CHARACTERS: Final = 120

OSC_9_TERMINALS: Final = ("iterm", "wezterm", "ghostty", "kitty", "windowsterminal")
"""Terminals, by a part of their name, that show ``OSC 9`` as a notification (iTerm2's sequence)."""

OSC_777_TERMINALS: Final = ("rxvt", "foot")
"""Terminals, by a part of their name, that show ``OSC 777`` as a notification (urxvt's sequence)."""


def notification_sequence(text: str, environment: Mapping[str, str]) -> str:
    """Return the escape sequence that makes the terminal show ``text`` as a desktop notification.

    ``environment`` are the environment variables, which tell the terminal's type. The result is empty for a
    terminal that is not known to support notifications. Control characters of ``text`` are replaced, and so
    is ``;``, which separates the fields of a sequence.
    """
    clean = sanitize_to_one_line(text).replace(";", ",")[:MAX_NOTIFICATION_CHARACTERS]
    names = " ".join(environment.get(key, "") for key in ("TERM_PROGRAM", "LC_TERMINAL", "TERM")).lower()
    if environment.get("WT_SESSION"):
        names += " windowsterminal"
    if any(known in names for known in OSC_777_TERMINALS):
        return f"\x1b]777;notify;chat;{clean}\x1b\\"
    if any(known in names for known in OSC_9_TERMINALS):
        return f"\x1b]9;{clean}\x07"
    return ""


def personal_notification_text(news: News, nick: str) -> str | None:
    """Return a sentence for a notification, if ``news`` concerns the user ``nick`` in person, else None.

    Such news are a private message, a mention, or an invitation, from another user. The sentence has no part
    of the message, because others may see the user's desktop.
    """
    if isinstance(news, Message):
        if news.nick == nick:
            return None
        place = conversation_of_message(news, nick)
        if place.kind == "direct":
            return _("{nick} wrote to you").format(nick=news.nick)
        if text_mentions_nick(news.msg, nick):
            label = conversation_label(place)
            return _("{nick} mentioned you in {place}").format(nick=news.nick, place=label)
    elif isinstance(news, GroupEvent) and news.event == "invited" and news.subject == nick:
        return _("{nick} invites you to {place}").format(nick=news.actor, place=news.group)
    return None


class Notifier:
    """Rings the terminal's bell or shows a notification when a message or an invitation concerns the user.

    It rings at most once in `RING_INTERVAL_SECONDS` and never for muted conversations. It does not ring while
    the user is at the window, unless the setting is ``always``. ``ring`` rings the bell, and ``write`` writes
    an escape sequence to the terminal. ``clock`` returns a monotonic time in seconds.
    """

    def __init__(
        self,
        memory: Memory,
        ring: Callable[[], None],
        write: Callable[[str], None],
        clock: Callable[[], float],
        environment: Mapping[str, str],
    ) -> None:
        self.has_focus = True
        self.reports_focus = False
        self._memory = memory
        self._ring = ring
        self._write = write
        self._clock = clock
        self._environment = environment
        self._last_key_at = clock()
        self._last_ring_at = -RING_INTERVAL_SECONDS

    def focus_changed(self, has_focus: bool) -> None:
        """Record whether the terminal's window has the focus, as the terminal reports."""
        self.reports_focus = self.reports_focus or not has_focus
        self.has_focus = has_focus

    def key_pressed(self) -> None:
        """Record that the user has pressed a key."""
        self._last_key_at = self._clock()

    @property
    def is_user_there(self) -> bool:
        """Whether the user is at the window, as far as the terminal and the keys tell."""
        if self.reports_focus:
            return self.has_focus
        return self._clock() < self._last_key_at + USER_IDLE_AFTER_SECONDS

    def announce(self, news: News) -> None:
        """Ring if ``news``, which has just arrived, concerns the user in person."""
        mode = self._memory.settings.notify_mode
        if mode == "off" or (self.is_user_there and mode != "always"):
            return
        text = personal_notification_text(news, self._memory.nick)
        if text is None or self._is_muted(news):
            return
        now = self._clock()
        if now < self._last_ring_at + RING_INTERVAL_SECONDS:
            return
        self._last_ring_at = now
        self._ring()
        if mode != "bell" and (sequence := notification_sequence(text, self._environment)):
            self._write(sequence)

    def _is_muted(self, news: News) -> bool:
        if isinstance(news, Message):
            return self._memory.settings.is_muted(conversation_of_message(news, self._memory.nick))
        place = ConversationRef("group", news.group) if isinstance(news, GroupEvent) else LOBBY
        return self._memory.settings.is_muted(place)
