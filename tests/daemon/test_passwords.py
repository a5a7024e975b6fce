"""argon2id in a thread: right, in turns, bounded, and stopped."""

from __future__ import annotations

from argon2 import Parameters, PasswordHasher, extract_parameters
from argon2.exceptions import VerifyMismatchError
from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.trial.unittest import TestCase

from chatd.core.accounts import AccountPolicy, Secret
from chatd.core.limits import Limits
from chatd.core.refusals import Refusal
from chatd.daemon.passwords import PasswordHashQueue

CHEAP = AccountPolicy(argon2_memory=8, argon2_time=1)
SECRET, WRONG = Secret("correct horse"), Secret("wrong horse")


class Pool(TestCase):
    """The real thing, at the least cost that argon2 allows."""

    def setUp(self) -> None:
        self.pool = PasswordHashQueue(reactor, CHEAP, Limits(password_queue=6))
        self.pool.start()
        self.stopped = False
        self.addCleanup(self.stop)

    def stop(self) -> None:
        """Stop it, once."""
        if not self.stopped:
            self.stopped = True
            self.pool.stop()

    async def test_right_and_wrong(self) -> None:
        hashed = await self.pool.hash(SECRET, "a")
        self.assertRegex(hashed, r"\A\$argon2id\$v=19\$m=8,t=1,p=1\$")
        self.assertNotEqual(hashed, await self.pool.hash(SECRET, "a"))
        for candidate, password, expected in (
            (hashed, SECRET, True),
            (hashed, WRONG, False),
            (None, SECRET, False),
            (None, Secret("no password"), False),
            (Secret("not a hash"), SECRET, False),
        ):
            self.assertIs(await self.pool.verify(candidate, password, "a"), expected)

    async def test_a_nick_that_is_not_registered_costs_as_much(self) -> None:
        """What is verified in its place has the cost of a real hash, and is compared as well."""
        verified: list[tuple[Parameters, type[Exception] | None]] = []
        verify = PasswordHasher.verify

        def watched(hasher: PasswordHasher, hashed: str, password: str) -> bool:
            try:
                right = verify(hasher, hashed, password)
            except Exception as error:
                verified.append((extract_parameters(hashed), type(error)))
                raise
            verified.append((extract_parameters(hashed), None))
            return right

        self.patch(PasswordHasher, "verify", watched)
        await self.pool.verify(await self.pool.hash(SECRET, "a"), WRONG, "a")
        await self.pool.verify(None, WRONG, "a")
        registered, unregistered = verified
        self.assertEqual(unregistered, registered)
        self.assertIs(unregistered[1], VerifyMismatchError)

    async def test_a_hash_of_other_settings_is_verified(self) -> None:
        """Settings apply to new passwords."""
        hashed = await self.pool.hash(SECRET, "a")
        other = PasswordHashQueue(reactor, AccountPolicy(argon2_memory=16, argon2_time=2), Limits())
        other.start()
        self.addCleanup(other.stop)
        self.assertTrue(await other.verify(hashed, SECRET, "a"))

    async def test_networks_take_turns(self) -> None:
        """Whoever sends many waits behind whoever sends one."""
        order: list[str] = []

        def ask(network: str) -> Deferred[None]:
            return self.pool.verify(None, SECRET, network).addCallback(lambda _: order.append(network))

        await gatherResults([ask(network) for network in ("a", "a", "a", "a", "b", "c")])
        self.assertEqual(order, ["a", "a", "b", "c", "a", "a"])

    async def test_one_too_many(self) -> None:
        """The network with the most loses its last one, not whoever comes."""
        codes: list[str] = []

        def refused(failure: object) -> None:
            codes.append(getattr(failure, "value").code)  # noqa: B009

        greedy = [self.pool.verify(None, SECRET, "a").addErrback(refused) for _ in range(7)]
        self.assertEqual(codes, [])
        honest = self.pool.verify(None, SECRET, "b")
        self.assertEqual(codes, ["rate_limited"])
        self.assertLessEqual(len(self.pool), 6)
        self.assertFalse(await honest)
        await gatherResults(greedy)

    async def test_stopped(self) -> None:
        """What waits is refused, what is asked later as well, and the thread ends."""
        present, waiting = self.pool.verify(None, SECRET, "a"), self.pool.verify(None, SECRET, "a")
        self.stop()
        late = self.pool.hash(SECRET, "a")
        for refused in (waiting, late):
            failure = self.failureResultOf(refused, Refusal)
            self.assertEqual(failure.value.code, "shutting_down")
        present.addErrback(lambda failure: None)
