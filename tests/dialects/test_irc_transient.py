"""What IRC clients tell each other in passing: whom it reaches, whom it does not, and that nothing stays."""

from __future__ import annotations

import re

from chatd.chat.channels import CLIENT_TO_CLIENT_QUERY_BURST, CLIENT_TO_CLIENT_QUERY_TOKEN_REFILL_SECONDS
from chatd.core.accounts import AccountPolicy
from chatd.dialects.irc_lines import MAX_CLIENT_TAG_BYTES
from tests.support.in_memory_daemon import Peer, Stage
from tests.support.irc_case import IrcCase

SECRET = "correct-horse-battery"
TAGS = ("message-tags",)


class TransientCase(IrcCase):
    """Alice and bob are in #wob, carol is not. Dave is there as well, on JSON."""

    def setUp(self) -> None:
        super().setUp()
        self.stage.close()
        self.stage = Stage(self.stage.database, policy=AccountPolicy(operators=("teacher",)))
        self.alice = self.irc("alice", *TAGS)
        self.bob = self.irc("bob", *TAGS)
        self.carol = self.irc("carol", *TAGS)
        self.dave = self.stage.json("dave")
        for peer in (self.alice, self.bob):
            peer.says("JOIN #wob")
        self.dave.asks(action="join", group="wob")
        self.forget()
        self.stored = self.count()

    def tearDown(self) -> None:
        """Nothing is ever stored, and nobody on JSON is told."""
        self.assertEqual(self.count(), self.stored)
        self.assertNotRegex(self.dave.hears(), rb"typing|react|VERSION|PING")

    def count(self) -> int:
        """The number of log entries and conversations on disk."""
        return len(self.stage.rows("SELECT id FROM log")) + len(
            self.stage.rows("SELECT id FROM conversations")
        )

    def forget(self) -> None:
        for peer in (self.alice, self.bob, self.carol, self.dave):
            peer.hears()

    def told(self, line: str, peer: Peer | None = None) -> tuple[list[str], list[str], list[str], list[str]]:
        """What alice, bob and carol hear if ``peer``, or else alice, says ``line``; then the sender's. The
        ids of what is passed on are left out.
        """
        sender = peer or self.alice
        sender.says(line)
        self.stage.settle()
        everyone = [_without_ids(one) for one in (self.alice, self.bob, self.carol)]
        return (  # type: ignore[return-value]
            *everyone,
            _without_ids(sender) if peer is not None else everyone[0],
        )


def _without_ids(peer: Peer) -> list[str]:
    return [re.sub(r"msgid=[0-9]+-[0-9]+(;|(?= ))", "", line).removeprefix("@ ") for line in peer.lines()]


