"""Server operators: what they can do about somebody, on every wire, and that it stays done."""

from __future__ import annotations

import sqlite3

from chatd.core.accounts import AccountPolicy
from tests.support.in_memory_daemon import Peer, Stage, StageTestCase

SECRET = "correct horse battery"
OTHER = "staple of nine"
POLICY = AccountPolicy(operators=("Teacher", "assistant"))


class ModerationCase(StageTestCase):
    """The teacher is an operator, and there on JSON; bob is there on text."""

    def setUp(self) -> None:
        """Have them there."""
        super().setUp()
        self.stage.close()
        self.reopen()
        self.teacher = self.stage.json("teacher").asks(action="register", password=SECRET)
        self.bob = self.stage.text("bob")
        self.teacher.hears()

    def reopen(self) -> None:
        """Start the daemon again."""
        self.stage = Stage(self.stage.database, policy=POLICY)

    def does(self, action: str, **fields: object) -> list[dict[str, object]]:
        """The acts that an operator's command came to."""
        (answer,) = [
            said
            for said in self.teacher.asks(action=action, **fields).objects()
            if said["action"] != "server-event"
        ]
        self.assertEqual(answer["action"], "server-moderation", answer)
        acts: list[dict[str, object]] = answer["acts"]
        return acts

    def refused(self, action: str, peer: Peer | None = None, **fields: object) -> str:
        """The code that a command is refused with."""
        asked = (peer or self.teacher).asks(action=action, **fields)
        return str(next(said for said in asked.objects() if said["action"] == "server-error")["code"])


class WhoMay(ModerationCase):
    """An operator is named in the configuration, and registered."""

    def test_nobody_else(self) -> None:
        carol = self.stage.json("carol").asks(action="register", password=SECRET)
        carol.hears()
        for action, fields in (
            ("mute", {"dest": "bob"}),
            ("unmute", {"dest": "bob"}),
            ("disconnect", {"dest": "bob"}),
            ("block", {"target": "bob"}),
            ("blockaddress", {"dest": "bob"}),
            ("unblock", {"target": "bob"}),
            ("give", {"group": "wob", "dest": "bob"}),
            ("close", {"group": "wob"}),
            ("delete", {"id": "1"}),
            ("announce", {"msg": "hear, hear"}),
            ("resetpassword", {"dest": "bob", "new": OTHER}),
            ("modlog", {}),
        ):
            self.assertEqual(self.refused(action, carol, **fields), "not_server_operator", action)
            self.assertIn(
                "ERR not_server_operator", self.bob.says(self.typed(action, fields)).hears().decode()
            )
        room = self.stage.connect("tp6").says("Hello|dave")
        self.stage.wait(0.5)
        room.says("/mute bob")
        self.stage.wait(0.5)
        self.assertIn("[not_server_operator]", room.hears().decode())

    def typed(self, action: str, fields: dict[str, str]) -> str:
        """The same as a text client types it."""
        return ";".join((action, *fields.values())) if fields else f"{action};"

    def test_a_nick_that_is_not_registered_is_none(self) -> None:
        """Else whoever takes the nick of an operator who is away would be one."""
        assistant = self.stage.json("assistant")
        self.assertEqual(self.refused("mute", assistant, dest="bob"), "not_server_operator")
        assistant.asks(action="register", password=SECRET).asks(action="mute", dest="bob")
        self.assertEqual(assistant.objects()[-1]["action"], "server-moderation")

    def test_operators_are_spared(self) -> None:
        """One can't shut another out, nor oneself."""
        self.stage.json("assistant").asks(action="register", password=SECRET)
        for nick in ("assistant", "TEACHER"):
            for action in ("mute", "disconnect", "block"):
                self.assertEqual(self.refused(action, dest=nick, target=nick), "is_server_operator")
            self.assertEqual(self.refused("resetpassword", dest=nick, new=OTHER), "is_server_operator")


