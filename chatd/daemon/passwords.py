"""Hashes passwords with argon2id, in a thread of its own, so that the reactor never waits for one.

Source: RFC 9106; the default parameters are OWASP's (Password Storage Cheat Sheet).
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Any, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThreadPool
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool

from chatd.core.accounts import AccountPolicy, Secret
from chatd.core.refusals import Refusal, rate_limited, reason

T = TypeVar("T")

RETRY_SECONDS = 2
"""Seconds after which a client may try again, if too many passwords wait."""

Job = tuple[Callable[[], Any], Deferred[Any]]


class PasswordPool:
    """A queue of passwords to hash or verify, for `chatd.boundaries.Passwords`; one is hashed at a time.

    The origins of the passwords take turns, so that one client's many guesses do not delay another's login.
    If more than ``limit`` passwords wait, the origin with the most of them loses its last one.
    """

    def __init__(self, reactor: Any, policy: AccountPolicy, limit: int) -> None:
        self._reactor = reactor
        self._hasher = PasswordHasher(policy.argon2_time, policy.argon2_memory, 1)
        self._limit = limit
        self._threads = ThreadPool(1, 1, "passwords")
        self._waiting: OrderedDict[str | None, deque[Job]] = OrderedDict()
        self._busy = False
        self._stopped = False
        self._unmatched = Secret("")

    def __len__(self) -> int:
        """How many passwords wait."""
        return sum(map(len, self._waiting.values()))

    def start(self) -> None:
        """Start the thread, and make the hash that is verified where there is none."""
        self._threads.start()

        def keep(hashed: Secret) -> None:
            self._unmatched = hashed

        self.hash(Secret("no password"), "").addCallback(keep)

    def stop(self) -> None:
        """Refuse the passwords that wait, and end the thread after the present one."""
        self._stopped = True
        waiting, self._waiting = self._waiting, OrderedDict()
        for jobs in waiting.values():
            for _, done in jobs:
                done.errback(Refusal("shutting_down"))
        self._threads.stop()

    def hash(self, password: Secret, origin: str | None) -> Deferred[Secret]:
        """Return the argon2id string of ``password``. Fails with `Refusal` ``rate_limited``."""
        return self._submit(lambda: Secret(self._hasher.hash(password)), origin)

    def verify(self, hashed: Secret | None, password: Secret, origin: str | None) -> Deferred[bool]:
        """Return whether ``hashed`` is the hash of ``password``; False without one, and not any sooner.

        Fails with `Refusal` ``rate_limited``.
        """
        return self._submit(
            lambda: self._matches(hashed or self._unmatched, password) and bool(hashed), origin
        )

    def _matches(self, hashed: Secret, password: Secret) -> bool:
        try:
            return self._hasher.verify(hashed, password)
        except (Argon2Error, InvalidHashError):
            return False

    def _submit(self, work: Callable[[], T], origin: str | None) -> Deferred[T]:
        done: Deferred[T] = Deferred()
        if self._stopped:
            done.errback(Refusal("shutting_down"))
            return done
        self._waiting.setdefault(origin, deque()).append((work, done))
        if len(self) > self._limit:
            longest = max(self._waiting, key=lambda origin: len(self._waiting[origin]))
            _, refused = self._waiting[longest].pop()
            if not self._waiting[longest]:
                del self._waiting[longest]
            refused.errback(rate_limited(reason("many_passwords"), RETRY_SECONDS))
        self._go_on()
        return done

    def _go_on(self) -> None:
        """Give the next password to the thread, if it is idle."""
        if self._busy or not self._waiting:
            return
        origin, jobs = self._waiting.popitem(last=False)
        work, done = jobs.popleft()
        if jobs:
            self._waiting[origin] = jobs  # behind the others
        self._busy = True

        def finish(result: Any) -> None:
            self._busy = False
            self._go_on()
            if isinstance(result, Failure):
                done.errback(result)
            else:
                done.callback(result)

        deferToThreadPool(self._reactor, self._threads, work).addBoth(finish)
