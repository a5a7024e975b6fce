"""Ten addresses that guess passwords, beside a user who logs in, one who talks, and a stop-watch.

The daemon listens behind the PROXY protocol, so that one machine can have many addresses.
"""

from __future__ import annotations

import math
import socket
import statistics
from pathlib import Path
from threading import Event, Thread
from time import perf_counter, sleep
from typing import Any, Final

from bench.greedy import LONGEST, report, times
from tests.support.crash_scenarios import Outcome, end, started
from tests.support.daemon_process import PATIENCE, Client, Daemon

SECRET: Final = "correct horse battery"

GUESSERS: Final = 10
"""Addresses that guess at the same time."""

GUESSES_PER_SECOND: Final = 10.0
"""Guesses of each of them."""

SECONDS: Final = 20.0
"""How long they guess."""

LOGIN_MAX: Final = 2.0
"""Seconds within which an honest user is logged in meanwhile."""

SAMPLES: Final = 300
"""Guesses at a registered nick, and as many at free ones, that are timed."""


def at(daemon: Daemon, address: str) -> Client:
    """A client at ``address``, as a proxy tells it."""
    connection = socket.create_connection(("127.0.0.1", daemon.port("json")), PATIENCE)
    connection.sendall(f"PROXY TCP4 {address} 192.0.2.254 40000 8080\r\n".encode())
    return Client(connection)


def guess(daemon: Daemon, address: str, nick: str, password: str) -> dict[str, Any]:
    """The answer to one attempt to identify."""
    with at(daemon, address) as client:
        return client.asks(action="identify", from_=nick, password=password, ref=1).object(ref=1)


class Guessers:
    """Threads that guess until they are stopped; ``codes`` counts what they were answered."""

    def __init__(self, daemon: Daemon) -> None:
        self.codes: dict[str, int] = {}
        self._daemon = daemon
        self._stop = Event()
        self._threads = [Thread(target=self._run, args=(number,)) for number in range(GUESSERS)]
        for thread in self._threads:
            thread.start()

    def _run(self, number: int) -> None:
        due = perf_counter()
        while not self._stop.is_set():
            # Half of them at the honest user's nick, half at others.
            nick = "teacher" if number % 2 else f"nick{number}"
            said = guess(self._daemon, f"192.0.2.{number}", nick, "wrong horse")
            code = said.get("code", said["action"])
            self.codes[code] = self.codes.get(code, 0) + 1
            due += 1 / GUESSES_PER_SECOND
            sleep(max(0.0, due - perf_counter()))

    def stop(self) -> None:
        """Stop them."""
        self._stop.set()
        for thread in self._threads:
            thread.join()


def guessers(folder: Path) -> Outcome:
    """The time that honest logins and messages take beside guessers, and what the timing of a guess tells."""
    outcome = Outcome()
    folder.joinpath("chatd.toml").touch()  # the defaults, those of argon2 among them
    with started(folder, "--listen=json=haproxy:tcp:0") as daemon:
        with at(daemon, "198.51.100.1") as talker, outcome.noticing():
            talker.asks(action="client-hello", from_="talker").object(action="server-hello")
            talker.asks(action="cgroupe", group="honest").object(action="server-ack")
            register(daemon, "teacher")
            measure_attack(outcome, daemon, talker)
        with outcome.noticing():
            end(daemon)
    # By default, guesses at one nick are delayed after ten of them, at registered and at free nicks alike.
    folder.joinpath("chatd.toml").write_text("[limits]\nwrong_passwords_per_nick = 10000\n", "utf-8")
    with started(folder, "--listen=json=haproxy:tcp:0") as daemon, outcome.noticing():
        measure_timing(outcome, daemon)
        end(daemon)
    return outcome


def register(daemon: Daemon, nick: str) -> None:
    """Register a nick, and be gone."""
    with at(daemon, "198.51.100.2") as client:
        client.asks(action="client-hello", from_=nick).object(action="server-hello")
        client.asks(action="register", password=SECRET).object(action="server-account")


def measure_attack(outcome: Outcome, daemon: Daemon, talker: Client) -> None:
    """Log in and talk while the guessers guess."""
    attack = Guessers(daemon)
    logins: list[float] = []
    try:
        stop = perf_counter() + SECONDS

        def over() -> bool:
            began = perf_counter()
            if began < stop - SECONDS + len(logins):
                return False
            said = guess(daemon, "198.51.100.3", "teacher", SECRET)
            assert said["action"] == "server-hello", said
            logins.append(perf_counter() - began)
            return began > stop

        acks = times(talker, over)
    finally:
        attack.stop()
    report(outcome, f"beside {GUESSERS} guessers", acks)
    for code, count in sorted(attack.codes.items()):
        outcome.counts(f"guesses answered with {code}", count)
    outcome.counts("seconds to log in beside them: median", statistics.median(logins), 2)
    outcome.counts("seconds to log in beside them: longest", max(logins), 2)
    assert max(acks) <= LONGEST, f"an honest message took {max(acks):.0f} ms"
    assert max(logins) <= LOGIN_MAX, f"an honest login took {max(logins):.1f} s"
    assert set(attack.codes) <= {"wrong_password", "rate_limited"}, attack.codes


def measure_timing(outcome: Outcome, daemon: Daemon) -> None:
    """Compare guesses at a registered nick and at free ones, in turn, each from an address of its own."""
    known: list[float] = []
    free: list[float] = []
    for number in range(SAMPLES):
        pairs = [(known, "teacher"), (free, f"free{number}")]
        for found, nick in pairs if number % 2 else reversed(pairs):
            address = f"203.0.{number // 250}.{number % 250}"
            began = perf_counter()
            said = guess(daemon, address, nick, "wrong horse")
            found.append(perf_counter() - began)
            assert said["code"] == "wrong_password", said
    differences = [(one - other) * 1e3 for one, other in zip(known, free, strict=True)]
    mean = statistics.fmean(differences)
    error = statistics.stdev(differences) / math.sqrt(SAMPLES)
    outcome.counts("ms to a wrong password: median", statistics.median(known) * 1e3, 1)
    outcome.counts("ms more for a registered nick: mean", mean, 3)
    outcome.counts("ms more for a registered nick: standard error", error, 3)
    # At 5 % and a power of 80 % a difference of 2.8 standard errors is found.
    outcome.counts("ms that would have been found (power 80 %)", 2.8 * error, 3)
    assert abs(mean) < 4 * error, f"the answer for a registered nick comes {mean:.2f} ms later"