class Mute(ModerationCase):
    """A muted user reads, and writes nothing anywhere."""

    def test_it_ends_by_itself(self) -> None:
        (act,) = self.does("mute", dest="BOB", duration="10m", reason="shouting")
        self.assertEqual((act["act"], act["target"], act["reason"]), ("mute", "bob", "shouting"))
        for line in ("MSG hi", "s;teacher;hi", "cg;wob"):
            said = self.bob.says(line).lines()[0]
            self.assertIn("ERR muted an operator has muted you (shouting)", said)
        self.assertEqual(self.bob.says("history;").lines()[-1], "END history 0")
        self.stage.wait(599)
        self.assertIn("ERR muted", self.bob.says("MSG hi").lines()[0])
        self.stage.wait(2)
        self.assertEqual(self.bob.says("MSG hi").lines(), [])

    def test_it_is_lifted(self) -> None:
        self.does("mute", dest="bob")
        self.assertIn("no reason was given", self.bob.says("MSG hi").lines()[0])
        self.does("unmute", dest="bob")
        self.assertEqual(self.bob.says("MSG hi").lines(), [])
        self.assertEqual(self.refused("unmute", dest="bob"), "not_muted")

    def test_it_holds_in_every_session_and_after_a_restart(self) -> None:
        self.does("mute", dest="bob", duration=3600)
        self.bob.says("BYE")
        self.reopen_all()
        for wire, hello, said in (
            ("text", "IAM bob", "MSG hi"),
            ("json", '{"action":"client-hello","from":"bob"}', '{"action":"client-broadcast","msg":"hi"}'),
            ("tp6", "Hello|bob", "hi"),
        ):
            peer = self.stage.connect(wire).says(hello)
            self.stage.wait(0.5)
            peer.hears()
            peer.says(said)
            self.stage.wait(0.5)
            self.assertIn("muted", peer.hears().decode(), wire)
            peer.hangs_up()

    def reopen_all(self) -> None:
        """Restart the daemon; the clock stands where it stood."""
        now = self.stage.reactor.rightNow
        self.stage.close()
        self.reopen()
        self.stage.reactor.rightNow = now

    def test_a_nick_that_looks_like_an_address(self) -> None:
        """It is muted all the same, and not by a block of the address."""
        odd = self.stage.text("10.0.0.1")
        self.teacher.hears()
        self.does("block", target="10.0.0.1")
        self.assertEqual(odd.says("MSG hi").lines(), [])
        self.teacher.hears()
        self.does("mute", dest="10.0.0.1")
        self.assertIn("ERR muted", odd.says("MSG hi").lines()[0])
        self.does("unmute", dest="10.0.0.1")
        self.assertEqual(odd.says("MSG hi").lines(), [])

    def test_retry_after(self) -> None:
        carol = self.stage.json("carol")
        self.does("mute", dest="carol", duration="90")
        refused = carol.asks(action="client-broadcast", msg="hi").objects()[-1]
        self.assertEqual((refused["code"], refused["retry_after"]), ("muted", 90))
        self.does("mute", dest="carol")
        refused = carol.asks(action="client-broadcast", msg="hi").objects()[-1]
        self.assertNotIn("retry_after", refused)

    def test_one_may_leave_a_group(self) -> None:
        self.bob.says("cg;wob").hears()
        self.does("mute", dest="bob")
        self.assertEqual(self.bob.says("leave;wob").lines()[-1], "ACK leave wob 2 2")

    def test_durations(self) -> None:
        for duration, seconds in (
            ("1", 1),
            ("2m", 120),
            ("3h", 10_800),
            ("1d", 86_400),
            (45, 45),
            ("1w", 604_800),
        ):
            (act,) = self.does("mute", dest="bob", duration=duration)
            ends = self.stage.rows("SELECT until - at FROM moderation ORDER BY id DESC LIMIT 1")
            self.assertEqual(ends, [(seconds * 1000,)], duration)
            self.assertIn("until", act)
        for wrong in ("0", "-1", "10y", "1.5h", "m", 0, -5, 1.5, True, "9" * 30, "1000w"):
            self.assertEqual(self.refused("mute", dest="bob", duration=wrong), "bad_request", wrong)


class Disconnect(ModerationCase):
    def test_all_sessions_end_and_may_come_back(self) -> None:
        self.bob.says(f"register;{OTHER}").hears()
        second = self.stage.json("bob", password=OTHER)
        self.does("disconnect", dest="bob", reason="calm down")
        self.assertIn("ERR disconnected an operator has disconnected you (calm down)", self.bob.lines()[-1])
        self.assertEqual((self.bob.closed, second.closed), (True, True))
        self.assertEqual(self.refused("disconnect", dest="bob"), "not_connected")
        self.stage.json("bob", password=OTHER)
        self.assertEqual(self.refused("disconnect", dest="nobody"), "no_such_user")


