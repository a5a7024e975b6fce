"""Channels on IRC: who is in them, as each client sees it, whatever happens on whatever wire."""

from __future__ import annotations

from random import Random
from typing import Any

from chatd.core.accounts import AccountPolicy
from chatd.core.events import User
from chatd.dialects.irc_channels import MAX_TARGETS_PER_LINE
from chatd.dialects.irc_client import channel_name
from tests.support.effort import effort
from tests.support.in_memory_daemon import Peer, Stage, StageTestCase
from tests.support.irc_case import IrcCase
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
                "PART #lobby",
                "JOIN #lobby",
                "JOIN #lobby",
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
            truth = self._truth(user)
            carrier: Any = view.peer.protocol
            if not carrier.session.in_lobby:
                del truth["#lobby"]
            self.case.assertEqual(view.channels, truth, view.lines[-12:])
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
                if member.normalized_nick in online
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


class Verbs(IrcCase):
    """Each verb on channels: what it does, and how it is refused."""

    def setUp(self) -> None:
        """Alice owns #wob, where bob is too; #den of carol is private."""
        super().setUp()
        self.alice, self.bob, self.carol = (self.irc(nick) for nick in ("alice", "bob", "carol"))
        self.alice.says("JOIN #wob")
        self.bob.says("JOIN #wob")
        self.carol.says("JOIN #den").says("MODE #den +i")
        self.forget()

    def forget(self) -> None:
        for peer in (self.alice, self.bob, self.carol):
            peer.hears()

    def says(self, peer: Peer, line: str) -> tuple[list[str], list[str]]:
        """What ``peer`` is answered, and what bob hears, without tags and sources of users."""
        self.forget()
        peer.says(line)
        answers = [_short(one) for one in peer.lines()]
        return answers, answers if peer is self.bob else [_short(one) for one in self.bob.lines()]

    def test_join(self) -> None:
        answers, heard = self.says(self.carol, "JOIN #WOB")
        self.assertEqual(
            answers,
            ["carol JOIN #wob", "353 = #wob :@alice bob carol", "366 #wob :End of NAMES list"],
        )
        self.assertEqual(heard, ["carol JOIN #wob"])
        for line in ("JOIN #wob", "JOIN #lobby", "JOIN #Lobby"):
            self.assertEqual(self.says(self.carol, line), ([], []), line)

    def test_long_names(self) -> None:
        """The longest that there can be fit into a line."""
        letters = "".join(chr(0x20000 + number) for number in range(64))
        view = IrcView(self.stage, "dave").says(f"JOIN #{letters}")
        IrcView(self.stage, letters[:32]).says(f"JOIN #{letters}")
        view.hears()
        self.assertEqual(view.channels[f"#{letters}"], {"dave": True, letters[:32]: False})

    def test_long_names_in_every_line(self) -> None:
        """No name is cut: sources, texts and the receivers of numerics give way."""
        letters = "".join(chr(0x20000 + number) for number in range(64))
        channel, owner, guest = f"#{letters}", letters[:32], letters[32:]
        capabilities = "extended-join userhost-in-names invite-notify"
        views = [IrcView(self.stage, nick, capabilities) for nick in (owner, guest)]
        first, second = views
        names = {owner, guest, channel, f"{guest}!*@*"}
        seen: set[str] = set()

        def step(view: IrcView, line: str) -> None:
            view.says(line)
            for heard in views[0].hears() + views[1].hears():
                seen.add(heard.verb)
                *params, last = heard.params
                if heard.verb == "353" or (" " not in last and heard.verb not in ("KICK", "441")):
                    params += last.split()
                for one in (heard.nick, *params):
                    nick = one.lstrip("@").partition("!")[0]
                    if any(0x20000 <= ord(letter) < 0x20040 for letter in one):
                        self.assertTrue({one, nick} & names, (line, heard))

        step(first, f"REGISTER * * {SECRET}")
        step(second, f"REGISTER * * {SECRET}")
        step(first, f"JOIN {channel}")
        step(first, f"MODE {channel} +i")
        step(first, f"INVITE {guest} {channel}")
        step(first, f"INVITE {guest} {channel}")
        step(second, f"JOIN {channel}")
        self.assertEqual(second.channels[channel], {owner: True, guest: False})
        step(second, f"NAMES {channel}")
        step(first, f"MODE {channel} +o {guest}")
        step(first, f"MODE {channel} -o {guest}")
        step(first, f"TOPIC {channel} :{'x' * 200}")
        step(second, f"TOPIC {channel}")
        step(second, f"KICK {channel} {owner}")
        step(first, f"KICK {channel} {guest} :{'x' * 80}")
        step(first, f"KICK {channel} {guest}")
        step(first, f"MODE {channel} -i")
        step(first, f"MODE {channel} +b {guest}!*@*")
        step(second, f"JOIN {channel}")
        step(first, f"MODE {channel} b")
        step(first, f"MODE {channel} -b {guest}")
        step(second, f"JOIN {channel}")
        step(second, f"PART {channel}")
        wanted = {"JOIN", "PART", "KICK", "MODE", "INVITE", "TOPIC", "341", "353", "366", "367", "441", "482"}
        self.assertEqual(wanted - seen, set())

    def test_join_nothing(self) -> None:
        """``JOIN 0`` leaves no group."""
        for target, code in (
            ("0", "403 0"),
            (":", "403 *"),
            ("wob", "403 wob"),
            ("#", "403 #"),
            ("&wob", "403 &wob"),
            ("#den", "473 #den"),
            ("#a:b", "403 #a:b"),
            ("#\u200bwob", "403 #\u200bwob"),
            ("#wоb", "403 #wоb"),  # one letter is Cyrillic
            (f"#{'x' * 65}", f"403 #{'x' * 65}"),
        ):
            ((answer,), _) = self.says(self.bob, f"JOIN {target}")
            self.assertTrue(answer.startswith(f"{code} :"), answer)
        self.assertIn("bob", self.says(self.alice, "NAMES #wob")[0][0])

    def test_many_targets(self) -> None:
        """Ten, and the eleventh is named."""
        names = [f"#g{number}" for number in range(100)]
        answers, _ = self.says(self.carol, f"JOIN {','.join(names)}")
        self.assertEqual(len([one for one in answers if " JOIN " in one]), MAX_TARGETS_PER_LINE)
        self.assertEqual(answers[-1], f"407 #g10 :Give {MAX_TARGETS_PER_LINE} at most")
        answers, _ = self.says(self.carol, f"PART {','.join(names)}")
        self.assertEqual(len([one for one in answers if " PART " in one]), MAX_TARGETS_PER_LINE)
        answers, _ = self.says(self.alice, f"KICK #wob {','.join(['nobody'] * 60)}")
        self.assertEqual([one[:3] for one in answers], ["401"] * MAX_TARGETS_PER_LINE + ["407"])
        answers, _ = self.says(self.alice, f"MODE #wob +{'o' * 60} {'nobody ' * 13}")
        self.assertEqual([one[:3] for one in answers], ["401"] * MAX_TARGETS_PER_LINE + ["407"])

    def test_part(self) -> None:
        """For good; the owner's group passes on."""
        answers, heard = self.says(self.alice, "PART #wob :bye")
        self.assertEqual(
            (answers, heard), (["alice PART #wob bye"], ["alice PART #wob bye", "alice MODE #wob +o bob"])
        )
        self.assertEqual(
            self.says(self.alice, "PART #wob")[0], ["442 #wob :you are not a member of wob: join it first"]
        )
        answers, _ = self.says(self.bob, "PART #lobby")
        self.assertEqual(answers, ["bob PART #lobby"])

    def test_kick(self) -> None:
        self.carol.says("JOIN #wob")
        self.assertEqual(self.says(self.bob, "KICK #wob carol")[0][0][:8], "482 #wob")
        self.assertEqual(self.says(self.bob, "KICK #wob alice")[0][0][:8], "482 #wob")
        self.assertEqual(self.says(self.alice, "KICK #wob nobody")[0], ["401 nobody :unknown user: nobody"])
        _, heard = self.says(self.alice, "KICK #wob carol,bob :\x02out\x02")
        self.assertEqual(heard, ["alice KICK #wob carol out", "alice KICK #wob bob out"])
        self.assertEqual(self.says(self.alice, "KICK #wob bob")[0][0][:12], "441 bob #wob")
        self.assertEqual(self.says(self.alice, "KICK #den carol")[0][0][:8], "403 #den")
        for line in ("KICK #wob ,", "KICK #wob,#den bob", "KICK #wob"):
            self.assertEqual(self.says(self.alice, line)[0], ["461 KICK :Not enough parameters"])
        self.bob.says("JOIN #wob")
        self.assertEqual(self.says(self.alice, "KICK #wob,#wob bob,nobody")[1], ["alice KICK #wob bob alice"])

    def test_topic(self) -> None:
        self.assertEqual(self.says(self.bob, "TOPIC #wob")[0], ["331 #wob :No topic is set"])
        self.assertEqual(self.says(self.bob, "TOPIC #wob :x")[0][0][:8], "482 #wob")
        self.assertEqual(
            self.says(self.alice, "TOPIC #wob :\x034red\x03 one")[1], ["alice TOPIC #wob :red one"]
        )
        self.assertEqual(self.says(self.bob, "TOPIC #wob")[0][0], "332 #wob :red one")
        self.assertEqual(self.says(self.alice, "TOPIC #wob :")[1], ["alice TOPIC #wob :"])
        self.assertEqual(self.says(self.bob, "TOPIC #den")[0][0][:8], "403 #den")
        self.assertEqual(self.says(self.bob, "TOPIC #lobby :x")[0][0][:10], "482 #lobby")

    def test_invite(self) -> None:
        answers, _ = self.says(self.carol, "INVITE bob #den")
        self.assertEqual(answers, ["341 bob #den"])
        self.assertEqual([_short(one) for one in self.bob.lines()], [])
        self.forget()
        self.carol.says("INVITE alice #den")
        self.assertEqual([_short(one) for one in self.alice.lines()], ["carol INVITE alice #den"])
        self.assertIn("already invited", self.says(self.carol, "INVITE alice #den")[0][0])
        self.assertEqual(self.says(self.alice, "INVITE bob #lobby")[0][0][:14], "443 bob #lobby")
        self.assertEqual(self.says(self.alice, "INVITE bob #wob")[0][0][:12], "443 bob #wob")
        self.assertEqual(self.says(self.alice, "INVITE nobody #wob")[0][0][:10], "401 nobody")
        self.assertEqual(self.says(self.carol, "INVITE bob #wob")[0][0][:8], "442 #wob")
        self.assertEqual(self.says(self.carol, "INVITE bob")[0], ["461 INVITE :Not enough parameters"])

    def test_the_list_of_invitations(self) -> None:
        end = "337 :End of invite list"
        self.assertEqual(self.says(self.bob, "INVITE")[0], [end])
        self.alice.says("INVITE carol #wob")
        self.carol.says("INVITE bob #den")
        self.assertEqual(self.says(self.bob, "INVITE")[0], ["336 #den", end])
        self.assertEqual(self.says(self.carol, "INVITE")[0], ["336 #wob", end])
        self.bob.says("JOIN #den")
        self.assertEqual(self.says(self.bob, "INVITE")[0], [end])

    def test_names(self) -> None:
        """Only members see who is in a group; of others, nothing is said."""
        for channel in ("#den", "#nope", "wob", "0"):
            self.assertEqual(
                self.says(self.bob, f"NAMES {channel}")[0], [f"366 {channel} :End of NAMES list"]
            )
        self.assertEqual(self.says(self.carol, "NAMES #wob")[0], ["366 #wob :End of NAMES list"])
        self.assertEqual(self.says(self.bob, "NAMES")[0], ["366 * :End of NAMES list"])
        self.assertEqual(self.says(self.carol, "NAMES #den")[0][0], "353 @ #den @carol")

    def test_names_of_several_channels(self) -> None:
        """One line ends the lists of all of them, in the client's own words."""
        self.alice.says("JOIN #ada")
        end = ":End of NAMES list"
        self.assertEqual(
            self.says(self.alice, "NAMES #wob,#den,#,x,#ADA")[0],
            ["353 = #wob :@alice bob", "353 = #ada @alice", f"366 #wob,#den,#,x,#ADA {end}"],
        )
        self.assertEqual(self.says(self.alice, "NAMES x,y")[0], [f"366 x,y {end}"])
        many = [f"#g{number}" for number in range(12)]
        self.assertEqual(
            self.says(self.alice, f"NAMES {','.join(many)}")[0],
            [f"407 {many[10]} :Give {MAX_TARGETS_PER_LINE} at most", f"366 {','.join(many[:10])} {end}"],
        )
        for long in ([f"#{letter * 60}" for letter in "abcdefgh"], [f"#{'a' * 240}", f"#{'b' * 240}"]):
            self.assertEqual(
                self.says(self.alice, f"NAMES {','.join(long)}")[0], [f"366 {','.join(long[:-1])} {end}"]
            )

    def test_modes_of_groups(self) -> None:
        self.assertEqual(self.says(self.bob, "MODE #wob")[0][0], "324 #wob +nt")
        self.assertEqual(self.says(self.carol, "MODE #den")[0][0], "324 #den +inst")
        # Who changes it is told the letters that had an effect, others are told what they mean.
        for change, own, others in (
            ("+psi", "+psi", "+is"),
            ("-s+i-p", "-sp", "-is"),
            ("+i", "+i", "+is"),
            ("-i", "-i", "-is"),
            ("+s+n-p+tss", "+s", "+is"),
            ("-sspsi", "-spi", "-is"),
        ):
            answers, heard = self.says(self.alice, f"MODE #wob {change}")
            self.assertEqual(
                (answers, heard), ([f"alice MODE #wob {own}"], [f"alice MODE #wob {others}"]), change
            )
        answers, _ = self.says(self.alice, "PRIVMSG chatd :visibility;wob;private")
        self.assertEqual(answers[0], "alice MODE #wob +is")
        self.alice.says("MODE #wob -i")
        self.assertEqual(self.says(self.bob, "MODE #wob +i")[0][0][:8], "482 #wob")
        for line in ("MODE #wob +nt", "MODE #wob +", "MODE #wob -", "MODE #wob +-+"):
            self.assertEqual(self.says(self.alice, line), ([], []), line)
        self.assertEqual(self.says(self.alice, "MODE #wob -t")[0], ["472 t :is always set here"])
        self.assertEqual(self.says(self.alice, "MODE #wob +k x")[0], ["472 k :is unknown mode char to me"])

    def test_operators(self) -> None:
        self.assertEqual(self.says(self.alice, "MODE #wob +o bob")[1], ["alice MODE #wob +o bob"])
        self.assertEqual(self.says(self.bob, "MODE #wob +o carol")[0][0][:8], "482 #wob")
        self.assertEqual(self.says(self.alice, "MODE #wob -o bob")[1], ["alice MODE #wob -o bob"])
        self.assertEqual(self.says(self.alice, "MODE #wob +o carol")[0][0][:14], "441 carol #wob")
        self.assertEqual(self.says(self.alice, "MODE #wob -o bob")[0][0][:12], "441 bob #wob")
        self.assertEqual(self.says(self.alice, "MODE #wob -o alice")[0][0][:8], "482 #wob")
        self.assertEqual(self.says(self.alice, "MODE #wob +o")[0], ["461 MODE :Not enough parameters"])
        self.assertEqual(self.says(self.alice, "MODE #lobby +o alice")[0][0][:10], "482 #lobby")

    def test_bans(self) -> None:
        """By nick only. Who is in is put out, and who is not is told in words."""
        self.assertEqual(self.says(self.alice, "MODE #wob b")[0], ["368 #wob :End of channel ban list"])
        _, heard = self.says(self.alice, "MODE #wob +b bob!*@*")
        self.assertEqual(heard, ["alice MODE #wob +b bob!*@*", "alice KICK #wob bob alice"])
        self.forget()
        self.alice.says("MODE #wob +b carol")
        self.assertEqual(
            [_short(one) for one in self.carol.lines()], ["NOTICE carol :alice has banned you from #wob"]
        )
        answers, _ = self.says(self.alice, "MODE #wob +b")
        self.assertEqual(answers[:2], ["367 #wob bob!*@*", "367 #wob carol!*@*"])
        self.assertEqual(self.says(self.bob, "MODE #wob +b")[0][0][:8], "442 #wob")
        self.assertEqual(self.says(self.bob, "JOIN #wob")[0][0][:8], "474 #wob")
        for mask in ("*!*@chatd", "bob!*@10.0.0.1", "b*!*@*", "*", "!*@*", "bob!x@*"):
            self.assertEqual(
                self.says(self.alice, f"MODE #wob +b {mask}")[0],
                [f"415 {mask} :A ban is for a nick: NICK!*@*"],
            )
        _, heard = self.says(self.alice, "MODE #wob -b bob!*@*")
        self.assertEqual(heard, ["NOTICE bob :alice has lifted your ban from #wob"])
        self.assertEqual(self.says(self.bob, "MODE #lobby b")[0], ["368 #lobby :End of channel ban list"])

    def test_bans_of_accounts(self) -> None:
        """Those of registered users: the same bans as those by nick, and shown like these."""
        unknown = "415 ~a:bob :bob is not registered: ban bob!*@*"
        self.assertEqual(self.says(self.alice, "MODE #wob +b ~a:bob")[0], [unknown])
        self.assertEqual(self.says(self.carol, "MODE #wob +b ~a:bob")[0][0][:8], "442 #wob")
        self.assertEqual(self.says(self.alice, "MODE #wob +b ~a:nobody")[0][0][:10], "401 nobody")
        for mask in ("~a:", "~a:b*", "~a:bob!*@*", "~x", "~a", "~a:*"):
            answers, _ = self.says(self.alice, f"MODE #wob +b {mask}")
            self.assertIn(answers[0][:3], ("415", "401"), mask)
        self.bob.says(f"REGISTER * * {SECRET}")
        for mask in ("~a:bob", "~account:BOB"):
            self.bob.says("JOIN #wob")
            _, heard = self.says(self.alice, f"MODE #wob +b {mask}")
            self.assertEqual(heard, ["alice MODE #wob +b bob!*@*", "alice KICK #wob bob alice"])
            self.assertEqual(self.says(self.alice, "MODE #wob b")[0][0], "367 #wob bob!*@*")
            self.assertEqual(
                self.says(self.alice, f"MODE #wob +b {mask}")[0], self.says(self.alice, "MODE #wob +b bob")[0]
            )
            self.assertEqual(self.says(self.alice, f"MODE #wob -b {mask}")[0], ["alice MODE #wob -b bob!*@*"])

    def test_a_group_that_is_closed_or_given_away(self) -> None:
        """Nobody is left in it. Who is made its owner while away is shown there on arrival only."""
        self.stage.close()
        self.stage = Stage(self.stage.database, policy=AccountPolicy(operators=("teacher",)))
        teacher = self.stage.json("teacher").asks(action="register", password=SECRET)
        view, carol = IrcView(self.stage, "bob"), self.stage.json("carol")
        view.hears()
        teacher.asks(action="give", group="wob", dest="carol")
        told = [(one.verb, *one.params) for one in view.hears()][-3:]
        self.assertEqual(
            told,
            [("JOIN", "#wob"), ("MODE", "#wob", "+o", "carol"), ("MODE", "#wob", "-o", "alice")],
        )
        teacher.asks(action="give", group="wob", dest="alice")
        self.assertEqual(view.hears()[-1].params, ["#wob", "-o", "carol"])
        self.assertEqual(view.channels["#wob"], {"bob": False, "carol": False})
        alice = IrcView(self.stage, "alice")
        view.hears(), alice.hears()
        # Whoever has no password loses a group by coming again: it may be somebody else.
        self.assertEqual(view.channels["#wob"], {"alice": False, "bob": False, "carol": False})
        teacher.asks(action="close", group="wob", reason="enough")
        self.assertEqual(view.hears()[-1].params, ["#wob", "bob", "closed: enough"])
        self.assertEqual(alice.hears()[-1].params, ["#wob", "alice", "closed: enough"])
        self.assertNotIn("#wob", view.channels)
        carol.hangs_up()

    def test_what_a_user_says_when_quitting(self) -> None:
        """Nobody hears it of somebody whom anybody ignores, or who may not write."""
        self.forget()
        self.carol.says("QUIT :\x02off\x02 to \x1b[31mbed")
        self.assertEqual(
            [_short(one) for one in self.bob.lines()], ["carol QUIT :Quit: off to \ufffd[31mbed"]
        )
        carol = self.irc("carol")
        self.alice.says("PRIVMSG chatd :ignore;carol")
        self.forget()
        carol.says("QUIT :read this")
        self.assertEqual([_short(one) for one in self.bob.lines()], ["carol QUIT left"])

    def left(self, line: str) -> list[list[str]]:
        """What bob and carol hear when bob leaves with ``line``. Bob is back afterwards."""
        self.forget()
        self.bob.says(line)
        heard = [[_short(one) for one in peer.lines()] for peer in (self.bob, self.carol)]
        self.bob.says("JOIN #wob")
        return heard

    def test_what_a_user_says_when_leaving(self) -> None:
        """On IRC only, while it is news, and not to those who ignore the user, who does not learn of it."""
        self.carol.says("JOIN #wob")
        self.assertEqual(
            self.left("PART #wob :\x02bye\x02 \x1b all"), [["bob PART #wob :bye \ufffd all"]] * 2
        )
        self.assertEqual(self.left("PART #nope,#wob bye")[1], ["bob PART #wob bye"])
        self.assertEqual(self.left(f"PART #wob {'x' * 300}")[1], [f"bob PART #wob {'x' * 200}"])
        for line in ("PART #wob", "PART #wob :", "PART #wob :\x02 "):
            self.assertEqual(self.left(line), [["bob PART #wob"]] * 2)
        dave = self.stage.json("dave").asks(action="join", group="wob")
        dave.hears()
        self.left("PART #wob :unheard")
        self.assertNotIn(b"unheard", dave.hears())
        self.carol.says("PRIVMSG chatd :ignore;bob").hears(), self.alice.hears()
        self.assertEqual(self.left("PART #wob :read this"), [["bob PART #wob :read this"], ["bob PART #wob"]])
        self.assertIn("PART #wob :read this", self.alice.hears().decode())
        reader = self.irc("reader", "draft/chathistory", "draft/event-playback", "batch")
        reader.says("JOIN #wob").hears()
        reader.says("CHATHISTORY LATEST #wob * 100")
        history = reader.hears()
        self.assertIn(b"bob!bob@chatd PART #wob", history)
        self.assertNotIn(b"bye", history)

    def test_who_is_muted_leaves_without_a_word(self) -> None:
        self.stage.close()
        self.stage = Stage(self.stage.database, policy=AccountPolicy(operators=("teacher",)))
        teacher = self.stage.json("teacher").asks(action="register", password=SECRET)
        bob, carol = self.irc("bob"), self.irc("carol")
        carol.says("JOIN #wob")
        teacher.asks(action="mute", dest="bob")
        bob.says("JOIN #wob").hears(), carol.hears()
        bob.says("PART #wob :read this")
        self.assertEqual([_short(one) for one in carol.lines()], ["bob PART #wob"])


def _short(line: str) -> str:
    """``line`` with the nick of its source only, and without the daemon and the receiver of a numeric."""
    source, _, rest = line.partition(" ")
    if source != ":chatd":
        return f"{source[1:].partition('!')[0]} {rest}"
    code, _, params = rest.partition(" ")
    return f"{code} {params.partition(' ')[2]}" if code.isdecimal() else rest
