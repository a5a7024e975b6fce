"""Clients that ask for much: one is served in each turn of the reactor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from twisted.trial.unittest import SynchronousTestCase

from chatd.boundaries import Clock
from chatd.chat.fair_queue import FairQueue


class Turns:
    """The reactor's turns: what is scheduled in one runs in the next. `twisted.internet.task.Clock` runs it
    in the same.
    """

    def __init__(self) -> None:
        self.calls: list[Callable[[], None]] = []

    def callLater(self, delay: float, call: Callable[[], None]) -> Any:
        """Run ``call`` in the next turn."""
        assert delay == 0
        self.calls.append(call)

    def turn(self) -> None:
        """Run one turn."""
        calls, self.calls = self.calls, []
        for call in calls:
            call()


class Waiting(SynchronousTestCase):
    """`FairQueue.wait`."""

    def setUp(self) -> None:
        """An empty queue."""
        self.reactor = Turns()
        self.queue = FairQueue(cast(Clock, self.reactor))
        self.served: list[str] = []

    def wait(self, name: str) -> None:
        """Join the queue."""
        self.queue.wait().addCallback(lambda _: self.served.append(name))

    def test_nobody_is_served_at_once(self) -> None:
        self.wait("alice")
        self.assertEqual(self.served, [])

    def test_one_in_each_turn_first_come_first_served(self) -> None:
        for name in ("alice", "bob", "carol"):
            self.wait(name)
        for expected in (["alice"], ["alice", "bob"], ["alice", "bob", "carol"]):
            self.reactor.turn()
            self.assertEqual(self.served, expected)
        self.assertEqual(self.reactor.calls, [])

    def test_who_asks_again_while_served_waits_behind_the_others(self) -> None:
        """Else a client that asks for page after page would have all the time there is."""

        def again(_: None) -> None:
            self.served.append("greedy")
            self.wait("greedy again")

        self.queue.wait().addCallback(again)
        self.wait("bob")
        for _ in range(3):
            self.reactor.turn()
        self.assertEqual(self.served, ["greedy", "bob", "greedy again"])

    def test_an_empty_queue_starts_again(self) -> None:
        self.wait("alice")
        self.reactor.turn()
        self.wait("bob")
        self.reactor.turn()
        self.assertEqual(self.served, ["alice", "bob"])
