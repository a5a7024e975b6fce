"""Course work in the chat room: programs of their own, against a real daemon."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from threading import Timer
from typing import IO

from twisted.trial.unittest import SynchronousTestCase

from tests.support.daemon_process import PATIENCE, Daemon

PROGRAM = Path(__file__).parent / "support" / "coursework_tp6.py"


class Student:
    """Somebody at the program, who types lines and reads what it prints."""

    def __init__(self, port: int, nick: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-X", "utf8", str(PROGRAM), str(port), nick],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.keyboard: IO[str] = self.process.stdin
        self.screen: IO[str] = self.process.stdout
        self._watch = Timer(PATIENCE, self.process.kill)
        self._watch.start()

    def types(self, line: str) -> None:
        """Type a line, and see it."""
        self.keyboard.write(f"{line}\n")
        self.keyboard.flush()

    def sees(self) -> str:
        """The next line on the screen; empty when the program has ended."""
        return self.screen.readline().rstrip("\n")

    def leaves(self) -> tuple[int, str]:
        """End of input; the exit code, and what was on the screen until then."""
        self.keyboard.close()
        rest = self.screen.read()
        return self.process.wait(PATIENCE), rest

    def close(self) -> None:
        """End it, if it is still there."""
        self._watch.cancel()
        self.process.kill()
        self.process.wait(PATIENCE)
        self.keyboard.close()
        self.screen.close()


class Session(SynchronousTestCase):
    """A whole one, of two such programs and telnet."""

    def student(self, daemon: Daemon, nick: str) -> Student:
        """Somebody who has come in."""
        student = Student(daemon.port("tp6"), nick)
        self.addCleanup(student.close)
        return student

    def assert_seen(self, line: str, *students: Student) -> None:
        """This is the next line on each screen."""
        self.assertEqual([student.sees() for student in students], [line] * len(students))

    def test_from_hello_to_the_end(self) -> None:
        folder = Path(self.mktemp()).absolute()
        folder.mkdir()
        daemon = self.enterContext(Daemon(folder, "--listen=tp6=tcp:0", "--listen=text=tcp:0"))
        tom = self.enterContext(daemon.connect("text")).says("IAM tom")
        self.assertEqual([tom.line(), tom.line()], ["WHO", "ARR tom"])

        alice = self.student(daemon, "alice")
        self.assert_seen("Annonce : alice a rejoint la chatroom", alice)
        bob = self.student(daemon, "bob")
        self.assert_seen("Annonce : bob a rejoint la chatroom", alice, bob)
        self.assertEqual([tom.line(), tom.line()], ["ARR alice", "ARR bob"])

        alice.types("salut à tous 😀")
        self.assert_seen("Vous avez dit : salut à tous 😀", alice)
        self.assert_seen("alice a dit : salut à tous 😀", bob)
        self.assertEqual(tom.line(), "MSG alice salut à tous 😀")
        tom.says("MSG bonjour")
        self.assert_seen("tom a dit : bonjour", alice, bob)

        alice.types("/create wob")
        alice.sees()
        self.assert_seen("Vous êtes dans wob", alice)
        bob.types("/join wob")
        bob.sees()
        self.assert_seen("Annonce : bob a rejoint wob", alice)
        self.assert_seen("Vous êtes dans wob", bob)
        bob.types("entre nous")
        bob.sees()
        self.assert_seen("bob a dit : entre nous", alice)
        tom.says("MSG et ici ?")
        tom.says("PRV alice et toi ?")
        self.assert_seen("tom vous dit : et toi ?", alice)

        tom.says("PRV bob " + "é" * 1500)
        self.assert_seen("tom vous dit : " + "é" * 1500, bob)

        self.assertEqual(alice.leaves(), (0, "Le serveur est parti\n"))
        self.assert_seen("Annonce : alice a quitté la chatroom", bob)
        self.assertEqual(tom.line(), "LFT alice")

        self.assertEqual(daemon.terminate(), 0)
        self.assert_seen("Erreur [shutting_down] : le serveur s'arrête : reconnectez-vous plus tard", bob)
        self.assert_seen("Le serveur est parti", bob)
        self.assertNotIn("Traceback", daemon.log)