class Block(ModerationCase):
    """Who is blocked does not log in, under a nick or from an address."""

    def login(self, nick: str, host: str = "127.0.0.1") -> str:
        """Log in on JSON and be gone; the code or the action of the answer."""
        peer = self.stage.connect("json", host).asks(action="client-hello", from_=nick)
        said = peer.objects()[0]
        peer.hangs_up()
        return str(said.get("code", said["action"]))

    def test_a_nick(self) -> None:
        """In any spelling; the session that has it ends."""
        self.does("block", target="BOB", duration="1h", reason="spam")
        self.assertIn("ERR blocked you may not log in here (spam)", self.bob.lines()[-1])
        self.assertTrue(self.bob.closed)
        self.assertEqual([self.login(nick) for nick in ("bob", "Bob")], ["blocked"] * 2)
        self.assertEqual(self.login("carol"), "server-hello")
        self.stage.wait(3600)
        self.assertEqual(self.login("bob"), "server-hello")

    def test_a_nick_that_nobody_has(self) -> None:
        self.does("block", target="mallory")
        self.assertEqual(self.login("mallory"), "blocked")
        self.assertEqual(self.stage.rows("SELECT nick FROM users WHERE nick = 'mallory'"), [])

    def test_addresses_and_networks(self) -> None:
        """One IPv4 address, a network, the /64 of an IPv6 address; whoever is connected from there goes."""
        eve = self.stage.json("eve")
        remote = self.stage.connect("text", "192.0.2.7").says("IAM remote")
        for target, shown, inside, outside in (
            ("192.0.2.7", "192.0.2.7/32", "192.0.2.7", "192.0.2.8"),
            ("198.51.100.0/24", "198.51.100.0/24", "198.51.100.200", "198.51.101.1"),
            ("2001:db8:9:9::/96", "2001:db8:9:9::/64", "2001:db8:9:9:ffff::1", "2001:db8:9:8::1"),
            ("2001:db8:1:2::7", "2001:db8:1:2::/64", "2001:db8:1:2:ffff::1", "2001:db8:1:3::1"),
        ):
            (act,) = self.does("block", target=target)
            self.assertEqual(act["target"], shown)
            self.assertEqual(
                [self.login("dave", inside), self.login("dave", outside)], ["blocked", "server-hello"], target
            )
            self.does("unblock", target=target)
            self.assertEqual(self.login("dave", inside), "server-hello")
        self.assertEqual((remote.closed, eve.closed), (True, False))

    def test_the_address_of_a_user(self) -> None:
        """The user comes back under no other nick from there; the operator needs not know the address."""
        peer = self.stage.connect("text", "192.0.2.9").says("IAM mallory")
        self.stage.wait(1)
        (act,) = self.does("blockaddress", dest="mallory", duration="1d")
        self.assertEqual((act["act"], act["target"]), ("block", "192.0.2.9/32"))
        self.assertTrue(peer.closed)
        self.assertEqual(self.login("other", "192.0.2.9"), "blocked")
        self.assertEqual(self.refused("blockaddress", dest="mallory"), "not_connected")
        self.assertEqual(self.refused("blockaddress", dest="bob"), "bad_request")

    def test_it_holds_after_a_restart_until_it_is_lifted(self) -> None:
        self.does("block", target="bob")
        self.does("block", target="192.0.2.0/24")
        self.stage.close()
        self.reopen()
        self.assertEqual([self.login("bob"), self.login("dave", "192.0.2.1")], ["blocked"] * 2)
        self.teacher = self.stage.json("teacher", password=SECRET)
        self.teacher.hears()
        self.does("unblock", target="BOB")
        self.does("unblock", target="192.0.2.0/24")
        self.assertEqual([self.login("bob"), self.login("dave", "192.0.2.1")], ["server-hello"] * 2)
        for target in ("bob", "192.0.2.0/24", "10.0.0.1", "a b", ""):
            self.assertEqual(self.refused("unblock", target=target), "not_blocked", target)

    def test_what_can_not_be_blocked(self) -> None:
        for target in ("a b", "", "x" * 40):
            self.assertEqual(self.refused("block", target=target), "bad_nick")

    def test_on_the_other_wires(self) -> None:
        self.does("block", target="bob")
        text = self.stage.connect("text").says("IAM bob")
        self.assertIn("ERR blocked", text.hears().decode())
        room = self.stage.connect("tp6").says("Hello|bob")
        self.stage.wait(0.5)
        self.assertIn("[blocked]", room.hears().decode())


