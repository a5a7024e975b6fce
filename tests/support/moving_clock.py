"""twistd on a machine whose clock is set: SIGUSR1 sets it back by a day, SIGUSR2 forward by a day.

It is ``time.time`` that jumps, for everybody: Twisted and chatd are only imported after it was replaced.
``time.monotonic`` goes on, as it does when a real clock is set.
"""

import signal
import time

DAY = 24 * 60 * 60

use_monotonic_clock = time.time
offset = 0


def moved_time() -> float:
    """What the clock says."""
    return use_monotonic_clock() + offset


def jump(number: int, frame: object) -> None:
    """Set the clock."""
    global offset
    offset += DAY if number == signal.SIGUSR2 else -DAY


if __name__ == "__main__":
    time.time = moved_time
    signal.signal(signal.SIGUSR1, jump)
    signal.signal(signal.SIGUSR2, jump)

    from twisted.scripts.twistd import run

    run()
