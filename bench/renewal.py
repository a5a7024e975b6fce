"""The daemon's certificate is replaced again and again, while clients talk over TLS and others connect."""

from __future__ import annotations

import gc
import itertools
import json
import signal
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Final

from cryptography.hazmat.primitives.serialization import Encoding

from tests.support.certificates import issue
from tests.support.crash_scenarios import Outcome, end, started
from tests.support.daemon_process import PATIENCE, UNTHROTTLED, Client, Daemon
from tests.support.ledger import (
    AGAIN,
    DISORDER,
    GAPS,
    LOST,
    TWICE,
    UNSTORED,
    Entry,
    JsonWriter,
    Tally,
    Watcher,
    Work,
    faults_of_log,
    faults_of_watcher,
    log_in,
    read_log,
)

TALKERS: Final = 60
"""Clients who talk in the lobby and hear each other, each on one connection all the time."""

NEWCOMERS: Final = 8
"""How many others are connecting at a time: they shake hands, hear the greeting, and hang up."""

SWAPS: Final = 20
"""How often the certificate and its key are replaced."""

PAUSE: Final = 0.25
"""Seconds between a reload that is done and the next certificate."""

DROPPED: Final = "connections dropped"
MISSING: Final = "acks missing"
FAILED: Final = "handshakes failed"
STALE: Final = "handshakes that show an old certificate"

LAST: Final = "that was all"
"""The last message in the lobby."""

TLS: Final = """
[tls]
certificate = "fullchain.pem"
key = "privkey.pem"
"""

READ_AGAIN: Final = "the configuration was read again"
"""What the log says when a reload is done."""


class Files:
    """The certificate and the key of a daemon in ``folder``.

    ``issued`` has all certificates so far, in DER; ``confirmed`` is the number of the one that the daemon is
    known to have read last.
    """

    def __init__(self, folder: Path) -> None:
        self.issued: list[bytes] = []
        self.confirmed = 0
        self._folder = folder
        self.replace()

    def replace(self) -> None:
        """Put a new certificate and its key in the place of the old ones."""
        new = issue("chat.example")
        self.issued.append(new.certificate.public_bytes(Encoding.DER))
        for name, pem in (("fullchain.pem", new.pem()), ("privkey.pem", new.key_pem())):
            fresh = self._folder / "fresh.pem"
            fresh.touch(0o600)
            fresh.write_bytes(pem)
            fresh.replace(self._folder / name)


