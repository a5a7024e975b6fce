"""History on IRC: ``CHATHISTORY``, and what clients without it are sent when they come back."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from chatd.core.limits import Limits
from chatd.dialects.irc_history import DELETED_TEXT, MAX_HISTORY_MESSAGES, MAX_HISTORY_TARGETS
from chatd.dialects.timestamps import format_rfc3339
from tests.support.in_memory_daemon import Peer
from tests.support.irc_case import IrcCase
from tests.support.irc_view import Heard, heard

HISTORY = ("batch", "server-time", "message-tags", "draft/chathistory")

SECRET = "correct horse battery"


def texts(lines: list[Heard]) -> str:
    """What is said in ``lines``, without the batches."""
    return " ".join(one.params[1] for one in lines if one.verb in ("PRIVMSG", "NOTICE"))


class HistoryCase(IrcCase):
    """Amy and bob are in #wob, where amy says something every second; amy's client knows batches."""

    limits = Limits(requests_per_second=10**6, bytes_per_second=10**9, reads_per_second=10**6)
    more: tuple[str, ...] = ()

    def setUp(self) -> None:
        super().setUp()
        self.bob = self.irc("bob")
        self.bob.says("JOIN #wob")
        self.amy = self.irc("amy", *HISTORY, *self.more)
        self.amy.says("JOIN #wob")
        for number in range(1, 7):
            self.stage.wait(1)
            self.amy.says(f"PRIVMSG #wob m{number}")
            self.bob.says(f"TOPIC #wob after{number}")
        self.amy.hears(), self.bob.hears()
        found = self.stage.rows("SELECT body, id, at FROM log WHERE kind = 'message'")
        self.ids = {body: id for body, id, _ in found}
        self.times = {body: format_rfc3339(at) for body, _, at in found}

    def lines(self, peer: Peer, *lines: str) -> list[Heard]:
        """What ``peer`` hears after it has sent ``lines``."""
        peer.hears()
        for line in lines:
            peer.says(line)
        return [heard(line) for line in peer.lines()]

    def page(self, asked: str, peer: Peer | None = None) -> list[Heard]:
        """The lines in the one batch that answers ``CHATHISTORY`` with ``asked``."""
        start, *lines, end = self.lines(peer or self.amy, f"CHATHISTORY {asked}")
        target = asked.split()[1]
        reference = start.params[0].removeprefix("+")
        self.assertEqual((start.verb, start.params[1:]), ("BATCH", ["chathistory", target]))
        self.assertEqual((end.verb, end.params), ("BATCH", [f"-{reference}"]))
        self.assertEqual({one.tags["batch"] for one in lines} | {reference}, {reference})
        return lines

    def read(self, asked: str, peer: Peer | None = None) -> str:
        """What is said in the page that answers ``asked``, where ``<m1>`` and ``[m1]`` stand for references
        to m1 by its id and its time.
        """
        for text, id in self.ids.items():
            asked = asked.replace(f"<{text}>", f"msgid={id}")
            asked = asked.replace(f"[{text}]", f"timestamp={self.times[text]}")
        return texts(self.page(asked, peer))


