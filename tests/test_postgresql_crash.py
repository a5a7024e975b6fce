"""Daemons on PostgreSQL that suffer, in brief: nothing is lost or stored twice, and they recover."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import cache
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.support.crash_scenarios import Outcome
from tests.support.effort import IS_FULL
from tests.support.postgresql_scenarios import broken_server, killed_daemon, stopped_daemon
from tests.support.postgresql_server import PostgresqlServer


@cache
def safe_server() -> PostgresqlServer:
    """A server that waits for the disk."""
    return PostgresqlServer(safe=True)


class Ordeals(SynchronousTestCase):
    def check(self, play: Callable[[Path, PostgresqlServer], Outcome]) -> Outcome:
        """Play a scenario, in which nothing may go wrong."""
        folder = Path(self.mktemp()).absolute()
        folder.mkdir()
        outcome = play(folder, safe_server())
        self.assertEqual(outcome.faults, {}, outcome.remarks)
        return outcome

    def test_the_server_is_killed_or_restarted_or_cuts_connections(self) -> None:
        blows = ("cut", "kill", "restart", "cut") * 5 if IS_FULL else ("kill", "cut")
        self.check(lambda folder, server: broken_server(folder, server, blows, random.Random(1)))

    if IS_FULL:  # SPEC.md has a conversation in which one is killed

        def test_the_daemon_is_killed(self) -> None:
            self.check(lambda folder, server: killed_daemon(folder, server, 3, random.Random(1)))

    def test_the_daemon_is_stopped_and_another_one_writes(self) -> None:
        self.check(lambda folder, server: stopped_daemon(folder, server, 1))
