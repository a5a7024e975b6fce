"""Count to ten twice at the same time: about five seconds, because whoever sleeps lets the other go on."""

import asyncio

PAUSE = 0.5
"""Seconds between two numbers."""


async def sleep_and_print() -> None:
    """Print 1 to 10, with a pause after each."""
    for number in range(1, 11):
        print(number)
        await asyncio.sleep(PAUSE)


if __name__ == "__main__":
    loop = asyncio.new_event_loop()
    tasks = [loop.create_task(sleep_and_print()), loop.create_task(sleep_and_print())]
    loop.run_until_complete(asyncio.wait(tasks))
    loop.close()
