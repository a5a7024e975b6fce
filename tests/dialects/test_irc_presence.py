"""AWAY, SETNAME and MONITOR; watch lists themselves are tested with the chat."""

from __future__ import annotations

from chatd.core.accounts import AccountPolicy
from chatd.core.limits import Limits
from chatd.core.profiles import MAX_AWAY_BYTES, MAX_REALNAME_BYTES
from tests.support.in_memory_daemon import Stage
from tests.support.irc_case import IrcCase

SECRET = "correct horse battery"


class Away(IrcCase):
    """A user is away, and whoever writes to the user is told."""

    def setUp(self) -> None:
        """Have amy and bob."""
        super().setUp()
        self.amy, self.bob = self.irc("amy"), self.irc("Bob")

    def test_away_and_back(self) -> None:
        self.assertEqual(
            self.asks(self.bob, "AWAY :having lunch", "AWAY", "AWAY :"),
            [
                "306 :You have been marked as being away",
                "305 :You are no longer marked as being away",
                "305 :You are no longer marked as being away",
            ],
        )

    def test_the_author_of_a_message_is_told(self) -> None:
        self.bob.says("AWAY :having lunch")
        self.assertEqual(self.asks(self.amy, "PRIVMSG bob :hi"), ["301 Bob :having lunch"])
        self.assertEqual(self.asks(self.amy, "NOTICE bob :hi", "PRIVMSG #lobby :hi"), [])
        self.assertIn(":amy!amy@chatd PRIVMSG Bob :hi", self.bob.lines())
        self.bob.says("AWAY")
        self.assertEqual(self.asks(self.amy, "PRIVMSG bob :hi"), [])

    def test_who_is_not_connected_gets_it_on_return(self) -> None:
        self.bob.hangs_up()
        self.assertEqual(
            self.asks(self.amy, "PRIVMSG bob :hi"), ["301 Bob :Not connected: gets this on return"]
        )
        self.assertEqual(self.asks(self.amy, "NOTICE bob :hi"), [])

    def test_after_the_echo(self) -> None:
        carol = self.irc("carol", "echo-message", "labeled-response", "batch")
        self.bob.says("AWAY :lunch")
        heard = self.asks(carol, "@label=x PRIVMSG bob :hi")
        self.assertEqual(
            heard,
            [
                "@label=x :chatd BATCH +label labeled-response",
                "@batch=label :carol!carol@chatd PRIVMSG Bob :hi",
                "@batch=label :chatd 301 carol Bob lunch",
                ":chatd BATCH -label",
            ],
        )

    def test_notes_to_oneself_are_no_news(self) -> None:
        heard = self.asks(self.bob, "AWAY :lunch", "PRIVMSG bob :note")
        self.assertEqual(
            heard, ["306 :You have been marked as being away", ":Bob!Bob@chatd PRIVMSG Bob :note"]
        )

    def test_others_are_told_once(self) -> None:
        """Those who asked for it, and only of a change."""
        carol = self.irc("carol", "away-notify", "extended-monitor")
        self.amy.hears()
        self.asks(self.bob, "AWAY :lunch", "AWAY :lunch", "AWAY", "AWAY")
        self.assertEqual(carol.lines(), [":Bob!Bob@chatd AWAY lunch", ":Bob!Bob@chatd AWAY"])
        self.assertEqual(self.amy.lines(), [])

    def test_who_joins_and_is_away(self) -> None:
        """The others in the channel are told, after the arrival, if they asked; not the user."""
        carol = self.irc("carol", "away-notify", "message-tags")
        self.asks(carol, "JOIN #wob")
        self.asks(self.amy, "JOIN #wob")
        carol.hears()
        joined = self.asks(self.bob, "AWAY :having lunch", "JOIN #wob")
        self.assertNotIn("AWAY", " ".join(joined))
        told = [line.split(" ", 1) for line in carol.lines()][1:]
        self.assertRegex(told[0][0], "^@msgid=[0-9]+$")
        self.assertEqual(told[0][1], ":Bob!Bob@chatd JOIN #wob")
        self.assertEqual(told[1:], [[":Bob!Bob@chatd", "AWAY :having lunch"]])
        self.assertEqual(self.amy.lines(), [":Bob!Bob@chatd JOIN #wob"])
        self.asks(self.bob, "PART #wob", "AWAY")
        carol.hears()
        self.asks(self.bob, "JOIN #wob")
        self.assertEqual(len(carol.lines()), 1)

    def test_with_several_sessions_all_must_be_away(self) -> None:
        secret = "correct horse battery"
        web = self.stage.json("carol")
        web.asks(action="register", password=secret)
        carol = self.stage.connect("irc").says(f"PASS :{secret}").says("NICK carol").says("USER u 0 * :R")
        self.asks(carol, "AWAY :lunch")
        self.assertEqual(self.asks(self.amy, "PRIVMSG carol :hi"), [])
        web.hangs_up()
        self.assertEqual(self.asks(self.amy, "PRIVMSG carol :hi"), ["301 carol lunch"])

    def test_the_text_is_cleaned_and_cut(self) -> None:
        self.bob.says("AWAY :\x02lunch\x03 \x1b[2J\x07" + "é" * 220)
        [line] = self.asks(self.amy, "PRIVMSG bob :hi")
        text = line.removeprefix("301 Bob :")
        self.assertTrue(text.startswith("lunch \ufffd[2J\ufffdé"), text)
        self.assertIn(len(text.encode()), range(MAX_AWAY_BYTES - 1, MAX_AWAY_BYTES + 1))


