"""What the client keeps for a user at a server: muted conversations, notifications, the last conversation."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Final, Literal

import msgspec

from chatd.client.codec import ConversationRef
from chatd.files import make_private_folder, open_private

SETTINGS_SUFFIX: Final = ".settings"

MAX_SETTINGS_FILE_BYTES: Final = 1024 * 1024
"""The most bytes that are read of the file."""

NotifyMode = Literal["off", "bell", "on", "always"]
"""How the client rings: not at all, with the bell, with the bell and a notification, or so even while the
window has the focus.
"""


class SettingsContent(msgspec.Struct, frozen=True):
    """The JSON content of the settings file of one user.

    ``notify`` says when the client rings, ``muted`` has the keys of the muted conversations, and
    ``last_place`` is the conversation that was last on the screen, or None.
    """

    muted: list[tuple[str, str]] = []
    notify: NotifyMode = "on"
    last_place: ConversationRef | None = None


class AccountSettings:
    """The client's settings for one user: notifications, muted conversations, and the conversation last
    shown.

    The settings are kept in a private file at ``path``, or in memory only if ``path`` is None. A missing or
    damaged file counts as empty.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._content = SettingsContent()
        self._read()

    @property
    def notify_mode(self) -> NotifyMode:
        """The setting that says when the client rings."""
        return self._content.notify

    def set_notify_mode(self, mode: NotifyMode) -> None:
        """Store ``mode``, which says when the client rings. Raises `OSError` if the file can't be written."""
        self._change(notify=mode)

    def is_muted(self, place: ConversationRef) -> bool:
        """Return whether the user has muted the conversation ``place``."""
        return place.key in self._content.muted

    def set_muted(self, place: ConversationRef, muted: bool) -> None:
        """Mute the conversation ``place``, or unmute it if ``muted`` is false.

        Raises `OSError` if the file can't be written.
        """
        self._read()
        others = [one for one in self._content.muted if one != place.key]
        self._change(muted=[*others, place.key] if muted else others)

    @property
    def last_conversation(self) -> ConversationRef | None:
        """The conversation that was last on the screen, or None if no conversation is stored."""
        return self._content.last_place

    def set_last_conversation(self, place: ConversationRef) -> None:
        """Store ``place`` as the conversation that was last on the screen.

        Raises `OSError` if the file can't be written.
        """
        if place != self._content.last_place:
            self._change(last_place=place)

    def _read(self) -> None:
        if self._path is not None:
            try:
                with open(self._path, "rb") as file:
                    self._content = msgspec.json.decode(
                        file.read(MAX_SETTINGS_FILE_BYTES), type=SettingsContent
                    )
            except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
                pass

    def _change(self, **changes: object) -> None:
        """Change some settings, and leave those as they are that another client of the user has changed.

        The file is replaced at once, so that another client never reads half of it.
        """
        self._read()
        self._content = msgspec.structs.replace(self._content, **changes)
        if self._path is None:
            return
        make_private_folder(self._path.parent)
        new = self._path.with_name(f"{self._path.name}.{secrets.token_hex(4)}")
        try:
            with open(new, "xb", opener=open_private) as file:
                file.write(msgspec.json.encode(self._content))
            os.replace(new, self._path)
        finally:
            new.unlink(missing_ok=True)
