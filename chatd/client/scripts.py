"""The commands ``chat send`` and ``chat tail`` for scripts: send one message, or print all messages."""

from __future__ import annotations

import asyncio
import os
import sys
from argparse import Namespace
from collections.abc import Coroutine
from typing import Any

import msgspec

from chatd.client import codec
from chatd.client.codec import LOBBY, ConversationRef
from chatd.client.coursework_session import CourseworkLimitationsNotice
from chatd.client.language import _, translated_os_error, translated_refusal
from chatd.client.options import UsageError, server_address
from chatd.client.pending import RefusedByServer
from chatd.client.reconnecting_client import ReconnectingClient
from chatd.client.render import escape_json, render_message, sanitize
from chatd.client.typed_lines import message_command
from chatd.core import commands as c
from chatd.core.names import BadName, parse_nick
from chatd.core.refusals import Refusal
from chatd.json_wire import objects


class OutputClosed(Exception):
    """The error for standard output that can't be written any more.

    The text says why. It is empty if the program that read from the pipe has ended.
    """


def print_line(text: str) -> None:
    """Print a line and flush standard output. Raises `OutputClosed` if standard output can't be written."""
    try:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
    except OSError as error:
        # Python would fail again at exit, when it flushes what is still buffered.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise OutputClosed("" if isinstance(error, BrokenPipeError) else translated_os_error(error)) from None


class WarningObserver:
    """An observer that prints a warning if the server is not chatd, and ignores everything else."""

    shows_typing = False

    def logged_in(self, welcome: objects.Welcome) -> None:
        """Ignore the login."""

    def disconnected(self, why: str) -> None:
        """Ignore the loss of the connection."""

    def news_received(self, news: codec.News) -> None:
        """Print the warning that the server is not chatd to standard error. Ignore messages and events."""
        if isinstance(news, CourseworkLimitationsNotice):
            sys.stderr.write(f"chat: {news.text}\n")

    def typing_received(self, typing: objects.Typing) -> None:
        """Ignore the notice that another user is typing."""

    def login_backlog_received(self, backlog: codec.LoginBacklog) -> None:
        """Ignore the earlier messages that the daemon sends after the login."""

    def read_mark_moved(self, mark: objects.ReadMark) -> None:
        """Ignore the new read mark."""


async def run_send(options: Namespace) -> None:
    """Send the message that the options give, or standard input if it is ``-``, and return once it is stored.

    With a server that is not chatd, return once the message is written to the connection. Raises `UsageError`
    if an option or the message can't be used, `RefusedByServer` if the daemon refuses the login or the
    message, and `ConnectionLost` if the connection is lost for good.
    """
    command = _message(options)
    client = ReconnectingClient(
        server_address(options),
        required_nick(options),
        WarningObserver(),
        peeks=True,
        password=options.password,
    )

    async def say() -> None:
        await client.ask(command)

    await run_with_client(client, say())


def _message(options: Namespace) -> c.Command:
    words: list[str] = options.words
    if len(words) != (1 if conversation_from_options(options) else 2):
        raise UsageError(
            _("say to whom and what: chat send NICK TEXT, or chat send --group GROUP TEXT (in quotes)")
        )
    text = words[-1]
    if text == "-":
        text = sys.stdin.read().removesuffix("\n") if sys.stdin else ""
    try:
        return message_command(
            conversation_from_options(options) or ConversationRef("direct", words[0]), text
        )
    except Refusal as refusal:
        raise UsageError(translated_refusal(refusal.code, refusal.text)) from None


def conversation_from_options(options: Namespace) -> ConversationRef | None:
    """Return the conversation that the options name, or None if they name none."""
    if options.group:
        return ConversationRef("group", options.group)
    if options.friend:
        return ConversationRef("direct", options.friend)
    return LOBBY if options.lobby else None


def required_nick(options: Namespace) -> str:
    """Return the nick that the options give. Raises `UsageError` if they give none."""
    if not options.name:
        raise UsageError(_("say who you are: --name NICK, or NAME=NICK in the file"))
    return str(options.name)


class TailObserver(WarningObserver):
    """An observer that prints each message as text, or as a JSON object if ``as_json`` is true.

    ``place`` is the conversation whose messages are printed, or None for all conversations.
    """

    def __init__(self, nick: str, place: ConversationRef | None, as_json: bool) -> None:
        self._nick = nick
        self._key = None if place is None else place.key
        self._as_json = as_json

    def logged_in(self, welcome: objects.Welcome) -> None:
        """Store the user's nick from ``welcome``, because the daemon may have chosen another nick than
        requested.
        """
        self._nick = welcome.user.nick

    def disconnected(self, why: str) -> None:
        """Print why the connection was lost to standard error."""
        trouble = _("connection lost ({why}): connecting again").format(why=why)
        sys.stderr.write(sanitize(f"chat: {trouble}\n"))

    def news_received(self, news: codec.News) -> None:
        """Print a message if it belongs to the conversation that the user chose."""
        if not isinstance(news, objects.Message):
            super().news_received(news)
            return
        place = codec.conversation_of_message(news, self._nick)
        if self._key not in (None, place.key):
            return
        if self._as_json:
            where = {} if place == LOBBY else {"group" if place.kind == "group" else "with": place.name}
            entry = {
                "id": news.id,
                "ts": str(news.ts),
                "from": news.nick,
                **where,
                "msg": news.msg,
                "kind": news.kind,
            }
            print_line(escape_json(msgspec.json.encode(entry).decode()))
        else:
            print_line(render_message(news, self._nick, place if self._key is None else None))


async def run_tail(options: Namespace) -> None:
    """Print the messages that arrive until the task is cancelled.

    Raises `UsageError` if an option can't be used, `RefusedByServer` if the daemon refuses the login or
    reading the conversation, `ConnectionLost` if the connection is lost for good, and `OutputClosed` if
    standard output can't be written.
    """
    name = required_nick(options)
    try:
        parse_nick(options.friend or name)
    except BadName as bad:
        raise UsageError(translated_refusal("bad_request", bad.reason)) from None
    observer = TailObserver(name, conversation_from_options(options), options.json)
    client = ReconnectingClient(
        server_address(options), name, observer, cursor=options.since, peeks=True, password=options.password
    )

    async def listen() -> None:
        if options.group or options.friend:  # refused if the user can't read that place
            try:
                await client.ask(c.ReadHistory(dest=options.friend, group=options.group, limit=1))
            except RefusedByServer as refused:
                if refused.code != "unknown_action":  # a course-work server has no history
                    raise
        await asyncio.Event().wait()

    await run_with_client(client, listen())


async def run_with_client(client: ReconnectingClient, work: Coroutine[Any, Any, None]) -> None:
    """Run ``client`` and the coroutine ``work`` concurrently, and log out when ``work`` ends.

    If the client fails first, ``work`` is cancelled. Raises the exception of the client if it failed, else
    that of ``work``.
    """
    running, working = asyncio.create_task(client.run()), asyncio.create_task(work)
    try:
        await asyncio.wait((running, working), return_when=asyncio.FIRST_COMPLETED)
        if not running.done():
            await client.quit()
        await running
        await working
    finally:
        running.cancel()
        working.cancel()
