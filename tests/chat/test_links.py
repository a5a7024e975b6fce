"""Invitation links on every wire: who comes in by them, and who does not."""

from __future__ import annotations

import sqlite3
from typing import Any

from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from zope.interface import implementer

from chatd.chat import retention
from chatd.chat.retention import FIRST_RETENTION_SWEEP_DELAY_SECONDS, RETENTION_SWEEP_INTERVAL_SECONDS
from chatd.connections.welcome_buffer import CLIENT_SILENCE_SECONDS
from chatd.core.limits import Limits
from chatd.store.check import find_file_problems
from tests.support.in_memory_daemon import Peer, StageTestCase

SECRET = "correct horse battery"
UNKNOWN = f"invite_{'0' * 40}"
ELSEWHERE = "192.0.2.1"


class LinkCase(StageTestCase):
    """Alice is registered and owns the private group wob, of which bob is a member. Dave is not."""

    limits = Limits(
        requests_per_second=10**6,
        bytes_per_second=10**9,
        reads_per_second=10**6,
        members_per_group=4,
        links_per_group=3,
        invitations=2,
        wrong_passwords=8,
        wrong_passwords_per_nick=5,
    )

    def setUp(self) -> None:
        """Have them there."""
        super().setUp()
        self.alice = self.stage.json("alice").asks(action="register", password=SECRET)
        self.bob, self.dave = self.stage.json("bob"), self.stage.json("dave")
        self.alice.asks(action="cgroupe", group="wob", visibility="private")
        self.joins(self.bob, "bob")
        self.forget()

    def joins(self, peer: Peer, nick: str) -> None:
        """Have ``peer`` join wob by an invitation."""
        self.alice.asks(action="invite", group="wob", dest=nick)
        peer.asks(action="join", group="wob")

    def forget(self) -> None:
        """Forget what all have heard."""
        for peer in (self.alice, self.bob, self.dave):
            peer.hears()

    def make(self, peer: Peer | None = None, **more: Any) -> str:
        """Have bob, or another member, make a link to wob."""
        peer = peer or self.bob
        peer.hears()
        link: str = peer.asks(action="invitelink", group="wob", **more).objects()[-1]["link"]
        return link

    def code(self, peer: Peer, **request: Any) -> str:
        """The code of the refusal of a request, or the action of its answer."""
        peer.hears()
        said = peer.asks(**request).objects()
        return next(str(one.get("code") or one["action"]) for one in said if one["action"] != "server-event")

    def uses(self, peer: Peer, link: str) -> str:
        """What becomes of a link that ``peer`` uses."""
        return self.code(peer, action="uselink", link=link)

    def on_disk(self) -> list[tuple[Any, ...]]:
        """Numbers and uses of the stored links, which are those in memory."""
        rows = self.stage.rows("SELECT digest, conversation, number, maker, made, expires, uses FROM links")
        links = self.stage.chat._authority.state.invitation_links.values()
        self.assertCountEqual(
            rows,
            [
                (
                    str(one.digest),
                    one.conversation.id,
                    one.number,
                    one.maker_id,
                    one.made_at,
                    one.expires_at,
                    one.use_count,
                )
                for one in links
            ],
        )
        return sorted((row[2], row[6]) for row in rows)

    def members(self) -> set[str]:
        """Who is in wob."""
        listed = self.alice.asks(action="members", group="wob").objects()[-1]["members"]
        return {member["name"] for member in listed}


