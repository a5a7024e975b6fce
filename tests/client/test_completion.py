"""What the Tab key offers."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from chatd.client.codec import LOBBY, ConversationRef
from chatd.client.completion import completions, usage_hint
from chatd.client.implied_group import KnownNames
from tests.support.languages import speak

WOB = ConversationRef("group", "wob")


class Completing(SynchronousTestCase):
    """Commands, nicks and groups, where each can stand."""

    def offered(self, typed: str, here: ConversationRef = LOBBY) -> list[str]:
        """What ``typed`` may become."""
        members = ["carol"] if here == WOB else []
        start, words = completions(
            typed, KnownNames(["bob", "Bobby", "carol"], ["wob", "den"], members), here
        )
        return [typed[:start] + word for word in words]

    def test_what_fits(self) -> None:
        for typed, wanted in {
            "/ki": ["/kick "],
            "/i": ["/ignore ", "/ignored ", "/image ", "/invite ", "/invitelink "],
            "/me": ["/me ", "/members ", "/messages "],
            "/me hugs bo": ["/me hugs Bobby", "/me hugs bob"],
            "/kick w": ["/kick wob "],
            "/kick wob b": ["/kick wob Bobby ", "/kick wob bob "],
            "/kick wob bob too": [],
            "/invite wob c": ["/invite wob carol"],
            "/create x pr": ["/create x private"],
            "/msg bo": ["/msg Bobby ", "/msg bob "],
            "/msg bob hello ca": ["/msg bob hello carol"],
            "/fly b": ["/fly Bobby", "/fly bob"],
            "b": ["ban;", "bg;", "block;", "blockaddress;", "Bobby", "bob"],
            "bg;d": ["bg;den;"],
            "s;c": ["s;carol;"],
            "kick;wob;b": ["kick;wob;Bobby;", "kick;wob;bob;"],
            "visibility;wob;pu": ["visibility;wob;public"],
            "look, ca": ["look, carol"],
            "two\nca": ["two\ncarol"],
            "": [],
            "look ": [],
        }.items():
            with self.subTest(typed):
                self.assertEqual(self.offered(typed), wanted)

    def test_in_a_group(self) -> None:
        """Its members come first, then other users, then itself, then the other groups."""
        for typed, wanted in {
            "/kick ": ["carol ", "Bobby ", "bob ", "wob ", "den "],
            "/kick c": ["carol "],
            "/kick #": ["#wob ", "#den "],
            "/kick #d": ["#den "],
            "/kick wob ": ["carol ", "Bobby ", "bob "],
            "/kick #den c": ["carol "],
            "/kick carol t": [],
            "/invite ": ["carol", "Bobby", "bob", "wob ", "den "],
            "/invite wob b": ["Bobby", "bob"],
            "/op c": ["carol"],
            "/visibility pr": ["private"],
            "/visibility den pu": ["public"],
            "/leave ": ["wob ", "den "],
            "/members d": ["den "],
            "/join ": ["wob", "den"],
            "/say d": ["den "],
            "kick;": ["kick;wob;", "kick;den;"],
        }.items():
            with self.subTest(typed):
                start = max(typed.rfind(" "), typed.rfind(";")) + 1
                whole = wanted if typed.startswith("kick;") else [typed[:start] + word for word in wanted]
                self.assertEqual(self.offered(typed, WOB), whole)

    def test_usage_in_a_group(self) -> None:
        """What is implied is in brackets; the words of IRC clients are explained by those of chatd."""
        for typed, wanted in {
            "/kick ": "/kick [group] nick [reason]: remove a user from a group; the user may come back",
            "/op ": "/op [group] nick: make a member an operator of a group",
            "/say ": "/say group text: send a message to a group",
            "kick;": "kick;group;dest[;reason]: remove a user from a group; the user may come back",
        }.items():
            self.assertEqual(usage_hint(typed, WOB), wanted)

    def test_usage(self) -> None:
        for typed, wanted in {
            "/kick wob": "/kick group nick [reason]: remove a user from a group; the user may come back",
            "s;": "s;dest;msg: send a message to one user, who gets it later if away",
            "/image x": "/image file: turn a picture into characters and send it",
            "/me w": "/me text: say what you do: * alice waves",
            "/fly x": "",
            "hello": "",
        }.items():
            self.assertEqual(usage_hint(typed), wanted)

    def test_usage_in_french(self) -> None:
        """The command's words are what they are."""
        speak(self, "fr")
        for typed, wanted in {
            "/kick wob": "/kick salon pseudo [raison] : exclure quelqu'un, qui peut revenir",
            "s;": "s;dest;msg : écrire à quelqu'un, qui le lira plus tard en cas d'absence",
            "/me w": "/me message : dire ce que vous faites : * alice salue",
            "/image x": "/image file : changer une image en caractères et l'envoyer",
            "/fly x": "",
        }.items():
            self.assertEqual(usage_hint(typed), wanted)
