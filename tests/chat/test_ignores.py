"""Ignoring: what an ignored user says does not reach the one who ignores, live or later, on any wire."""

from __future__ import annotations

import json

from chatd.chat import replay
from chatd.core.limits import Limits
from chatd.store import archive
from tests.support.in_memory_daemon import Peer, StageTestCase

SAID = ("MSG in the lobby", "bg;wob;/me in the group", "s;alice;in private")


class Ignoring(StageTestCase):
    """Alice, bob and carol are in wob; alice ignores bob."""

    limits = Limits(ignored=2)

    def setUp(self) -> None:
        super().setUp()
        self.alice = self.stage.json("alice").asks(action="cgroupe", group="wob")  # 1
        self.bob = self.stage.text("bob").says("j;wob")  # 2
        self.carol = self.stage.text("carol").says("j;wob")  # 3
        self.alice.hears()
        self.answer = self.alice.asks(action="ignore", dest="BOB", ref=1).objects()
        for peer in (self.bob, self.carol):
            peer.hears()

    def says(self, peer: Peer) -> None:
        """Say `SAID`."""
        for line in SAID:
            peer.says(line)

    def test_the_list_is_the_answer(self) -> None:
        self.assertEqual(self.answer, [{"action": "server-ignored", "ref": 1, "ignored": ["bob"]}])
        again = self.alice.asks(action="ignore", dest="bob").asks(action="ignored").objects()
        self.assertEqual([said["ignored"] for said in again], [["bob"], ["bob"]])
        self.assertEqual(self.alice.asks(action="unignore", dest="bob").objects()[0]["ignored"], [])
        self.assertEqual(self.carol.says("ignore;bob").lines(), ["IGN bob", "END ignore 1"])
        self.assertEqual(self.carol.says("unignore;bob").lines(), ["END unignore 0"])

    def test_live(self) -> None:
        """The author is acknowledged as ever, everyone else hears it."""
        self.says(self.bob)
        self.assertEqual(self.alice.objects(), [])
        self.assertEqual(
            [line.split()[0] for line in self.bob.lines()], ["ACK", "ACK"], "bob learns nothing of it"
        )
        self.assertEqual(self.carol.lines(), ["MSG bob in the lobby", "GMS wob bob /me in the group"])

    def test_others_are_heard(self) -> None:
        self.says(self.carol)
        self.assertEqual([said["from"] for said in self.alice.objects()], ["carol"] * 3)

    def test_later(self) -> None:
        """Neither in pages, nor in what was missed, nor in what follows an id; and it counts for nothing."""
        self.says(self.bob)
        self.alice.hangs_up()
        self.says(self.bob)
        for hello in ({}, {"since": 0}):
            back = self.stage.connect("json").asks(action="client-hello", from_="alice", **hello)
            back.asks(action="history").asks(action="msgs", group="wob")
            back.asks(action="history", **{"with": "bob"}).asks(action="conversations")
            said = back.objects()
            self.assertEqual([one for one in said if one.get("from") == "bob"], [])
            pages = [page for page in said if "messages" in page]
            self.assertGreaterEqual(len(pages), 3)
            self.assertEqual([page["messages"] for page in pages if page["messages"]], [])
            self.assertEqual([one["unread"] for one in said[-1]["conversations"]], [0, 0, 0])
            back.hangs_up()

    def test_a_page_is_full_without_them(self) -> None:
        for number in range(6):
            (self.bob if number % 2 else self.carol).says(f"MSG {number}")
        self.alice.hears()
        (page,) = self.alice.asks(action="history", limit=3).objects()
        self.assertEqual([item["msg"] for item in page["messages"]], ["0", "2", "4"])

    def talks_much(self) -> None:
        """Let bob say more than one query looks at, between two words of carol."""
        self.patch(archive, "MAX_ENTRIES_SCANNED_FOR_PAGE", 3)
        self.patch(archive, "MAX_ENTRIES_SCANNED_FOR_REPLAY", 3)
        self.patch(replay, "CATCH_UP_PAGE_ENTRIES", 3)
        self.carol.says("MSG 1")
        for _ in range(10):
            self.bob.says("MSG buy now")
        self.carol.says("MSG 2")
        self.alice.hears()

    def test_a_page_may_take_several_queries(self) -> None:
        self.talks_much()
        for window in ({}, {"after": 0}):
            (page,) = self.alice.asks(action="history", **window).objects()
            self.assertEqual([item["msg"] for item in page["messages"]], ["1", "2"])
            self.assertNotIn("more", page)
        self.alice.hangs_up()
        back = self.stage.connect("json").asks(action="client-hello", from_="alice", since=3)
        said = [said["msg"] for said in back.objects() if said["action"] == "server-broadcast"]
        self.assertEqual(said, ["1", "2"])

    def test_others_read_between_the_queries_for_a_page(self) -> None:
        self.talks_much()
        self.stage.readers.held = True
        self.alice.asks(action="history")
        self.carol.hears()
        self.carol.says("history;;1")
        for _ in range(2):
            self.stage.readers.run_next()
            self.stage.settle()
        self.assertEqual(self.carol.lines()[-1], "END history 1 more")
        self.assertEqual(len(self.stage.readers.waiting), 1)
        self.alice.hangs_up()
        self.stage.readers.run_next()
        self.stage.settle()
        self.assertEqual(self.stage.readers.waiting, [], "nobody is there to read on for")
        self.stage.readers.held = False

    def test_nothing_is_lost(self) -> None:
        """It comes back when the user is ignored no more."""
        self.says(self.bob)
        self.alice.asks(action="unignore", dest="bob")
        self.alice.hears()
        (page,) = self.alice.asks(action="history", **{"with": "bob"}).objects()
        self.assertEqual([item["msg"] for item in page["messages"]], ["in private"])
        self.says(self.bob)
        self.assertEqual(len(self.alice.objects()), 3)

    def test_it_is_kept(self) -> None:
        self.restart()
        alice, bob = self.stage.json("alice"), self.stage.text("bob")
        self.assertEqual(alice.asks(action="ignored").objects()[-1]["ignored"], ["bob"])
        alice.hears()
        self.says(bob)
        self.assertEqual(alice.objects(), [])

    def test_invitations(self) -> None:
        self.bob.says("cg;den;private").says("invite;den;alice")
        self.assertEqual(self.alice.objects(), [])
        self.alice.hangs_up()
        back = self.stage.json("alice").asks(action="groups")
        self.assertNotIn("invited", [said.get("event") for said in back.objects()])

    def test_what_is_no_message_is_heard(self) -> None:
        """Who is in a group, and what became of it."""
        self.bob.says("leave;wob").says("BYE")
        self.assertEqual([said["event"] for said in self.alice.objects()], ["left", "left"])

    def test_the_reason_of_a_ban_or_a_kick(self) -> None:
        """The event is sent, live and later; only others get to know what its author has written."""
        self.bob.says("cg;den").says("ban;den;alice;you fool").says("unban;den;alice")
        heard = self.alice.asks(action="join", group="den").objects()
        self.assertEqual([said.get("event") for said in heard], ["banned", "unbanned", None])
        self.assertEqual(heard[0]["reason"], "")
        self.carol.says("j;den").hears()
        self.alice.hears()
        self.bob.says("kick;den;alice;you fool").says("ban;den;carol;go")
        self.assertEqual(
            self.carol.lines(), ["GEV den kicked bob alice you fool", "GEV den banned bob carol go"]
        )
        (kicked,) = self.alice.objects()
        self.assertEqual((kicked["event"], kicked["subject"], kicked["reason"]), ("kicked", "alice", ""))
        self.alice.asks(action="join", group="den").asks(action="states", group="den").hangs_up()
        back = self.stage.connect("json").asks(action="client-hello", from_="alice", since=0)
        later = json.dumps(self.alice.objects() + back.objects())
        self.assertEqual((later.count('"banned"'), later.count('"kicked"')), (4, 2))
        self.assertEqual(later.count('"reason": ""'), 6)
        back.asks(action="unignore", dest="bob").asks(action="states", group="den")
        self.assertEqual(back.hears().count(b'"reason":"you fool"'), 2)

    def test_in_the_chat_room(self) -> None:
        room = self.stage.connect("tp6").says("Hello|dave|wob")
        self.stage.wait(1)
        room.says("/ignore bob")
        self.stage.wait(1)
        self.assertIn("Ignorés : 1\n  bob\n", room.hears().decode())
        self.bob.says("bg;wob;hello").says("s;dave;psst")
        self.carol.says("bg;wob;hi")
        self.stage.wait(1)
        self.assertEqual(room.hears().decode(), "carol a dit : hi\n")

    def test_what_is_refused(self) -> None:
        def code(**asked: str) -> str:
            return str(self.alice.asks(**asked).objects()[-1]["code"])

        self.assertEqual(code(action="ignore", dest="alice"), "bad_request")
        self.assertEqual(code(action="ignore", dest="nobody"), "no_such_user")
        self.stage.text("eve")
        self.alice.hears()
        self.alice.asks(action="ignore", dest="carol")
        self.assertEqual(code(action="ignore", dest="eve"), "too_many_ignored")
        self.alice.asks(action="unignore", dest="bob").hears()
        self.assertEqual(
            self.alice.asks(action="ignore", dest="eve").objects()[0]["ignored"], ["carol", "eve"]
        )