class Groups(ModerationCase):
    """An operator gives a group to somebody: also one whose owner is gone, or a private one."""

    def test_it_is_given(self) -> None:
        self.bob.says("cg;wob;private").hears()
        carol = self.stage.json("carol")
        self.bob.hears()
        (act,) = self.does("give", group="WOB", dest="carol")
        self.assertEqual((act["act"], act["target"]), ("give", "wob carol"))
        self.assertEqual(self.bob.lines(), ["GEV wob joined carol", "GEV wob promoted teacher carol owner"])
        events = [said["event"] for said in carol.objects() if said["action"] == "server-event"]
        self.assertEqual(events[-2:], ["joined", "promoted"])
        self.assertEqual(carol.asks(action="groups").objects()[0]["groups"][0]["role"], "owner")
        self.assertEqual(self.refused("give", group="wob", dest="carol"), "is_owner")
        self.assertEqual(self.refused("give", group="nothing", dest="carol"), "no_such_group")
        self.assertEqual(self.refused("give", group="wob", dest="nobody"), "no_such_user")

    def test_one_that_everybody_has_left(self) -> None:
        self.bob.says("cg;wob").says("leave;wob").hears()
        self.does("give", group="wob", dest="bob")
        self.assertEqual(self.bob.says("members;wob").lines()[-2], "MBR wob bob owner online unregistered")

    def test_it_is_given_to_nobody_who_can_not_log_in(self) -> None:
        self.bob.says(f"register;{SECRET}").says(f"unregister;{SECRET}")
        carol = self.stage.json("carol").asks(action="cgroupe", group="den")
        self.assertEqual(self.refused("give", group="den", dest="bob~1"), "no_such_user")
        carol.hears()
        (page,) = carol.asks(action="members", group="den").objects()
        self.assertEqual([one["name"] for one in page["members"]], ["carol"])


class PasswordHasher(ModerationCase):
    def test_a_password_is_reset(self) -> None:
        """Who forgot it gets in with another; who stole it is out."""
        self.bob.says(f"register;{SECRET}").hears()
        self.assertEqual(self.refused("resetpassword", dest="bob", new="short"), "weak_password")
        (act,) = self.does("resetpassword", dest="bob", new=OTHER)
        self.assertEqual((act["act"], act["target"]), ("resetpassword", "bob"))
        self.assertIn("ERR password_changed", self.bob.lines()[-1])
        text = self.stage.connect("text").says(f"identify;bob;{OTHER}")
        self.assertIn("ARR bob", text.hears().decode())
        self.stage.json("carol")
        self.teacher.hears()
        self.assertEqual(self.refused("resetpassword", dest="carol", new=OTHER), "not_registered")

    def test_a_closed_account_stays_closed(self) -> None:
        """Nobody gets at the conversations of a user who has given the nick up."""
        self.bob.says(f"register;{SECRET}").says(f"unregister;{SECRET}")
        self.assertEqual(self.refused("resetpassword", dest="bob~1", new=OTHER), "no_such_user")
        again = self.stage.connect("json").asks(action="client-hello", from_="bob~1", password=OTHER)
        self.assertEqual(again.objects()[0]["code"], "wrong_password")