class OnEveryWire(LinkCase):
    """A link is made, used, listed and revoked."""

    def test_json(self) -> None:
        (made,) = self.bob.asks(action="invitelink", group="WOB", lifetime="1h", ref=1).objects()
        link = made.pop("link")
        self.assertRegex(link, "^invite_[0-9a-f]{40}$")
        expires = made.pop("expires")
        self.assertEqual(made, {"action": "server-invitelink", "ref": 1, "group": "wob", "number": 1})
        self.assertEqual(self.alice.objects(), [])
        ack, joined = self.dave.asks(action="uselink", link=link, ref=2).objects()
        self.assertEqual(
            (ack["action"], ack["ref"], ack["group"], ack["to"]), ("server-ack", 2, "wob", "dave")
        )
        self.assertEqual((joined["event"], joined["actor"], joined["group"]), ("joined", "dave", "wob"))
        for peer in (self.alice, self.bob):
            told = [(one["event"], one["actor"], one.get("subject")) for one in peer.objects()]
            self.assertEqual(told, [("invited", "bob", "dave"), ("joined", "dave", None)])
        (states,) = self.dave.asks(action="states", group="wob").objects()
        self.assertEqual(
            [(one["event"], one["actor"], one.get("subject")) for one in states["events"][-2:]],
            [("invited", "bob", "dave"), ("joined", "dave", None)],
        )
        (listed,) = self.alice.asks(action="links", group="wob", ref=3).objects()
        (line,) = listed.pop("links")
        self.assertEqual(listed, {"action": "server-links", "ref": 3, "group": "wob"})
        self.assertLess(line.pop("made"), line["expires"])
        self.assertEqual(line, {"number": 1, "maker": "bob", "expires": expires, "uses": 1})
        self.assertEqual(self.dave.asks(action="links", group="wob").objects()[0]["links"], [])
        (left,) = self.alice.asks(action="revokelink", group="wob", number=1).objects()
        self.assertEqual((left["action"], left["links"]), ("server-links", []))
        self.assertEqual(self.on_disk(), [])

    def test_text(self) -> None:
        self.bob.hangs_up()
        bob, dave = self.stage.text("bob"), self.stage.text("dan")
        bob.hears()
        (made,) = bob.says("invitelink;wob;7d").lines()
        line, _, link = made.rpartition(" ")
        self.assertRegex(line, r"^LNK wob 1 bob \S+ \S+ 0$")
        self.assertEqual(dave.says(f"uselink;{link}").lines(), ["ACK uselink wob 4 4", "GEV wob joined dan"])
        self.assertEqual(bob.lines(), ["GEV wob invited bob dan", "GEV wob joined dan"])
        used = line.removesuffix("0") + "1"
        self.assertEqual(bob.says("links;wob").lines(), [used, "END links 1"])
        self.assertEqual(bob.says("revokelink;wob;1").lines(), ["END revokelink 0"])
        self.assertEqual(
            bob.says("revokelink;wob;1").lines(),
            ["ERR no_such_link wob has no link with the number 1, or it is not yours"],
        )

    def test_the_chat_room(self) -> None:
        alice = self.stage.connect("tp6").says(f"/login alice {SECRET}")
        erin = self.stage.connect("tp6").says("Hello|erin")
        self.stage.wait(1)
        link = ""
        for peer, said, expected in (
            (
                alice,
                "/invite wob --link 7d",
                r"^C'est fait : n° 1 \(alice, depuis le \S+, jusqu'au \S+, 0 arrivée\)\n  invite_\w{40}\n$",
            ),
            (erin, "/uselink LINK", r"^C'est fait : erin a rejoint wob\n$"),
            (alice, "/links wob", r"^Liens de wob : 1\n  n° 1 \(alice, .*, 1 arrivée\)\n$"),
            (alice, "/revokelink wob 1", r"^Liens de wob : 0\n$"),
            (erin, "/uselink LINK", r"^Erreur \[bad_link\] : ce lien d'invitation est inconnu"),
        ):
            alice.hears(), erin.hears()
            peer.says(said.replace("LINK", link))
            self.stage.wait(0.5)
            heard = peer.hears().decode()
            self.assertRegex(heard, expected)
            link = link or heard.split()[-1]

    def test_a_restart(self) -> None:
        """Links hold, and keep what is known of them."""
        link = self.make(lifetime=60)
        self.make(self.alice)
        self.uses(self.dave, link)
        (before,) = self.alice.asks(action="links", group="wob").objects()[-1:]
        self.restart()
        self.alice = self.stage.json("alice", password=SECRET)
        self.assertEqual(self.alice.asks(action="links", group="wob").objects(), [before])
        self.assertEqual(self.on_disk(), [(1, 1), (2, 0)])
        self.assertEqual(self.uses(self.stage.json("carol"), link), "server-ack")
        self.assertEqual(self.on_disk(), [(1, 2), (2, 0)])
        self.assertEqual(find_file_problems(self.stage.database), [])

    def test_a_page_reads_on_from_the_joining(self) -> None:
        """Who comes in by a link has the history that every new member has."""
        self.alice.asks(action="sethistory", group="wob", mode="since_joining")
        self.alice.asks(action="gbroadcast", group="wob", msg="before")
        self.uses(self.dave, self.make())
        self.alice.asks(action="gbroadcast", group="wob", msg="after")
        self.dave.hears()
        (page,) = self.dave.asks(action="msgs", group="wob").objects()
        self.assertEqual([item["msg"] for item in page["messages"]], ["after"])

    def test_one_who_ignores_the_maker(self) -> None:
        """The link is used all the same: that was the user's own wish."""
        self.dave.asks(action="ignore", dest="bob")
        self.assertEqual(self.uses(self.dave, self.make()), "server-ack")
        self.assertIn("dave", self.members())

    def test_invitations_that_wait_do_not_count(self) -> None:
        for group in ("one", "two"):
            self.alice.asks(action="cgroupe", group=group)
            self.alice.asks(action="invite", group=group, dest="dave")
        self.alice.asks(action="cgroupe", group="three")
        refused = self.code(self.alice, action="invite", group="three", dest="dave")
        self.assertEqual(refused, "too_many_invitations")
        self.assertEqual(self.uses(self.dave, self.make()), "server-ack")


