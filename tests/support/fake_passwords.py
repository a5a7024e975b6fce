"""Passwords that are hashed at once and without any secrecy: what argon2id takes its time for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from twisted.internet.defer import Deferred, succeed

from chatd.core.accounts import Secret

T = TypeVar("T")


class FakePasswords:
    """`chatd.boundaries.PasswordHasher` without threads.

    While ``held``, requests wait in line for `run_next`. ``networks`` has the client_network of each request.
    """

    def __init__(self) -> None:
        self.held = False
        self.waiting: list[Callable[[], None]] = []
        self.networks: list[str | None] = []
        self._salt = 0

    def __len__(self) -> int:
        """The number of requests that wait."""
        return len(self.waiting)

    def hash(self, password: Secret, client_network: str | None) -> Deferred[Secret]:
        """Hash ``password`` with a salt, as argon2id does: no two hashes are equal."""
        self._salt += 1
        return self._later(client_network, Secret(f"{self._salt}${password[::-1]}"))

    def verify(self, hashed: Secret | None, password: Secret, client_network: str | None) -> Deferred[bool]:
        """Whether ``hashed`` is the hash of ``password``."""
        return self._later(client_network, hashed is not None and hashed.partition("$")[2] == password[::-1])

    def _later(self, client_network: str | None, result: T) -> Deferred[T]:
        self.networks.append(client_network)
        if not self.held:
            return succeed(result)
        done: Deferred[T] = Deferred()
        self.waiting.append(lambda: done.callback(result))
        return done

    def run_next(self) -> None:
        """Answer the request that has waited longest."""
        self.waiting.pop(0)()