class Pages(HistoryCase):
    """Pages of one target."""

    def test_latest(self) -> None:
        self.assertEqual(self.read("LATEST #wob * 2"), "m5 m6")
        self.assertEqual(self.read("LATEST #wob <m3> 100"), "m4 m5 m6")
        self.assertEqual(self.read("LATEST #wob <m3> 2"), "m5 m6")
        self.assertEqual(self.read("LATEST #wob [m3] 2"), "m5 m6")

    def test_before_and_after(self) -> None:
        self.assertEqual(self.read("BEFORE #wob <m4> 2"), "m2 m3")
        self.assertEqual(self.read("BEFORE #wob [m4] 2"), "m2 m3")
        self.assertEqual(self.read("AFTER #wob <m4> 1"), "m5")
        self.assertEqual(self.read("AFTER #wob [m4] 9"), "m5 m6")
        self.assertEqual(self.read("BEFORE #wob <m1> 9"), "")

    def test_around(self) -> None:
        for asked, found in (("1", "m3"), ("2", "m2 m3"), ("3", "m2 m3 m4"), ("100", "m1 m2 m3 m4 m5 m6")):
            self.assertEqual(self.read(f"AROUND #wob <m3> {asked}"), found)
            self.assertEqual(self.read(f"AROUND #wob [m3] {asked}"), found)

    def test_between_counts_from_the_first(self) -> None:
        self.assertEqual(self.read("BETWEEN #wob <m1> <m6> 2"), "m2 m3")
        self.assertEqual(self.read("BETWEEN #wob <m6> <m1> 2"), "m4 m5")
        self.assertEqual(self.read("BETWEEN #wob [m1] [m6] 2"), "m2 m3")
        self.assertEqual(self.read("BETWEEN #wob [m6] [m1] 2"), "m4 m5")
        self.assertEqual(self.read("BETWEEN #wob <m3> <m3> 2"), "")

    def test_the_subcommand_in_any_case_and_the_second_line_of_a_message(self) -> None:
        self.assertEqual(self.read(f"after #wob msgid={self.ids['m4']}.2 9"), "m5 m6")

    def test_the_lines_are_those_that_were_told(self) -> None:
        (line,) = self.page("LATEST #wob * 1")
        del line.tags["batch"]
        self.assertEqual(line.tags, {"msgid": str(self.ids["m6"]), "time": self.times["m6"]})
        self.assertEqual(line[1:], ("amy", "PRIVMSG", ["#wob", "m6"]))

    def test_a_limit_is_lowered_and_never_refused(self) -> None:
        for _ in range(MAX_HISTORY_MESSAGES + 5):
            self.amy.says("PRIVMSG #wob again")
            self.stage.wait(0.01)
        for limit in (MAX_HISTORY_MESSAGES, MAX_HISTORY_MESSAGES + 1, 999_999_999, 0):
            self.assertEqual(len(self.page(f"LATEST #wob * {limit}")), MAX_HISTORY_MESSAGES)

    def test_events_do_not_make_a_page_shorter(self) -> None:
        for _ in range(20):
            self.bob.says("TOPIC #wob again").says("TOPIC #wob and_again")
        self.assertEqual(self.read("LATEST #wob * 6"), "m1 m2 m3 m4 m5 m6")

    def test_a_page_by_time_ends_between_milliseconds(self) -> None:
        """Who continues with the time of a line misses none of the same millisecond."""
        self.stage.wait(1)
        self.bob.says(b"PRIVMSG #wob a\nPRIVMSG #wob b\nPRIVMSG #wob c\n")
        self.assertEqual(self.read("LATEST #wob * 1"), "a b c")
        self.assertEqual(self.read("AFTER #wob [m6] 1"), "a b c")
        self.assertEqual(self.read("AFTER #wob <m6> 1"), "a")

    def test_the_lobby_and_other_spellings(self) -> None:
        self.bob.says("PRIVMSG #lobby hi")
        self.assertEqual(self.read("LATEST #lobby * 5"), "hi")
        self.assertEqual(self.read("LATEST #LOBBY * 5"), "hi")
        self.assertEqual(self.read("LATEST #WOB * 1"), "m6")

    def test_direct_messages(self) -> None:
        """Both directions, each with its receiver as target; nobody else's."""
        self.irc("eve").says("PRIVMSG amy other")
        self.bob.says("PRIVMSG amy one")
        self.amy.says("PRIVMSG bob two")
        lines = self.page("LATEST BOB * 5")
        self.assertEqual([one[1:] for one in lines], [
            ("bob", "PRIVMSG", ["amy", "one"]), ("amy", "PRIVMSG", ["bob", "two"])
        ])  # fmt: skip
        self.amy.says("PRIVMSG amy note")
        self.assertEqual(self.read("LATEST amy * 5"), "note")
        self.assertEqual(self.read("LATEST eve * 5"), "other")

    def test_a_user_whom_nothing_was_said_to(self) -> None:
        self.irc("eve")
        self.assertEqual(self.page("LATEST eve * 5"), [])

    def test_kinds_of_messages(self) -> None:
        self.stage.wait(1)
        self.amy.says("PRIVMSG #wob :\x01ACTION waves\x01").says("NOTICE #wob psst")
        action, notice = self.page("LATEST #wob * 2")
        self.assertEqual((action.verb, action.params[1]), ("PRIVMSG", "\x01ACTION waves\x01"))
        self.assertEqual((notice.verb, notice.params[1]), ("NOTICE", "psst"))

    def test_a_long_message_is_in_one_page_with_one_msgid(self) -> None:
        self.stage.json("bob2").asks(action="send", dest="amy", msg="a" * 1000)
        lines = self.page("LATEST bob2 * 1")
        self.assertEqual("".join(one.params[1] for one in lines), "a" * 1000)
        self.assertEqual([one.tags.get("msgid", "") for one in lines], [lines[0].tags["msgid"], "", ""])
        self.assertEqual({"time" in one.tags for one in lines}, {True})

    def test_a_deleted_message_stays_in_its_place(self) -> None:
        """Else a client would take the page for the last one."""
        with closing(sqlite3.connect(self.stage.database)) as connection, connection:
            connection.execute("UPDATE log SET body = '' WHERE body = 'm5'")
        self.assertEqual(self.read("LATEST #wob * 3"), f"m4 {DELETED_TEXT} m6")

    def test_a_redacted_message_is_followed_by_its_redaction(self) -> None:
        self.bob.says(f"REDACT #wob {self.ids['m5']} :no")
        self.amy.hears()
        self.assertEqual(self.read("LATEST #wob * 2"), f"{DELETED_TEXT} m6")
        self.amy.says("CAP REQ draft/message-redaction")
        said, redacted, _ = self.page("LATEST #wob * 2")
        self.assertEqual((said.params[1], said.tags["msgid"]), (DELETED_TEXT, str(self.ids["m5"])))
        self.assertEqual(redacted[1:], ("chatd", "REDACT", ["#wob", str(self.ids["m5"])]))
        self.assertEqual(set(redacted.tags), {"batch", "draft/chathistory-context"})

    def test_a_label_is_on_the_batch_around(self) -> None:
        self.amy.says("CAP REQ labeled-response")
        outer, inner, line, inner_end, outer_end = self.lines(
            self.amy, "@label=x CHATHISTORY LATEST #wob * 1"
        )
        self.assertEqual((outer.tags["label"], outer.params[1]), ("x", "labeled-response"))
        around = outer.params[0][1:]
        self.assertEqual((inner.tags["batch"], inner.params[1]), (around, "chathistory"))
        self.assertEqual(line.tags["batch"], inner.params[0][1:])
        self.assertEqual((inner_end.tags["batch"], inner_end.params), (around, [f"-{line.tags['batch']}"]))
        self.assertEqual(outer_end.params, [f"-{around}"])

    def test_without_batch_and_times(self) -> None:
        eve = self.irc("eve", "draft/chathistory")
        eve.says("JOIN #wob")
        self.assertEqual(
            [one[1:] for one in self.lines(eve, "CHATHISTORY LATEST #wob * 1")],
            [("amy", "PRIVMSG", ["#wob", f"[{self.times['m6'][11:16]}] m6"])],
        )


