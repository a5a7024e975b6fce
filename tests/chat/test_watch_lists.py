"""Watch lists: who is told when users come and go."""

from __future__ import annotations

from sqlite3 import OperationalError

from chatd.core.channels import MAX_WATCHED_USERS
from tests.support.in_memory_daemon import Peer
from tests.support.irc_case import IrcCase


class WatchLists(IrcCase):
    """``MONITOR``, from the line of one client to the arrivals of others."""

    def setUp(self) -> None:
        """Have amy watch Bob."""
        super().setUp()
        self.amy = self.irc("amy")
        self.asks(self.amy, "MONITOR + Bob")

    def notices(self, peer: Peer) -> list[str]:
        """The numerics that ``peer`` has heard, without its nick."""
        return [line.split(" ", 3)[1] + " " + line.split(" ", 3)[3] for line in peer.lines() if " 73" in line]

    def test_arrival_and_departure(self) -> None:
        """Whatever wire the user comes by, and in the form of the nick that is the user's own."""
        bob = self.stage.json("BOB")
        self.assertEqual(self.notices(self.amy), ["730 BOB!BOB@chatd"])
        bob.hangs_up()
        self.assertEqual(self.notices(self.amy), ["731 BOB"])
        self.assertEqual(self.asks(self.amy, "MONITOR L"), ["732 BOB", "733 :End of MONITOR list"])

    def test_a_second_session_is_no_arrival(self) -> None:
        bob = self.stage.json("bob")
        bob.asks(action="register", password="correct horse battery")
        self.notices(self.amy)
        other = self.stage.json("bob", password="correct horse battery")
        bob.hangs_up()
        self.assertEqual(self.notices(self.amy), [])
        other.hangs_up()
        self.assertEqual(self.notices(self.amy), ["731 bob"])

    def test_status_of_what_is_added(self) -> None:
        self.irc("carol")
        self.assertEqual(
            self.asks(self.amy, "MONITOR + carol,dave,CAROL,bob"), ["730 carol!carol@chatd", "731 dave,bob"]
        )
        self.assertEqual(self.asks(self.amy, "MONITOR S"), ["730 carol!carol@chatd", "731 Bob,dave"])

    def test_removed_and_cleared(self) -> None:
        self.asks(self.amy, "MONITOR + carol")
        self.assertEqual(self.asks(self.amy, "MONITOR - BOB,nobody,a!b"), [])
        self.irc("bob")
        self.assertEqual(self.notices(self.amy), [])
        self.assertEqual(self.asks(self.amy, "MONITOR C", "MONITOR L"), ["733 :End of MONITOR list"])
        self.irc("carol")
        self.assertEqual(self.notices(self.amy), [])

    def test_masks_are_never_online_and_not_watched(self) -> None:
        self.assertEqual(self.asks(self.amy, "MONITOR + *!u@chatd,b*"), ["731 *!u@chatd,b*"])
        self.assertEqual(self.asks(self.amy, "MONITOR L"), ["732 Bob", "733 :End of MONITOR list"])

    def test_the_list_is_bounded(self) -> None:
        for start in range(1, MAX_WATCHED_USERS, 33):
            nicks = ",".join(f"user{number}" for number in range(start, start + 33))
            self.asks(self.amy, f"MONITOR + {nicks}")
        heard = self.asks(self.amy, "MONITOR + bob,late,later")
        self.assertEqual(heard, ["731 bob", "734 100 late,later :Monitor list is full"])
        self.asks(self.amy, "MONITOR - bob")
        self.assertEqual(self.asks(self.amy, "MONITOR + late"), ["731 late"])

    def test_a_list_goes_with_its_session(self) -> None:
        lists = self.stage.chat._watch_lists
        self.assertEqual((len(lists._lists), len(lists._watchers)), (1, 1))
        self.amy.hangs_up()
        self.assertEqual((len(lists._lists), len(lists._watchers)), (0, 0))

    def test_each_list_is_of_one_session(self) -> None:
        carol = self.irc("carol")
        self.irc("bob")
        self.assertEqual((len(self.notices(self.amy)), self.notices(carol)), (1, []))

    def test_an_arrival_that_is_not_stored_is_taken_back(self) -> None:
        """The answer counts a user whose login is not on disk yet."""
        self.stage.writer.held = True
        bob = self.stage.connect("irc").says("NICK bob").says("USER b 0 * :B")
        self.assertFalse(bob.hears())
        lists, authority = self.stage.chat._watch_lists, self.stage.chat._authority
        [amy] = lists._lists
        lists._watchers["bob"][amy] = True
        self.stage.writer.error = OperationalError("disk full")
        self.stage.writer.held = False
        self.stage.writer.run_next()
        self.stage.settle()
        self.assertNotIn("bob", authority.online_users)
        self.assertEqual(self.notices(self.amy), ["731 bob"])
        self.stage.writer.error = None
        self.flushLoggedErrors()
