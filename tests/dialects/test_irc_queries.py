"""WHO, WHOIS, WHOWAS, ISON and USERHOST."""

from __future__ import annotations

from itertools import product
from typing import Final

from msgspec.structs import replace
from twisted.internet.defer import Deferred

from chatd.core.answers import Profile, UserDescription, UserDescriptions
from chatd.core.channels import MAX_SHOWN_USERS
from chatd.core.events import User
from chatd.core.limits import Limits
from chatd.dialects import irc_information as information
from chatd.dialects import irc_presence as presence
from chatd.dialects import irc_queries as queries
from chatd.dialects.irc import MAX_LIST_BYTES, IrcDialect
from chatd.dialects.irc_lines import MAX_LINE_BYTES, parse_line
from tests.support.in_memory_daemon import StageTestCase
from tests.support.irc_case import IrcCase

SECRET: Final = "correct horse battery"
END: Final = ":End of WHO list"


class Who(IrcCase):
    """Who is online."""

    def setUp(self) -> None:
        """Have amy and bob on IRC, carol on JSON, amy and bob in #wob."""
        super().setUp()
        self.amy = self.irc("Amy", username="al", realname="Amy Example")
        self.bob = self.irc("bob")
        self.carol = self.stage.json("carol")
        self.amy.says("JOIN #wob")
        self.bob.says("JOIN #wob")

    def test_a_channel(self) -> None:
        self.bob.says("AWAY :lunch")
        self.assertEqual(
            self.asks(self.amy, "WHO #WOB"),
            [
                "352 #wob ~al chatd * Amy H@ :0 Amy Example",
                "352 #wob ~u chatd * bob G :0 R",
                f"315 #WOB {END}",
            ],
        )

    def test_a_nick_or_a_mask(self) -> None:
        amy = "352 * ~al chatd * Amy H :0 Amy Example"
        carol = "352 * carol chatd * carol H :0 carol"
        for mask, shown in (
            ("amy", [amy]),
            ("a*", [amy]),
            ("?my!*@*", [amy]),
            ("carol", [carol]),
            ("nobody", []),
            ("not!a!nick", []),
            ("*", [amy, "352 * ~u chatd * bob H :0 R", carol]),
            ("0", [amy, "352 * ~u chatd * bob H :0 R", carol]),
        ):
            self.assertEqual(self.asks(self.amy, f"WHO {mask}"), [*shown, f"315 {mask} {END}"], mask)
        self.assertEqual(len(self.asks(self.amy, "WHO")), 4)

    def test_users_who_are_not_connected_are_left_out(self) -> None:
        self.bob.hangs_up()
        self.assertEqual(self.asks(self.amy, "WHO bob"), [f"315 bob {END}"])
        self.assertEqual(len(self.asks(self.amy, "WHO #wob")), 2)

    def test_server_operators(self) -> None:
        self.assertEqual(self.asks(self.amy, "WHO * o", "WHO #wob o%n"), [f"315 * {END}", f"315 #wob {END}"])
        self.stage.policy.operators = ("bob",)
        self.bob.says("REGISTER * * :correct horse battery")
        shown = "~u chatd * bob H*"
        for mask in ("bob", "*", "b*"):
            self.assertEqual(
                self.asks(self.amy, f"WHO {mask} o"), [f"352 * {shown} :0 R", f"315 {mask} {END}"]
            )
        self.assertIn(f"352 #lobby {shown} :0 R", self.asks(self.amy, "WHO #lobby"))
        self.assertEqual(self.asks(self.amy, "WHO #lobby o%n"), ["354 bob", f"315 #lobby {END}"])

    def test_outsiders_see_no_members_and_no_private_group(self) -> None:
        dave = self.irc("dave")
        self.assertEqual(self.asks(dave, "WHO #wob"), [f"315 #wob {END}"])
        self.amy.says("MODE #wob +i")
        hidden = self.asks(dave, "WHO #wob", "WHO #nothing", "WHO #")
        self.assertEqual(hidden, [f"315 #wob {END}", f"315 #nothing {END}", f"315 # {END}"])

    def test_whox(self) -> None:
        for options, line in (
            ("%tcuihsnfdlaor,42", "42 * ~al 255.255.255.255 chatd * Amy H 0 0 0 n/a :Amy Example"),
            ("%rnt,7", "7 Amy :Amy Example"),
            ("%tn", "0 Amy"),
            ("%tn,12345", "123 Amy"),
            ("n%na", "Amy 0"),
        ):
            self.assertEqual(self.asks(self.amy, f"WHO amy {options}")[0], f"354 {line}")
        self.assertEqual(
            self.asks(self.amy, "WHO #wob %cnf"), ["354 #wob Amy H@", "354 #wob bob H", f"315 #wob {END}"]
        )
        self.assertEqual(self.asks(self.amy, "WHO amy %")[0], "352 * ~al chatd * Amy H :0 Amy Example")

    def test_whox_shows_who_is_registered(self) -> None:
        self.carol.asks(action="register", password=SECRET)
        self.assertEqual(self.asks(self.amy, "WHO carol %na")[0], "354 carol carol")


