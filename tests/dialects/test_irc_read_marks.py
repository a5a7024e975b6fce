"""Read marks on IRC: ``MARKREAD``, and what other sessions are told."""

from __future__ import annotations

import sqlite3

from chatd.core.accounts import AccountPolicy
from chatd.core.limits import Limits
from chatd.dialects.timestamps import format_rfc3339
from chatd.store.check import find_file_problems
from tests.support.in_memory_daemon import Peer, Stage
from tests.support.irc_case import IrcCase

SECRET = "correct horse battery"

MARKS = ("message-tags", "server-time", "draft/read-marker")


class ReadMarks(IrcCase):
    """Amy, who has registered, has an IRC client and a JSON client; bob has said three things in #wob."""

    limits = Limits(requests_per_second=10**6, bytes_per_second=10**9, reads_per_second=10**6)

    def setUp(self) -> None:
        super().setUp()
        self.bob = self.irc("bob", "draft/read-marker")
        self.bob.says("JOIN #wob")
        self.amy = self.irc("amy", *MARKS)
        self.amy.says("JOIN #wob").says(f"PRIVMSG chatd :register;{SECRET}")
        for text in ("m1", "m2", "m3"):
            self.stage.wait(1)
            self.bob.says(f"PRIVMSG #wob {text}").says("PRIVMSG #lobby x")
        self.json = self.stage.json("amy", password=SECRET, missed="keep")
        for one in (self.bob, self.amy):
            one.hears()
        found = self.stage.rows("SELECT body, id, at FROM log WHERE body LIKE 'm_'")
        self.ids = {body: id for body, id, _ in found}
        self.at = {body: at for body, _, at in found}

    def mark(self, text: str, target: str = "#wob") -> str:
        """The line that says that ``target`` was read up to ``text``."""
        return f":chatd MARKREAD {target} {self.time(text)}"

    def time(self, text: str) -> str:
        return f"timestamp={format_rfc3339(self.at[text])}"

    def comes(self, *capabilities: str) -> Peer:
        """Another IRC session of amy, with everything still to be heard."""
        peer = self.stage.connect("irc")
        peer.says(f"CAP REQ :{' '.join(capabilities)}").says("CAP END").says(f"PASS :{SECRET}")
        return peer.says("NICK amy").says("USER u 0 * :R")

    def test_nothing_is_marked_at_first(self) -> None:
        for target in ("#wob", "#lobby", "bob", "amy"):
            self.assertEqual(self.asks(self.amy, f"MARKREAD {target}"), [f":chatd MARKREAD {target} *"])

    def test_set_and_get(self) -> None:
        self.assertEqual(self.asks(self.amy, f"MARKREAD #wob {self.time('m2')}"), [self.mark("m2")])
        self.assertEqual(self.asks(self.amy, "MARKREAD #wob"), [self.mark("m2")])
        self.assertEqual(self.asks(self.amy, "MARKREAD #WOB"), [self.mark("m2", "#WOB")])
        self.assertEqual(self.asks(self.amy, "MARKREAD #lobby"), [":chatd MARKREAD #lobby *"])

    def marked(self, at: int, target: str = "#wob") -> str:
        """The line that says that ``target`` was read up to the time ``at``."""
        return f":chatd MARKREAD {target} timestamp={format_rfc3339(at)}"

    def unread(self) -> int:
        """How many messages amy has not read in #wob, as her JSON client lists it."""
        self.json.hears()
        (listed,) = self.json.asks(action="conversations").objects()
        return int(next(one["unread"] for one in listed["conversations"] if one["name"] == "wob"))

    def test_any_time_comes_back_as_it_was_set(self) -> None:
        """It stands for the last entry at that time or before."""
        for at, unread in ((self.at["m2"] - 1, 2), (self.at["m2"], 1), (self.at["m2"] + 1, 1)):
            marked = self.marked(at)
            for line in (marked.removeprefix(":chatd "), "MARKREAD #wob"):
                self.assertEqual(self.asks(self.amy, line), [marked])
            self.assertEqual(self.unread(), unread)

    def test_a_time_in_the_future_is_the_present(self) -> None:
        """It hides nothing that comes later."""
        self.stage.wait(5)
        now = self.marked(self.at["m3"] + 5000)
        self.assertEqual(self.asks(self.amy, "MARKREAD #wob timestamp=9999-12-31T23:59:59.999Z"), [now])
        self.assertEqual(self.unread(), 0)
        self.bob.says("PRIVMSG #wob m4")
        self.assertEqual(self.unread(), 1)

    def test_a_time_before_everything(self) -> None:
        """It comes back as well, and everything is unread. Before 1970 there is nothing."""
        for time in ("0000-01-01T00:00:00.000Z", "1969-12-31T23:59:59.999Z"):
            self.assertEqual(
                self.asks(self.amy, f"MARKREAD #wob timestamp={time}"), [":chatd MARKREAD #wob *"]
            )
        self.json.hears()
        marked = ":chatd MARKREAD #wob timestamp=2000-01-01T00:00:00.000Z"
        self.assertEqual(self.asks(self.amy, marked.removeprefix(":chatd ")), [marked])
        self.assertEqual(self.json.hears(), b"", "its id is 0 as before")

    def test_a_mark_that_another_wire_moves_on(self) -> None:
        """The time that was set gives way to that of an entry after it, and to no other."""
        at = self.at["m2"] + 1
        self.asks(self.amy, f"MARKREAD #wob timestamp={format_rfc3339(at)}")
        self.json.asks(action="markread", group="wob", upto=self.ids["m2"])
        self.assertEqual(self.asks(self.amy, "MARKREAD #wob"), [self.marked(at)])
        self.json.asks(action="markread", group="wob")
        self.assertEqual(self.amy.lines(), [self.mark("m3")])
        self.assertEqual(self.asks(self.amy, "MARKREAD #wob"), [self.mark("m3")])

    def test_where_nobody_has_written_yet(self) -> None:
        """The mark of one user with another is that of no third user, and shows nobody anything."""
        zoe = self.irc("zoe")
        marked = self.marked(1000, "bob")
        self.bob.hears()
        self.assertEqual(self.asks(self.amy, marked.removeprefix(":chatd ")), [marked])
        self.assertEqual(self.asks(self.amy, "MARKREAD zoe"), [":chatd MARKREAD zoe *"])
        self.assertEqual(self.asks(zoe, "MARKREAD bob"), [":chatd MARKREAD bob *"])
        self.assertEqual(self.asks(self.bob, "MARKREAD amy"), [":chatd MARKREAD amy *"])
        self.assertEqual((self.bob.hears(), find_file_problems(self.stage.database)), (b"", []))
        self.bob.hangs_up()
        for peer in (self.json, self.stage.json("bob")):
            peer.hears()
            (listed,) = peer.asks(action="conversations").objects()
            self.assertNotIn("direct", [one["kind"] for one in listed["conversations"]], "nobody has written")
        self.restart()
        amy = self.comes(*MARKS)
        self.assertEqual(self.asks(amy, "MARKREAD bob"), [marked])
        self.assertEqual(self.irc("bob").says("PRIVMSG amy hi").hears(), b"")
        self.assertIn(" PRIVMSG amy :hi", amy.lines()[-1])
        self.assertEqual(self.stage.rows("SELECT seq FROM log WHERE body = 'hi'"), [(1,)])

    def test_who_may_not_write_keeps_no_such_mark(self) -> None:
        self.stage.close()
        self.stage = Stage(self.stage.database, policy=AccountPolicy(names="registered"))
        zoe = self.irc("zoe", *MARKS)
        (line,) = self.asks(zoe, f"MARKREAD bob {self.time('m1')}")
        self.assertEqual(line.split()[2:5], ["MARKREAD", "INTERNAL_ERROR", "bob"])
        self.assertEqual(self.stage.rows("SELECT id FROM conversations WHERE kind = 'direct'"), [])

    def test_sessions_that_mark_the_same_at_once(self) -> None:
        """Two users without a message get one conversation."""
        phone = self.comes(*MARKS)
        phone.hears()
        self.stage.readers.held = self.stage.writer.held = True
        for peer, at in ((self.amy, 1000), (phone, 2000)):
            peer.says(f"MARKREAD bob timestamp={format_rfc3339(at)}")
        self.release()
        for peer in (self.amy, phone):
            self.assertEqual(peer.lines()[-1], self.marked(2000, "bob"))
        self.assertEqual(self.stage.rows("SELECT count(*) FROM conversations WHERE kind = 'direct'"), [(1,)])

    def test_one_that_cannot_be_stored(self) -> None:
        self.stage.writer.error = sqlite3.OperationalError("disk I/O error")
        (line,) = self.asks(self.amy, "MARKREAD bob timestamp=2000-01-01T00:00:00.000Z")
        self.assertEqual(line.split()[2:5], ["MARKREAD", "INTERNAL_ERROR", "bob"])
        self.stage.writer.error = None
        self.stage.wait(60)
        self.assertEqual(self.asks(self.amy, "MARKREAD bob"), [":chatd MARKREAD bob *"])

    def release(self) -> None:
        """Let everything be read and written that waits."""
        pools = (self.stage.readers, self.stage.writer)
        for pool in pools:
            pool.held = False
        while any(pool.waiting for pool in pools):
            for pool in pools:
                if pool.waiting:
                    pool.run_next()
            self.stage.settle()

    def test_a_mark_never_moves_back(self) -> None:
        self.asks(self.amy, f"MARKREAD #wob {self.time('m3')}")
        self.json.hears()
        self.assertEqual(self.asks(self.amy, f"MARKREAD #wob {self.time('m1')}"), [self.mark("m3")])
        self.assertEqual(self.json.hears(), b"")

    def test_the_other_sessions_are_told_and_nobody_else(self) -> None:
        phone, old = self.comes(*MARKS), self.comes("server-time")
        phone.hears(), old.hears(), self.bob.hears()
        self.asks(self.amy, f"MARKREAD #wob {self.time('m2')}")
        self.assertEqual(phone.lines(), [self.mark("m2")])
        self.assertEqual(self.json.objects()[-1]["group"], "wob")
        self.assertEqual((old.hears(), self.bob.hears()), (b"", b""))

    def test_a_mark_of_another_wire(self) -> None:
        """It is an id there: the time is that of the last entry of the conversation up to it."""
        self.json.asks(action="markread", group="wob", upto=self.ids["m2"] + 1)
        self.assertEqual(self.amy.lines(), [self.mark("m2")])
        self.assertEqual(self.asks(self.amy, "MARKREAD #wob"), [self.mark("m2")])

    def test_direct_conversations(self) -> None:
        self.stage.wait(1)
        self.bob.says("PRIVMSG amy psst")
        ((at,),) = self.stage.rows("SELECT at FROM log WHERE body = 'psst'")
        self.at["psst"] = at
        self.amy.hears()
        phone = self.comes(*MARKS)
        phone.hears()
        self.assertEqual(self.asks(self.amy, f"MARKREAD BOB {self.time('psst')}"), [self.mark("psst", "BOB")])
        self.assertEqual(phone.lines(), [self.mark("psst", "bob")])
        self.assertEqual(self.asks(self.bob, "MARKREAD amy"), [":chatd MARKREAD amy *"])

    def test_a_login_shows_the_marks_before_the_end_of_the_names(self) -> None:
        self.asks(self.amy, f"MARKREAD #wob {self.time('m2')}")
        for capabilities, shown in ((MARKS, [":chatd MARKREAD #lobby *", self.mark("m2")]), (("batch",), [])):
            lines = self.comes(*capabilities).lines()
            self.assertEqual([line for line in lines if " MARKREAD " in line], shown)
            for line in shown:
                channel = line.split()[2]
                before = [other.split()[1] for other in lines[: lines.index(line)] if channel in other]
                self.assertEqual(before[-1], "JOIN")
                self.assertIn(f":chatd 366 amy {channel} :End of NAMES list", lines[lines.index(line) :])

    def test_after_a_restart(self) -> None:
        self.asks(self.amy, f"MARKREAD #wob {self.time('m2')}")
        self.restart()
        self.assertIn(self.mark("m2"), self.comes(*MARKS).lines())

    def test_a_channel_that_is_entered_is_unread(self) -> None:
        """The mark went with the membership. Other sessions are shown the channel with its mark as well."""
        self.asks(self.amy, f"MARKREAD #wob {self.time('m2')}")
        phone = self.comes(*MARKS)
        self.amy.says("PART #wob")
        phone.hears()
        lines = self.asks(self.amy, "JOIN #wob")
        verbs = [line.split()[1] if line[0] in ":@" else line.split()[0] for line in lines]
        self.assertLess(lines.index(":chatd MARKREAD #wob *"), verbs.index("366"))
        self.assertIn(":chatd MARKREAD #wob *", phone.lines())

    def test_the_lobby_that_is_left_and_entered(self) -> None:
        """The mark stays, and moves on in sessions that are elsewhere."""
        phone = self.comes(*MARKS)
        self.asks(self.amy, "PART #lobby")
        ((at,),) = self.stage.rows("SELECT max(at) FROM log WHERE body = 'x'")
        phone.says(f"MARKREAD #lobby timestamp={format_rfc3339(at)}")
        marked = f":chatd MARKREAD #lobby timestamp={format_rfc3339(at)}"
        self.assertEqual(self.amy.lines(), [marked])
        lines = self.asks(self.amy, "JOIN #lobby")
        shown = [line.split()[1] if line[0] in ":@" else line.split()[0] for line in lines]
        self.assertLess(lines.index(marked), shown.index("366"))

    def test_what_is_no_time(self) -> None:
        for time in ("*", "timestamp=", "timestamp=*", "timestamp=now", "msgid=3", "x"):
            (line,) = self.asks(self.amy, f"MARKREAD #wob {time}")
            self.assertEqual(line.split()[:5], [":chatd", "FAIL", "MARKREAD", "INVALID_PARAMS", "#wob"])
        for line in ("MARKREAD", "MARKREAD :"):
            (told,) = self.asks(self.amy, line)
            self.assertEqual(told.split()[:4], [":chatd", "FAIL", "MARKREAD", "NEED_MORE_PARAMS"])

    def test_where_nothing_can_be_read(self) -> None:
        """No mark is shown and none is set; what is private looks like what is not there."""
        self.bob.says("JOIN #den").says("MODE #den +i")
        for target in ("#den", "#nowhere", "nobody", "a!b", "#"):
            self.assertEqual(self.asks(self.amy, f"MARKREAD {target}"), [f":chatd MARKREAD {target} *"])
            (line,) = self.asks(self.amy, f"MARKREAD {target} {self.time('m1')}")
            self.assertEqual(line.split()[2:5], ["MARKREAD", "INVALID_PARAMS", target])

    def test_a_log_that_cannot_be_read(self) -> None:
        self.stage.readers.error = sqlite3.OperationalError("disk I/O error")
        (line,) = self.asks(self.amy, f"MARKREAD #wob {self.time('m1')}")
        self.assertEqual(line.split()[2:5], ["MARKREAD", "INTERNAL_ERROR", "#wob"])

    def test_marks_that_overtake_each_other(self) -> None:
        """While the time of one is looked up, another session moves on: nobody is told of a step back."""
        phone = self.comes(*MARKS)
        phone.hears()
        self.stage.readers.held = True
        self.amy.says(f"MARKREAD #wob {self.time('m1')}")
        phone.says(f"MARKREAD #wob {self.time('m3')}")
        while self.stage.readers.waiting:
            self.stage.readers.waiting.pop()()
            self.stage.settle()
        for peer in (self.amy, phone):
            told = [line for line in peer.lines() if " MARKREAD " in line]
            self.assertEqual(told[-1], self.mark("m3"))
            self.assertEqual(told, sorted(told))

    def test_a_session_with_a_token_has_no_part_in_it(self) -> None:
        self.asks(self.amy, f"MARKREAD #wob {self.time('m2')}")
        (made,) = self.json.asks(action="maketoken", token="bot", scope="write").objects()[-1:]
        peer = self.stage.connect("irc")
        peer.says(f"CAP REQ :{' '.join(MARKS)}").says("CAP END").says(f"PASS :{made['secret']}")
        lines = peer.says("NICK amy").says("USER u 0 * :R").lines()
        self.assertIn(":chatd MARKREAD #wob *", lines)
        (line,) = self.asks(peer, "MARKREAD #wob")
        self.assertEqual(line, ":chatd MARKREAD #wob *")
        self.amy.says(f"MARKREAD #wob {self.time('m3')}")
        self.assertNotIn(b"MARKREAD", peer.hears())


class Floods(IrcCase):
    """A client that asks without end."""

    limits = Limits(requests_per_second=10**6, bytes_per_second=10**9, reads_per_second=1, burst_seconds=2)

    def test_they_are_charged_as_reads(self) -> None:
        amy = self.irc("amy")
        for _ in range(10):
            amy.says("MARKREAD #lobby")
        self.assertLess(amy.hears().count(b"MARKREAD"), 5)
        self.stage.wait(20)
        self.assertGreater(amy.hears().count(b"MARKREAD"), 5)