class Refused(HistoryCase):
    """What can't be read, and what is no request."""

    def fails(self, asked: str, code: str, *context: str) -> None:
        (line,) = self.lines(self.amy, f"CHATHISTORY {asked}")
        self.assertEqual((line.verb, line.params[:2]), ("FAIL", ["CHATHISTORY", code]), line)
        self.assertEqual(line.params[2 : 2 + len(context)], list(context))

    def test_targets(self) -> None:
        """What is not there looks like what others have, and is never told apart."""
        self.bob.says("JOIN #den").says("MODE #den +i").says("JOIN #pub")
        for target in ("#den", "#nowhere", "#pub", "nobody", "a!b", "#", "+", "*", "#a:b", "é" * 90):
            self.fails(f"LATEST {target} * 5", "INVALID_TARGET", "LATEST", target)

    def test_a_member_who_was_put_out(self) -> None:
        self.bob.says("KICK #wob amy")
        self.fails("LATEST #wob * 5", "INVALID_TARGET", "LATEST", "#wob")

    def test_parameters(self) -> None:
        for asked in (
            "NOW #wob * 5",
            "LATEST #wob",
            "LATEST #wob *",
            "LATEST #wob * 5 6",
            "BEFORE #wob * 5",
            "BETWEEN #wob msgid=1 5",
            "BETWEEN #wob msgid=1 timestamp=2026-11-21T10:00:00.000Z 5",
            "TARGETS msgid=1 msgid=2 5",
            "TARGETS * * 5",
        ):
            self.fails(asked, "INVALID_PARAMS", asked.split()[0])

    def test_references_that_are_none(self) -> None:
        for value in (
            "msgid=", "msgid=x", "msgid=-1", "msgid=1.", "msgid=1.x", "msgid=٣", f"msgid={'9' * 400}", "17",
            "id=17", "timestamp=", "timestamp=now", "timestamp=-001-01-01T00:00:00.000Z",
            "timestamp=10000-01-01T00:00:00.000Z", "timestamp=2026-02-30T00:00:00.000Z",
            "timestamp=2026-11-21T25:00:00.000Z", "timestamp=1e9", "msgid=1;msgid=2",
        ):  # fmt: skip
            self.fails(f"AFTER #wob {value} 5", "INVALID_PARAMS", "AFTER", value)
        for limit in ("-1", "x", "1.5", "٣", "9" * 10):
            self.fails(f"AFTER #wob msgid=1 {limit}", "INVALID_PARAMS", "AFTER", limit)

    def test_references_beyond_everything(self) -> None:
        for low in ("msgid=0", "timestamp=0000-01-01T00:00:00.000Z", "timestamp=0001-01-01T00:00:00+14:00"):
            self.assertEqual(self.read(f"AFTER #wob {low} 1"), "m1")
            self.assertEqual(self.read(f"BEFORE #wob {low} 1"), "")
            self.assertIn(self.read(f"AROUND #wob {low} 2"), ("m1", "m1 m2"))
        for high in (f"msgid={10**17}", "timestamp=9999-12-31T23:59:59.999Z"):
            self.assertEqual(self.read(f"AFTER #wob {high} 1"), "")
            self.assertEqual(self.read(f"BEFORE #wob {high} 1"), "m6")
            self.assertEqual(self.read(f"AROUND #wob {high} 2"), "m5 m6")

    def test_no_subcommand_is_what_other_verbs_say(self) -> None:
        self.assertEqual(self.asks(self.amy, "CHATHISTORY"), ["461 CHATHISTORY :Not enough parameters"])

    def test_a_log_that_cannot_be_read(self) -> None:
        self.stage.readers.error = sqlite3.OperationalError("disk I/O error")
        self.fails("LATEST #wob * 5", "MESSAGE_ERROR", "LATEST", "#wob")


