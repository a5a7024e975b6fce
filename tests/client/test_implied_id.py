"""The message that a typed command is for."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from chatd.client.codec import LOBBY
from chatd.client.implied_id import with_implied_message_id
from chatd.client.typed_lines import parse_typed_line
from chatd.core import commands as c
from chatd.core.refusals import Refusal


class MessageIds(SynchronousTestCase):
    def test_the_last_message_is_meant(self) -> None:
        for typed, meant in (
            ("/edit what I meant", "/edit 7 what I meant"),
            ("/EDIT x", "/EDIT 7 x"),
            ("/edit 3rd", "/edit 7 3rd"),
            ("/reply me too", "/reply 5 me too"),
            ("/react 👍", "/react 5 👍"),
            ("/react 1", "/react 5 1"),
            ("/unreact ok", "/unreact 5 ok"),
        ):
            self.assertEqual(with_implied_message_id(typed, 7, 5), meant)
            with self.assertRaisesRegex(Refusal, r"usage: /\w+ id \w+"):
                with_implied_message_id(typed, None, None)

    def test_why_an_id_is_needed(self) -> None:
        for typed, why in (
            ("/edit x", "usage: /edit id text (your last message here is not sent yet, or there is none)"),
            ("/react +1", "usage: /react id reaction (nobody else has written here, or not lately)"),
        ):
            with self.assertRaises(Refusal) as caught:
                with_implied_message_id(typed, None, None)
            self.assertEqual(caught.exception.text, why)

    def test_lines_that_stay_as_they_are(self) -> None:
        for typed in (
            "/edit 3 x",
            "/react 3 1",
            "/delete oops",
            "edit;x",
            "//edit x",
            "hello",
        ):
            self.assertEqual(with_implied_message_id(typed, 7, 5), typed)
            self.assertEqual(with_implied_message_id(typed, None, None), typed)

    def test_what_comes_of_it(self) -> None:
        command = parse_typed_line(with_implied_message_id("/edit two  words ", 7, None), LOBBY)
        assert isinstance(command, c.EditMessage)
        self.assertEqual((command.id, command.msg), (7, "two  words "))
