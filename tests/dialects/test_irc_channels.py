"""Channels on IRC: who is in them, as each client sees it, whatever happens on whatever wire."""

from __future__ import annotations

from random import Random

from chatd.core.accounts import AccountPolicy
from chatd.core.events import User
from chatd.dialects.irc_client import channel_name
from tests.support.effort import effort
from tests.support.in_memory_daemon import Peer, Stage, StageTestCase
from tests.support.irc_view import IrcView

SECRET = "correct-horse-battery"
REGISTERED = ("alice", "bob")
UNREGISTERED = ("carol", "dave")
NICKS = (*REGISTERED, *UNREGISTERED)
GROUPS = ("wob", "ada", "zoo")
CAPABILITIES = (
    "",
    "message-tags server-time echo-message",
    "extended-join userhost-in-names",
    "echo-message batch labeled-response invite-notify",
)


class Walk:
    """Users on several wires who do what comes to their mind, some IRC clients among them."""

    def __init__(self, case: StageTestCase, seed: int) -> None:
        self.stage = case.stage
        self.case = case
        self.random = Random(seed)
        self.views: list[IrcView] = []
        self.others: list[tuple[str, Peer]] = []
        self.teacher = self.stage.json("teacher").asks(action="register", password=SECRET)
        for nick in REGISTERED:
            self.stage.json(nick).asks(action="register", password=SECRET).hangs_up()

    @property
    def online(self) -> set[str]:
        return {view.nick for view in self.views} | {nick for nick, _ in self.others}

    def step(self) -> None:
        """Have something happen."""
        self.random.choice((self.connect, self.hang_up, *[self.command] * 6))()

    def connect(self) -> None:
        nick = self.random.choice(NICKS)
        password = SECRET if nick in REGISTERED else ""
        if nick in self.online and not password:
            return
        if self.random.random() < 0.6:
            self.views.append(IrcView(self.stage, nick, self.random.choice(CAPABILITIES), password))
        elif self.random.random() < 0.5:
            more = {"password": password} if password else {}
            peer = self.stage.connect("json").asks(action="client-hello", from_=nick, **more)
            self.others.append((nick, peer))
        else:
            peer = self.stage.connect("text")
            if password:
                peer.says(f"PWD {password}")
            self.others.append((nick, peer.says(f"IAM {nick}")))

    def hang_up(self) -> None:
        if self.views and self.random.random() < 0.6:
            view = self.views.pop(self.random.randrange(len(self.views)))
            if self.random.random() < 0.5:
                view.says("QUIT :bye")
            view.peer.hangs_up()
        elif self.others:
            self.others.pop(self.random.randrange(len(self.others)))[1].hangs_up()

    def command(self) -> None:
        group, nick = self.random.choice(GROUPS), self.random.choice(NICKS)
        if self.random.random() < 0.12:
            action, fields = self.random.choice(
                (("give", {"dest": nick}), ("close", {"reason": "enough"}), ("give", {"dest": nick}))
            )
            self.teacher.asks(action=action, group=group, **fields)
        elif self.views and self.random.random() < 0.6:
            self.random.choice(self.views).says(self._line(f"#{group}", nick))
        elif self.others:
            peer = self.random.choice(self.others)[1]
            said = self._typed(group, nick)
            if "json" in type(peer.protocol).__name__.lower():
                verb, *values = said.split(";")
                peer.asks(action=verb, **dict(zip(("group", "dest"), values, strict=False)))
            else:
                peer.says(said)

    def _line(self, channel: str, nick: str) -> str:
        other = f"#{self.random.choice(GROUPS)}"
        return self.random.choice(
            (
                f"JOIN {channel},{other}",
                f"JOIN {channel}",
                f"JOIN {channel}",
                f"PART {channel}",
                f"KICK {channel} {nick} :out",
                f"KICK {channel} {','.join(NICKS)}",
                f"INVITE {nick} {channel}",
                f"MODE {channel} +o {nick}",
                f"MODE {channel} -o {nick}",
                f"MODE {channel} +b {nick}!*@*",
                f"MODE {channel} -b {nick}",
                f"MODE {channel} +i",
                f"MODE {channel} -i",
                f"PRIVMSG {channel} :hello",
                f"PRIVMSG {nick} :hello",
                f"NAMES {channel}",
                f"TOPIC {channel} :a topic",
                "JOIN 0",
            )
        )

    def _typed(self, group: str, nick: str) -> str:
        return self.random.choice(
            (
                f"join;{group}",
                f"join;{group}",
                f"cgroupe;{group}",
                f"leave;{group}",
                f"kick;{group};{nick}",
                f"invite;{group};{nick}",
                f"ban;{group};{nick}",
                f"unban;{group};{nick}",
                f"promote;{group};{nick}",
                f"demote;{group};{nick}",
            )
        )

    def check(self) -> None:
        """Each client believes what is so, and what it hears when it asks."""
        authority = self.stage.chat._authority
        for view in self.views:
            view.hears()
            self.case.assertFalse(view.peer.closed)
            (user,) = (one for one in authority.state.users.values() if one.nick == view.nick)
            self.case.assertEqual(view.channels, self._truth(user), view.lines[-12:])
            believed = {channel: dict(members) for channel, members in view.channels.items()}
            for channel in believed:
                view.says(f"NAMES {channel}")
            view.hears()
            self.case.assertEqual(view.channels, believed)

    def _truth(self, user: User) -> dict[str, dict[str, bool]]:
        state, online = self.stage.chat._authority.state, self.stage.chat._authority.online_users
        truth = {"#lobby": {one.nick: False for one in online.values()}}
        for group in state.groups_of(user):
            truth[channel_name(group.name)] = {
                member.nick: group.role(member) != "member"
                for member in group.members.values()
                if member.key in online
            }
        return truth