class Advertised(IrcCase):
    """What clients are told of the limits."""

    limits = Limits(page_max=120)

    def test_the_limit_is_that_of_the_daemon(self) -> None:
        peer = self.stage.connect("irc").says("NICK amy").says("USER u 0 * :R")
        tokens = [word for line in peer.lines() if " 005 " in line for word in line.split()]
        for token in ("CHATHISTORY=120", "draft/CHATHISTORY=120", "MSGREFTYPES=msgid,timestamp"):
            self.assertIn(token, tokens)


class LongNames(IrcCase):
    """Names so long that each line has hardly room for its text."""

    def test_a_page_fits_into_an_outbox_and_the_rest_can_be_read(self) -> None:
        nick, group = "𐐨" * 32, "𐐩" * 64
        tom = self.stage.json(nick).asks(action="cgroupe", group=group)
        amy = self.irc("amy", *HISTORY)
        amy.says(f"JOIN #{group}").hears()
        for _ in range(60):
            tom.asks(action="gbroadcast", group=group, msg="x" * 4000)
        amy.hears()
        found: list[str] = []
        while True:
            before = f"msgid={found[0]}" if found else "*"
            asked = f"{'BEFORE' if found else 'LATEST'} #{group} {before} 200"
            page = amy.says(f"CHATHISTORY {asked}").hears()
            self.assertLess(len(page), 400 * 1024)
            ids = [one.tags["msgid"] for one in map(heard, page.decode().splitlines()) if "msgid" in one.tags]
            if not ids:
                break
            found = ids + found
        self.assertEqual(len(found), 60)
        self.assertEqual(found, sorted(found, key=int))