class Refused(LinkCase):
    """What is not done, and with which code."""

    def test_making(self) -> None:
        self.stage.json("carol").asks(action="cgroupe", group="other")
        for asked, code in (
            ({"group": "nowhere"}, "no_such_group"),
            ({"group": "other"}, "not_member"),
            ({}, "bad_request"),
            ({"group": "wob", "lifetime": "0"}, "bad_request"),
            ({"group": "wob", "lifetime": "366d"}, "bad_request"),
            ({"group": "wob", "lifetime": "soon"}, "bad_request"),
        ):
            with self.subTest(asked):
                self.assertEqual(self.code(self.bob, action="invitelink", **asked), code)
        self.assertEqual(self.code(self.dave, action="invitelink", group="wob"), "no_such_group")
        for _ in range(3):
            self.make()
        self.assertEqual(self.code(self.alice, action="invitelink", group="wob"), "too_many_links")
        self.assertEqual(self.on_disk(), [(1, 0), (2, 0), (3, 0)])

    def test_using(self) -> None:
        for asked, code in (
            ({}, "bad_request"),
            ({"link": 7}, "bad_request"),
            ({"link": ""}, "bad_request"),
            ({"link": "a\nb"}, "bad_request"),
            ({"link": "x" * 513}, "too_long"),
            ({"link": "wob"}, "bad_link"),
            ({"link": UNKNOWN}, "bad_link"),
            ({"link": UNKNOWN.upper()}, "bad_link"),
        ):
            with self.subTest(asked):
                self.assertEqual(self.code(self.dave, action="uselink", **asked), code)
        self.assertEqual(self.uses(self.alice, self.make()), "already_member")
        stranger = self.stage.connect("json")
        self.assertEqual(self.code(stranger, action="uselink", link=self.make()), "not_identified")

    def test_a_full_group(self) -> None:
        for nick in ("carol", "erin"):
            self.joins(self.stage.json(nick), nick)
        link = self.make()
        self.assertEqual(self.uses(self.dave, link), "group_full")
        self.assertEqual(self.on_disk(), [(1, 0)])
        self.assertNotIn("dave", self.members())

    def test_a_full_database(self) -> None:
        """Nobody joins then, and links are revoked all the same."""
        link = self.make()
        self.stage.limits.database_size = 1
        self.addCleanup(setattr, self.stage.limits, "database_size", Limits().database_size)
        self.assertEqual(self.uses(self.dave, link), "storage_full")
        self.assertEqual(self.code(self.bob, action="revokelink", group="wob", number=1), "server-links")

    def test_who_may_not_write(self) -> None:
        """Neither makes nor uses links."""
        self.stage.policy.operators = ("alice",)
        link = self.make()
        for nick, peer in (("bob", self.bob), ("dave", self.dave)):
            self.alice.asks(action="mute", dest=nick)
            peer.hears()
        self.assertEqual(self.code(self.bob, action="invitelink", group="wob"), "muted")
        self.assertEqual(self.uses(self.dave, link), "muted")
        self.stage.policy.names = "registered"
        self.assertEqual(self.code(self.bob, action="invitelink", group="wob"), "registered_only")
        self.assertEqual(self.uses(self.dave, link), "registered_only")
        self.assertEqual(self.on_disk(), [(1, 0)])

    def test_a_program_with_a_token(self) -> None:
        link = self.make()
        self.stage.json("carol").asks(action="register", password=SECRET)
        for scope in ("read", "write"):
            for nick, asked in (
                ("alice", {"action": "invitelink", "group": "wob"}),
                ("alice", {"action": "links", "group": "wob"}),
                ("alice", {"action": "revokelink", "group": "wob", "number": 1}),
                ("carol", {"action": "uselink", "link": link}),
            ):
                user = self.stage.json(nick, password=SECRET)
                name = f"{scope}{asked['action']}"
                user.asks(action="maketoken", token=name, scope=scope)
                bot = self.stage.json(nick, password=user.objects()[-1]["secret"])
                with self.subTest(asked, scope=scope):
                    self.assertEqual(self.code(bot, **asked), "out_of_scope")
        self.assertEqual(self.on_disk(), [(1, 0)])

    def test_the_disk_fails(self) -> None:
        """Nothing is made, used or revoked then, and no link is shown."""
        link = self.make()
        for peer, asked in (
            (self.bob, {"action": "invitelink", "group": "wob"}),
            (self.dave, {"action": "uselink", "link": link}),
            (self.bob, {"action": "revokelink", "group": "wob", "number": 1}),
            (self.alice, {"action": "kick", "group": "wob", "dest": "bob"}),
        ):
            self.forget()
            self.stage.writer.error = sqlite3.OperationalError("disk full")
            (refused,) = peer.asks(**asked).objects()
            self.assertEqual((refused["code"], "link" in refused), ("storage_failed", False))
            self.stage.writer.error = None
            self.stage.wait(2)
            self.assertEqual(self.on_disk(), [(1, 0)])
        self.forget()
        self.assertEqual(self.uses(self.dave, link), "server-ack")
        self.flushLoggedErrors()

    def test_two_at_once(self) -> None:
        """The last place goes to one of them, and both uses of a link are counted."""
        link = self.make()
        carol, erin = self.stage.json("carol"), self.stage.json("erin")
        self.stage.writer.held = True
        for peer in (self.dave, carol, erin):
            peer.hears()
            peer.asks(action="uselink", link=link)
        self.stage.writer.held = False
        self.stage.writer.run_next()
        self.stage.settle()
        said = [peer.objects()[0] for peer in (self.dave, carol, erin)]
        codes = [one.get("code") or one["action"] for one in said]
        self.assertEqual(codes, ["server-ack", "server-ack", "group_full"])
        self.assertEqual(self.on_disk(), [(1, 2)])