class TagMessages(TransientCase):
    """``TAGMSG``."""

    def test_to_the_members_of_a_group(self) -> None:
        alice, bob, carol, _ = self.told("@+typing=active TAGMSG #wob")
        self.assertEqual((alice, carol), ([], []))
        self.assertEqual(bob, ["@+typing=active :alice!alice@chatd TAGMSG #wob"])

    def test_to_everyone(self) -> None:
        alice, bob, carol, _ = self.told("@+typing=done TAGMSG #LOBBY")
        self.assertEqual(alice, [])
        self.assertEqual(bob, ["@+typing=done :alice!alice@chatd TAGMSG #lobby"])
        self.assertEqual(carol, bob)

    def test_to_a_user(self) -> None:
        """In all sessions of that user, by the nick as it is shown."""
        alice, bob, carol, _ = self.told("@+typing=active TAGMSG CAROL")
        self.assertEqual((alice, bob), ([], []))
        self.assertEqual(carol, ["@+typing=active :alice!alice@chatd TAGMSG carol"])

    def test_only_clients_that_know_tags(self) -> None:
        """Such a client can't send it either."""
        erin = self.irc("erin", "server-time", "echo-message")
        erin.says("JOIN #wob")
        erin.hears()
        self.stored = self.count()
        self.told("@+typing=active TAGMSG #wob")
        self.assertEqual(erin.lines(), [])
        *_, heard = self.told("@+typing=active TAGMSG #wob", erin)
        self.assertEqual([line.partition("421")[2] for line in heard], [" erin TAGMSG :Unknown command"])

    def test_an_echo_with_a_label(self) -> None:
        """And two lines for who says it to oneself, one of them with the label."""
        erin = self.irc("erin", "message-tags", "echo-message", "labeled-response", "batch")
        *_, heard = self.told("@label=x;+typing=active TAGMSG bob", erin)
        self.assertEqual(heard, ["@label=x;+typing=active :erin!erin@chatd TAGMSG bob"])
        *_, heard = self.told("@label=y;+typing=active TAGMSG erin", erin)
        line = "+typing=active :erin!erin@chatd TAGMSG erin"
        self.assertEqual(heard, [f"@label=y;{line}", f"@{line}"])

    def test_which_tags(self) -> None:
        """Those that clients may name; with none of them, nothing is sent."""
        said = r"@+draft/react=👍;+draft/reply=17;+e.x/y-1;msgid=1;time=1;account=bob;+chatd.dev/ref=1"
        _, bob, _, _ = self.told(f"{said} TAGMSG #wob")
        self.assertEqual(bob, ["@+draft/react=👍;+draft/reply=17;+e.x/y-1 :alice!alice@chatd TAGMSG #wob"])
        for tags in ("", "@+=x ", "@+a/b/c ", "@+é ", "@++a ", "@typing=active ", "@+chatd.dev/ref=1 "):
            self.assertEqual(self.told(f"{tags}TAGMSG #wob"), ([], [], [], []))
        _, bob, _, _ = self.told(r"@+draft/react=\r\n\:\s\\x TAGMSG #wob")
        self.assertEqual(bob, [r"@+draft/react=\r\n\:\s\\x :alice!alice@chatd TAGMSG #wob"])

    def test_the_id(self) -> None:
        """The same for all, also in the echo, and another one for the next."""
        erin = self.irc("erin", "message-tags", "echo-message")
        ids = []
        for _ in range(2):
            erin.says("@+typing=active TAGMSG #lobby")
            (echo,), (bob,) = erin.lines(), self.bob.lines()[-1:]
            self.assertEqual(echo, bob)
            ids.append(echo.partition(";")[0])
            self.assertRegex(ids[-1], "^@msgid=[0-9]+-[0-9]+$")
        self.assertNotEqual(*ids)
        self.forget()

    def test_too_much(self) -> None:
        most = "x" * (MAX_CLIENT_TAG_BYTES - len("+x="))
        self.assertIn(f"+x={most} ", self.told(f"@+x={most} TAGMSG bob")[1][0])
        *_, heard = self.told(f"@+x={most}x TAGMSG bob")
        self.assertEqual(heard, [":chatd 417 alice :Input line was too long"])

    def test_the_time_of_those_who_are_told_times(self) -> None:
        erin = self.irc("erin", "message-tags", "server-time")
        self.told("@+typing=active TAGMSG erin")
        self.assertRegex(erin.hears().decode(), r"^@msgid=\S+;time=\S+Z;\+typing=active :alice!")

    def test_refusals(self) -> None:
        """A private group is as unknown as one that there is not."""
        dave = self.dave.asks(action="cgroupe", group="den", visibility="private")
        dave.objects()
        self.stored = self.count()
        for target, code in (
            ("#den", "403 alice #den"),
            ("#nope", "403 alice #nope"),
            ("nobody", "401 alice nobody"),
            ("#wob,#den", "407 alice #wob,#den"),
        ):
            *_, heard = self.told(f"@+typing=active TAGMSG {target}")
            self.assertEqual([line.startswith(f":chatd {code} :") for line in heard], [True], heard)

    def test_who_is_not_in_the_group(self) -> None:
        _, bob, carol, _ = self.told("@+typing=active TAGMSG #wob", None)
        self.carol.says("@+typing=active TAGMSG #wob")
        self.assertIn(" 404 carol #wob ", self.carol.hears().decode())
        self.assertEqual((len(bob), carol, self.bob.lines()), (1, [], []))

    def test_who_has_left_the_lobby(self) -> None:
        self.carol.says("PART #lobby").hears()
        self.assertEqual(self.told("@+typing=active TAGMSG #lobby")[2], [])
        _, bob, carol, _ = self.told("@+typing=active TAGMSG #lobby", self.carol)
        self.assertEqual(bob, [])
        self.carol.says("@+typing=active TAGMSG #lobby")
        self.assertIn(" 404 carol #lobby ", self.carol.hears().decode())
        self.assertEqual((carol[0][:11], self.bob.lines()), (":chatd 404 ", []))

    def test_who_is_ignored(self) -> None:
        """Nobody who ignores alice is told, and she is not told that."""
        self.bob.says("PRIVMSG chatd :ignore;alice")
        self.bob.hears()
        for line in (
            "@+typing=active TAGMSG #wob",
            "@+typing=active TAGMSG #lobby",
            "@+typing=active TAGMSG bob",
            "PRIVMSG bob :\x01VERSION\x01",
        ):
            alice, bob, _, _ = self.told(line)
            self.assertEqual((alice, bob), ([], []), line)

    def test_who_is_muted(self) -> None:
        teacher = self.stage.json("teacher").asks(action="register", password=SECRET)
        teacher.asks(action="mute", dest="alice")
        self.alice.hears()
        self.bob.hears()
        alice, bob, _, _ = self.told("@+typing=active TAGMSG #wob")
        self.assertEqual(([line[:11] for line in alice], bob), ([":chatd 404 "], []))

    def test_tokens(self) -> None:
        """One that may only read sends nothing; one for a group gets nothing of others."""
        erin = self.stage.json("erin").asks(action="register", password=SECRET)
        erin.asks(action="join", group="wob")
        secrets = []
        for name, scope in (("eye", "read"), ("pen", "write")):
            erin.hears()
            made = erin.asks(action="maketoken", token=name, scope=scope, groups="wob").objects()
            secrets.append(made[-1]["secret"])
        self.stored = self.count()
        readers = []
        for secret in secrets:
            peer = self.stage.connect("irc")
            peer.says("CAP REQ :message-tags").says(f"PASS {secret}")
            peer.says("NICK erin").says("USER e 0 * :e").says("CAP END").hears()
            readers.append(peer)
        self.forget()
        for target, count in (("#wob", 1), ("#lobby", 0), ("erin", 0)):
            self.told(f"@+typing=active TAGMSG {target}")
            self.assertEqual([len(peer.lines()) for peer in readers], [count, count], target)
        eye, pen = readers
        self.assertEqual(self.told("@+typing=active TAGMSG #wob", eye)[1], [])
        self.assertEqual(len(self.told("@+typing=active TAGMSG #wob", pen)[1]), 1)
        self.assertEqual(self.told("@+typing=active TAGMSG bob", pen)[1], [])

    def test_many_are_sent_at_once(self) -> None:
        """Else a few who type could keep the daemon busy with writing."""
        self.stage.writer.held = True
        self.alice.says("PRIVMSG #wob :hello")
        for _ in range(20):
            self.alice.says("@+typing=active TAGMSG #lobby")
            self.carol.says("@+typing=active TAGMSG #lobby")
        self.stage.writer.held = False
        self.stage.writer.run_next()
        self.stage.settle()
        writes = len(self.bob.wire.writes)
        self.assertEqual(len(self.bob.lines()), 1 + 40)
        self.assertLessEqual(writes, 2)
        self.stored += 1

    def test_it_comes_in_order(self) -> None:
        """It does not overtake what was said before and is not on disk."""
        self.stage.writer.held = True
        self.alice.says("PRIVMSG #wob :hello").says("@+typing=active TAGMSG #wob")
        self.assertEqual(self.bob.lines(), [])
        self.stage.writer.held = False
        self.stage.writer.run_next()
        self.stage.settle()
        self.assertEqual([line.split()[2] for line in self.bob.lines()], ["PRIVMSG", "TAGMSG"])
        self.stored += 1
        self.assertEqual(len(self.dave.objects()), 1)


