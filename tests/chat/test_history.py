"""Pages of the log by time, around an entry and with events, and conversations by their last messages."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from chatd.chat import replay
from chatd.core.accounts import AccountPolicy
from chatd.core.limits import Limits
from chatd.dialects.timestamps import format_rfc3339
from chatd.store import archive
from tests.support.effort import effort
from tests.support.in_memory_daemon import Peer, Stage, StageTestCase

SECRET = "correct horse battery"

TEXTS = ("m1", "m2", "m3", "m4", "m5", "m6")


class Windows(StageTestCase):
    """Alice and bob are in wob, where she says something every second, and then sets the topic."""

    limits = Limits(page=4, page_max=5, requests_per_second=10_000, reads_per_second=10_000)

    def setUp(self) -> None:
        super().setUp()
        self.alice = self.stage.json("alice").asks(action="cgroupe", group="wob")  # 1
        self.bob = self.stage.json("bob").asks(action="join", group="wob")  # 2
        for said in TEXTS:
            self.stage.wait(1)
            self.alice.asks(action="gbroadcast", group="wob", msg=said)
            self.alice.asks(action="topic", group="wob", topic=f"after {said}")
        self.alice.hears(), self.bob.hears()
        items = self.stage.rows("SELECT body, id, at FROM log")
        self.ids = {body: id for body, id, _ in items}
        self.times = {body: format_rfc3339(at) for body, _, at in items}

    def page(self, peer: Peer | None = None, **asked: Any) -> dict[str, Any]:
        """A page of wob, or what is said instead."""
        (answer,) = (peer or self.bob).asks(**{"action": "history", "group": "wob", **asked}).objects()
        return answer

    def read(self, peer: Peer | None = None, **asked: Any) -> tuple[str, bool]:
        """The texts in a page, and whether there is more."""
        page = self.page(peer, **asked)
        return " ".join(item["msg"] for item in page["messages"]), page.get("more", False)

    def test_between_two_times(self) -> None:
        """Both are excluded, to the millisecond."""
        two, five = self.times["m2"], self.times["m5"]
        self.assertEqual(self.read(before_time=five), ("m1 m2 m3 m4", False))
        self.assertEqual(self.read(before_time=five, limit=2), ("m3 m4", True))
        self.assertEqual(self.read(after_time=two), ("m3 m4 m5 m6", False))
        self.assertEqual(self.read(after_time=two, limit=2), ("m3 m4", True))
        self.assertEqual(self.read(after_time=two, before_time=five), ("m3 m4", False))
        self.assertEqual(self.read(after_time=five, before_time=two), ("", False))
        self.assertEqual(self.read(after_time=five, before_time=five), ("", False))
        for before, after in (("m3", "m2"), ("m2", "m1")):
            later = format_rfc3339(self.at(before) + 1)
            self.assertEqual(self.read(before_time=later, limit=1), (before, before != "m1"))
            earlier = format_rfc3339(self.at(before) - 1)
            self.assertEqual(self.read(before_time=earlier, limit=1)[0], after)
            self.assertEqual(self.read(after_time=earlier, limit=1)[0], before)

    def at(self, text: str) -> int:
        """The time at which ``text`` was said."""
        ((at,),) = self.stage.rows("SELECT at FROM log WHERE body = ?", text)
        return int(at)

    def test_where_nothing_is(self) -> None:
        for bound in ("0001-01-01T00:00:00Z", "1970-01-01T00:00:00.000Z"):
            self.assertEqual(self.read(before_time=bound), ("", False))
            self.assertEqual(self.read(after_time=bound), ("m1 m2 m3 m4", True))
        for bound in ("9999-12-31T23:59:59.999Z", "2100-01-01T00:00:00+14:00"):
            self.assertEqual(self.read(before_time=bound), ("m3 m4 m5 m6", True))
            self.assertEqual(self.read(after_time=bound), ("", False))

    def test_times_together_with_ids(self) -> None:
        """The narrower bound counts."""
        self.assertEqual(self.read(after_time=self.times["m2"], after=self.ids["m3"]), ("m4 m5 m6", False))
        self.assertEqual(self.read(after_time=self.times["m3"], after=self.ids["m2"]), ("m4 m5 m6", False))
        self.assertEqual(self.read(before_time=self.times["m3"], before=self.ids["m2"]), ("m1", False))
        self.assertEqual(self.read(before_time=self.times["m2"], before=self.ids["m3"]), ("m1", False))
        between = {"after_time": self.times["m2"], "before": self.ids["m5"]}
        self.assertEqual(self.read(**between), ("m3 m4", False))

    def test_from_either_end(self) -> None:
        """Without an order, a lower bound alone counts from the oldest."""
        for low, high in (
            ({"after": self.ids["m1"]}, {"before": self.ids["m6"]}),
            ({"after_time": self.times["m1"]}, {"before_time": self.times["m6"]}),
        ):
            for window, first, last in (
                (low | high, "m2 m3", "m4 m5"),
                (low, "m2 m3", "m5 m6"),
                (high, "m1 m2", "m4 m5"),
                ({}, "m1 m2", "m5 m6"),
            ):
                self.assertEqual(self.read(**window, order="oldest", limit=2), (first, True))
                self.assertEqual(self.read(**window, order="newest", limit=2), (last, True))
                self.assertEqual(self.read(**window, limit=2), (first if window == low else last, True))

    def test_around_an_entry(self) -> None:
        """It is among them; half of them are older, unless one side has too few."""
        for limit, text, expected in (
            (1, "m3", "m3"),
            (2, "m3", "m2 m3"),
            (3, "m3", "m2 m3 m4"),
            (4, "m3", "m1 m2 m3 m4"),
            (5, "m3", "m1 m2 m3 m4 m5"),
            (3, "m1", "m1 m2 m3"),
            (4, "m1", "m1 m2 m3 m4"),
            (3, "m6", "m4 m5 m6"),
            (5, "m6", "m2 m3 m4 m5 m6"),
            (99, "m5", "m2 m3 m4 m5 m6"),
        ):
            by_id = self.read(around=self.ids[text], limit=limit)
            self.assertEqual(by_id, (expected, True), (limit, text))
            self.assertEqual(self.read(around_time=self.times[text], limit=limit), by_id)
        self.assertEqual(self.read(around=self.ids["m3"]), ("m1 m2 m3 m4", True))

    def test_around_a_place_without_a_message(self) -> None:
        """The topic after m3 is no message; nor is what never was."""
        self.assertEqual(self.read(around=self.ids["after m3"], limit=2), ("m3 m4", True))
        self.assertEqual(self.read(around=0, limit=2), ("m1 m2", True))
        self.assertEqual(self.read(around=2**63 - 1, limit=2), ("m5 m6", True))
        self.assertEqual(self.read(around_time="2100-01-01T00:00:00Z", limit=2), ("m5 m6", True))
        later = format_rfc3339(self.at("m3") + 1)
        self.assertEqual(self.read(around_time=later, limit=2), ("m3 m4", True))

    def test_around_all_there_is(self) -> None:
        self.stage.close()
        self.stage = Stage(self.stage.database)
        bob = self.stage.json("bob")
        self.assertEqual(self.read(bob, around=self.ids["m3"]), (" ".join(TEXTS), False))
        self.bob = bob
        self.bob.asks(action="client-broadcast", msg="only").hears()
        (page,) = self.bob.asks(action="history", around=10**6, limit=1).objects()
        self.assertEqual(([item["msg"] for item in page["messages"]], "more" in page), (["only"], False))

    def test_around_goes_with_no_other_bound(self) -> None:
        """In whatever order they come."""
        centres: tuple[dict[str, Any], ...] = ({"around": 3}, {"around_time": self.times["m3"]})
        for centre in centres:
            for bound in (
                {"before": 5},
                {"after": 0},
                {"before_time": self.times["m5"]},
                {"after_time": self.times["m1"]},
                {"around": 4, "around_time": self.times["m1"]},
            ):
                said = self.page(**{**bound, **centre})
                self.assertEqual(said["code"], "bad_request")
                self.assertIn("can't be combined with another bound", said["msg"])

    def test_what_is_no_time(self) -> None:
        no_times: tuple[object, ...] = (
            "2026-11-21", "2026-11-21T10:00:00", "2026-11-21 10:00:00Z", "2026-02-30T10:00:00Z",
            "2026-11-21T24:01:00Z", "2026-11-21T10:00:00.Z", "now", "", 1_790_000_000_000, 5, True, [],
        )  # fmt: skip
        for time in no_times:
            said = self.page(before_time=time)
            self.assertEqual(
                (said["code"], said["msg"]),
                ("bad_request", "before_time must be a time such as 2026-11-21T10:00:00.000Z"),
            )
        for said in (self.page(order="x"), self.page(events="x"), self.page(whole_milliseconds=True)):
            self.assertEqual(said["code"], "bad_request")

    def test_events_among_messages(self) -> None:
        """They count for the limit, and come in the order of the log."""
        page = self.page(events="all", limit=5)
        self.assertEqual([item["msg"] for item in page["messages"]], ["m5", "m6"])
        self.assertEqual([item.get("topic") for item in page["events"]], ["after m4", "after m5", "after m6"])
        self.assertTrue(page["more"])
        page = self.page(events="all", limit=5, after=0)
        self.assertEqual([item["event"] for item in page["events"]], ["created", "joined", "topic"])
        self.assertEqual([item["msg"] for item in page["messages"]], ["m1", "m2"])
        page = self.page(events="all", limit=3, around=self.ids["after m3"])
        found = [item["id"] for item in (*page["messages"], *page["events"])]
        middle = self.ids["after m3"]
        self.assertEqual(sorted(found), [middle - 1, middle, middle + 1])
        self.assertEqual(self.page(events="all", limit=1, before=self.ids["m1"])["messages"], [])
        self.assertNotIn("events", self.page())
        self.assertNotIn("events", self.page(events="none"))

    def test_a_page_is_full_while_there_is_more(self) -> None:
        """Though events lie between, and entries of users who are ignored."""
        carol = self.stage.json("carol").asks(action="join", group="wob")
        for number in range(30):
            carol.asks(action="gbroadcast", group="wob", msg=f"noise {number}")
        self.bob.asks(action="ignore", dest="carol").hears()
        self.patch(archive, "MAX_ENTRIES_SCANNED_FOR_PAGE", 3)
        self.assertEqual(self.read(limit=4), ("m3 m4 m5 m6", True))
        self.assertEqual(self.read(limit=4, before_time="2100-01-01T00:00:00Z"), ("m3 m4 m5 m6", True))
        self.assertEqual(self.read(limit=4, around=10**6), ("m3 m4 m5 m6", True))
        self.assertEqual(self.read(limit=3, after_time=self.times["m3"]), ("m4 m5 m6", False))
        page = self.page(limit=5, events="all")
        self.assertEqual([item["msg"] for item in page["messages"]], ["m5", "m6"])
        self.assertEqual([item["event"] for item in page["events"]], ["topic", "topic", "joined"])

    def test_no_more_than_a_page_has(self) -> None:
        """The limits are those of all pages."""
        for asked in ({"after_time": self.times["m1"]}, {"around": self.ids["m3"]}, {"order": "oldest"}):
            self.assertEqual(len(self.page(**asked)["messages"]), 4)
            self.assertEqual(len(self.page(**asked, limit=10**6)["messages"]), 5)
        self.assertEqual(len(self.page(after_time=self.times["m5"], events="all")["events"]), 2)

    def test_only_what_members_may_read(self) -> None:
        """The new fields open nothing."""
        self.alice.asks(action="cgroupe", group="den", visibility="private")
        carol = self.stage.json("carol")
        asks: tuple[dict[str, Any], ...] = (
            {"around": 3},
            {"around_time": self.times["m3"]},
            {"before_time": self.times["m3"]},
            {"after_time": self.times["m3"], "events": "all"},
        )
        for asked in asks:
            self.assertEqual(self.page(carol, **asked)["code"], "not_member")
            self.assertEqual(self.page(carol, **asked, group="den")["code"], "no_such_group")
        carol.asks(action="join", group="wob").hears()
        self.stage.readers.held = True
        carol.asks(action="history", group="wob", around_time=self.times["m3"], events="all")
        self.alice.asks(action="kick", group="wob", dest="carol")
        while self.stage.readers.waiting:
            self.stage.readers.run_next()
            self.stage.settle()
        self.assertEqual([said.get("code") for said in carol.objects()], [None, "not_member"])

    def test_only_what_came_since_joining(self) -> None:
        self.alice.asks(action="sethistory", group="wob", mode="since_joining")
        carol = self.stage.json("carol").asks(action="join", group="wob")
        self.alice.asks(action="gbroadcast", group="wob", msg="hello carol")
        carol.hears()
        for asked in (
            {"around": self.ids["m3"]},
            {"around_time": self.times["m3"]},
            {"after_time": self.times["m1"]},
            {"before_time": "2100-01-01T00:00:00Z"},
            {"order": "oldest"},
        ):
            page = self.page(carol, **asked, events="all")
            self.assertEqual([item["msg"] for item in page["messages"]], ["hello carol"])
            self.assertEqual([item["event"] for item in page["events"]], ["joined"])
            self.assertNotIn("more", page)
        self.assertEqual(self.read(carol, before_time=self.times["m3"]), ("", False))

    def test_deleted_messages(self) -> None:
        """They stay in their places without their texts; old ones have none any more."""
        self.stage.close()
        policy = AccountPolicy(operators=("teacher",))
        self.stage = Stage(self.stage.database, policy=policy, retention_seconds=3600)
        teacher, bob = self.stage.json("teacher"), self.stage.json("bob")
        teacher.asks(action="register", password=SECRET).asks(action="delete", id=self.ids["m3"])
        teacher.hears(), bob.hears()
        page = self.page(bob, around_time=self.times["m3"], limit=1, events="all")
        self.assertEqual([(item["msg"], item["deleted"]) for item in page["messages"]], [("", True)])
        page = self.page(bob, events="all", limit=1)
        self.assertEqual([item.get("deleted") for item in page["events"]], [self.ids["m3"]])
        self.stage.chat.retention.start()
        self.stage.wait(2 * 3600)
        bob.hears()
        page = self.page(bob, around_time=self.times["m3"], events="all", limit=100)
        self.assertEqual([item["msg"] for item in page["messages"]], [])
        self.assertEqual(page["trimmed"], self.ids["m6"])
        self.assertEqual(len([item for item in page["events"] if item["event"] == "topic"]), 6)
        bob.asks(action="conversations", after_time="1970-01-01T00:00:00Z")
        self.assertEqual(bob.objects()[-1]["conversations"], [])

    def test_with_a_token(self) -> None:
        """Nothing outside of its scope."""
        self.alice.asks(action="register", password=SECRET)
        asked = {"action": "maketoken", "token": "bot", "scope": "read", "groups": "wob"}
        secret = self.alice.asks(**asked).objects()[-1]["secret"]
        bot = self.stage.json("alice", password=secret)
        self.assertEqual(self.read(bot, around_time=self.times["m3"], limit=1), ("m3", True))
        for elsewhere in ({"with": "bob"}, {}):
            bot.asks(action="history", around_time=self.times["m3"], **elsewhere)
            self.assertEqual([said["code"] for said in bot.objects()], ["out_of_scope"])

    def test_bytes_are_divided_between_both_sides(self) -> None:
        """Each side may have half of them, and one takes what the other leaves; one entry at least."""
        for number in range(5):
            self.alice.asks(action="gbroadcast", group="wob", msg=f"{number}" * 2_000)
        self.bob.hears()
        ((middle,),) = self.stage.rows("SELECT id FROM log WHERE body LIKE '22%'")
        protocol: Any = self.bob.protocol
        for size, around, expected in (
            (13_000, middle, "0 1 2 3 4"),
            (11_000, middle, "m 0 1 2 3"),
            (6_900, middle, "m m 0 1 2"),
            (4_900, middle, "1 2"),
            (2_500, middle, "2"),
            (11_000, 10**6, "0 1 2 3 4"),
            (8_900, 10**6, "1 2 3 4"),
        ):
            self.patch(protocol.session.dialect, "max_list_bytes", size)
            found, more = self.read(around=around, limit=5)
            self.assertEqual((" ".join(part[0] for part in found.split()), more), (expected, True), size)
        self.patch(protocol.session.dialect, "max_list_bytes", 1_000)
        self.assertEqual(self.read(around=0, limit=5), ("m1 m2 m3 m4 m5", True))
        self.assertEqual(self.read(around=self.ids["m6"], limit=5), ("m2 m3 m4 m5 m6", True))


class Bursts(StageTestCase):
    """Many messages have the same millisecond."""

    examples = 0

    limits = Limits(page=4, page_max=5, requests_per_second=10_000, reads_per_second=10_000)

    def setUp(self) -> None:
        super().setUp()
        self.alice = self.stage.json("alice")

    def bursts(self, *sizes: int) -> None:
        """Say so many messages in one millisecond each: ``0.0``, ``0.1`` …"""
        for burst, size in enumerate(sizes):
            self.stage.wait(0.002)
            lines = [
                json.dumps({"action": "client-broadcast", "msg": f"{burst}.{number}"})
                for number in range(size)
            ]
            self.alice.says("\n".join(lines))
        self.alice.hears()
        self.assertEqual(
            [count for (count,) in self.stage.rows("SELECT count(*) FROM log GROUP BY at ORDER BY at")],
            [*sizes],
        )

    def page(self, **asked: Any) -> dict[str, Any]:
        """A page of the lobby."""
        (page,) = self.alice.asks(action="history", **asked).objects()
        assert isinstance(page, dict)
        return page

    def test_a_page_goes_on_to_the_end_of_a_millisecond(self) -> None:
        """Only where that is asked for, and only at the end in the direction of reading."""
        self.bursts(3, 6, 2)
        shown = [item["msg"] for item in self.page(limit=4)["messages"]]
        self.assertEqual(shown, ["1.4", "1.5", "2.0", "2.1"])
        page = self.page(limit=4, whole_milliseconds="yes")
        self.assertEqual(len(page["messages"]), 8)
        self.assertTrue(page["more"])
        page = self.page(limit=4, whole_milliseconds="yes", order="oldest")
        self.assertEqual([item["msg"] for item in page["messages"]][-1], "1.5")
        self.assertEqual(len(page["messages"]), 9)
        page = self.page(limit=2, whole_milliseconds="yes")
        self.assertEqual(len(page["messages"]), 2)
        page = self.page(limit=9, whole_milliseconds="yes")
        self.assertEqual((len(page["messages"]), page["more"]), (8, True))
        page = self.page(limit=3, whole_milliseconds="yes", before=10**6, after=3)
        self.assertEqual((len(page["messages"]), "more" in page), (8, False))

    def test_around_an_entry_both_ends_are_whole(self) -> None:
        self.bursts(2, 6, 4)
        found = self.page(around=9, limit=3, whole_milliseconds="yes")["messages"]
        self.assertEqual([item["id"] for item in found], [*range(3, 13)])

    def test_no_more_than_the_maximum(self) -> None:
        """The rest of the millisecond can be read by id."""
        self.patch(archive, "MAX_SAME_MILLISECOND_ENTRIES", 3)
        self.bursts(2, 9)
        found = self.page(limit=4, whole_milliseconds="yes")
        self.assertEqual(([item["id"] for item in found["messages"]], found["more"]), ([*range(5, 12)], True))
        found = self.page(limit=4, whole_milliseconds="yes", before=5)
        self.assertEqual([item["id"] for item in found["messages"]], [1, 2, 3, 4])

    @settings(max_examples=effort(60), deadline=None)
    @given(
        st.lists(st.integers(1, 7), min_size=1, max_size=6),
        st.integers(1, 5),
        st.integers(0, 1000),
        st.booleans(),
        st.sampled_from(("no", "yes")),
    )
    def test_around_any_entry(
        self, sizes: list[int], limit: int, place: int, by_time: bool, whole: str
    ) -> None:
        """The page has no gap, is full, has the entry, and begins and ends between two milliseconds."""
        self.restart()
        self.stage.reactor.rightNow += 1000 * self.examples
        self.examples += 1
        self.alice = self.stage.json("alice", history="none")
        for size in sizes:
            self.stage.wait(0.002)
            self.alice.says("\n".join([json.dumps({"action": "client-broadcast", "msg": "x"})] * size))
        self.alice.hears()
        log = self.stage.rows("SELECT id, at FROM log ORDER BY id")
        around, at = log[place % len(log)]
        asked = {"around_time": format_rfc3339(at)} if by_time else {"around": around}
        page = self.page(**asked, limit=limit, whole_milliseconds=whole)
        found = [item["id"] for item in page["messages"]]
        self.assertEqual(found, [*range(found[0], found[-1] + 1)])
        self.assertIn(next(id for id, time in log if time == at) if by_time else around, found)
        self.assertGreaterEqual(len(found), min(limit, len(log)))
        self.assertEqual(page.get("more", False), len(found) < len(log))
        times = dict(log)
        if whole == "no":
            self.assertLessEqual(len(found), limit)
        elif limit > 1:
            self.assertNotEqual(times.get(found[0] - 1), times[found[0]])
        if whole == "yes":
            self.assertNotEqual(times.get(found[-1] + 1), times[found[-1]])

    @settings(max_examples=effort(60), deadline=None)
    @given(st.lists(st.integers(1, 7), min_size=1, max_size=6), st.integers(1, 5), st.booleans())
    def test_page_by_page_with_times_alone(self, sizes: list[int], limit: int, forward: bool) -> None:
        """Each entry comes once, in either direction."""
        self.restart()
        self.alice = self.stage.json("alice", history="none")
        ((last,),) = self.stage.rows("SELECT coalesce(max(id), 0) FROM log")
        ((end,),) = self.stage.rows("SELECT coalesce(max(at), 0) FROM log")
        self.stage.reactor.rightNow = max(end / 1000, self.stage.reactor.rightNow) + 1
        for burst, size in enumerate(sizes):
            self.stage.wait(0.002)
            said = json.dumps({"action": "client-broadcast", "msg": str(burst)})
            self.alice.says("\n".join([said] * size))
        self.alice.hears()
        found: list[int] = []
        bound, key = ("after_time", -1) if forward else ("before_time", 0)
        asked: dict[str, Any] = {"after": last, "order": "oldest" if forward else "newest"}
        while True:
            page = self.page(**asked, limit=limit, whole_milliseconds="yes")
            ids = [item["id"] for item in page["messages"]]
            found = found + ids if forward else ids + found
            if not page.get("more"):
                break
            asked[bound] = page["messages"][key]["ts"]
        self.assertEqual(found, [*range(last + 1, last + sum(sizes) + 1)])


class Active(StageTestCase):
    """Which conversations had their last message when."""

    def setUp(self) -> None:
        super().setUp()
        self.alice, self.bob = self.stage.json("alice"), self.stage.json("bob")
        self.bob.asks(action="cgroupe", group="wob")
        self.alice.asks(action="join", group="wob")
        for asked in (
            {"action": "gbroadcast", "group": "wob", "msg": "in wob"},
            {"action": "client-broadcast", "msg": "in the lobby"},
            {"action": "client-send", "to": "alice", "msg": "in private"},
        ):
            self.stage.wait(1)
            self.bob.asks(**asked)
        self.alice.hears(), self.bob.hears()

    def time(self, text: str, later: int = 0) -> str:
        """When ``text`` was said, and so many milliseconds later."""
        ((at,),) = self.stage.rows("SELECT max(at) FROM log WHERE body = ?", text)
        return format_rfc3339(at + later)

    def listed(self, peer: Peer | None = None, **asked: Any) -> list[str]:
        """The names of the conversations, and ``+`` if there are more."""
        (answer,) = (peer or self.alice).asks(action="conversations", **asked).objects()
        self.assertEqual(answer["action"], "server-active")
        return [one["name"] for one in answer["conversations"]] + ["+"] * answer.get("more", False)

    def test_all_that_it_says(self) -> None:
        """The oldest first, with the id and the time of the last message, whatever happened since."""
        self.bob.asks(action="topic", group="wob", topic="later")
        self.alice.hears()
        (answer,) = self.alice.asks(
            action="conversations", after_time="1970-01-01T00:00:00Z", ref=7
        ).objects()
        self.assertEqual(
            answer,
            {
                "action": "server-active",
                "ref": 7,
                "conversations": [
                    {"kind": "group", "name": "wob", "last": 3, "ts": self.time("in wob")},
                    {"kind": "lobby", "name": "lobby", "last": 4, "ts": self.time("in the lobby")},
                    {"kind": "direct", "name": "bob", "last": 5, "ts": self.time("in private")},
                ],
            },
        )

    def test_both_times_are_excluded(self) -> None:
        first, last = self.time("in wob"), self.time("in private")
        self.assertEqual(self.listed(after_time=first, before_time=last), ["lobby"])
        self.assertEqual(self.listed(after_time=first), ["lobby", "bob"])
        self.assertEqual(self.listed(before_time=last), ["wob", "lobby"])
        self.assertEqual(self.listed(after_time=last, before_time=first), [])
        just_before, just_after = self.time("in wob", -1), self.time("in private", 1)
        everything = ["wob", "lobby", "bob"]
        self.assertEqual(self.listed(after_time=just_before, before_time=just_after), everything)

    def test_what_is_said_later_moves_a_conversation_out(self) -> None:
        before = self.time("in private", 1)
        self.stage.wait(1)
        self.bob.asks(action="client-broadcast", msg="again")
        self.alice.hears()
        self.assertEqual(self.listed(before_time=before), ["wob", "bob"])
        self.assertEqual(self.listed(after_time=before), ["lobby"])

    def test_limit_and_skip(self) -> None:
        asked: dict[str, Any] = {"after_time": "1970-01-01T00:00:00Z"}
        self.assertEqual(self.listed(**asked, limit=2), ["wob", "lobby", "+"])
        self.assertEqual(self.listed(**asked, limit=3), ["wob", "lobby", "bob"])
        self.assertEqual(self.listed(**asked, limit=2, skip=2), ["bob"])
        self.assertEqual(self.listed(**asked, limit=1, skip=1), ["lobby", "+"])
        self.patch(replay, "MAX_ACTIVE_CONVERSATIONS", 2)
        self.assertEqual(self.listed(**asked), ["wob", "lobby", "+"])
        self.assertEqual(self.listed(**asked, limit=10**6), ["wob", "lobby", "+"])

    def test_the_limit_of_the_ordinary_list(self) -> None:
        (answer,) = self.alice.asks(action="conversations", limit=2).objects()
        self.assertEqual([one["name"] for one in answer["conversations"]], ["bob", "lobby"])
        self.assertTrue(answer["more"])
        (answer,) = self.alice.asks(action="conversations", limit=2, skip=2).objects()
        self.assertEqual(len(answer["conversations"]), 1)
        self.assertNotIn("more", answer)

    def test_many_are_looked_for_in_parts(self) -> None:
        self.patch(replay, "MAX_LISTED_CONVERSATIONS", 1)
        before = self.stage.readers.runs
        self.assertEqual(self.listed(after_time=self.time("in wob")), ["lobby", "bob"])
        self.assertEqual(self.stage.readers.runs - before, 3)

    def test_who_is_ignored_does_not_count(self) -> None:
        carol = self.stage.json("carol")
        self.stage.wait(1)
        carol.asks(action="client-broadcast", msg="carol in the lobby")
        carol.asks(action="client-send", to="alice", msg="carol in private")
        self.alice.asks(action="ignore", dest="carol").hears()
        everything: dict[str, Any] = {"after_time": "1970-01-01T00:00:00Z"}
        self.assertEqual(self.listed(**everything), ["wob", "lobby", "bob"])
        self.assertEqual(self.listed(after_time=self.time("in private")), [])
        self.alice.asks(action="unignore", dest="carol").hears()
        self.assertEqual(self.listed(after_time=self.time("in private")), ["lobby", "carol"])
        self.alice.asks(action="ignore", dest="carol").hears()
        self.patch(archive, "MAX_MESSAGES_SCANNED_FOR_LAST_MESSAGE", 1)
        self.assertEqual(self.listed(**everything), ["wob", "bob"])

    def test_only_what_one_may_read(self) -> None:
        """Neither groups of others, nor what was said before one joined."""
        everything: dict[str, Any] = {"after_time": "1970-01-01T00:00:00Z"}
        carol = self.stage.json("carol")
        self.assertEqual(self.listed(carol, **everything), ["lobby"])
        self.bob.asks(action="sethistory", group="wob", mode="since_joining")
        carol.asks(action="join", group="wob").hears()
        self.assertEqual(self.listed(carol, **everything), ["lobby"])
        self.bob.asks(action="gbroadcast", group="wob", msg="hello carol")
        carol.hears()
        self.assertEqual(self.listed(carol, **everything), ["lobby", "wob"])
        self.stage.readers.held = True
        carol.asks(action="conversations", **everything)
        self.bob.asks(action="kick", group="wob", dest="carol")
        while self.stage.readers.waiting:
            self.stage.readers.run_next()
            self.stage.settle()
        self.stage.readers.held = False
        active = carol.objects()[-1]
        self.assertEqual([one["name"] for one in active["conversations"]], ["lobby"])

    def test_with_a_token(self) -> None:
        self.alice.asks(action="register", password=SECRET)
        made = self.alice.asks(action="maketoken", token="bot", scope="read", groups="wob")
        bot = self.stage.json("alice", password=made.objects()[-1]["secret"])
        self.assertEqual(self.listed(bot, after_time="1970-01-01T00:00:00Z"), ["wob"])

    def test_it_waits_for_its_turn(self) -> None:
        """Who asks is not read meanwhile, and is answered behind what was asked before."""
        self.alice.asks(action="client-broadcast", msg="mine")
        self.alice.says(
            json.dumps({"action": "client-broadcast", "msg": "more"})
            + "\n"
            + json.dumps({"action": "conversations", "after_time": self.time("mine")})
        )
        answers = [said["action"] for said in self.alice.objects()]
        self.assertEqual(answers, ["server-ack", "server-ack", "server-active"])

    def test_nobody_is_there_any_more(self) -> None:
        self.stage.readers.held = True
        self.alice.asks(action="conversations", after_time="1970-01-01T00:00:00Z")
        self.alice.breaks()
        while self.stage.readers.waiting:
            self.stage.readers.run_next()
            self.stage.settle()
        self.assertEqual(self.alice.hears(), b"")
