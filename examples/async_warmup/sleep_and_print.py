"""Count to ten twice, one after the other: about ten seconds."""

import time

PAUSE = 0.5
"""Seconds between two numbers."""


def sleep_and_print() -> None:
    """Print 1 to 10, with a pause after each."""
    for number in range(1, 11):
        print(number)
        time.sleep(PAUSE)


if __name__ == "__main__":
    sleep_and_print()
    sleep_and_print()