class Log(ModerationCase):
    """Every act is in the moderation log, which survives, on every wire."""

    def test_it_is_read(self) -> None:
        self.does("mute", dest="bob", duration="1h", reason="shouting; loudly")
        self.does("unmute", dest="bob")
        self.refused("unmute", dest="bob")
        self.stage.close()
        self.reopen()
        text = self.stage.connect("text").says(f"identify;teacher;{SECRET}")
        self.stage.wait(1)
        text.hears()
        lines = text.says("modlog;").lines()
        self.assertRegex(lines[0], r"\AOPR 2 \S+Z teacher unmute bob -\Z")
        self.assertRegex(lines[1], r"\AOPR 1 \S+Z teacher mute bob \S+Z shouting; loudly\Z")
        self.assertEqual(lines[2], "END modlog 2")
        self.assertEqual(len(text.says("modlog;1").lines()), 2)
        room = self.stage.connect("tp6").says(f"/login teacher {SECRET}")
        self.stage.wait(0.5)
        room.hears()
        room.says("/modlog")
        self.stage.wait(0.5)
        self.assertIn("teacher a rendu la parole à bob", room.hears().decode())
        room.says("/mute bob 5m trop fort")
        self.stage.wait(0.5)
        muted = r"C'est fait : \S+Z teacher a rendu bob muet jusqu'au \S+Z : trop fort"
        self.assertRegex(room.hears().decode(), muted)
        teacher = self.stage.json("teacher", password=SECRET)
        teacher.hears()
        (log,) = teacher.asks(action="modlog", ref=1).objects()
        self.assertEqual([act["act"] for act in log["acts"]], ["mute", "unmute", "mute"])
        self.assertEqual(log["acts"][2]["reason"], "shouting; loudly")

    def test_an_act_that_is_not_stored_is_not_done(self) -> None:
        self.stage.writer.error = sqlite3.OperationalError("disk full")
        self.assertEqual(self.refused("disconnect", dest="bob"), "storage_failed")
        self.stage.writer.error = None
        self.stage.wait(2)
        self.assertFalse(self.bob.closed)
        self.assertEqual(self.bob.says("MSG hi").lines(), [])
        self.flushLoggedErrors()


class Close(ModerationCase):
    """A closed group is gone for its members, keeps its log, and may be opened again."""

    def setUp(self) -> None:
        super().setUp()
        self.bob.says("cg;wob;private").says("bg;wob;our plan").says("invite;wob;teacher")
        self.bob.hears()
        self.teacher.hears()

    def test_the_members_are_told_and_out(self) -> None:
        (act,) = self.does("close", group="WOB", reason="over")
        self.assertEqual((act["act"], act["target"], act["reason"]), ("close", "wob", "over"))
        self.assertEqual(self.bob.lines(), ["GEV wob closed teacher over"])
        for line in ("bg;wob;hi", "j;wob", "messages;wob", "members;wob", "invite;wob;teacher"):
            self.assertEqual(self.bob.says(line).lines(), ["ERR no_such_group unknown group: wob"], line)
        self.assertEqual(self.bob.says("cg;Wob").lines()[0].split()[:2], ["ERR", "group_exists"])
        self.assertEqual(self.bob.says("groups;").lines(), ["END groups 0"])
        self.assertEqual(self.bob.says("conversations;").lines()[-1], "END conversations 1")
        self.assertEqual(self.refused("close", group="wob"), "no_such_group")

    def test_nobody_enters_it_from_the_chat_room(self) -> None:
        self.does("close", group="wob")
        room = self.stage.connect("tp6").says("Hello|dave|wob")
        self.stage.wait(0.5)
        self.assertIn("Erreur [no_such_group]", room.hears().decode())

    def test_the_chat_room_is_told(self) -> None:
        self.bob.says("visibility;wob;public")
        room = self.stage.connect("tp6").says("Hello|dave|wob")
        self.stage.wait(0.5)
        room.hears()
        self.teacher.hears()
        self.does("close", group="wob", reason="over")
        room.says("still here?")
        self.stage.wait(0.5)
        heard = room.hears().decode()
        self.assertIn("Annonce : teacher a fermé wob : over", heard)
        self.assertIn("Erreur [no_such_group]", heard)

    def test_it_is_opened_again_after_a_restart(self) -> None:
        self.does("close", group="wob")
        self.stage.close()
        self.reopen()
        self.teacher = self.stage.json("teacher", password=SECRET)
        self.bob = self.stage.text("bob")
        self.assertEqual(self.bob.says("groups;").lines(), ["END groups 0"])
        self.teacher.hears()
        self.does("give", group="wob", dest="bob")
        self.bob.hears()
        self.assertEqual(self.bob.says("members;wob").lines()[0], "MBR wob bob owner online unregistered")
        self.assertIn("our plan", self.bob.says("messages;wob").hears().decode())
        self.assertEqual(self.bob.says("groups;").lines()[0], "GRP wob private 1 owner")


