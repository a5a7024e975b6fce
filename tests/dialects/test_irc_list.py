"""The list of channels on IRC."""

from __future__ import annotations

from tests.support.irc_case import IrcCase
from tests.support.irc_view import heard


class Lists(IrcCase):
    """There are #wob, with three members, and #ada; #den is private, and alice is not in it."""

    def setUp(self) -> None:
        super().setUp()
        self.alice, self.bob, carol = self.irc("alice"), self.irc("bob"), self.irc("carol")
        for peer in (self.alice, self.bob, carol):
            peer.says("JOIN #wob")
        self.alice.says("JOIN #ada").says("TOPIC #ada :of \x02all\x02 things")
        self.bob.says("JOIN #den").says("MODE #den +i")

    def listed(self, params: str = "") -> list[str]:
        """The names that alice is shown."""
        self.alice.hears()
        self.alice.says(f"LIST {params}".rstrip())
        start, *lines, end = map(heard, self.alice.lines())
        self.assertEqual(
            (start.verb, end.verb, {line.verb for line in lines} - {"322"}), ("321", "323", set())
        )
        return [line.params[1] for line in lines]

    def test_what_one_may_know_of(self) -> None:
        """The lobby first; private groups to their members only."""
        self.assertEqual(self.listed(), ["#lobby", "#ada", "#wob"])
        self.alice.says("LIST")
        self.assertEqual(
            self.alice.lines()[1:3],
            [":chatd 322 alice #lobby 3 :everyone is here", ":chatd 322 alice #ada 1 :of all things"],
        )
        self.bob.hears()
        self.bob.says("LIST")
        self.assertIn(":chatd 322 bob #den 1 :", self.bob.lines())

    def test_conditions(self) -> None:
        for params, names in (
            ("#wob", ["#wob"]),
            ("#WOB", ["#wob"]),
            ("#ada,#wob", ["#ada", "#wob"]),
            ("#den", []),
            ("#nope", []),
            ("*o*", ["#lobby", "#wob"]),
            ("#?ob", ["#wob"]),
            ("!*o*", ["#ada"]),
            ("*,!#lobby", ["#ada", "#wob"]),
            (">1", ["#lobby", "#wob"]),
            ("<3", ["#ada"]),
            (">0,<2", ["#ada"]),
            (">99", []),
            ("C>", ["#lobby", "#ada", "#wob"]),
            ("T<x", ["#lobby", "#ada", "#wob"]),
            (">1,>2", ["#lobby", "#wob"]),
            (">", ["#lobby", "#ada", "#wob"]),
            (">9999999999999999999999", ["#lobby", "#ada", "#wob"]),
            ("<²", ["#lobby", "#ada", "#wob"]),
            ("[a-z]*", []),
            (",", ["#lobby", "#ada", "#wob"]),
        ):
            self.assertEqual(self.listed(params), names, params)

    def test_how_long_ago(self) -> None:
        """In minutes: when a channel was created, and when its topic was set. The lobby has no such times."""
        self.stage.wait(120)
        self.alice.says("JOIN #new").says("TOPIC #wob :the weather").says("TOPIC #ada :")
        self.bob.says("JOIN #zoo").says("TOPIC #zoo :animals")
        self.stage.wait(60)
        for params, names in (
            ("C>2", ["#ada", "#wob"]),
            ("C<2", ["#new", "#zoo"]),
            ("C<0", []),
            ("C>0", ["#ada", "#new", "#wob", "#zoo"]),
            ("C<10,>1", ["#wob"]),
            ("T<2", ["#wob", "#zoo"]),
            ("T>0", ["#wob", "#zoo"]),
            ("T>2", []),
            ("T<2,C>2", ["#wob"]),
            ("#wob,T<999999999", ["#wob"]),
        ):
            self.assertEqual(self.listed(params), names, params)

    def test_a_mask_that_is_costly(self) -> None:
        """It takes no longer than others."""
        self.assertEqual(self.listed("*a*" * 150 + "x"), [])