class ToOperators(TransientCase):
    """Messages to ``@#wob``: alice is the owner, dave an operator on another wire."""

    def setUp(self) -> None:
        super().setUp()
        self.carol.says("JOIN #wob")
        self.alice.says("MODE #wob +o dave")
        self.forget()
        self.stored = self.count()

    def test_to_the_owner_and_the_operators(self) -> None:
        """From any member, with tags; without a trace for the others."""
        alice, bob, carol, _ = self.told("@+x=y PRIVMSG @#WOB :\x02psst\x02 \x1b", self.bob)
        self.assertEqual(alice, ["@+x=y :bob!bob@chatd PRIVMSG @#wob :psst \ufffd"])
        self.assertEqual((bob, carol), ([], []))
        self.alice.says("MODE #wob +o carol")
        self.forget()
        self.stored = self.count()
        alice, bob, carol, _ = self.told("NOTICE @#wob :psst")
        self.assertEqual((alice, bob, carol), ([], [], [":alice!alice@chatd NOTICE @#wob :psst"]))
        _, _, carol, _ = self.told("PRIVMSG @#wob :\x01ACTION waves\x01")
        self.assertEqual(carol, [":alice!alice@chatd PRIVMSG @#wob :\x01ACTION waves\x01"])
        self.assertEqual(self.dave.hears(), b"")

    def test_an_echo(self) -> None:
        erin = self.irc("erin", "echo-message", "labeled-response")
        erin.says("JOIN #wob").hears()
        self.forget()
        self.stored = self.count()
        *_, told = self.told("@label=x PRIVMSG @#wob :psst", erin)
        self.assertEqual(told, ["@label=x :erin!erin@chatd PRIVMSG @#wob :psst"])

    def test_who_ignores_the_author(self) -> None:
        self.alice.says("PRIVMSG chatd :ignore;bob")
        self.forget()
        self.assertEqual(self.told("PRIVMSG @#wob :psst", self.bob), ([], [], [], []))

    def test_refusals(self) -> None:
        """Of who is no member, of what is no message, and of what would be cut."""
        erin = self.irc("erin")
        for line, told in (
            ("PRIVMSG @#wob :psst", "404 erin #wob "),
            ("PRIVMSG @#nope :psst", "403 erin #nope "),
            ("PRIVMSG @#lobby :psst", "403 erin @#lobby "),
            ("PRIVMSG @#wob :\x02", "412 erin "),
            ("PRIVMSG @#wob :\x01PING 1\x01", "NOTICE erin :only CTCP ACTION"),
            (f"PRIVMSG @#wob :\x01ACTION {'x' * 475}\x01", "417 erin "),
        ):
            *_, heard = self.told(line, erin)
            self.assertEqual([line.partition(" ")[2][: len(told)] for line in heard], [told])
        self.assertEqual(self.alice.lines(), [])


