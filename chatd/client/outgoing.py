"""What the user types, from a parsed line to its answer; the screen and the line mode share it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from typing import Final, Protocol

import msgspec

from chatd.client import codec
from chatd.client.codec import LOBBY, Place
from chatd.client.images import ImageError, ascii_art
from chatd.client.language import translated_refusal
from chatd.client.pending import Lost, Refused
from chatd.client.typed import SendImage, message_command, parse_typed
from chatd.core import commands as c
from chatd.core.refusals import Refusal
from chatd.json_wire import objects

MAX_UNACKED: Final = 64
"""The most messages that are sent ahead of their acks."""

Failure = Refusal | Refused | Lost | ImageError
"""Why a typed line was not carried out."""


def failure_text(failure: Failure) -> str:
    """The reason in the user's language."""
    return translated_refusal(failure.code, failure.text) if isinstance(failure, Refusal) else str(failure)


class TypedLine(msgspec.Struct, frozen=True):
    """A parsed line, and the place that the user is in once it is done, if it moves the user."""

    command: c.Command | SendImage
    destination: Place | None = None


class Display(Protocol):
    """The user interface, as far as `Outgoing` needs it."""

    def image_columns(self) -> int:
        """How many characters wide a picture may be."""

    def progress(self) -> AbstractContextManager[None]:
        """Shows that something takes time."""

    async def handle_command(self, command: c.Command) -> bool:
        """Run a command that this interface presents in its own way; False for any other."""

    def show_answer(self, answer: objects.Answer) -> None:
        """Show the answer to a command that is no message."""

    def show_failure(self, failure: Failure) -> None:
        """Show why a line was not carried out."""

    def show_unsent(self, failure: Refused | Lost) -> None:
        """Show why a message that left the client was not stored."""

    def switch_finished(self, place: Place, succeeded: bool) -> None:
        """A line that leads to ``place`` was answered; ``done`` says whether it succeeded."""

    def unsent_changed(self) -> None:
        """The number of unsent messages changed."""


class Outgoing:
    """Runs typed lines in order: commands one after another, messages without waiting for their acks.

    A line is meant for the place that the user is in, or will be in once the earlier lines are done. ``ask``
    sends a command; ``queue_size`` bounds the queue, 0 does not.
    """

    def __init__(
        self, ask: Callable[[c.Command], Awaitable[objects.Answer]], display: Display, queue_size: int = 0
    ) -> None:
        self.unsent = 0
        self._ask = ask
        self._display = display
        self._queue: asyncio.Queue[TypedLine | Refusal] = asyncio.Queue(queue_size)
        self._queued_switches: deque[Place] = deque()
        self._slots = asyncio.Semaphore(MAX_UNACKED)
        self._sending: set[asyncio.Task[None]] = set()

    def parse(self, text: str, here: Place) -> TypedLine:
        """Parse a line typed in ``here``; the caller adds it to the queue. Raises `Refusal`."""
        place = self._queued_switches[-1] if self._queued_switches else here
        command = parse_typed(text, place)
        destination = _destination(command, place)
        if destination is not None:
            self._queued_switches.append(destination)
        return TypedLine(command, destination)

    def add(self, line: TypedLine) -> None:
        """Add a line at once; for a queue without bound, else see `add_when_free`."""
        self._count(line)
        self._queue.put_nowait(line)

    async def add_when_free(self, line: TypedLine | Refusal) -> None:
        """Add a line, or the refusal that replaces it, as soon as the queue has room."""
        self._count(line)
        await self._queue.put(line)

    def cancel_queued_switches(self) -> None:
        """The user chose a conversation by hand: queued lines no longer switch it."""
        self._queued_switches.clear()

    async def run(self) -> None:
        """Run the lines of the queue until one quits."""
        while True:
            line = await self._queue.get()
            if isinstance(line, Refusal):
                self._display.show_failure(line)
                continue
            command = line.command
            if isinstance(command, c.Quit):
                return
            if isinstance(command, SendImage):
                await self._send_image(command)
            elif isinstance(command, codec.MESSAGE_COMMANDS):
                await self._send(command)
            else:
                await self._run_command(command, line.destination)

    async def wait_for_acks(self) -> None:
        """Wait until every message that was sent is answered."""
        await asyncio.gather(*self._sending)

    def cancel(self) -> None:
        """Stop waiting for acks."""
        for sending in self._sending:
            sending.cancel()

    def _count(self, line: TypedLine | Refusal) -> None:
        if isinstance(line, TypedLine) and isinstance(line.command, (*codec.MESSAGE_COMMANDS, SendImage)):
            self.unsent += 1
            self._display.unsent_changed()

    def _settled(self) -> None:
        """A message is stored, or failed."""
        self.unsent -= 1
        self._display.unsent_changed()

    async def _send_image(self, image: SendImage) -> None:
        columns = self._display.image_columns()
        try:
            with self._display.progress():
                drawn = await asyncio.to_thread(ascii_art, image.path, columns)
            command = message_command(image.place, drawn, "image")
        except (ImageError, Refusal) as failure:
            self._display.show_failure(failure)
            self._settled()
        else:
            await self._send(command)

    async def _send(self, command: c.Command) -> None:
        await self._slots.acquire()
        sending = asyncio.create_task(self._await_ack(self._ask(command)))
        self._sending.add(sending)
        sending.add_done_callback(self._sending.discard)

    async def _await_ack(self, asked: Awaitable[objects.Answer]) -> None:
        try:
            await asked
        except (Refused, Lost) as failure:
            self._display.show_unsent(failure)
        finally:
            self._slots.release()
            self._settled()

    async def _run_command(self, command: c.Command, destination: Place | None) -> None:
        if await self._display.handle_command(command):
            return
        succeeded = True
        try:
            self._display.show_answer(await self._ask(command))
        except (Refused, Lost) as failure:
            already_there = isinstance(failure, Refused) and failure.code == "already_member"
            succeeded = destination is not None and already_there
            if not succeeded:
                self._display.show_failure(failure)
        if destination in self._queued_switches:
            self._display.switch_finished(self._queued_switches.popleft(), succeeded)


def _destination(command: c.Command | SendImage, here: Place) -> Place | None:
    """The place that ``command`` moves the user to from ``here``, if it moves the user."""
    if isinstance(command, (c.Join, c.CreateGroup)):
        return Place("group", command.group)
    if isinstance(command, c.Leave) and Place("group", command.group).key == here.key:
        return LOBBY
    return None
