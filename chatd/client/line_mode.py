"""The line mode of the chat client, ``chat --plain``, for pipes, screen readers and tests.

It reads lines from standard input and prints lines to standard output.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import shutil
import sys
from argparse import Namespace
from collections.abc import Callable
from concurrent.futures import CancelledError
from contextlib import AbstractContextManager, nullcontext
from itertools import chain
from threading import Thread
from typing import TYPE_CHECKING, Final

from chatd.client import codec
from chatd.client.account_files import account_file_stem, state_folder
from chatd.client.codec import LOBBY, ConversationRef
from chatd.client.language import _, translated_greeting
from chatd.client.log import ChatLog, open_log
from chatd.client.options import server_address
from chatd.client.outbox import Outbox
from chatd.client.outbox_file import OutboxFile, UnsentMessage
from chatd.client.outgoing import MAX_UNACKED_MESSAGES, Failure, OutgoingQueue, TypedLine, failure_text
from chatd.client.pending import ConnectionLost, RefusedByServer, UncertainRequest
from chatd.client.reconnecting_client import GIVE_UP_AFTER_SECONDS, ReconnectingClient
from chatd.client.render import (
    CONTINUATION_INDENT,
    conversation_label,
    render_answer,
    render_event,
    render_message,
    render_unread,
    sanitize_to_one_line,
)
from chatd.client.scripts import print_line, required_nick, run_with_client
from chatd.core import commands as c
from chatd.core.refusals import Refusal
from chatd.json_wire import objects

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

FINAL_ACKS_TIMEOUT_SECONDS: Final = 5.0
"""The time limit for the last acks after ``/quit``. Messages without an ack are kept for the next run."""


class LineDisplay:
    """The display of the line mode. It prints the messages and events of all conversations.

    A message of a conversation other than the current one, ``here``, is printed with the name of that
    conversation. `on_first_login` is called once, with the nick that the daemon gave to the user.
    """

    shows_typing = False

    def __init__(self, nick: str, log: ChatLog) -> None:
        self.nick = nick
        self.here = LOBBY
        self.on_first_login: Callable[[str], None] | None = None
        self._log = log

    def logged_in(self, welcome: objects.Welcome) -> None:
        """Store the nick that the daemon gave to the user, and print the daemon's greeting."""
        self.nick = welcome.user.nick
        if welcome.msg:
            print_line(sanitize_to_one_line(f"* {translated_greeting(welcome.msg)}"))
        if self.on_first_login is not None:
            self.on_first_login(self.nick)
            self.on_first_login = None

    def disconnected(self, why: str) -> None:
        """Print why the connection was lost, and that the client is connecting again."""
        print_line(
            sanitize_to_one_line("* " + _("connection lost ({why}): connecting again").format(why=why))
        )

    def news_received(self, news: codec.News) -> None:
        """Log and print a message, an event or a server's notice."""
        self._warn(self._log.write_received(news, self.nick))
        if isinstance(news, objects.GroupEvent | objects.ServerEvent):
            print_line(f"* {render_event(news)}")
        elif isinstance(news, codec.ServerNotice):
            for text in render_answer(news, self.nick):
                print_line(f"* {text}")
        else:
            place = codec.conversation_of_message(news, self.nick)
            print_line(render_message(news, self.nick, None if place.key == self.here.key else place))

    def typing_received(self, typing: objects.Typing) -> None:
        """Do nothing, because the line mode does not show which users are typing."""

    def login_backlog_received(self, backlog: codec.LoginBacklog) -> None:
        """Print the messages, or the list of conversations, that the daemon sends after the login.

        Log the missed messages, and print how many messages are unread.
        """
        self._warn(self._log.write_missed_messages(backlog, self.nick))
        self.show_answer(backlog)
        if (
            isinstance(backlog, objects.Page)
            and backlog.seen is not None
            and (count := codec.count_unread(backlog, self.nick))
        ):
            print_line(f"* {render_unread(codec.conversation_of_page(backlog), count)}")

    def read_mark_moved(self, mark: objects.ReadMark) -> None:
        """Do nothing, because the line mode counts no unread messages."""

    def image_columns(self) -> int:
        """Return the maximum width of a picture in characters: the terminal's width without the indent."""
        return shutil.get_terminal_size().columns - len(CONTINUATION_INDENT)

    def keep_picture(self, characters: str, picture: PillowImage) -> None:
        """Do nothing, because the line mode shows pictures as characters."""

    def progress_indicator(self) -> AbstractContextManager[None]:
        """Return a context manager that does nothing, because the line mode shows no progress."""
        return nullcontext()

    async def handle_command(self, command: c.Command) -> bool:
        """Return False, because the line mode leaves every command to the daemon."""
        return False

    def show_answer(self, answer: objects.AnswerObject) -> None:
        """Print the daemon's answer to a command."""
        for text in render_answer(answer, self.nick):
            print_line(text)

    def show_failure(self, failure: Failure) -> None:
        """Print why a typed line was not carried out, with the refusal's code if the line was refused."""
        code = f"{failure.code}: " if isinstance(failure, Refusal | RefusedByServer) else ""
        print_line(sanitize_to_one_line(f"* {code}{failure_text(failure)}"))

    def show_send_failure(self, failure: RefusedByServer | ConnectionLost, message: UnsentMessage) -> None:
        """Print why the daemon refused a message.

        Print nothing for a lost connection, because the client then ends with an error of its own.
        """
        if isinstance(failure, RefusedByServer | UncertainRequest):
            self.show_failure(failure)

    def conversation_switch_finished(self, place: ConversationRef, refusal: str | None) -> None:
        """Make ``place`` the current conversation and print its name, unless there was a ``refusal``.

        If standard input is not a terminal, make ``place`` the current conversation even after a refusal.
        """
        if refusal is None or not sys.stdin.isatty():
            # A program writes its next lines for that conversation, whether or not it has read the refusal.
            self.here = place
        if refusal is None:
            print_line("* " + _("you are in {place}").format(place=conversation_label(place)))
        elif sys.stdin.isatty():
            print_line("* " + _("you are still in {here}").format(here=conversation_label(self.here)))

    def copy_messages(self, count: int) -> None:
        """Print that the line mode can't copy messages, and that the terminal can."""
        print_line("* " + _("there is no clipboard in line mode"))

    def unsent_count_changed(self) -> None:
        """Do nothing, because the line mode does not show the number of unsent messages."""

    def _warn(self, trouble: str | None) -> None:
        if trouble:
            sys.stderr.write(f"chat: {trouble}\n")


