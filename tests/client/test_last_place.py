"""Where somebody was last."""

from __future__ import annotations

import os
from pathlib import Path
from unittest.mock import patch

from twisted.trial.unittest import SynchronousTestCase

from chatd.client.codec import LOBBY, ConversationRef
from chatd.client.last_place import MAX_REMEMBERED_PLACES, LastPlaceFile, open_last_places

WOB = ConversationRef("group", "wob")


class Remembering(SynchronousTestCase):
    """The file."""

    def setUp(self) -> None:
        """Have a folder."""
        self.path = Path(self.mktemp()).absolute() / "chatd" / "places.json"

    def test_each_nick_has_its_own(self) -> None:
        file = LastPlaceFile(self.path)
        self.assertIsNone(file.read("a alice"))
        file.write("a alice", WOB)
        file.write("b alice", ConversationRef("direct", "bob"))
        file.write("a bob", LOBBY)
        again = LastPlaceFile(self.path)
        self.assertEqual([again.read("a alice"), again.read("a bob")], [WOB, LOBBY])
        self.assertEqual(self.path.stat().st_mode & 0o777, 0o600)
        self.assertEqual(self.path.parent.stat().st_mode & 0o777, 0o700)
        self.assertEqual([one.name for one in self.path.parent.iterdir()], ["places.json"])

    def test_only_the_latest_are_kept(self) -> None:
        file = LastPlaceFile(self.path)
        file.write("first", WOB)
        for number in range(MAX_REMEMBERED_PLACES - 1):
            file.write(str(number), WOB)
        file.write("first", LOBBY)
        file.write("one more", WOB)
        self.assertEqual((file.read("first"), file.read("0")), (LOBBY, None))

    def test_a_file_that_is_damaged_or_cannot_be_written(self) -> None:
        """Remembers nothing, and disturbs nobody."""
        self.path.parent.mkdir(parents=True)
        for content in (b"", b"{", b"[1]", b'{"a": {"kind": "den"}}', b"\xff", b" " * 100_000):
            self.path.write_bytes(content)
            self.assertIsNone(LastPlaceFile(self.path).read("a"))
        LastPlaceFile(self.path).write("a", WOB)
        self.assertEqual(LastPlaceFile(self.path).read("a"), WOB)
        in_a_file = LastPlaceFile(self.path / "places.json")
        in_a_file.write("a", WOB)
        self.assertIsNone(in_a_file.read("a"))

    def test_where_it_is(self) -> None:
        with patch.dict(os.environ, XDG_STATE_HOME=str(self.path.parent.parent)):
            open_last_places().write("a", WOB)
        self.assertEqual(LastPlaceFile(self.path).read("a"), WOB)
