"""Runs the full-screen client until the user leaves, a signal arrives or the terminal is gone."""

from __future__ import annotations

import asyncio
import select
import signal
import sys
from argparse import Namespace
from contextlib import suppress
from threading import Thread
from typing import Final

from chatd.client.account_files import state_folder
from chatd.client.language import _
from chatd.client.log import open_log
from chatd.client.options import server_address
from chatd.client.pending import ConnectionLost
from chatd.client.screen import ChatApp

EXIT_SIGNALS: Final = (signal.SIGTERM, signal.SIGHUP)
"""The signals that end the client as ``/quit`` does, so that the terminal is restored."""

EXIT_TIMEOUT_SECONDS: Final = 5
"""The time after an exit signal until SIGALRM ends a client that hangs because its terminal is stuck."""


async def run_full_screen(options: Namespace) -> None:
    """Run the full-screen client until the user quits.

    Raises `UsageError` if an option can't be used, `RefusedByServer` if the daemon refuses the login,
    `ConnectionLost` if the connection is lost for good or messages were not sent and the user did not know,
    and `SystemExit` after a signal or an error of the app.
    """
    log = open_log(options.log)
    chat = ChatApp(server_address(options), options.name, log, options.password, state_folder())
    ended: list[int] = []

    def end(by: int) -> None:
        ended.append(by)
        signal.alarm(EXIT_TIMEOUT_SECONDS)
        chat.call_later(chat.leave)

    def watch() -> None:
        terminal = select.poll()
        terminal.register(sys.stdin, 0)
        terminal.poll()  # until it hangs up; not every process gets a signal then
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(end, signal.SIGHUP)

    loop = asyncio.get_running_loop()
    for by in EXIT_SIGNALS:
        loop.add_signal_handler(by, end, by)
    Thread(target=watch, daemon=True).start()
    try:
        await chat.run_async()
    finally:
        log.close()
    if chat.failure is not None:
        raise chat.failure
    if ended or chat.return_code:
        raise SystemExit(128 + ended[0] if ended else chat.return_code)
    if chat.unsent_at_exit:
        sentence = _("messages that were not sent: {count}")
        if chat.outbox.is_on_disk:
            sentence = _("messages that were not sent, for the next start to send: {count}")
        told = sentence.format(count=chat.unsent_at_exit)
        if not chat.has_confirmed_leaving:
            raise ConnectionLost(told)
        sys.stderr.write(f"chat: {told}\n")
