"""Password hashing with argon2id, in a separate thread, so that the reactor never waits for a password.

Source: RFC 9106. The default parameters are OWASP's (Password Storage Cheat Sheet).
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
from chatd.core.limits import Limits
from chatd.core.refusals import Refusal, rate_limited_refusal, translatable_reason

T = TypeVar("T")

PASSWORD_RETRY_AFTER_SECONDS = 2
"""The seconds after which a client may try again if its password was refused because too many wait."""

PasswordJob = tuple[Callable[[], Any], Deferred[Any]]
"""The function that hashes or verifies a password, and the Deferred of its result."""


class PasswordHashQueue:
    """A queue of passwords, which a thread hashes or verifies one at a time.

    It implements `chatd.boundaries.PasswordHasher`. The networks of the clients take turns, so that one
    client's many guesses do not delay another client's login. If more than ``limits.password_queue``
    passwords wait, the last password of the network with the most waiting passwords is refused.
    """

    def __init__(self, reactor: Any, policy: AccountPolicy, limits: Limits) -> None:
        self._reactor = reactor
        self._hasher = PasswordHasher(policy.argon2_time, policy.argon2_memory, 1)
        self._limits = limits
        self._threads = ThreadPool(1, 1, "passwords")
        self._waiting: OrderedDict[str | None, deque[PasswordJob]] = OrderedDict()
        self._busy = False
        self._stopped = False
        # A salt and a hash of zeros: it has the cost of a real hash, and no password is known to match it.
        self._unmatched = Secret(
            f"$argon2id$v=19$m={policy.argon2_memory},t={policy.argon2_time},p=1${'A' * 22}${'A' * 43}"
        )

    def __len__(self) -> int:
        """Return the number of passwords that wait."""
        return sum(map(len, self._waiting.values()))

    def start(self) -> None:
        """Start the thread that hashes and verifies passwords."""
        self._threads.start()

    def stop(self) -> None:
        """Refuse all passwords with `Refusal` ``shutting_down``, and stop the thread.

        The waiting passwords, the current one and all later ones are refused. The call blocks until the
        thread has finished the current password.
        """
        self._stopped = True
        waiting, self._waiting = self._waiting, OrderedDict()
        for jobs in waiting.values():
            for _, done in jobs:
                done.errback(Refusal("shutting_down"))
        self._threads.stop()

    def hash(self, password: Secret, client_network: str | None) -> Deferred[Secret]:
        """Return a Deferred of the argon2id hash of ``password``, as an encoded string.

        The Deferred fails with `Refusal` ``rate_limited`` if too many passwords wait, and with
        ``shutting_down`` after `stop`.
        """
        return self._submit(lambda: Secret(self._hasher.hash(password)), client_network)

    def verify(self, hashed: Secret | None, password: Secret, client_network: str | None) -> Deferred[bool]:
        """Return a Deferred that fires with True if ``hashed`` is the hash of ``password``, else with False.

        If ``hashed`` is None, the result is False, after as long a time as for a wrong password, so that a
        client can't tell from the time that a nick is not registered. If ``hashed`` is not a valid argon2
        string, the result is False. The Deferred fails with `Refusal` ``rate_limited`` if too many passwords
        wait, and with ``shutting_down`` after `stop`.
        """
        return self._submit(
            lambda: self._matches(hashed or self._unmatched, password) and bool(hashed), client_network
        )

    def _matches(self, hashed: Secret, password: Secret) -> bool:
        try:
            return self._hasher.verify(hashed, password)
        except (Argon2Error, InvalidHashError):
            return False

    def _submit(self, work: Callable[[], T], client_network: str | None) -> Deferred[T]:
        done: Deferred[T] = Deferred()
        if self._stopped:
            done.errback(Refusal("shutting_down"))
            return done
        self._waiting.setdefault(client_network, deque()).append((work, done))
        if len(self) > self._limits.password_queue:
            # Of several with as many passwords, that of the newcomer, which waits at the end.
            longest = max(
                reversed(self._waiting), key=lambda client_network: len(self._waiting[client_network])
            )
            _, refused = self._waiting[longest].pop()
            if not self._waiting[longest]:
                del self._waiting[longest]
            refused.errback(
                rate_limited_refusal(translatable_reason("many_passwords"), PASSWORD_RETRY_AFTER_SECONDS)
            )
        self._go_on()
        return done

    def _go_on(self) -> None:
        """Pass the next password to the thread, unless the thread is busy or no password waits."""
        if self._busy or not self._waiting:
            return
        client_network, jobs = self._waiting.popitem(last=False)
        work, done = jobs.popleft()
        if jobs:
            self._waiting[client_network] = jobs  # behind the others
        self._busy = True

        def finish(result: Any) -> None:
            self._busy = False
            self._go_on()
            if self._stopped:
                done.errback(Refusal("shutting_down"))
            elif isinstance(result, Failure):
                done.errback(result)
            else:
                done.callback(result)

        deferToThreadPool(self._reactor, self._threads, work).addBoth(finish)
