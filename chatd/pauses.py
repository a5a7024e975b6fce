"""Pauses in coroutines."""

from __future__ import annotations

from twisted.internet.task import deferLater

from chatd.boundaries import Clock


async def pause(clock: Clock, seconds: float) -> None:
    """Wait until ``seconds`` have passed on ``clock``, without blocking the reactor."""
    # deferLater is annotated for a whole reactor, and needs no more than a clock.
    await deferLater(clock, seconds, lambda: None)  # type: ignore[arg-type]
