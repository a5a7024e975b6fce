"""``chat send`` and ``chat tail``: one thing said, or all that is said, for scripts."""

from __future__ import annotations

import asyncio
import os
import sys
from argparse import Namespace
from collections.abc import Coroutine
from typing import Any

import msgspec

from chatd.client import codec
from chatd.client.codec import LOBBY, Place
from chatd.client.coursework_session import CourseworkWarning
from chatd.client.language import _, explained, system
from chatd.client.link import Link
from chatd.client.options import Unclear, address
from chatd.client.pending import Refused
from chatd.client.render import clean, escaped, line
from chatd.client.typed import message_command
from chatd.core import commands as c
from chatd.core.names import BadName, parse_nick
from chatd.core.refusals import Refusal


class Unread(Exception):
    """Nobody gets our output any more; the text says why, unless whoever read it has just gone."""


def put(text: str) -> None:
    """Print a line at once. Raises `Unread`."""
    try:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
    except OSError as error:
        # What is still buffered has nowhere to go either, and Python would complain of it at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise Unread("" if isinstance(error, BrokenPipeError) else system(error)) from None


class Silence:
    """Hears nothing but that the server is no chatd: for who only speaks."""

    def connected(self, welcome: codec.Welcome) -> None:
        """Nothing."""

    def disconnected(self, why: str) -> None:
        """Nothing."""

    def heard(self, news: codec.News) -> None:
        """Say beside the output what one has to know of the server."""
        if isinstance(news, CourseworkWarning):
            sys.stderr.write(f"chat: {news.text}\n")

    def caught_up(self, page: codec.Welcoming) -> None:
        """Nothing."""


async def send(options: Namespace) -> None:
    """Say one thing; returns once it is on disk, or written to a server that is no chatd.

    Raises `Unclear`, `Refused` and `Lost`.
    """
    command = _message(options)
    link = Link(address(options), named(options), Silence(), peeks=True)

    async def say() -> None:
        await link.ask(command)

    await through(link, say())


def _message(options: Namespace) -> c.Command:
    words: list[str] = options.words
    if len(words) != (1 if place_of(options) else 2):
        raise Unclear(
            _("say to whom and what: chat send NICK TEXT, or chat send --group GROUP TEXT (in quotes)")
        )
    text = words[-1]
    if text == "-":
        text = sys.stdin.read().removesuffix("\n") if sys.stdin else ""
    try:
        return message_command(place_of(options) or Place("direct", words[0]), text)
    except Refusal as refusal:
        raise Unclear(explained(refusal.code, refusal.text)) from None


def place_of(options: Namespace) -> Place | None:
    """The conversation that the options name, if they do."""
    if options.group:
        return Place("group", options.group)
    if options.friend:
        return Place("direct", options.friend)
    return LOBBY if options.lobby else None


def named(options: Namespace) -> str:
    """The nick to be known by. Raises `Unclear` without one."""
    if not options.name:
        raise Unclear(_("say who you are: --name NICK, or NAME=NICK in the file"))
    return str(options.name)


class Tail(Silence):
    """Prints what is said in one place, or everywhere."""

    def __init__(self, nick: str, place: Place | None, as_json: bool) -> None:
        self._nick = nick
        self._key = None if place is None else place.key
        self._as_json = as_json

    def connected(self, welcome: codec.Welcome) -> None:
        """Know one's own nick, which the daemon may have chosen."""
        self._nick = welcome.user.nick

    def disconnected(self, why: str) -> None:
        """Say so, beside the output."""
        trouble = _("connection lost ({why}): connecting again").format(why=why)
        sys.stderr.write(clean(f"chat: {trouble}\n"))

    def heard(self, news: codec.News) -> None:
        """Print it, if it is from the place."""
        if not isinstance(news, codec.Said):
            super().heard(news)
            return
        place = news.place(self._nick)
        if self._key not in (None, place.key):
            return
        if self._as_json:
            where = {} if place == LOBBY else {"group" if place.kind == "group" else "with": place.name}
            entry = {
                "id": news.id,
                "ts": news.ts,
                "from": news.nick,
                **where,
                "msg": news.msg,
                "kind": news.kind,
            }
            put(escaped(msgspec.json.encode(entry).decode()))
        else:
            put(line(news, self._nick, place if self._key is None else None))


async def tail(options: Namespace) -> None:
    """Print until cancelled. Raises `Unclear`, `Refused` and `Lost`."""
    name = named(options)
    try:
        parse_nick(options.friend or name)
    except BadName as bad:
        raise Unclear(explained("bad_request", bad.reason)) from None
    listener = Tail(name, place_of(options), options.json)
    link = Link(address(options), name, listener, cursor=options.since, peeks=True)

    async def listen() -> None:
        if options.group or options.friend:  # refused, unless one can hear anything there
            try:
                await link.ask(c.History(dest=options.friend, group=options.group, limit=1))
            except Refused as refused:
                if refused.code != "unknown_action":  # as a course-work server's, of which one can't know
                    raise
        await asyncio.Event().wait()

    await through(link, listen())


async def through(link: Link, work: Coroutine[Any, Any, None]) -> None:
    """Do ``work`` while ``link`` is up, then leave. Raises what either does, the link's reason first."""
    running, working = asyncio.create_task(link.run()), asyncio.create_task(work)
    try:
        await asyncio.wait((running, working), return_when=asyncio.FIRST_COMPLETED)
        if not running.done():
            await link.leave()
        await running
        await working
    finally:
        running.cancel()
        working.cancel()
