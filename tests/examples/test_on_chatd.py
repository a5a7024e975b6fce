"""The small programs on chatd, each run against a real daemon."""

from __future__ import annotations

from tests.support.daemon_and_programs import Program, ProgramTestCase
from tests.support.daemon_process import PATIENCE, ROOT


class ExampleTestCase(ProgramTestCase):
    """A daemon, and programs in its folder."""

    def example(self, name: str, *arguments: str) -> Program:
        """Start an example, with where the daemon is first; it is killed in the end."""
        script = str(ROOT / "examples" / name)
        return self.begins(script, "127.0.0.1", str(self.daemon.port("json")), *arguments)


class Bot(ExampleTestCase):
    """``bot.py``: keeps its place."""

    def test_each_message_is_answered_once_whoever_is_killed(self) -> None:
        """What was said while it was away, and what it had answered but not seen acked."""
        port = self.daemon.port("json")
        alice = self.text("alice")
        alice.says("cg;wob").hears_until(b"ACK cg wob 1 1\n")
        bot = self.example("bot.py", "echo", "wob")
        alice.hears_until(b"GEV wob joined echo\n")
        for number in range(20):
            alice.says(f"bg;wob;!echo {number}").says("bg;wob;hello")
        alice.hears_until(b"GMS wob echo 5\n")
        bot.kill()
        alice.hears_until(b"LFT echo\n")
        for number in range(20, 40):
            alice.says(f"bg;wob;!echo {number}")
        bot = self.example("bot.py", "echo", "wob")
        alice.hears_until(b"GMS wob echo 25\n")
        self.daemon.kill()
        self.assertNotEqual(bot.wait(PATIENCE), None)
        self.daemon = self.start("--listen=text=tcp:0", f"--listen=json=tcp:{port}")
        alice = self.text("alice")
        self.example("bot.py", "echo", "wob")
        alice.hears_until(b"ARR echo\n")
        alice.says("bg;wob;!echo last").hears_until(b"GMS wob echo last\n")
        with self.daemon.connect("json") as reader:
            reader.asks(action="client-hello", from_="carol")
            reader.asks(action="join", group="wob")
            reader.asks(action="gbroadcast", group="wob", msg="!echo never", kind="notice")
            reader.asks(action="gbroadcast", group="wob", msg="!echo the end")
            reader.object(action="server-gbroadcast", msg="the end", kind="notice")
            reader.asks(action="msgs", group="wob", limit=500, ref=1)
            said = reader.object(ref=1)["messages"]
        self.assertEqual(
            [message["msg"] for message in said if message["from"] == "echo"],
            [*map(str, range(40)), "last", "the end"],
        )


class CourseWork(ExampleTestCase):
    """``client.py``: one object a segment."""

    def test_a_session(self) -> None:
        """Everybody, somebody, and the way out."""
        bob = self.text("bob")
        client = self.example("client.py", "alice")
        assert client.stdin is not None
        assert client.stdout is not None
        self.assertEqual(client.stdout.readline(), "* Hello alice\n")
        bob.hears_until(b"ARR alice\n")
        client.stdin.write("salut {tout} le monde\n")
        client.stdin.flush()
        bob.hears_until(b"MSG alice salut {tout} le monde\n")
        client.stdin.write("bob: psst\n")
        client.stdin.flush()
        bob.hears_until(b"PRV alice psst\n")
        for line in ("MSG one", "MSG two", "PRV alice {three}"):
            bob.says(line)
        heard = [client.stdout.readline() for _ in range(3)]
        self.assertEqual(heard, ["bob: one\n", "bob: two\n", "bob: {three}\n"])
        rest, wrong = client.communicate("\n", timeout=PATIENCE)
        self.assertEqual((client.returncode, rest, wrong), (0, "* Goodbye alice\n", ""))
        bob.hears_until(b"LFT alice\n")

    def test_its_user_returns(self) -> None:
        """What the daemon sends by itself is shown, and the client goes on hearing."""
        bob = self.text("bob")
        bob.says("cg;wob").hears_until(b"ACK cg wob 1 1\n")
        alice = self.text("alice")
        alice.says("j;wob").says("BYE").hears_until(b"LFT alice\n")
        for line in ("MSG one {", "PRV alice two", "bg;wob;three", "cg;den;private", "invite;den;alice"):
            bob.says(line)
        bob.hears_until(b"ACK invite den ")
        client = self.example("client.py", "alice")
        assert client.stdout is not None
        heard = {client.stdout.readline() for _ in range(5)}
        wanted = {
            "* Welcome back alice !\n",
            "bob: one {\n",
            "(bob) bob: two\n",
            "(wob) bob: three\n",
            "* bob invited\n",
        }
        self.assertEqual(heard, wanted)
        bob.says("MSG live").says("bg;wob;here too")
        self.assertEqual(
            [client.stdout.readline() for _ in range(2)], ["bob: live\n", "(wob) bob: here too\n"]
        )
        rest, wrong = client.communicate("nobody: x\n\n", timeout=PATIENCE)
        self.assertEqual((client.returncode, wrong), (0, ""))
        self.assertEqual(rest, "* unknown user: nobody\n* Goodbye alice\n")
