"""SPEC.md and the transcripts, played against a running daemon; and SPEC.md's generated parts."""

from __future__ import annotations

import signal
import socket
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from chatd.daemon.wires import wire_names
from tests.support.conversation import Play, Surprise, in_markdown
from tests.support.daemon_process import ROOT, Daemon
from tests.support.effort import IS_FULL
from tests.support.postgresql_server import new_chat_database
from tools import spec

SPEC = ROOT / "SPEC.md"
TRANSCRIPTS = sorted((ROOT / "tests" / "transcripts").glob("*.chat"))


LISTENERS = tuple(f"--listen={wire}=tcp:0" for wire in wire_names())


class Stand:
    """The daemon that a conversation is played against: killed or stopped and started when it says so."""

    def __init__(self, folder: Path, *options: str) -> None:
        self._folder = folder
        self._options = (*LISTENERS, *options)
        self.daemon = Daemon(folder, *self._options).__enter__()

    def connect(self, wire: str) -> socket.socket:
        """A connection to it."""
        return self.daemon.connect(wire).socket

    def stop(self) -> None:
        """Tell it to stop, and don't wait."""
        self.daemon.signal(signal.SIGTERM)

    def start(self) -> None:
        """Start it on the same database, once it has ended."""
        self.daemon.wait()
        self.daemon = Daemon(self._folder, *self._options).__enter__()

    def play(self, conversation: str) -> None:
        """Play it; the daemon must have seen no mistake of its own meanwhile. Raises `Surprise`."""
        play = Play(
            self.connect,
            {"is killed": self.daemon.process.kill, "is told to stop": self.stop, "starts": self.start},
        )
        try:
            play.play(conversation)
            code = self.daemon.terminate()
            if code or "Traceback" in self.daemon.log or "#error]" in self.daemon.log:
                raise Surprise(f"the daemon ended with {code} and wrote\n{self.daemon.log}")
        finally:
            play.close()
            self.daemon.kill()


class ConversationTestCase(SynchronousTestCase):
    """Plays conversations, each with a daemon and an empty database of its own."""

    def play(self, conversation: str) -> None:
        """Play one."""
        folder = Path(self.mktemp())
        folder.mkdir(parents=True)
        (folder / "chatd.toml").write_text('[accounts]\noperators = ["teacher"]\n')
        Stand(folder, *self.options()).play(conversation)

    def options(self) -> tuple[str, ...]:
        """Options of the daemon."""
        return ()


class Conversations(ConversationTestCase):
    """Each conversation of SPEC.md, by its line, and each transcript, by its name."""


class ConversationsOnPostgresql(ConversationTestCase):
    """The same, on the other database: all of them where ``CI`` is set, one of ten elsewhere."""

    def options(self) -> tuple[str, ...]:
        return (f"--database={new_chat_database()}",)


def _add(case: type[ConversationTestCase], name: str, conversation: str) -> None:
    def test(self: ConversationTestCase) -> None:
        self.play(conversation)

    test.__name__ = f"test_{name}"
    setattr(case, test.__name__, test)


_conversations = {f"spec_{name}": text for name, text in in_markdown(SPEC.read_text("utf-8"))}
_conversations |= {f"transcript_{path.stem}": path.read_text("utf-8") for path in TRANSCRIPTS}
for _number, (_name, _conversation) in enumerate(_conversations.items()):
    _add(Conversations, _name, _conversation)
    if IS_FULL or _number % 10 == 0:
        _add(ConversationsOnPostgresql, _name, _conversation)


class TheRunner(SynchronousTestCase):
    """A runner that can't fail would prove nothing."""

    def outcome(self, conversation: str) -> str:
        """What is wrong with the conversation."""
        folder = Path(self.mktemp())
        folder.mkdir(parents=True)
        with self.assertRaises(Surprise) as caught:
            Stand(folder).play(conversation)
        return str(caught.exception)

    def test_a_wrong_line(self) -> None:
        """Is named, with what came."""
        self.assertEqual(
            self.outcome("alice connects to text\nalice < WHO\nalice > IAM alice\nalice < ARR bob\n"),
            "line 4, alice < ARR bob: got 'ARR alice'",
        )

    def test_a_line_too_many(self) -> None:
        """Is found in the end."""
        self.assertEqual(
            self.outcome(
                "alice connects to text\nalice < WHO\nalice > IAM alice\nalice < ARR alice\n"
                "alice > WHO\nalice < WHO alice\n"
            ),
            "in the end alice got also 'END WHO 1\\n'",
        )

    def test_a_place_that_changes(self) -> None:
        """What is bound once must come again."""
        said = "alice connects to text\nalice < WHO\nalice > IAM alice\nalice < ARR alice\n"
        said += "alice > cg;a\nalice < ACK cg a <id> <seq>\nalice > cg;b\nalice < ACK cg b <id> <seq>\n"
        self.assertEqual(self.outcome(said), "line 8, alice < ACK cg b <id> <seq>: got 'ACK cg b 2 1'")


class Generated(SynchronousTestCase):
    """The parts of SPEC.md that the code writes."""

    def test_spec_is_fresh(self) -> None:
        """SPEC.md is what the code says."""
        text = SPEC.read_text("utf-8")
        self.assertEqual(spec.generate(text), text)
        self.assertEqual([part for part in spec.PARTS if f"<!-- begin {part} -->" not in text], [])

    def test_a_stale_one_is_noticed(self) -> None:
        """``--check`` fails on a table that was edited, and writing repairs it."""
        fresh = SPEC.read_text("utf-8")
        path = Path(self.mktemp())
        path.write_text(fresh.replace("| `line` | 16384", "| `line` | 1638"), "utf-8")
        self.assertEqual(spec.main(["--check", str(path)]), 1)
        self.assertEqual(spec.main([str(path)]), 0)
        self.assertEqual(path.read_text("utf-8"), fresh)
        self.assertEqual(spec.main(["--check", str(path)]), 0)