class TheEnd(LinkCase):
    """A link that has ended is dead for ever, on the disk as in memory."""

    def dead(self, *links: str) -> None:
        """Check that ``links`` are dead, also after a restart."""
        for _ in range(2):
            for link in links:
                self.assertEqual(self.uses(self.dave, link), "bad_link")
            self.on_disk()
            self.restart()
            self.alice = self.stage.json("alice", password=SECRET)
            self.bob, self.dave = self.stage.json("bob"), self.stage.json("dave")

    def test_revoked(self) -> None:
        link = self.make()
        self.bob.asks(action="revokelink", group="wob", number=1)
        self.dead(link)

    def test_expired(self) -> None:
        """To the millisecond; the next sweep deletes it."""
        link = self.make(lifetime=60)
        self.stage.wait(59)
        self.assertEqual(self.uses(self.stage.json("carol"), link), "server-ack")
        self.stage.wait(1)
        self.assertEqual(self.uses(self.dave, link), "bad_link")
        self.assertEqual(self.alice.asks(action="links", group="wob").objects()[-1]["links"], [])
        self.stage.chat.retention.start()
        kept = self.make(lifetime=10**6)
        self.assertEqual(self.on_disk(), [(2, 0)])
        self.make(lifetime=60)
        self.stage.wait(FIRST_RETENTION_SWEEP_DELAY_SECONDS + RETENTION_SWEEP_INTERVAL_SECONDS)
        self.assertEqual(self.on_disk(), [(2, 0)])
        self.dead(link)
        self.assertEqual(self.uses(self.dave, kept), "server-ack")

    def test_many_expired(self) -> None:
        """The sweep deletes them step by step."""
        self.patch(retention, "MAX_INVITATION_LINKS_PER_DELETION", 1)
        for _ in range(3):
            self.make(lifetime=1)
        self.stage.wait(1)
        self.stage.chat.retention.start()
        self.stage.wait(FIRST_RETENTION_SWEEP_DELAY_SECONDS)
        self.assertEqual(self.on_disk(), [(2, 0), (3, 0)])
        self.stage.wait(1)
        self.assertEqual(self.on_disk(), [])

    def test_its_maker_was_put_out_or_left(self) -> None:
        for ended in ("kick", "ban", "leave"):
            with self.subTest(ended):
                kept, link = self.make(self.alice), self.make()
                if ended == "leave":
                    self.bob.asks(action="leave", group="wob")
                else:
                    self.alice.asks(action=ended, group="wob", dest="bob")
                if ended == "ban":
                    self.alice.asks(action="unban", group="wob", dest="bob")
                self.joins(self.bob, "bob")
                self.dead(link)
                carol = self.stage.json("carol")
                self.assertEqual(self.uses(carol, kept), "server-ack")
                carol.asks(action="leave", group="wob").hangs_up()
                self.alice.asks(action="revokelink", group="wob", number=1)
                self.assertEqual(self.on_disk(), [])

    def test_from_before_a_close(self) -> None:
        """`give` opens the group again, but none of its links."""
        self.stage.policy.operators = ("alice",)
        links = self.make(), self.make(self.alice)
        self.alice.asks(action="close", group="wob")
        self.assertEqual([self.uses(self.dave, link) for link in links], ["bad_link", "bad_link"])
        self.assertEqual(self.code(self.alice, action="invitelink", group="wob"), "no_such_group")
        self.alice.asks(action="give", group="wob", dest="alice")
        self.dead(*links)

    def test_its_maker_unregistered(self) -> None:
        link = self.make(self.alice)
        self.alice.asks(action="unregister", password=SECRET)
        self.assertEqual(self.uses(self.dave, link), "bad_link")
        self.assertEqual(self.on_disk(), [])