class Delete(ModerationCase):
    """The text of a message is gone, from the disk as well; its place stays."""

    def deleted(self, text: str) -> bool:
        """Whether no file of the database contains ``text``."""
        folder = self.stage.database.parent
        return not any(text.encode() in path.read_bytes() for path in folder.glob("chat.db*"))

    def test_in_the_lobby_on_every_wire(self) -> None:
        room = self.stage.connect("tp6").says("Hello|dave")
        self.stage.wait(0.5)
        self.bob.says("MSG an insult to all")
        self.stage.wait(0.5)
        for peer in (self.bob, room, self.teacher):
            peer.hears()
        self.assertFalse(self.deleted("an insult to all"))
        (act,) = self.does("delete", id=1, reason="an insult")
        self.assertEqual((act["act"], act["target"], act["reason"]), ("delete", "1", "an insult"))
        self.assertTrue(self.deleted("an insult to all"))
        self.assertEqual(self.bob.lines(), ["DEL 1 teacher an insult"])
        self.stage.wait(0.5)
        self.assertEqual(
            room.hears().decode(), "Annonce : teacher a supprimé un message de bob : an insult\n"
        )
        carol = self.stage.json("carol")
        (page,) = carol.asks(action="history").objects()
        self.assertEqual(
            [(item["id"], item["from"], item["msg"], item["deleted"]) for item in page["messages"]],
            [(1, "bob", "", True)],
        )
        (line,) = [line for line in self.bob.says("history;").lines() if line.startswith("HIS")]
        self.assertRegex(line, r"^HIS \* 1 \S+ bob$")
        room.says("/history")
        self.stage.wait(0.5)
        self.assertIn("bob : (message supprimé)", room.hears().decode())

    def test_actions_and_notices(self) -> None:
        """They are messages like others, and stay what they were."""
        self.bob.says("MSG /me insults all")
        carol = self.stage.json("carol")
        carol.asks(action="client-broadcast", msg="an insult of a program", kind="notice")
        self.teacher.hears()
        for id in (1, 2):
            self.does("delete", id=id)
        self.assertTrue(self.deleted("insults all") and self.deleted("an insult of a program"))
        carol.hears()
        (page,) = carol.asks(action="history").objects()
        self.assertEqual(
            [(item["kind"], item["msg"], item["deleted"]) for item in page["messages"]],
            [("action", "", True), ("notice", "", True)],
        )
        room = self.stage.connect("tp6").says("Hello|dave")
        self.stage.wait(0.5)
        room.says("/history")
        self.stage.wait(0.5)
        shown = room.hears().decode()
        self.assertIn("bob : (message supprimé)", shown)
        self.assertIn("carol : (message supprimé)", shown)

    def test_the_event_is_in_the_log_and_is_replayed(self) -> None:
        """Who was away learns what to take back."""
        carol = self.stage.json("carol")
        self.bob.says("MSG one").says("MSG two")
        carol.hears()
        carol.hangs_up()
        self.teacher.hears()
        self.does("delete", id=1)
        self.stage.close()
        self.reopen()
        carol = self.stage.connect("json").asks(action="client-hello", from_="carol", since=1)
        told = [(said["id"], said.get("deleted"), said.get("actor")) for said in carol.objects()[1:]]
        self.assertEqual(told, [(2, None, None), (3, 1, "teacher")])
        whole = self.stage.connect("json").asks(action="client-hello", from_="eve", since=0).objects()
        self.assertEqual(
            [(said["id"], said.get("msg")) for said in whole[1:]], [(1, ""), (2, "two"), (3, None)]
        )
        self.assertIs(whole[1]["deleted"], True)

    def test_a_direct_message_by_an_operator_who_never_sees_it(self) -> None:
        """The two learn of it, nobody else, and the moderation log says no more than the id."""
        carol = self.stage.text("carol")
        eve = self.stage.text("eve")
        self.bob.says("s;carol;a threat")
        for peer in (self.bob, carol, eve, self.teacher):
            peer.hears()
        (act,) = self.does("delete", id=1)
        self.assertNotIn("a threat", str(act))
        self.assertEqual(self.teacher.objects(), [])
        self.assertEqual(self.bob.lines(), ["DEL 1 teacher"])
        self.assertEqual(carol.lines(), ["DEL 1 teacher"])
        self.assertEqual(eve.lines(), [])
        self.assertTrue(self.deleted("a threat"))

    def test_in_a_private_group(self) -> None:
        """The members are told; `states` has it; outsiders hear nothing."""
        carol = self.stage.text("carol")
        self.bob.says("cg;den;private").says("bg;den;a secret thing")
        self.teacher.hears()
        self.bob.hears()
        carol.hears()
        self.does("delete", id=2, reason="no")
        self.assertEqual((carol.lines(), self.teacher.objects()), ([], []))
        self.assertEqual(self.bob.lines(), ["DEL 2 teacher no"])
        self.assertTrue(self.deleted("a secret thing"))
        self.assertIn("deleted teacher bob 2 no", self.bob.says("states;den").hears().decode())

    def test_what_is_no_message(self) -> None:
        self.bob.says("cg;den")
        self.bob.says("bg;den;once")
        self.teacher.hears()
        self.does("delete", id=2)
        for id in (0, 1, 2, 3, 99, 2**63 - 1):
            self.assertEqual(self.refused("delete", id=id), "no_such_message", id)
        self.assertEqual(self.refused("delete", id=2**63), "bad_request")

    def test_one_sent_right_before(self) -> None:
        """Its commit is awaited."""
        self.stage.writer.held = True
        self.teacher.asks(action="client-broadcast", msg="oops").asks(action="delete", id=1, ref=7)
        self.stage.writer.held = False
        self.stage.writer.run_next()
        self.stage.settle()
        self.assertEqual(self.teacher.objects()[-1]["action"], "server-moderation")
        self.assertTrue(self.deleted("oops"))

    def test_by_two_operators_at_once(self) -> None:
        """It is deleted once, also if neither has a result when the other asks."""
        self.bob.says("MSG an insult")
        assistant = self.stage.json("assistant").asks(action="register", password=SECRET)
        assistant.hears()
        self.teacher.hears()
        for pool in (self.stage.readers, self.stage.writer):
            pool.held = True
        self.teacher.asks(action="delete", id=1)
        assistant.asks(action="delete", id=1)
        while self.stage.readers.waiting or self.stage.writer.waiting:
            for pool in (self.stage.readers, self.stage.readers, self.stage.writer):
                if pool.waiting:
                    pool.run_next()
            self.stage.settle()
        for pool in (self.stage.readers, self.stage.writer):
            pool.held = False
        self.stage.wait(1)
        deleted, answer = self.teacher.objects()
        self.assertEqual((deleted["event"], answer["action"]), ("deleted", "server-moderation"))
        self.assertEqual(assistant.objects()[-1]["code"], "no_such_message")
        self.assertEqual(self.stage.rows("SELECT count(*) FROM log WHERE kind = 'deleted'"), [(1,)])
        self.assertEqual(self.stage.rows("SELECT count(*) FROM moderation"), [(1,)])

    def test_a_deletion_that_fails_keeps_nobody_from_the_next(self) -> None:
        self.bob.says("MSG an insult")
        self.teacher.hears()
        self.stage.writer.error = sqlite3.OperationalError("disk full")
        self.assertEqual(self.refused("delete", id=1), "storage_failed")
        self.stage.writer.error = None
        self.stage.wait(2)
        self.assertEqual(len(self.does("delete", id=1)), 1)
        self.flushLoggedErrors()

    def test_it_makes_room_in_a_full_database(self) -> None:
        """The size is measured anew, since a full database writes too little to be measured by that."""
        self.bob.says("MSG long")
        self.stage.journal.database_bytes = 10**15
        self.assertIn("ERR storage_full", self.bob.says("MSG more").lines()[0])
        self.teacher.hears()
        self.does("delete", id=1)
        self.bob.hears()
        self.assertEqual(self.bob.says("MSG more").lines(), [])

    def test_one_that_waits_while_a_transaction_fails(self) -> None:
        """The state is read again meanwhile; later acts have numbers of their own, also after a restart."""
        self.bob.says("MSG one")
        assistant = self.stage.json("assistant").asks(action="register", password=SECRET)
        self.teacher.hears()
        self.does("announce", msg="first")
        self.stage.readers.held = True
        self.teacher.asks(action="delete", id=1)
        self.stage.writer.error = sqlite3.OperationalError("disk full")
        assistant.asks(action="announce", msg="lost")
        self.stage.writer.error = None
        self.stage.readers.held = False
        while self.stage.readers.waiting:
            self.stage.readers.waiting.pop()()  # the state first, the message last
            self.stage.settle()
        self.stage.wait(2)
        self.teacher.hears()
        for _ in range(2):
            self.does("announce", msg="later")
        self.stage.close()
        self.reopen()
        self.teacher = self.stage.json("teacher", password=SECRET)
        self.does("announce", msg="last")
        ids = [id for (id,) in self.stage.rows("SELECT id FROM moderation ORDER BY id")]
        self.assertEqual(ids, list(range(1, len(ids) + 1)))

    def test_a_message_with_its_ref_is_not_stored_again(self) -> None:
        carol = self.stage.json("carol").asks(action="client-broadcast", msg="spam", ref="a")
        self.teacher.hears()
        self.does("delete", id=1)
        carol.hears()
        carol.asks(action="client-broadcast", msg="spam", ref="a")
        self.assertEqual(carol.objects()[-1]["code"], "ref_reused")

    def test_a_reader_does_not_keep_it_on_disk(self) -> None:
        """The write-ahead log is emptied once the reader has ended."""
        self.bob.says("MSG seen by a reader")
        with sqlite3.connect(self.stage.database) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM log").fetchall()
            self.teacher.hears()
            self.teacher.asks(action="delete", id=1)
            self.assertEqual([said for said in self.teacher.objects() if "acts" in said], [])
            reader.rollback()
        reader.close()
        self.stage.wait(0.2)
        self.assertEqual(self.teacher.objects()[-1]["action"], "server-moderation")
        self.assertTrue(self.deleted("seen by a reader"))

    def test_the_disk_fails(self) -> None:
        self.bob.says("MSG stays")
        self.stage.writer.error = sqlite3.OperationalError("disk full")
        self.assertEqual(self.refused("delete", id=1), "storage_failed")
        self.stage.writer.error = None
        self.stage.wait(2)
        self.assertIn("stays", self.bob.says("history;").hears().decode())