class WhoIsThere(StageTestCase):
    """The members that a client shows are those who are there."""

    def setUp(self) -> None:
        super().setUp()
        self.stage.close()
        self.stage = Stage(self.stage.database, policy=AccountPolicy(operators=("teacher",)))

    def test_whatever_happens(self) -> None:
        """One thing after the other, or many before the next commit, and while somebody catches up."""
        for seed in range(effort(60)):
            with self.subTest(seed=seed):
                walk = Walk(self, seed)
                for _ in range(40):
                    self.stage.writer.held = walk.random.random() < 0.3
                    self.stage.readers.held = walk.random.random() < 0.3
                    for _ in range(walk.random.randrange(1, 6)):
                        walk.step()
                    for pool in (self.stage.writer, self.stage.readers):
                        pool.held = False
                        while pool.waiting:
                            pool.run_next()
                            self.stage.settle()
                    self.stage.wait(1)
                    walk.check()
                self.stage.close()
                self.stage.database.unlink()
                self.stage = Stage(self.stage.database, policy=AccountPolicy(operators=("teacher",)))

    def test_while_a_client_catches_up(self) -> None:
        """What it is told of then waits, in one order: entries of the log, arrivals and departures."""
        alice = self.stage.json("alice").asks(action="cgroupe", group="wob")
        bob = IrcView(self.stage, "bob").says("JOIN #wob").says("QUIT")
        alice.asks(action="gbroadcast", group="wob", msg="you missed this")
        self.stage.readers.held = True
        bob = IrcView(self.stage, "bob")
        carol = self.stage.json("carol").asks(action="join", group="wob")
        carol.hangs_up()
        self.stage.json("dave")
        self.stage.wait(1)
        bob.hears()
        self.assertEqual(bob.channels["#wob"], {"alice": True, "bob": False})
        self.assertEqual(bob.channels["#lobby"].keys(), {"alice", "bob"})
        self.stage.readers.held = False
        while self.stage.readers.waiting:
            self.stage.readers.run_next()
            self.stage.settle()
        told = [(line.verb, line.nick) for line in bob.hears() if line.nick != "chatd"]
        self.assertEqual(
            told,
            [("PRIVMSG", "alice"), *[("JOIN", "carol")] * 2, ("QUIT", "carol"), ("JOIN", "dave")],
        )
        self.assertEqual(bob.channels["#wob"], {"alice": True, "bob": False})

    def test_a_client_that_can_not_be_told_all_of_it(self) -> None:
        """The log has no arrivals: it is sent away, and shown everything when it comes back."""
        alice = self.stage.json("alice")
        IrcView(self.stage, "bob").says("QUIT")
        alice.asks(action="client-broadcast", msg="you missed this")
        self.stage.readers.held = True
        bob = IrcView(self.stage, "bob")
        for _ in range(100):
            alice.asks(action="client-broadcast", msg="x" * 8000)
        self.stage.readers.held = False
        while self.stage.readers.waiting:
            self.stage.readers.run_next()
            self.stage.settle()
        self.stage.wait(2)
        self.assertEqual(bob.hears()[-1].verb, "ERROR")
        self.assertTrue(bob.peer.closed)

    def test_what_was_missed_changes_no_channel(self) -> None:
        """Bob was put out and joined again, which this client has not seen: it is told of that in words."""
        alice = self.stage.json("alice").asks(action="cgroupe", group="wob")
        first = self.stage.json("bob").asks(action="register", password=SECRET)
        first.asks(action="join", group="wob").hangs_up()
        bob = self.stage.json("bob", password=SECRET, missed="keep")
        alice.asks(action="kick", group="wob", dest="bob", reason="noise")
        bob.asks(action="join", group="wob")
        alice.asks(action="promote", group="wob", dest="bob").asks(action="demote", group="wob", dest="bob")
        view = IrcView(self.stage, "bob", password=SECRET)
        told = [line.params[1] for line in view.hears() if line.verb == "NOTICE"]
        self.assertEqual(
            told,
            [
                "alice has put you out of #wob: noise",
                "alice has made you an operator of #wob",
                "you are no longer an operator of #wob",
            ],
        )
        self.assertEqual(view.channels["#wob"], {"alice": True, "bob": False})

    def test_a_token_for_one_group(self) -> None:
        """Such a client is told who comes to and leaves that group, and of nothing else."""
        alice = self.stage.json("alice").asks(action="register", password=SECRET)
        for group in ("wob", "ada"):
            alice.asks(action="cgroupe", group=group)
        alice.hears()
        made = alice.asks(action="maketoken", token="bot", scope="write", groups="wob").objects()
        view = IrcView(self.stage, "alice", password=made[-1]["secret"])
        view.hears()
        self.assertEqual(view.channels, {"#wob": {"alice": True}})
        bob = self.stage.json("bob").asks(action="join", group="wob").asks(action="join", group="ada")
        alice.asks(action="cgroupe", group="zoo")
        view.hears()
        self.assertEqual(view.channels, {"#wob": {"alice": True, "bob": False}})
        bob.hangs_up()
        self.stage.json("carol").hangs_up()
        view.hears()
        self.assertEqual(view.channels, {"#wob": {"alice": True}})
        self.stage.json("bob")
        view.hears()
        self.assertEqual(view.channels, {"#wob": {"alice": True, "bob": False}})