class Muted(IrcCase):
    """Others would read the text of a muted user."""

    def test_who_is_muted_has_no_say(self) -> None:
        self.stage.close()
        self.stage = Stage(self.stage.database, policy=AccountPolicy(operators=("teacher",)))
        bob = self.irc("bob")
        teacher = self.stage.json("teacher").asks(action="register", password="correct horse battery")
        teacher.asks(action="mute", dest="bob")
        for line in ("AWAY :buy my stamps", "SETNAME :Buy My Stamps"):
            [refusal] = self.asks(bob, line)
            self.assertTrue(refusal.startswith("404 :"), refusal)
        shown = self.asks(bob, "WHOIS bob")
        self.assertEqual([line[:3] for line in shown], ["311", "312", "318"])
        self.assertEqual(shown[0], "311 bob ~u chatd * R")

    def test_nor_at_a_login_or_when_quitting(self) -> None:
        """Neither somebody who is muted, nor a program that may only read."""
        self.stage.close()
        self.stage = Stage(self.stage.database, policy=AccountPolicy(operators=("teacher",)))
        amy = self.irc("amy", "extended-join", "account-tag")
        teacher = self.stage.json("teacher").asks(action="register", password=SECRET)
        bob = self.stage.json("bob").asks(action="register", password=SECRET)
        secrets = [SECRET]
        for name, more in (("r", {"scope": "read"}), ("w", {"scope": "write"})):
            secrets.append(bob.asks(action="maketoken", token=name, **more).objects()[-1]["secret"])
        bob.asks(action="cgroupe", group="wob").hears()
        secrets.append(
            bob.asks(action="maketoken", token="g", scope="write", groups="wob").objects()[-1]["secret"]
        )
        bob.hangs_up()
        muted = [(secret, False) for secret in secrets]
        for secret, shown in (*zip(secrets, (True, False, True, False), strict=True), *muted):
            if (secret, shown) == muted[0]:
                teacher.asks(action="mute", dest="bob")
            amy.hears()
            peer = self.stage.connect("irc").says(f"PASS :{secret}").says("NICK bob")
            peer.says("USER stamps 0 * :Buy My Stamps").says("QUIT :buy my stamps")
            self.stage.wait(1)
            arrival, departure = amy.lines()
            self.assertEqual(arrival.endswith(" bob :Buy My Stamps"), shown, arrival)
            self.assertEqual(departure.endswith(" QUIT :Quit: buy my stamps"), shown, departure)


class Ignored(IrcCase):
    """Whoever ignores a user is not told what that user says to be."""

    def test_in_the_lobby_and_outside(self) -> None:
        told = ("away-notify", "setname", "extended-monitor")
        amy, bob, eve = self.irc("amy", *told), self.irc("bob", *told), self.irc("eve")
        for leaves_lobby in (False, True):
            for peer in (amy, bob):
                peer.says("JOIN #wob").says("MONITOR + eve")
                if leaves_lobby:
                    peer.says("PART #lobby")
            amy.says("PRIVMSG chatd :ignore;eve")
            eve.says("JOIN #wob")
            amy.hears(), bob.hears()
            eve.says("AWAY :buy my stamps").says(f"SETNAME :Stamps {leaves_lobby}").says("AWAY")
            self.stage.wait(1)
            self.assertEqual((len(bob.lines()), amy.lines()), (3, []))

    def test_nor_when_the_user_arrives_or_joins(self) -> None:
        """The others are told no texts either: all are sent the same."""
        amy, eve = self.irc("amy", "away-notify", "extended-join"), self.irc("eve", realname="Stamps")
        amy.says("JOIN #wob").says("PRIVMSG chatd :ignore;eve").hears()
        eve.says("AWAY :buy my stamps").says("JOIN #wob")
        eve.says("QUIT :stamps")
        self.irc("eve", realname="Stamps")
        self.stage.wait(1)
        heard = amy.hears().decode()
        self.assertEqual((heard.count("JOIN #wob"), heard.lower().count("stamps")), (2, 0), heard)