class Announce(ModerationCase):
    """Everybody who is there is told, on every wire, wherever they are."""

    def test_on_every_wire(self) -> None:
        room = self.stage.connect("tp6").says("Hello|dave|salle")
        course = self.stage.connect("json").says('{"action":"client-hello","from":"cy"}')
        reference = self.stage.connect("text").says("IAM rex").says("LST")
        self.stage.wait(1)
        for peer in (room, course, reference, self.bob, self.teacher):
            peer.hears()
        (act,) = self.does("announce", msg="pause\nuntil ten")
        self.assertEqual((act["act"], act["target"], act["reason"]), ("announce", "", "pause\nuntil ten"))
        self.stage.wait(1)
        self.assertEqual(self.bob.lines(), ["ANN teacher pause", "ANN teacher until ten"])
        self.assertEqual(reference.lines(), ["MSG teacher pause", "MSG teacher until ten"])
        self.assertEqual(room.hears().decode(), "Annonce de teacher : pause\n  until ten\n")
        (said,) = course.objects()
        self.assertEqual(
            (said["action"], said["event"], said["actor"], said["msg"]),
            ("server-event", "announced", "teacher", "pause\nuntil ten"),
        )

    def test_it_is_no_message(self) -> None:
        """It is not in the history; the moderation log has it."""
        self.does("announce", msg="noon")
        self.assertEqual(self.bob.says("history;").lines()[-1], "END history 0")
        (log,) = [said for said in self.teacher.asks(action="modlog").objects() if "acts" in said]
        self.assertEqual(log["acts"][0]["reason"], "noon")

    def test_what_it_must_not_be(self) -> None:
        self.assertEqual(self.refused("announce", msg=" "), "empty")
        self.assertEqual(self.refused("announce", msg="x" * 8193), "too_long")