class Attackers(LinkCase):
    """What somebody hostile gets out of links."""

    def test_the_group_is_not_revealed(self) -> None:
        """To who does not hold a link, one to a private group is as if it were not there."""
        self.make()
        nowhere, hidden = (
            [
                self.dave.asks(action=action, group=group, number=1).objects()[0]["msg"].replace(group, "")
                for action in ("links", "revokelink", "invitelink")
            ]
            for group in ("nowhere", "wob")
        )
        self.assertEqual(hidden, nowhere)
        (refused,) = self.dave.asks(action="uselink", link=UNKNOWN).objects()
        self.assertNotIn("wob", str(refused))

    def test_a_dead_link_looks_like_none(self) -> None:
        """Whatever it has died of."""
        expired, revoked, of_the_kicked = self.make(lifetime=1), self.make(self.alice), self.make()
        self.stage.wait(1)
        self.alice.asks(action="revokelink", group="wob", number=2)
        self.alice.asks(action="kick", group="wob", dest="bob")
        said = {
            str(self.stage.json(f"guest-{number}").asks(action="uselink", link=link).objects())
            for number, link in enumerate((UNKNOWN, expired, revoked, of_the_kicked))
        }
        self.assertEqual(len(said), 1, said)

    def test_a_banned_user(self) -> None:
        """Stays out, under another nick from the same address as well, as after an invitation."""
        mallory = self.stage.connect("json", ELSEWHERE).asks(action="client-hello", from_="mallory")
        self.alice.asks(action="ban", group="wob", dest="mallory")
        link = self.make()
        self.assertEqual(self.uses(mallory, link), "banned")
        other = self.stage.connect("json", ELSEWHERE).asks(action="client-hello", from_="innocent")
        self.assertEqual(self.uses(other, link), "banned")
        self.assertEqual(self.members(), {"alice", "bob"})
        self.assertEqual(self.on_disk(), [(1, 0)])

    def test_guessing_by_one_user(self) -> None:
        """Is slowed down like guessing a password, and a right link does not help then."""
        link = self.make()
        guesses = [self.uses(self.dave, f"invite_{number:040}") for number in range(6)]
        self.assertEqual(guesses, ["bad_link"] * 5 + ["rate_limited"])
        self.assertEqual(self.uses(self.dave, link), "rate_limited")
        (refused,) = self.dave.asks(action="uselink", link=link).objects()
        self.assertEqual(
            (refused["retry_after"], refused["msg"]),
            (10, "too many wrong passwords or links: try again in 10 seconds"),
        )
        self.assertEqual(self.uses(self.stage.json("carol"), link), "server-ack")
        self.stage.wait(10)
        self.assertEqual(self.uses(self.dave, link), "server-ack")

    def test_guessing_under_many_nicks(self) -> None:
        """Is slowed down by the address, together with passwords, and nobody elsewhere waits."""
        outcomes = []
        for number in range(5):
            peer = self.stage.connect("json", ELSEWHERE)
            peer.asks(action="identify", from_=f"nobody{number}", password="wrong horse").hears()
            peer.asks(action="client-hello", from_=f"guesser-{number}")
            outcomes.append(self.uses(peer, UNKNOWN))
        self.assertEqual(outcomes, ["bad_link"] * 4 + ["rate_limited"])
        self.assertEqual(self.uses(self.dave, UNKNOWN), "bad_link")

    def test_right_links_are_not_counted(self) -> None:
        """Nor those that the group refuses."""
        link = self.make()
        for _ in range(8):
            self.assertEqual(self.uses(self.alice, link), "already_member")

    def test_no_link_is_stored_logged_or_shown_again(self) -> None:
        logged: list[str] = []

        @implementer(ILogObserver)
        def watch(event: LogEvent) -> None:
            logged.append(repr(event))

        globalLogPublisher.addObserver(watch)
        self.addCleanup(globalLogPublisher.removeObserver, watch)
        link = self.make()
        self.forget()
        wrong = self.stage.connect("text").says("IAM erin")
        self.stage.wait(CLIENT_SILENCE_SECONDS)
        for said in (f"uselink;{link}x", f"uselink;wob;{link}", f"revokelink;wob;{link}", f"links;{link}"):
            wrong.says(said)
        room = self.stage.connect("tp6").says("Hello|frank").says(f" /uselink {link}")
        self.uses(self.dave, link)
        for action in ("links", "states", "members"):
            self.alice.asks(action=action, group="wob")
        heard = b"".join(peer.hears() for peer in (self.alice, self.bob, self.dave))
        self.assertNotIn(link[7:].encode(), heard + room.hears())
        self.assertEqual(wrong.hears().count(link[7:].encode()), 1)  # as the name of a group, to who sent it
        state = self.stage.chat._authority.state
        (digest,) = self.stage.rows("SELECT digest FROM links")[0]
        for shown in (repr(state.invitation_links), "".join(logged)):
            self.assertNotIn(link[7:], shown)
            self.assertNotIn(digest, shown)
        files = [path.read_bytes() for path in self.stage.database.parent.glob("chat.db*")]
        self.assertNotIn(link[7:].encode(), b"".join(files))
        self.assertIn(digest.encode(), b"".join(files))
