"""The client's settings on disk."""

from __future__ import annotations

import stat
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from chatd.client.account_files import account_file_stem
from chatd.client.account_settings import AccountSettings
from chatd.client.codec import LOBBY, ConversationRef
from chatd.client.connection import Address


class Settings(SynchronousTestCase):
    def setUp(self) -> None:
        self.path = Path(self.mktemp()) / "alice.settings"

    def test_they_are_kept_for_their_owner_alone(self) -> None:
        """By the conversation, however it is spelt."""
        settings = AccountSettings(self.path)
        settings.set_muted(ConversationRef("group", "Wob"), True)
        settings.set_muted(LOBBY, True)
        settings.set_muted(LOBBY, False)
        settings.set_notify_mode("bell")
        settings.set_last_conversation(ConversationRef("group", "Wob"))
        again = AccountSettings(self.path)
        self.assertTrue(again.is_muted(ConversationRef("group", "wob")))
        self.assertFalse(again.is_muted(LOBBY))
        self.assertEqual(
            (again.notify_mode, again.last_conversation), ("bell", ConversationRef("group", "Wob"))
        )
        self.assertEqual(stat.S_IMODE(self.path.stat().st_mode), 0o600)
        self.assertEqual(list(self.path.parent.iterdir()), [self.path])

    def test_two_clients_of_one_user_lose_nothing(self) -> None:
        """Each changes what it changes, and leaves the rest as the other has it."""
        one, other = AccountSettings(self.path), AccountSettings(self.path)
        one.set_muted(LOBBY, True)
        other.set_last_conversation(LOBBY)
        one.set_notify_mode("off")
        other.set_muted(ConversationRef("group", "wob"), True)
        again = AccountSettings(self.path)
        self.assertTrue(again.is_muted(LOBBY) and again.is_muted(ConversationRef("group", "wob")))
        self.assertEqual((again.notify_mode, again.last_conversation), ("off", LOBBY))

    def test_a_damaged_file_counts_as_empty(self) -> None:
        self.path.parent.mkdir(parents=True)
        for content in (
            b"",
            b"\xff",
            b"[]",
            b'{"notify":"loud"}',
            b'{"last_place":{"kind":"den"}}',
            b"{" * 10_000,
        ):
            self.path.write_bytes(content)
            settings = AccountSettings(self.path)
            self.assertEqual((settings.notify_mode, settings.is_muted(LOBBY)), ("on", False), content[:9])

    def test_each_user_at_each_server_has_their_own(self) -> None:
        stems = {
            account_file_stem(Address(host, port), nick)
            for host in ("localhost", "example.org")
            for port in (8080, 8081)
            for nick in ("alice", "Alice", "bob")
        }
        self.assertEqual(len(stems), 8)