class WhoIs(IrcCase):
    """What is known of one user."""

    def setUp(self) -> None:
        """Have amy and bob on IRC, and bob in three groups, one of them with amy."""
        super().setUp()
        self.amy = self.irc("amy")
        self.bob = self.irc("Bob", username="bb", realname="Bob Example")
        for group in ("one", "two", "three"):
            self.bob.says(f"JOIN #{group}")
        self.amy.says("JOIN #two")

    def test_a_user(self) -> None:
        """Only the common group is shown."""
        expected = [
            "311 Bob ~bb chatd * :Bob Example",
            "312 Bob chatd :a chat daemon in Python on Twisted",
            "319 Bob @#two",
            "318 bob :End of WHOIS list",
        ]
        self.assertEqual(self.asks(self.amy, "WHOIS bob"), expected)
        self.assertEqual(self.asks(self.amy, "WHOIS chatd bob,amy"), expected)

    def test_nicks_with_blanks_between(self) -> None:
        """That is no nick; nothing goes wrong."""
        for line in ("WHOIS :bob amy", "WHOIS x :bob amy"):
            lines = self.asks(self.amy, line)
            self.assertEqual((lines[0][:7], lines[-1]), ("311 Bob", "318 bob_amy :End of WHOIS list"))
        self.assertEqual(self.asks(self.amy, "WHOIS : ")[0], "401 * :No such nick")

    def test_away_and_registered(self) -> None:
        self.bob.says("AWAY :lunch")
        carol = self.stage.json("carol")
        carol.asks(action="register", password=SECRET)
        self.assertIn("301 Bob lunch", self.asks(self.amy, "WHOIS bob"))
        self.assertEqual(self.asks(self.amy, "WHOIS carol")[2], "330 carol carol :is logged in as")

    def test_nobody(self) -> None:
        self.assertEqual(
            self.asks(self.amy, "WHOIS dave"), ["401 dave :No such nick", "318 dave :End of WHOIS list"]
        )
        self.assertEqual(self.asks(self.amy, "WHOIS", "WHOIS :"), ["431 :No nickname given"] * 2)

    def test_a_user_who_is_not_connected(self) -> None:
        self.bob.hangs_up()
        self.assertEqual(
            self.asks(self.amy, "WHOIS bob"),
            ["401 Bob :Not connected: gets messages on return", "318 bob :End of WHOIS list"],
        )

    def test_a_token_shows_its_groups_only(self) -> None:
        """The daemon asks the token of the reader's session."""
        self.bob.says("JOIN #four")
        self.amy.says("JOIN #four")
        carol = self.stage.json("amy2")
        for group in ("two", "four"):
            carol.asks(action="join", group=group)
        carol.asks(action="register", password=SECRET)
        carol.asks(action="maketoken", token="bot", scope="read", groups=["lobby", "two"])
        secret = carol.objects()[-1]["secret"]
        bot = self.stage.connect("irc").says(f"PASS {secret}").says("NICK amy2").says("USER u 0 * :R")
        self.assertIn("319 Bob @#two", self.asks(bot, "WHOIS bob"))


class WhoWas(IrcCase):
    """What is known of a user who has left."""

    def setUp(self) -> None:
        """Have amy, and bob, who was there twice."""
        super().setUp()
        self.amy = self.irc("amy")
        for name in ("first", "second"):
            self.irc("Bob", username=name, realname=f"Bob the {name}").hangs_up()

    def test_the_latest_session_comes_first(self) -> None:
        both = ["314 Bob ~second chatd * :Bob the second", "314 Bob ~first chatd * :Bob the first"]
        end = "369 bob :End of WHOWAS"
        for count, shown in (
            ("", both),
            (" 2", both),
            (" 0", both),
            (" -1", both),
            (" x", both),
            (" 1", both[:1]),
        ):
            self.assertEqual(self.asks(self.amy, f"WHOWAS bob{count}"), [*shown, end], count)

    def test_nobody(self) -> None:
        was_not = ["406 dave :There was no such nickname", "369 dave :End of WHOWAS"]
        self.assertEqual(self.asks(self.amy, "WHOWAS dave"), was_not)
        self.assertEqual(self.asks(self.amy, "WHOWAS"), ["431 :No nickname given"])
        self.assertEqual(self.asks(self.amy, "WHOWAS amy")[0], "406 amy :There was no such nickname")

    def test_after_a_restart_the_nick_is_known(self) -> None:
        self.restart()
        amy = self.irc("amy")
        self.assertEqual(self.asks(amy, "WHOWAS bob")[0], "314 Bob Bob chatd * Bob")

    def test_an_erased_user_is_forgotten(self) -> None:
        chat = self.stage.chat
        memory, user = chat._authority.earlier_profiles, chat._authority.state.require_user("bob")
        self.assertEqual(len(memory.profiles_of(user)), 2)
        erased = Deferred.fromCoroutine(chat.eraser.erase_user("bob"))
        self.stage.wait(1)
        self.successResultOf(erased)
        self.assertEqual(memory.profiles_of(user), ())
        self.assertEqual(self.asks(self.amy, "WHOWAS bob")[0], "406 bob :There was no such nickname")