async def run_line_mode(options: Namespace) -> None:
    """Run the client without a screen until the end of standard input or ``/quit``.

    If a person types, the client reconnects without limit, and keeps messages without an ack for its next
    run, as the full-screen client does. If a program writes to standard input, the program learns from the
    exit code that messages were not sent.

    Raises `UsageError` if an option can't be used, `RefusedByServer` if the daemon refuses the login,
    `ConnectionLost` if the connection is lost for good, and `OutputClosed` if standard output can't be
    written.
    """
    name = required_nick(options)
    log = open_log(options.log)
    display = LineDisplay(name, log)
    address = server_address(options)
    is_person = sys.stdin is not None and sys.stdin.isatty()
    patience = math.inf if is_person else GIVE_UP_AFTER_SECONDS
    client = ReconnectingClient(address, name, display, password=options.password, patience=patience)
    outbox = Outbox(warn=lambda why: print_line(sanitize_to_one_line(f"* {why}")), keeps_refused=False)
    outgoing = OutgoingQueue(client.ask, display, outbox, queue_size=MAX_UNACKED_MESSAGES)
    folder = state_folder()
    if is_person and folder is not None:

        def send_kept_messages(nick: str) -> None:
            outgoing.open_file(OutboxFile(folder, account_file_stem(address, nick)))

        display.on_first_login = send_kept_messages
    loop = asyncio.get_running_loop()

    async def take(text: str) -> None:
        if not text.strip():
            return
        try:
            typed = outgoing.prepare_line(text, display.here)
        except Refusal as refusal:
            await outgoing.add_when_free(refusal)  # shown after the answers to the earlier lines
        else:
            await outgoing.add_when_free(typed)

    def read() -> None:
        # In a thread, because asyncio can't wait for a regular file.
        lines = sys.stdin if sys.stdin is not None else ()
        steps = (take(text.rstrip("\n")) for text in lines)
        for step in chain(steps, (outgoing.add_when_free(TypedLine(c.Quit(), LOBBY)),)):
            try:
                asyncio.run_coroutine_threadsafe(step, loop).result()
            except (RuntimeError, CancelledError):  # the client has ended
                step.close()
                return

    async def work() -> None:
        await outgoing.run()
        if outbox.is_on_disk and not client.is_connected:
            return  # the next run sends what is left
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FINAL_ACKS_TIMEOUT_SECONDS if outbox.is_on_disk else None):
                await outgoing.wait_for_acks()

    Thread(target=read, daemon=True).start()
    try:
        await run_with_client(client, work())
        if outbox.is_on_disk and outbox.waiting_count:
            sentence = _("messages that were not sent, for the next start to send: {count}")
            raise ConnectionLost(sentence.format(count=outbox.waiting_count))
    finally:
        outbox.close()
        log.close()