class Floods(HistoryCase):
    """A client that asks without end."""

    limits = Limits(requests_per_second=10**6, bytes_per_second=10**9, reads_per_second=1, burst_seconds=2)

    def test_floods_are_charged_as_reads(self) -> None:
        bounds = "timestamp=2001-01-01T00:00:00.000Z timestamp=2030-01-01T00:00:00.000Z"
        for asked in (f"TARGETS {bounds} 9", "LATEST #wob * 1"):
            self.stage.wait(60)
            self.amy.hears()
            for _ in range(10):
                self.amy.says(f"CHATHISTORY {asked}")
            answers = sum(b"BATCH +" in line for line in self.amy.hears().splitlines())
            self.assertLess(answers, 5)
            self.stage.wait(20)
            answers += sum(b"BATCH +" in line for line in self.amy.hears().splitlines())
            self.assertEqual(answers, 10)


class Playback(HistoryCase):
    """Events, for clients that want these."""

    more = ("draft/event-playback",)

    def test_events_have_their_place_and_count(self) -> None:
        lines = self.page("LATEST #wob * 4")
        self.assertEqual(
            [(one.nick, one.verb, one.params[1]) for one in lines],
            [("amy", "PRIVMSG", "m5"), ("bob", "TOPIC", "after5"), ("amy", "PRIVMSG", "m6"),
             ("bob", "TOPIC", "after6")],
        )  # fmt: skip
        ids = [int(one.tags["msgid"]) for one in lines]
        self.assertEqual(ids, sorted(ids))

    def test_each_entry_has_a_line(self) -> None:
        """Also those for which a client has no capability; or a page would seem to be the last one."""
        self.irc("eve"), self.irc("kim")
        for line in (
            "INVITE eve #wob", "MODE #wob +o amy", "MODE #wob -o amy", "MODE #wob +b kim!*@*",
            "MODE #wob -b kim", "MODE #wob +i", "KICK #wob amy :out",
        ):  # fmt: skip
            self.bob.says(line)
        self.bob.says("PRIVMSG chatd :sethistory;wob;since_joining").says("PRIVMSG chatd :setkeep;wob;90d")
        self.bob.says("PRIVMSG chatd :uninvite;wob;eve").says(
            "CAP REQ :batch message-tags draft/event-playback"
        )
        count = self.stage.rows("SELECT count(*) FROM log")[0][0]
        lines = self.page("LATEST #wob * 100", self.bob)
        self.assertEqual([one.tags["msgid"] for one in lines], [str(id) for id in range(1, count + 1)])
        self.assertEqual({one.verb for one in lines}, {"JOIN", "PRIVMSG", "TOPIC", "NOTICE", "MODE", "KICK"})

    def test_others_get_only_messages(self) -> None:
        self.amy.says("CAP REQ -draft/event-playback")
        self.assertEqual({one.verb for one in self.page("LATEST #wob * 100")}, {"PRIVMSG"})


