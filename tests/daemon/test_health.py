"""The daemon is healthy if it writes and reads, and says what does not work if not."""

from __future__ import annotations

import json
import sqlite3

from chatd.daemon.health import DATABASE_READ_TIMEOUT_SECONDS, TRANSACTION_STALLED_SECONDS
from chatd.store.journal import READ_MARK_WRITE_DELAY_SECONDS
from tests.support.monitoring_case import MonitoringTestCase

FULL = sqlite3.OperationalError("database or disk is full")


class Answers(MonitoringTestCase):
    def check(self, status: int, *problems: str) -> None:
        """Ask, and compare the answer."""
        response = self.get("/healthz")
        said = json.loads(response.body)
        self.assertEqual((response.status, said["problems"]), (status, list(problems)))
        self.assertEqual(said["status"], "failing" if problems else "ok")
        self.assertEqual(response.headers["content-type"], "application/json")

    def test_it_is_well(self) -> None:
        self.check(200)
        self.stage.text("alice").says("MSG hello")
        self.check(200)

    def test_a_failed_transaction_until_one_succeeds(self) -> None:
        """That of somebody's message, or the journal's own attempt."""
        alice = self.stage.text("alice")
        for recover in (
            lambda: alice.says("MSG again"),
            lambda: self.stage.wait(READ_MARK_WRITE_DELAY_SECONDS),
        ):
            self.stage.writer.error = FULL
            alice.says("MSG lost")
            self.check(503, "the last transaction failed")
            self.stage.writer.error = None
            recover()
            self.check(200)

    def test_a_transaction_that_does_not_end(self) -> None:
        """Just as long as it may take, and longer."""
        alice = self.stage.text("alice")
        self.stage.writer.held = True
        alice.says("MSG one").says("MSG two")
        self.stage.reactor.rightNow = self.stage.journal._begun_at + TRANSACTION_STALLED_SECONDS
        self.check(200)
        self.stage.wait(0.1)
        self.check(503, "a transaction takes more than 5 seconds; 1 tasks wait")
        self.stage.writer.run_next()
        self.stage.writer.run_next()
        self.stage.writer.held = False
        self.check(200)

    def test_a_database_that_can_not_be_read(self) -> None:
        self.stage.readers.error = sqlite3.OperationalError("disk I/O error")
        self.check(503, "the database can't be read")
        self.stage.readers.error = None
        self.check(200)

    def test_a_read_that_does_not_end(self) -> None:
        """Whoever has left meanwhile gets no answer, and that is no mistake."""
        self.stage.readers.held = True
        stays, gone = self.connects(), self.connects()
        for protocol, _ in (stays, gone):
            protocol.dataReceived(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        gone[1].loseConnection()
        self.stage.wait(DATABASE_READ_TIMEOUT_SECONDS)
        self.assertIn(b"503 ", stays[1].value())
        self.assertIn(b"to read the database takes more than 5 seconds", stays[1].value())
        self.assertEqual(gone[1].value(), b"")
        self.stage.readers.held = False
        while self.stage.readers.waiting:
            self.stage.readers.run_next()
        self.check(200)

    def test_a_full_database_is_not_ill(self) -> None:
        """It does what it was told, and a restart would change nothing."""
        self.assertFalse(json.loads(self.get("/healthz").body)["database_full"])
        self.stage.journal.database_bytes = self.stage.limits.database_size + 1
        response = self.get("/healthz")
        self.assertEqual((response.status, json.loads(response.body)["database_full"]), (200, True))