def shake_hands(daemon: Daemon, wire: str) -> tuple[Client, bytes | None]:
    """A client on ``wire`` over TLS, and the certificate that it was shown, in DER."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = context.wrap_socket(daemon.connect(wire).socket)
    return Client(connection), connection.getpeercert(binary_form=True)


def to_everyone(nick: str) -> Work:
    """JSON to the lobby, each with its own ref."""
    for number in itertools.count(1):
        body = f"{nick} {number}"
        asked = {"action": "broadcast", "msg": body, "ref": number}
        yield json.dumps(asked), Entry(0, 0, "message", "lobby", nick, None, body)


class Talker(JsonWriter):
    """A writer on one connection, whose ``watcher`` remembers what the others say."""

    def __init__(self, nick: str, client: Client) -> None:
        super().__init__(nick, to_everyone)
        self.watcher = Watcher(nick)
        self.client = client
        log_in(client, from_=nick)

    def talk(self, tally: Tally) -> None:
        """Say one message after the other until it is over."""
        while not tally.over:
            self.say(self.client, 1)
            self.hear_acks(self.client, tally)

    def listen(self) -> None:
        """Listen to what the others still say."""
        while self.watcher.heard[-1].body != LAST:
            self.watcher.hear(self.client.object())

    def place(self, client: Client) -> tuple[int, int] | None:
        while (said := client.object())["action"] != "server-ack":
            assert said["action"] != "server-error", said
            self.watcher.hear(said)
        return said["id"], said["seq"]


class Newcomer:
    """One who connects again and again. ``come`` counts its handshakes, ``outcome`` what was wrong there."""

    def __init__(self, daemon: Daemon, files: Files) -> None:
        self.come = 0
        self.outcome = Outcome()
        self._daemon = daemon
        self._files = files

    def arrive(self) -> None:
        """Shake hands, hear the greeting, and hang up."""
        confirmed = self._files.confirmed
        with broken_is(FAILED, self.outcome):
            client, shown = shake_hands(self._daemon, "text")
            with client:
                assert client.line() == "WHO", "no greeting"
            self.outcome.wrong[STALE] += shown not in self._files.issued[confirmed:]
            self.come += 1

    def arrive_until_over(self, tally: Tally) -> None:
        """Arrive without end."""
        while not tally.over:
            self.arrive()


def renewal(folder: Path) -> Outcome:
    """Replace the certificate under the load of `TALKERS` and `NEWCOMERS`.

    Each talker has one connection, and must hear on it all that the others say. A handshake that begins after
    a reload must show the new certificate, or a newer one.
    """
    outcome = Outcome(DROPPED, MISSING, FAILED, STALE, LOST, TWICE, DISORDER, UNSTORED, GAPS, AGAIN)
    folder.joinpath("chatd.toml").write_text(Path(UNTHROTTLED).read_text("utf-8") + TLS, "utf-8")
    files = Files(folder)
    tally = Tally()
    with (
        started(folder, "--listen=auto=tcp:0", "--listen=text=ssl:0") as daemon,
        ExitStack() as stack,
        ThreadPoolExecutor(TALKERS + NEWCOMERS) as threads,
    ):
        # The collector would stop all clients at once, for longer the more they remember.
        gc.disable()
        stack.callback(gc.enable)
        talkers = [
            Talker(f"talker{number}", stack.enter_context(shake_hands(daemon, "auto")[0]))
            for number in range(TALKERS)
        ]
        herald, *newcomers = (Newcomer(daemon, files) for _ in range(1 + NEWCOMERS))
        talking = [threads.submit(talker.talk, tally) for talker in talkers]
        arriving = [threads.submit(newcomer.arrive_until_over, tally) for newcomer in newcomers]
        try:
            with outcome.noticing():
                for _ in range(SWAPS):
                    sleep(PAUSE)
                    swap(daemon, files)
                    herald.arrive()
        finally:
            tally.over = True
        for thread in talking:
            with broken_is(DROPPED, outcome):
                thread.result()
        for thread in arriving:
            thread.result()
        with outcome.noticing(), shake_hands(daemon, "auto")[0] as last:
            log_in(last, from_="last")
            last.asks(action="broadcast", msg=LAST).object(action="server-ack")
        listening = [
            threads.submit(talker.listen)
            for talker, thread in zip(talkers, talking, strict=True)
            if not thread.exception()
        ]
        for thread in listening:
            with broken_is(DROPPED, outcome):
                thread.result()
        with outcome.noticing():
            end(daemon)
    for newcomer in (herald, *newcomers):
        outcome.wrong.update(newcomer.outcome.wrong)
        outcome.remarks += newcomer.outcome.remarks
    log = read_log(folder)
    outcome.wrong.update(faults_of_log(log, talkers))
    for talker in talkers:
        outcome.wrong[MISSING] += len(talker.unacked)
        others = [entry for entry in log if entry.actor != talker.nick]
        outcome.wrong.update(faults_of_watcher(others, talker.watcher))
    outcome.counts("times that certificate and key were replaced", files.confirmed)
    outcome.counts("handshakes meanwhile", sum(newcomer.come for newcomer in (herald, *newcomers)))
    outcome.counts(f"messages of {TALKERS} clients acked", tally.acks)
    outcome.counts("deliveries to them compared", sum(len(talker.watcher.heard) for talker in talkers))
    outcome.counts("longest wait between two acks, ms", tally.pause * 1000)
    return outcome


def swap(daemon: Daemon, files: Files) -> None:
    """Replace the certificate, and wait until the daemon has it. Raises `TimeoutError`."""
    files.replace()
    daemon.signal(signal.SIGHUP)
    deadline = monotonic() + PATIENCE
    while daemon.log.count(READ_AGAIN) <= files.confirmed:
        if monotonic() > deadline:
            raise TimeoutError("the certificate was not read again")
        sleep(0.01)
    files.confirmed += 1


@contextmanager
def broken_is(way: str, outcome: Outcome) -> Iterator[None]:
    """Count it as wrong in this ``way`` when a connection breaks; otherwise as an outcome does."""
    with outcome.noticing():
        try:
            yield
        except (EOFError, ConnectionError, ssl.SSLError) as error:
            outcome.wrong[way] += 1
            outcome.remarks.append(repr(error))
