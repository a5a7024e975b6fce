"""What follows the welcome of a client that may be the reference client of the text protocol."""

from __future__ import annotations

from chatd.connections.welcome_buffer import CLIENT_SILENCE_SECONDS
from chatd.core.limits import Limits
from tests.connections.test_session import session_of
from tests.support.in_memory_daemon import StageTestCase


class Behind(StageTestCase):
    """What follows a welcome in text is kept until it is known how the client reads."""

    limits = Limits(outbox=64 * 1024)

    def setUp(self) -> None:
        """Have bob known, and away."""
        super().setUp()
        self.stage.text("bob").says("BYE")
        self.ted = self.stage.text("ted")

    def test_while_it_is_not_read_its_silence_means_nothing(self) -> None:
        """The log is slow: LST has come meanwhile, and is found before anything else is written."""
        self.ted.says("PRV bob one")
        self.stage.readers.held = True
        bob = self.stage.connect("text").says(b"IAM bob\nLST\n")
        self.stage.wait(3 * CLIENT_SILENCE_SECONDS)
        self.assertEqual(bob.hears(), b"WHO\nARR bob\n")
        self.stage.readers.held = False
        self.stage.readers.run_next()
        self.stage.wait(CLIENT_SILENCE_SECONDS)
        self.assertEqual(bob.wire.writes, [b"PRV ted one\n", b"LST ted bob \n"])

    def test_more_than_may_wait_does_not(self) -> None:
        """An eighth of the outbox waits at most, and what follows is written as it comes."""
        bob = self.stage.connect("text").says("IAM bob")
        bob.hears()
        self.ted.says(b"MSG %b\n" % (b"x" * 5_000))
        self.assertEqual(bob.hears(), b"")
        self.ted.says(b"MSG %b\n" % (b"y" * 5_000))
        self.assertEqual(len(bob.lines()), 3)
        self.ted.says("MSG one")
        self.assertEqual(bob.lines(), ["MSG ted one"])

    def test_what_waited_when_the_connection_broke_off_was_not_seen(self) -> None:
        """Not even if the client has closed it in order."""
        self.ted.says("PRV bob one")
        bob = self.stage.connect("text").says("IAM bob")
        self.assertEqual(bob.hears(), b"WHO\nARR bob\n")
        bob.hangs_up()
        self.assertIsNone(session_of(bob).last_received_id)
        self.assertIn("PRV ted one", self.stage.arrives("bob").lines())

    def test_it_ends_with_the_connection(self) -> None:
        """No timer is left, and the daemon that stops says so behind what waits."""
        waiting = len(self.stage.reactor.getDelayedCalls())
        self.stage.connect("text").says("IAM bob").hangs_up()
        self.assertEqual(len(self.stage.reactor.getDelayedCalls()), waiting)
        bob = self.stage.connect("text").says("IAM bob")
        self.stage.sessions.close()
        self.stage.settle()
        self.assertEqual([line[:12] for line in bob.lines()], ["WHO", "ARR bob", "BCK bob", "ERR shutting"])
        self.assertTrue(bob.closed)