class Questions(TransientCase):
    """CTCP between clients."""

    def test_to_the_clients_of_a_user(self) -> None:
        """To IRC clients, whatever they know; the answer goes the same way."""
        frank = self.irc("frank")
        self.told("PRIVMSG frank :\x01VERSION\x01")
        self.assertEqual(frank.lines(), [":alice!alice@chatd PRIVMSG frank :\x01VERSION\x01"])
        self.told("PRIVMSG frank :\x01\x1b[2J \x9b31m\u2028\u202e\x01")
        shown = ":alice!alice@chatd PRIVMSG frank :\x01\ufffd[2J \ufffd31m\ufffd\ufffd\x01"
        self.assertEqual(frank.lines(), [shown], "nothing that acts on a terminal")
        alice, *_ = self.told("NOTICE alice :\x01VERSION irssi 1.4\x01", frank)
        self.assertEqual(alice, [":frank!frank@chatd NOTICE alice :\x01VERSION irssi 1.4\x01"])
        self.told("PRIVMSG dave :\x01PING 1\x01")

    def test_never_to_a_channel(self) -> None:
        """All clients would answer at once."""
        for target in ("#wob", "#lobby"):
            alice, bob, _, _ = self.told(f"PRIVMSG {target} :\x01VERSION\x01")
            self.assertEqual((len(alice), bob), (1, []))
            self.assertEqual(self.told(f"NOTICE {target} :\x01VERSION x\x01")[1], [])

    def test_an_action_is_a_message(self) -> None:
        _, bob, _, _ = self.told("PRIVMSG #wob :\x01ACTION waves\x01")
        self.assertEqual([line.partition("PRIVMSG ")[2] for line in bob], ["#wob :\x01ACTION waves\x01"])
        self.stored += 1
        self.assertEqual([one["msg"] for one in self.dave.objects()], ["/me waves"])

    def test_a_flood(self) -> None:
        """A client answers by itself, and uses up the credit of its user: only so many reach one user."""
        for _ in range(3 * CLIENT_TO_CLIENT_QUERY_BURST):
            self.alice.says("PRIVMSG bob :\x01PING\x01")
        self.assertEqual(len(self.bob.lines()), CLIENT_TO_CLIENT_QUERY_BURST)
        refused = self.alice.lines()
        self.assertEqual(len(refused), 2 * CLIENT_TO_CLIENT_QUERY_BURST)
        self.assertEqual({line[:11] for line in refused}, {":chatd 263 "})
        self.assertEqual(len(self.told("PRIVMSG carol :\x01PING\x01")[2]), 1)
        self.stage.wait(CLIENT_TO_CLIENT_QUERY_TOKEN_REFILL_SECONDS)
        self.assertEqual(len(self.told("PRIVMSG bob :\x01PING\x01")[1]), 1)
        self.assertEqual(self.told("NOTICE bob :\x01PING 1\x01"), ([], [], [], []))  # refused in silence

    def test_delimiters_inside(self) -> None:
        """What is passed on is one question."""
        _, bob, _, _ = self.told("PRIVMSG bob :\x01PING\x01 \x01VERSION")
        self.assertEqual([line.partition(" :")[2] for line in bob], ["\x01PING VERSION\x01"])