class LowLimit(IrcCase):
    """The daemon takes shorter notes than usual."""

    limits = Limits(note=20, requests_per_second=10**6, reads_per_second=10**6)

    def test_texts_are_cut_at_the_limit(self) -> None:
        bob = self.irc("bob", realname="Bob " * 10)
        self.assertIn("311 bob ~u chatd * :Bob Bob Bob Bob Bob", self.asks(bob, "WHOIS bob"))
        bob.says("AWAY :" + "x" * 30)
        self.assertIn("301 bob " + "x" * 20, self.asks(bob, "WHOIS bob"))
        [line] = self.asks(bob, "SETNAME :" + "x" * 21)
        self.assertIn(":a realname has at most 20 bytes", line)


class SetName(IrcCase):
    """``SETNAME``."""

    def setUp(self) -> None:
        """Have amy and bob."""
        super().setUp()
        self.amy = self.irc("amy", "setname", "standard-replies")
        self.bob = self.irc("bob")

    def test_all_who_know_it_are_told(self) -> None:
        carol = self.irc("carol", "setname")
        changed = ":amy!amy@chatd SETNAME :Amy Example"
        self.bob.hears()
        self.assertEqual(self.asks(self.amy, "SETNAME :Amy Example"), [changed])
        self.assertEqual((carol.lines(), self.bob.lines()), ([changed], []))
        self.assertEqual(self.asks(self.bob, "WHOIS amy")[0], "311 amy ~u chatd * :Amy Example")

    def test_a_client_without_it_may_change_its_name(self) -> None:
        self.amy.hears()
        self.assertEqual(self.asks(self.bob, "SETNAME Bobby"), [])
        self.assertEqual(self.amy.lines(), [":bob!bob@chatd SETNAME :Bobby"])

    def test_names_that_are_refused(self) -> None:
        for name in ("x" * (MAX_REALNAME_BYTES + 1), "日" * 43, "", " ", "\x02\x0f"):
            [line] = self.asks(self.amy, f"SETNAME :{name}")
            self.assertTrue(line.startswith(":chatd FAIL SETNAME INVALID_REALNAME :"), line)
        self.assertEqual(self.asks(self.amy, "SETNAME"), ["461 SETNAME :Not enough parameters"])
        self.assertEqual(self.asks(self.bob, "WHOIS amy")[0], "311 amy ~u chatd * R")

    def test_a_name_of_the_login_is_cut(self) -> None:
        carol = self.irc("carol", username="c" * 40, realname="\x02C" + "日" * 60)
        self.assertEqual(self.asks(carol, "WHOIS carol")[0], f"311 carol ~{'c' * 19} chatd * C{'日' * 42}")

    def test_a_name_from_another_wire_breaks_no_line(self) -> None:
        self.stage.json("eve", username=": a\0b", realname="E\r\nQUIT")
        self.assertEqual(
            self.asks(self.bob, "WHO eve", "WHOIS eve"),
            [
                "352 * _:_a\ufffdb chatd * eve H :0 E\ufffd\ufffdQUIT",
                "315 eve :End of WHO list",
                "311 eve _:_a\ufffdb chatd * E\ufffd\ufffdQUIT",
                "312 eve chatd :a chat daemon in Python on Twisted",
                "318 eve :End of WHOIS list",
            ],
        )


class Monitor(IrcCase):
    """The syntax of ``MONITOR``."""

    def test_lines_without_a_meaning(self) -> None:
        amy = self.irc("amy", "standard-replies")
        self.assertEqual(
            self.asks(amy, "MONITOR", "MONITOR +", "MONITOR X"),
            [
                "461 MONITOR :Not enough parameters",
                "461 MONITOR :Not enough parameters",
                ":chatd FAIL MONITOR INVALID_PARAMS X :the subcommands are + - C L S",
            ],
        )

    def test_long_lists_take_several_lines(self) -> None:
        amy = self.irc("amy")
        nicks = [f"{'n' * 28}{number:02}" for number in range(14)]
        heard = self.asks(
            amy, f"MONITOR + {','.join(nicks)}", f"MONITOR + {','.join(nicks[::-1])},x", "MONITOR s"
        )
        shown = [line.removeprefix("731 ").split(",") for line in heard[-1:]]
        self.assertEqual(shown, [[*nicks, "x"]])
        for nick in nicks:
            self.irc(nick)
        heard = self.asks(amy, "MONITOR S")
        self.assertEqual([line[:3] for line in heard], ["730"] * 2 + ["731"])
        online = ",".join(line.removeprefix("730 ") for line in heard[:2]).split(",")
        self.assertEqual(online, [f"{nick}!{nick}@chatd" for nick in nicks])
