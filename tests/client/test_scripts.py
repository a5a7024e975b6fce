"""``chat send`` and ``chat tail``, as a shell runs them, against a real daemon."""

from __future__ import annotations

import json
import os
import re
import signal

from tests.support.chat_process import ChatTestCase
from tests.support.daemon_process import PATIENCE


class Sending(ChatTestCase):
    """``chat send``: the exit code is what a script goes by."""

    def test_it_is_on_disk_when_it_returns(self) -> None:
        """To a person, a group, the lobby; from the command line or from standard input."""
        bob = self.text("bob")
        bob.says("cg;wob").hears_until(b"ACK cg wob 1 1\n")
        for arguments, stdin, told in (
            (("bob", "salut"), "", "PRV carl salut"),
            (("--lobby", "to all"), "", "MSG carl to all"),
            (("bob", "-"), "from\na pipe\n", "PRV carl from\nPRV carl a pipe"),
        ):
            done = self.chat("send", "-n", "carl", *arguments, input=stdin)
            self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))
            bob.hears_until(f"{told}\n".encode())
        joined = self.daemon.connect("text")
        self.addCleanup(joined.close)
        joined.says("IAM carl").hears_until(b"BCK carl\n")
        joined.says("j;wob").says("BYE").hears_until(b"LFT carl\n")
        done = self.chat("send", "-n", "carl", "-g", "WOB", "hello group")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        bob.hears_until(b"GMS wob carl hello group\n")

    def test_what_one_missed_waits_for_oneself(self) -> None:
        """A script takes nothing away."""
        self.assertEqual(self.chat("send", "-n", "carl", "--lobby", "x").returncode, 0)
        bob = self.text("bob")
        bob.says("PRV carl psst").says("BYE").hears_until(b"LFT bob\n")
        done = self.chat("send", "-n", "carl", "--lobby", "y")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))
        carl = self.daemon.connect("text")
        self.addCleanup(carl.close)
        carl.says("IAM carl").hears_until(b"PRV bob psst\n")

    def test_refusals(self) -> None:
        """3, and why."""
        self.text("bob")
        for arguments, why in (
            (("-n", "carl", "nobody", "x"), "chat: no_such_user: "),
            (("-n", "carl", "-g", "wob", "x"), "chat: no_such_group: "),
            (("-n", "bob", "carl", "x"), "chat: nick_taken: "),
            (("-n", "a b", "carl", "x"), "chat: bad_nick: "),
            (("-n", "carl", "bob", "x" * 9_000), "chat: too_long: "),
        ):
            done = self.chat("send", *arguments)
            self.assertEqual((done.returncode, done.stdout), (3, ""))
            self.assertTrue(done.stderr.startswith(why), done.stderr)

    def test_what_makes_no_sense_is_not_sent(self) -> None:
        """2, and why."""
        for arguments, why in (
            (("-n", "carl", "x"), "say to whom and what"),
            (("-n", "carl", "-g", "wob", "a", "b"), "say to whom and what"),
            (("bob", "x"), "say who you are"),
            (("-n", "carl", "bob", " "), "the text is empty"),
            (("-n", "carl", "bob", "x" * 10_000), "9600"),
        ):
            done = self.chat("send", *arguments)
            self.assertEqual((done.returncode, done.stdout), (2, ""), arguments)
            self.assertIn(why, done.stderr)

    def test_no_daemon(self) -> None:
        """1, at once."""
        self.daemon.kill()
        done = self.chat("send", "-n", "carl", "bob", "x")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, "no connection to 127.0.0.1:[0-9]+: Connection refused")


class InFrench(ChatTestCase):
    """What went wrong is told in the user's language, behind the code that a script goes by."""

    language = "fr"

    def test_what_went_wrong(self) -> None:
        """Here, and at the daemon."""
        spaces = "un nom n'a pas d'espaces : retirez U+0020"
        for arguments, code, why in (
            (("send", "-n", "carl", "bob", "x"), 3, "no_such_user: utilisateur inconnu : bob"),
            (("send", "-n", "a b", "bob", "x"), 3, f"bad_nick: a b n'est pas un pseudo valide : {spaces}"),
            (("send", "-n", "carl", "bob", ""), 2, "le texte est vide : écrivez quelque chose"),
            (("tail", "-n", "a b"), 2, spaces),
            (("-c", "none"), 2, "impossible de lire none : Aucun fichier ou dossier de ce nom"),
        ):
            done = self.chat(*arguments)
            self.assertEqual((done.returncode, done.stderr), (code, f"chat: {why}\n"))
        self.daemon.kill()
        done = self.chat("send", "-n", "carl", "bob", "x")
        self.assertEqual(done.returncode, 1)
        self.assertTrue(done.stderr.endswith(" : Connexion refusée\n"), done.stderr)