class Targets(HistoryCase):
    """``CHATHISTORY TARGETS``."""

    ALL = "timestamp=2000-01-01T00:00:00.000Z timestamp=9999-12-31T23:59:59.999Z"

    def targets(self, asked: str) -> list[str]:
        start, *lines, end = self.lines(self.amy, f"CHATHISTORY TARGETS {asked}")
        self.assertEqual(start.params[1:], ["draft/chathistory-targets"])
        self.assertEqual(end.params, [start.params[0].replace("+", "-")])
        for one in lines:
            self.assertEqual((one.verb, one.params[0]), ("CHATHISTORY", "TARGETS"))
        self.found = {one.params[1]: one.params[2] for one in lines}
        return list(self.found)

    def setUp(self) -> None:
        super().setUp()
        for line in ("PRIVMSG #lobby one", "PRIVMSG amy two", "JOIN #not_hers", "PRIVMSG #not_hers three"):
            self.stage.wait(1)
            self.bob.says(line)

    def test_the_oldest_first_with_their_times(self) -> None:
        self.assertEqual(self.targets(f"{self.ALL} 100"), ["#wob", "#lobby", "bob"])
        self.assertEqual(self.found["#wob"], self.times["m6"])

    def test_bounds_are_excluded(self) -> None:
        end = self.ALL.split()[1]
        last = f"timestamp={self.times['m6']}"
        self.assertEqual(self.targets(f"{last} {end} 100"), ["#lobby", "bob"])
        self.assertEqual(self.targets(f"{self.ALL.split()[0]} {last} 100"), [])

    def test_a_limit_counts_from_the_first_time(self) -> None:
        start, end = self.ALL.split()
        self.assertEqual(self.targets(f"{start} {end} 1"), ["#wob"])
        self.assertEqual(self.targets(f"{end} {start} 1"), ["bob"])
        self.assertEqual(self.targets(f"{end} {start} 2"), ["#lobby", "bob"])
        self.assertEqual(len(self.targets(f"{start} {end} {MAX_HISTORY_TARGETS + 5}")), 3)

    def test_a_later_message_takes_a_target_out(self) -> None:
        self.stage.wait(1)
        self.bob.says("PRIVMSG #wob later")
        (later,) = self.page("LATEST #wob * 1")
        self.assertEqual(
            self.targets(f"{self.ALL.split()[0]} timestamp={later.tags['time']} 9"), ["#lobby", "bob"]
        )


