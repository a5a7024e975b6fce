"""Other chat servers to measure beside chatd: ngIRCd and InspIRCd, as their packages install them.

They keep nothing on disk. Their limits on clients and messages are lifted, as chatd's are.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from time import perf_counter, sleep
from typing import Final, NamedTuple

from bench.load import IRC_ROOMS, PATIENCE, Failed
from bench.servers import Server, pin

NGIRCD: Final = """\
[Global]
Name = irc.bench.test
Info = bench
Listen = 127.0.0.1
Ports = {port}
MotdPhrase = bench
ServerUID = {user}
[Limits]
MaxConnections = 0
MaxConnectionsIP = 0
MaxJoins = 0
MaxPenaltyTime = 0
MaxNickLength = 20
[Options]
DNS = no
Ident = no
PAM = no
"""

INSPIRCD: Final = """\
<server name="irc.bench.test" description="bench" network="bench">
<admin name="bench" nick="bench" email="bench@bench.test">
<bind address="127.0.0.1" port="{port}" type="clients">
<connect name="bench" allow="*" timeout="60" threshold="2000000" commandrate="1000000000" fakelag="no"
 hardsendq="100M" softsendq="50M" recvq="1M" localmax="100000" globalmax="100000" maxconnwarn="no"
 resolvehostnames="no" useident="no" limit="100000" maxchans="1000">
<performance quietbursts="yes" softlimit="20000" somaxconn="4096" netbuffersize="65534" clonesonconnect="no">
<options defaultmodes="nt">
<security maxtargets="20">
<pid file="{folder}/inspircd.pid">
"""


class Peer(NamedTuple):
    """A server that is started with ``command`` and the name of a file with ``configuration``.

    ``logins_at_once`` clients log in at a time. Options in ``as_root`` are added if root starts it.
    """

    configuration: str
    command: Sequence[str]
    logins_at_once: int
    as_root: Sequence[str] = ()


PEERS: Final = {
    # The queue of its listening socket is 10.
    "ngircd": Peer(NGIRCD, ("ngircd", "-n", "-f"), 8),
    # It completes logins once a second, however many there are.
    "inspircd": Peer(INSPIRCD, ("inspircd", "--nofork", "--config"), 500, ("--runasroot",)),
}


@contextmanager
def run_peer(peer: Peer, database: Path | None) -> Iterator[Server]:
    """Run ``peer`` on a free port of loopback. It keeps nothing, so there is no ``database``."""
    assert database is None
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    is_root = os.geteuid() == 0
    with tempfile.TemporaryDirectory(prefix="chatd-bench-") as folder:
        file = Path(folder) / "peer.conf"
        user = "nobody" if is_root else os.environ.get("USER", "nobody")
        file.write_text(peer.configuration.format(port=port, folder=folder, user=user))
        Path(folder).chmod(0o755)  # ngIRCd reads it again as ``user``
        start = perf_counter()
        command = [*peer.command, str(file), *(peer.as_root if is_root else ())]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            if not _listens(port, process):
                raise Failed(f"{peer.command[0]} does not listen")
            took = perf_counter() - start
            pin(process.pid)
            words = IRC_ROOMS._replace(logins_at_once=peer.logins_at_once)
            yield Server(process.pid, port, port, words, {"text": (words, port)}, None, took)
        finally:
            process.kill()
            process.wait()


def installed() -> dict[str, Callable[[Path | None], AbstractContextManager[Server]]]:
    """Return how to run each peer that is installed, by its name."""
    return {name: partial(run_peer, peer) for name, peer in PEERS.items() if shutil.which(peer.command[0])}


def _listens(port: int, process: subprocess.Popen[bytes]) -> bool:
    """Wait until ``process`` listens on ``port``. Return False if it does not."""
    end = perf_counter() + PATIENCE
    while process.poll() is None and perf_counter() < end:
        try:
            socket.create_connection(("127.0.0.1", port), PATIENCE).close()
        except OSError:
            sleep(0.05)
        else:
            return True
    return False