class Tailing(ChatTestCase):
    """``chat tail``: everything once, in order, whatever happens to the connection."""

    def test_nothing_is_lost_or_doubled_when_the_daemon_is_killed(self) -> None:
        """It comes back on the same port, and so does the listener."""
        port = self.daemon.port("json")
        tail = self.chats("tail", "-n", "lena", "--json")
        bob = self.text("bob")
        bob.hears_until(b"ARR lena\n")
        for number in range(50):
            bob.says(f"MSG m{number}")
        bob.says("WHO").hears_until(b"END WHO 2\n")
        self.daemon.kill()
        self.daemon = self.start("--listen=text=tcp:0", f"--listen=json=tcp:{port}")
        bob = self.daemon.connect("text")
        self.addCleanup(bob.close)
        bob.says("IAM bob").hears_until(b"BCK bob\n")
        for number in range(50, 100):
            bob.says(f"MSG m{number}")
        assert tail.stdout is not None
        heard = [json.loads(tail.stdout.readline()) for _ in range(100)]
        self.assertEqual([said["msg"] for said in heard], [f"m{number}" for number in range(100)])
        self.assertEqual([said["id"] for said in heard], list(range(1, 101)))
        self.assertEqual({*heard[0]}, {"id", "ts", "from", "msg", "kind"})

    def test_one_place_for_people(self) -> None:
        """A time, who, what; nothing in it can steer the terminal."""
        bob = self.text("bob")
        bob.says("cg;wob").hears_until(b"ACK cg wob 1 1\n")
        lena = self.text("lena")
        lena.says("j;wob").says("BYE").hears_until(b"LFT lena\n")
        tail = self.chats("tail", "-n", "lena", "--group", "Wob", "--since", "2")
        bob.hears_until(b"BCK lena\n")
        bob.says("MSG not here").says("bg;wob;one").says("bg;wob;\x1b[2J two")
        assert tail.stdout is not None
        heard = [tail.stdout.readline(), tail.stdout.readline()]
        self.assertEqual(
            [re.sub(r"^\[\d\d:\d\d\] ", "", line) for line in heard],
            ["bob said: one\n", "bob said: \N{REPLACEMENT CHARACTER}[2J two\n"],
        )

    def test_where_one_can_hear_nothing(self) -> None:
        """3, and why."""
        done = self.chat("tail", "-n", "lena", "--with", "nobody")
        self.assertEqual((done.returncode, done.stdout), (3, ""))
        self.assertTrue(done.stderr.startswith("chat: no_such_user: "), done.stderr)
        done = self.chat("tail", "-n", "lena", "--group", "wob")
        self.assertEqual(done.returncode, 3)
        self.assertIn("no_such_group", done.stderr)

    def test_interrupted(self) -> None:
        """130, as a shell expects, and without a word."""
        tail = self.chats("tail", "-n", "lena")
        bob = self.text("bob")
        bob.says("WHO")
        while "WHO lena" not in bob.line():
            bob.says("WHO")
        tail.send_signal(signal.SIGINT)
        _, said = tail.communicate(timeout=PATIENCE)
        self.assertEqual((tail.returncode, said), (130, ""))

    def test_json_steers_no_terminal(self) -> None:
        """What would is written as an escape, which means the same."""
        tail = self.chats("tail", "-n", "lena", "--json")
        bob = self.text("bob")
        bob.says("WHO")
        while "WHO lena" not in bob.line():
            bob.says("WHO")
        bob.says("MSG a\x9b2J\u202eb")
        assert tail.stdout is not None
        said = tail.stdout.readline()
        self.assertIn(r"a\u009b2J\u202eb", said)
        self.assertEqual(json.loads(said)["msg"], "a\x9b2J\u202eb")

    def test_who_reads_is_gone(self) -> None:
        """It ends without a word."""
        reader, writer = os.pipe()
        os.close(reader)
        self.assertEqual(self.says_at_its_end(writer), "")

    def test_what_is_written_to_is_full(self) -> None:
        """That is worth a word."""
        said = self.says_at_its_end(os.open("/dev/full", os.O_WRONLY))
        self.assertEqual(said, "chat: can't write: No space left on device\n")

    def says_at_its_end(self, output: int) -> str:
        """What it says as it ends with 1, as soon as there is something to print to that file descriptor."""
        tail = self.chats("tail", "-n", "lena", stdout=output)
        os.close(output)
        bob = self.text("bob")
        bob.says("WHO")
        while "lena" not in bob.line():
            bob.says("WHO")
        bob.says("MSG x")
        _, said = tail.communicate(timeout=PATIENCE)
        self.assertEqual(tail.returncode, 1)
        return str(said)