class Presence(IrcCase):
    """ISON and USERHOST."""

    def setUp(self) -> None:
        """Have amy and Bob."""
        super().setUp()
        self.amy, self.bob = self.irc("amy"), self.irc("Bob", username="bb")

    def test_ison(self) -> None:
        self.assertEqual(self.asks(self.amy, "ISON bob nobody :amy a!b"), ["303 :Bob amy"])
        self.assertEqual(self.asks(self.amy, "ISON nobody"), ["303 :"])

    def test_a_whole_line_of_nicks(self) -> None:
        """Whoever asks for as many as fit gets the last one too."""
        fillers = " ".join("a" for _ in range((MAX_LINE_BYTES - len("ISON bob")) // 2 - 2))
        self.assertLess(len(fillers.split()), MAX_SHOWN_USERS)
        self.assertEqual(self.asks(self.amy, f"ISON {fillers} bob"), ["303 Bob"])

    def test_userhost(self) -> None:
        self.assertEqual(self.asks(self.amy, "USERHOST bob nobody"), ["302 Bob=+~bb@chatd"])
        self.bob.says("AWAY :lunch")
        self.assertEqual(self.asks(self.amy, "USERHOST 1 2 3 4 bob 6"), ["302 Bob=-~bb@chatd"])
        self.assertEqual(self.asks(self.amy, "USERHOST 1 2 3 4 5 bob"), ["302 :"])


class Flood(StageTestCase):
    """Answers about thousands of users."""

    def test_a_list_is_cut_and_says_so(self) -> None:
        """At the size of a list, whatever is asked for and however long names are."""
        users = [
            UserDescription(User(n, f"{n:05}{'日' * 27}", "", ""), Profile("~" + "u" * 19, "日" * 42), False)
            for n in range(5_000)
        ]
        dialect = IrcDialect(Limits()).with_client_changes(nick="mallory" + "日" * 20)
        for line in (b"WHO *", b"WHO * %tcuihsnfdlaor,999"):
            request = dialect.decode(line)
            assert request is not None
            lines = dialect.encode_answer(request, UserDescriptions(tuple(users)))
            self.assertLess(sum(map(len, lines)), MAX_LIST_BYTES + 1000)
            self.assertLessEqual(max(map(len, lines)), MAX_LINE_BYTES)
            self.assertEqual([one.split()[1] for one in lines[-2:]], [b"416", b"315"])

    def test_a_line_is_cut_between_characters(self) -> None:
        user = UserDescription(User(1, "日" * 32, "", ""), Profile("日" * 6, "日" * 42), False)
        dialect = IrcDialect(Limits()).with_client_changes(nick="日" * 32)
        request = dialect.decode(b"WHO *")
        assert request is not None
        shown = replace(user, profile=Profile("u", "日" * 200))
        line = dialect.encode_answer(request, UserDescriptions((shown,)))[0]
        self.assertIn(len(line), range(MAX_LINE_BYTES - 2, MAX_LINE_BYTES + 1))
        self.assertTrue(line.decode().endswith("日"))


class Nonsense(IrcCase):
    """Lines that nobody in their right mind would send are answered all the same."""

    def test_no_line_is_a_bug(self) -> None:
        eve = self.irc("eve", "labeled-response", "batch", "standard-replies")
        self.irc("bob").says("JOIN #wob")
        wild = ("", ":", "*", "#", "##lobby", ",", "%", "%t,", "a b", "\x01", "日" * 80, "-1", "!@", "+", "0")
        answers = 0
        for verb in (*queries.VERB_DECODERS, *presence.VERB_DECODERS, *information.VERB_DECODERS):
            for first, second in product(wild, wild):
                middle = f" {first}" if first and " " not in first else ""
                said = f"{verb}{middle} :{second}"
                heard = self.asks(eve, f"@label=x {said}")
                self.assertIn("label=x", heard[0], said)
                self.assertFalse([line for line in heard if "INTERNAL" in line], said)
                for line in heard:
                    parse_line(line.encode())
                answers += 1
        self.assertEqual(answers, 16 * len(wild) ** 2)