class Missed(IrcCase):
    """What was missed, for clients that don't ask."""

    limits = Limits(
        page=3, page_max=3, requests_per_second=10**6, bytes_per_second=10**9, reads_per_second=10**6
    )

    def setUp(self) -> None:
        super().setUp()
        self.bob = self.irc("bob")
        self.bob.says("JOIN #wob")
        amy = self.irc("amy")
        amy.says("JOIN #wob").says("PRIVMSG chatd :register;correct horse battery")
        self.stage.wait(10)
        amy.says("PING 1").hangs_up()
        self.stage.wait(10)

    def comes(self, *capabilities: str) -> list[Heard]:
        """All that amy hears when she comes back, behind the names of #wob."""
        peer = self.stage.connect("irc")
        peer.says(f"CAP REQ :{' '.join(capabilities)}").says("CAP END").says(f"PASS :{SECRET}")
        peer.says("NICK amy").says("USER u 0 * :R")
        self.stage.wait(1)
        self.peer = peer
        lines = [heard(line) for line in peer.lines()]
        joined = [place for place, one in enumerate(lines) if one.verb in ("JOIN", "353", "366", "MARKREAD")]
        return lines[joined[-1] + 1 :]

    def said(self, *lines: str) -> None:
        for line in lines:
            self.stage.wait(1)
            self.bob.says(line)

    def test_after_the_names_in_batches(self) -> None:
        self.said("PRIVMSG #wob one", "PRIVMSG amy two", "NOTICE #lobby three", "TOPIC #wob x")
        lines = self.comes("batch", "server-time", "message-tags")
        shown = [(one.verb, one.params[-1], one.tags.get("batch")) for one in lines]
        self.assertEqual(
            shown,
            [
                ("BATCH", "#wob", None), ("PRIVMSG", "one", "history"), ("BATCH", "-history", None),
                ("BATCH", "#lobby", None), ("NOTICE", "three", "history"), ("BATCH", "-history", None),
                ("BATCH", "bob", None), ("PRIVMSG", "two", "history"), ("BATCH", "-history", None),
            ],
        )  # fmt: skip
        self.assertEqual(
            {"time" in one.tags and "msgid" in one.tags for one in lines if one.verb != "BATCH"}, {True}
        )

    def test_without_capabilities_the_time_is_in_the_text(self) -> None:
        self.said("PRIVMSG #wob one", "PRIVMSG amy :\x01ACTION sings\x01")
        ((at,), (later,)) = self.stage.rows("SELECT at FROM log ORDER BY id DESC LIMIT 2")
        lines = self.comes("multi-prefix")
        clock = format_rfc3339(at)[11:16], format_rfc3339(later)[11:16]
        self.assertEqual(
            [one[1:] for one in lines],
            [
                ("bob", "PRIVMSG", ["amy", f"\x01ACTION [{clock[0]}] sings\x01"]),
                ("bob", "PRIVMSG", ["#wob", f"[{clock[1]}] one"]),
            ],
        )

    def test_nothing_is_sent_twice_and_the_present_follows(self) -> None:
        self.said("PRIVMSG #wob one")
        self.assertEqual(texts(self.comes("server-time")), "one")
        self.said("PRIVMSG #wob two")
        self.stage.wait(10)
        self.assertEqual(texts([heard(line) for line in self.peer.lines()]), "two")
        self.peer.says("PING 1").hangs_up()
        self.stage.wait(10)
        self.assertEqual(texts(self.comes("server-time")), "")

    def test_older_ones_are_named(self) -> None:
        """With the command that reads them: every message that is not sent can be found."""
        self.said(*(f"PRIVMSG #wob m{number}" for number in range(1, 6)))
        lines = self.comes("server-time")
        self.assertEqual([one.params[-1] for one in lines[1:]], ["m3", "m4", "m5"])
        ((first,),) = self.stage.rows("SELECT id FROM log WHERE body = 'm3'")
        self.assertEqual(
            lines[0][1:],
            ("chatd", "NOTICE",
             ["amy", f"You may have missed more in #wob. To read on: /msg chatd messages;wob;;{first}"]),
        )  # fmt: skip
        heard_then = self.lines_after(f"PRIVMSG chatd :messages;wob;;{first}")
        self.assertEqual([text for text in ("m1", "m2", "m3") if f" {text}" in heard_then], ["m1", "m2"])

    def lines_after(self, line: str) -> str:
        self.peer.hears()
        return self.peer.says(line).hears().decode()

    def test_other_conversations_are_named_likewise(self) -> None:
        self.said(*(f"PRIVMSG #lobby m{number}" for number in range(5)))
        self.said(*(f"PRIVMSG amy m{number}" for number in range(5)))
        notes = [one.params[1] for one in self.comes("server-time") if one.nick == "chatd"]
        self.assertEqual([note.partition("/msg ")[2].rpartition(";")[0] for note in notes],
                         ["chatd history;bob;", "chatd history;;"])  # fmt: skip
        for note in notes:
            self.assertIn("m1", self.lines_after("PRIVMSG chatd :" + note.partition("/msg chatd ")[2]))

    def test_more_conversations_than_pages(self) -> None:
        for number in range(25):
            friend = self.irc(f"friend{number}")
            friend.says("PRIVMSG amy hello")
        lines = self.comes("server-time")
        told = [one.nick for one in lines if one.params[1:] == ["hello"]]
        named = " ".join(one.params[1] for one in lines if one.nick == "chatd")
        self.assertEqual(len(told), 20)
        for number in range(25):
            nick = f"friend{number}"
            self.assertTrue((nick in told) is not (f"{nick} (1)" in named), (nick, named))

    def test_own_messages_only_for_clients_that_are_told_of_these(self) -> None:
        phone = self.stage.json("amy", password=SECRET, missed="keep")
        phone.asks(action="gbroadcast", group="wob", msg="mine")
        self.assertEqual(texts(self.comes("server-time")), "")
        self.peer.breaks()
        phone.asks(action="gbroadcast", group="wob", msg="mine too")
        self.assertTrue(texts(self.comes("server-time", "echo-message")).endswith("mine too"))

    def test_who_asks_for_history_is_sent_nothing(self) -> None:
        self.said("PRIVMSG #wob one", "PRIVMSG amy two")
        self.assertEqual(self.comes("server-time", "draft/chathistory"), [])

    def test_a_deleted_message_was_not_missed(self) -> None:
        self.said("PRIVMSG #wob one", "PRIVMSG #wob two")
        with closing(sqlite3.connect(self.stage.database)) as connection, connection:
            connection.execute("UPDATE log SET body = '' WHERE body = 'one'")
        self.assertEqual(texts(self.comes("server-time")), "two")
