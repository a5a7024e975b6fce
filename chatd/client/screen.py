"""``chat``: the chat on a whole terminal."""

from __future__ import annotations

import asyncio
import select
import signal
import sys
from argparse import Namespace
from collections.abc import AsyncIterator, Awaitable, Container, Iterable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from threading import Thread
from typing import Any, ClassVar, Final

import msgspec
from textual import on, work
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widget import Widget
from textual.widgets import Input, ProgressBar, Static

from chatd.client import codec
from chatd.client.codec import LOBBY, Place
from chatd.client.composer import Composer
from chatd.client.dialogs import ConnectDialog, Rooms
from chatd.client.images import NoImage, art
from chatd.client.keys import Line
from chatd.client.language import _, explained, greeting
from chatd.client.link import Address, Link, Lost, Refused
from chatd.client.lists import People, PlaceList, Places
from chatd.client.log import Log, kept
from chatd.client.memory import Conversation, Entry, Kind, Memory, entry_of
from chatd.client.options import address
from chatd.client.render import answered, note, where
from chatd.client.scrollback import Scrollback
from chatd.client.terminal import Terminal
from chatd.client.typed import SAID, Bearings, Meant, SendImage, said
from chatd.core import commands as c
from chatd.core.refusals import Refusal

PAGE: Final = 100
"""Messages that are read at once when one scrolls."""

SEARCHED: Final = 500
"""The same when one searches: what a daemon gives at most."""

AHEAD: Final = 64
"""Messages that are sent before the first of them is acked."""

ENDING: Final = (signal.SIGTERM, signal.SIGHUP)
"""Signals on which one leaves as with ``/quit``, so that the terminal is left as it was found."""

EXIT_TIMEOUT_SECONDS: Final = 5
"""Seconds from a signal that ends it to its end, by SIGALRM if it hangs on a terminal that takes nothing."""

DRAWN: Final = 0.1
"""Seconds between two drawings of the lists, in which a crowd may come."""

BEHIND: Final = frozenset(
    {"help", "rooms", "search", "people", "neighbour", "scroll", "first", "last", "write"}
)
"""What can't be done while a question is in front of it."""


class Chat(App[None]):
    """The chat at ``address``, as ``nick`` if that is known, with a ``log`` of what is heard."""

    TITLE = "chat"
    ENABLE_COMMAND_PALETTE = False
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (64, "-normal")]
    VERTICAL_BREAKPOINTS = [(0, "-flat"), (3, "-low"), (10, "-high")]

    CSS = """
    Screen {
        overflow: hidden;
    }
    #title {
        height: 1;
        padding: 0 1;
        background: $primary;
        color: $text;
    }
    .-narrow PlaceList {
        display: none;
    }
    #scrollback {
        width: 1fr;
        padding: 0 0 0 1;
    }
    #progress {
        display: none;
        width: 100%;
        & Bar {
            width: 1fr;
        }
    }
    #search {
        display: none;
        border: none;
        height: 1;
        padding: 0 1;
    }
    #progress.-shown, #search.-shown {
        display: block;
    }
    #hint {
        height: 1;
        padding: 0 1;
        color: $text-muted;
    }
    .-low {
        & #hint, & #progress {
            display: none;
        }
        & Composer {
            max-height: 40%;
        }
    }
    .-flat {
        & #title, & Horizontal, & #hint, & #progress {
            display: none;
        }
        & Composer {
            max-height: 1;
        }
    }
    .scrollback--time {
        color: $text-muted;
    }
    .scrollback--announcement {
        color: $text-muted;
        text-style: italic;
    }
    .scrollback--answer {
        color: $text-accent;
    }
    .scrollback--trouble {
        color: $text-error;
    }
    .scrollback--found {
        text-style: reverse;
    }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+c,ctrl+q", "quit", priority=True),
        Binding("f1", "help"),
        Binding("f2", "rooms"),
        Binding("f3,ctrl+f", "search", priority=True),
        Binding("f4", "people", priority=True),
        Binding("f5", "theme"),
        Binding("ctrl+n", "neighbour(1)"),
        Binding("ctrl+p", "neighbour(-1)"),
        Binding("pageup", "scroll(-1)", priority=True),
        Binding("pagedown", "scroll(1)", priority=True),
        Binding("ctrl+home", "first", priority=True),
        Binding("ctrl+end", "last", priority=True),
        Binding("escape", "write", priority=True),
    ]

    def __init__(self, address: Address, nick: str, log: Log) -> None:
        super().__init__(driver_class=Terminal)
        self.failure: Exception | None = None
        self.in_vain = 0
        self.memory = Memory(nick)
        self._address = address
        self._diary = log
        self._link: Link | None = None
        self._lost = ""
        self._typed: asyncio.Queue[Meant] = asyncio.Queue()
        self._bearings = Bearings()
        self._free = asyncio.Semaphore(AHEAD)
        self._unsaid = 0
        self._reading = False
        self._found: Entry | None = None
        self._changes = 0
        self._drawing = False
        # Kept by name, since the link may still have something to tell when they are gone from the screen.
        self._title = Static(id="title", markup=False)
        self._places = Places(self.memory, id="places")
        self._scrollback = Scrollback(self.memory, id="scrollback")
        self._people = People(self.memory, id="people")
        self._bar = ProgressBar(id="progress", show_eta=False)
        self._sought = Line(id="search", placeholder=_("search, Enter for the next one back"), compact=True)
        self._composer = Composer(self, id="composer")
        self._hint = Static(id="hint", markup=False)

    def compose(self) -> ComposeResult:
        """See `App.compose`."""
        yield self._title
        with Horizontal():
            yield self._places
            yield self._scrollback
            yield self._people
        yield self._bar
        yield self._sought
        yield self._composer
        yield self._hint

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """A question in front of the chat has to be answered, or left, first."""
        return not (self.screen.is_modal and action in BEHIND)

    def on_mount(self) -> None:
        """Ask who one is, or go in."""
        self._explain("")
        self._draw()
        self._attend(self._composer)
        self._obey()
        if self.memory.nick:
            self._go_in(self.memory.nick)
        else:
            self._ask_nick()

    # The door.

    def _ask_nick(self, why: str = "") -> None:
        self.push_screen(ConnectDialog(str(self._address), self.memory.nick, why), self._go_in)

    def _go_in(self, nick: str | None) -> None:
        assert nick  # the door lets nobody else in
        self.memory.nick = nick
        self._link = Link(self._address, nick, self)
        self._stay(self._link)

    @work
    async def _stay(self, link: Link) -> None:
        try:
            await link.run()
        except Refused as refused:
            if not self.memory.welcome:
                self._ask_nick(str(refused))
                return
            self.failure = refused
        except Lost as lost:
            self.failure = lost
        self.exit()

    # What the link tells: see `Audience`.

    def connected(self, welcome: codec.Welcome) -> None:
        """Show it, and look who and what is there."""
        again = bool(self._lost)
        self._lost = ""
        self.memory.welcomed(welcome)
        if text := _("connected again") if again else greeting(welcome.msg):
            self._tell(text, "answer")
        self._look_round(again, isinstance(welcome, codec.CourseWelcome))

    def disconnected(self, why: str) -> None:
        """Say so at once."""
        if not self._lost:
            self._tell(_("connection lost ({why}): connecting again").format(why=why), "trouble")
        self._lost = why
        self._draw_soon()

    def heard(self, news: codec.News) -> None:
        """Keep it and show it."""
        here = self.memory.here
        self.memory.heard(news, self._scrollback.at_end)
        if trouble := self._diary.heard(news, self.memory.nick):
            self._tell(trouble, "trouble")
        if self.memory.here is not here:
            self._turn(self.memory.here)
        elif isinstance(news, codec.Event) and Place("group", news.group).key == here.key:
            self._changes += 1
            if self._changes == 1:
                self._keep_members()
        self._show()

    def caught_up(self, page: codec.Welcoming) -> None:
        """Keep it and show it."""
        self.memory.caught_up(page)
        if isinstance(page, codec.Conversations) and page.more:
            self._tell(answered(page, self.memory.nick)[-1], "answer")
        if trouble := self._diary.caught_up(page, self.memory.nick):
            self._tell(trouble, "trouble")
        self._show()

    @work
    async def _look_round(self, again: bool, course_work: bool) -> None:
        self.memory.online = set(await self._listed(c.ListClients()))
        if course_work:  # which may have no groups, and close the connection when it is asked for them
            self._draw_soon()
            return
        groups = await self._groups()
        for group in groups:
            if group.role not in (None, "", "invited"):
                self.memory.conversation(Place("group", group.group))
        self._list_members()
        if not again:
            self._choose_room(groups)

    async def _groups(self) -> list[codec.Group]:
        groups: list[codec.Group] = await self._listed(c.ListGroups())
        self.memory.rooms = {group.group for group in groups}
        self.memory.topics |= {Place("group", group.group).key: group.topic for group in groups}
        return groups

    def _choose_room(self, groups: list[codec.Group]) -> None:
        def go(typed: str | None) -> None:
            if typed is None:
                self.go(LOBBY)
            elif typed:
                self.take(typed)

        self.push_screen(Rooms(groups), go)

    # What one types.

    def take(self, text: str) -> bool:
        """Have done what ``text`` asks for; whether it makes sense.

        It is meant for where one is, or will be once what was typed before is done: nothing that happens
        meanwhile has it said elsewhere.
        """
        try:
            command, goes = self._bearings.meant(text, self.memory.here)
        except Refusal as refusal:
            self._tell(explained(refusal.code, refusal.text), "trouble")
            return False
        if isinstance(command, c.Quit) and self._lost:
            self.call_later(self.action_quit)
        else:
            self._unsaid += isinstance(command, (*SAID, SendImage))
            self._typed.put_nowait((command, goes))
            self._draw_soon()
        return True

    @work
    async def _obey(self) -> None:
        """Do what was typed, in its order."""
        while True:
            command, goes = await self._typed.get()
            if isinstance(command, c.Quit):
                await self.action_quit()
                return
            if isinstance(command, SAID):
                await self._free.acquire()
                self._say(self._ask(command))
            else:
                await self._do(command, goes)

    @work
    async def _say(self, asked: Awaitable[codec.Answer]) -> None:
        try:
            await self._told(asked)
        finally:
            self._free.release()
            self._said()

    def _said(self) -> None:
        """What was to be said is on disk, or refused."""
        self._unsaid -= 1
        self._draw_soon()

    async def _do(self, command: c.Command | SendImage, goes: Place | None) -> None:
        if isinstance(command, SendImage):
            await self._send_image(command)
        elif isinstance(command, c.ListGroups):
            self._choose_room(await self._groups())
        else:
            answer = await self._answer(command, fine=("already_member",) if goes else ())
            for line in answered(answer, self.memory.nick) if answer else ():
                self._tell(line, "answer")
            there = self._bearings.done(goes)
            if there is not None and answer is not None:
                self._turn(there)

    async def _send_image(self, image: SendImage) -> None:
        columns = self._scrollback.scrollable_content_region.width
        async with self._progress():
            try:
                drawn = await asyncio.to_thread(art, image.path, columns)
                command = said(image.place, drawn, "image")
            except NoImage as trouble:
                self._tell(str(trouble), "trouble")
            except Refusal as refusal:
                self._tell(explained(refusal.code, refusal.text), "trouble")
            else:
                await self._answer(command)
            finally:
                self._said()

    async def _answer(self, command: c.Command, fine: Container[str] = ()) -> codec.Answer | None:
        """What the daemon answers, empty for a refusal that is ``fine``; None for another, which is told."""
        return await self._told(self._ask(command), fine)

    async def _listed(
        self, command: c.ListClients | c.ListMembers | c.ListGroups, fine: Container[str] = ()
    ) -> list[Any]:
        """All of a list, in as many answers as it takes."""
        found: list[Any] = []
        while True:
            answer = await self._answer(msgspec.structs.replace(command, skip=len(found)), fine)
            if not isinstance(answer, codec.Clients | codec.Members | codec.Groups):
                return found
            found += answer.listed
            if not answer.more:
                return found

    def _ask(self, command: c.Command) -> Awaitable[codec.Answer]:
        assert self._link is not None  # nobody is asked anything before
        return self._link.ask(command)

    async def _told(self, asked: Awaitable[codec.Answer], fine: Container[str] = ()) -> codec.Answer | None:
        try:
            return await asked
        except Refused as refused:
            if refused.code in fine:
                return codec.Answer()
            self._tell(str(refused), "trouble")
        except Lost as lost:
            self._tell(str(lost), "trouble")
        return None

    # Where one is.

    def go(self, place: Place) -> None:
        """Look at another conversation, wherever what was typed before would lead."""
        self._bearings.chosen()
        self._turn(place)

    def _turn(self, place: Place) -> None:
        self.memory.go(place)
        self._found = None
        self._scrollback.show()
        self._list_members()
        self._draw_soon()

    @on(PlaceList.Chosen)
    def _chosen(self, event: PlaceList.Chosen) -> None:
        self.go(event.place)
        self._attend(self._composer)

    def action_neighbour(self, step: int) -> None:
        """Go to the next conversation, or the one before."""
        places = self.memory.places()
        at = places.index(self.memory.shown)
        self.go(places[(at + step) % len(places)].place)

    def action_people(self) -> None:
        """Choose somebody to talk to."""
        self._attend(self._people)

    def action_rooms(self) -> None:
        """Choose a room."""
        self.take("/rooms")

    def action_help(self) -> None:
        """List the commands."""
        self.take("/help")

    def action_theme(self) -> None:
        """From dark to light, or back."""
        self.theme = "textual-light" if self.current_theme.dark else "textual-dark"
        self.call_after_refresh(self._draw)  # nicks are made readable on what is behind them

    async def action_quit(self) -> None:
        """Leave the chat."""
        if self._link is not None:
            await self._link.leave()
        self.in_vain = self._unsaid
        self.exit()

    def _list_members(self) -> None:
        self._changes = 1
        self._keep_members()

    @work(exclusive=True, group="members")
    async def _keep_members(self) -> None:
        """List them until nothing has changed meanwhile: once, not for everyone in a crowd that comes."""
        place = self.memory.here
        while self._changes:
            known = self._changes
            if place.kind == "group":
                members = await self._listed(
                    c.ListMembers(place.name), fine=("not_member", "no_such_group", "no_answer")
                )
                if place is self.memory.here:
                    self.memory.met(members)
            self._draw_soon()
            if self._changes == known:
                self._changes = 0
            else:
                await asyncio.sleep(DRAWN)

    def _attend(self, widget: Widget) -> None:
        """What is typed from now on is for ``widget``: `Widget.focus` would let a few keys pass first."""
        widget.screen.set_focus(widget)

    # Scrolling and searching.

    @on(Scrollback.Wanted)
    def _wanted(self, event: Scrollback.Wanted) -> None:
        if not self._reading and self.memory.welcome:
            self._read_on(event.older)

    @on(Scrollback.EndSeen)
    def _end_seen(self) -> None:
        self._draw_soon()

    @work(group="reading")
    async def _read_on(self, older: bool) -> None:
        conversation = self.memory.shown
        edge = conversation.first if older else conversation.last
        async with self._progress():
            bounds = {"before": edge} if older else {"after": edge}
            page = await self._page(conversation, PAGE, **bounds)
        if conversation is not self.memory.shown:
            return
        if edge != (conversation.first if older else conversation.last):
            return  # it was changed meanwhile, and will be asked for again
        if page is None:
            if older:
                conversation.older = False
            else:
                conversation.begin_anew()
        elif older:
            conversation.put_before(map(entry_of, page.messages), page.more)
        else:
            conversation.put_behind(map(entry_of, page.messages), page.more)

    @work(exclusive=True, group="reading")
    async def action_first(self) -> None:
        """Show how the conversation began."""
        conversation = self.memory.shown
        page = await self._page(conversation, PAGE, after=0)
        if page is not None and conversation is self.memory.shown:
            conversation.begin_with(map(entry_of, page.messages), older=False, newer=page.more)
            self._scrollback.show(top=True)

    @work(exclusive=True, group="reading")
    async def action_last(self) -> None:
        """Show the end."""
        conversation = self.memory.shown
        if conversation.newer:
            page = await self._page(conversation, PAGE)
            if page is None or conversation is not self.memory.shown:
                return
            conversation.begin_with(map(entry_of, page.messages), page.more, newer=False)
        self._found = None
        self._scrollback.show()
        self._draw_soon()

    def action_scroll(self, pages: int) -> None:
        """Scroll by as much as can be seen."""
        if pages < 0 and not self._scrollback.scroll_offset.y:
            self.memory.shown.older = True  # once more, should the daemon have refused it before
            self._scrollback.changed()
        self._scrollback.scroll_relative(y=pages * max(1, self._scrollback.size.height - 1), animate=False)

    def action_search(self) -> None:
        """Ask what to search for."""
        self._sought.add_class("-shown")
        self._attend(self._sought)

    def action_write(self) -> None:
        """Back to the message in the making."""
        self.workers.cancel_group(self, "searching")
        self._sought.remove_class("-shown")
        self._attend(self._composer)

    @on(Input.Submitted, "#search")
    def _search_for(self, event: Input.Submitted) -> None:
        if event.value.strip():
            self._search(event.value.strip().casefold())

    @work(exclusive=True, group="searching")
    async def _search(self, text: str) -> None:
        conversation = self.memory.shown
        entries = conversation.entries
        above = entries[: entries.index(self._found)] if self._found in entries else entries
        found = _last_with(text, above)
        if found is None and conversation.older:
            found = await self._search_back(conversation, text)
        if conversation is not self.memory.shown:
            return
        if found is None:
            self._explain(_("nothing further back"))
        else:
            self._found = found
            self._scrollback.show(found)

    async def _search_back(self, conversation: Conversation, text: str) -> Entry | None:
        """Read page by page what isn't in memory; the page with the entry replaces what is."""
        before = conversation.first
        top = 0
        async with self._progress():
            while True:
                page = await self._page(conversation, SEARCHED, before=before)
                if page is None or not page.messages:
                    return None
                entries = [entry_of(item) for item in page.messages]
                found = _last_with(text, entries)
                if found is not None:
                    if conversation is self.memory.shown:
                        conversation.begin_with(entries, page.more, newer=True)
                    return found
                if not page.more:
                    return None
                oldest = page.messages[0]
                before, top = oldest.id, top or page.messages[-1].seq
                self._bar.update(total=top, progress=top - oldest.seq)

    async def _page(
        self, conversation: Conversation, limit: int, before: int | None = None, after: int | None = None
    ) -> codec.Page | None:
        place = conversation.place
        answer = await self._answer(
            c.History(
                dest=place.name if place.kind == "direct" else None,
                group=place.name if place.kind == "group" else None,
                limit=limit,
                before=before,
                after=after,
            ),
            fine=("unknown_action",),  # to a course-work server, which has no pages
        )
        if not isinstance(answer, codec.Page):
            return None
        self.memory.met_on(answer)
        return answer

    @asynccontextmanager
    async def _progress(self) -> AsyncIterator[None]:
        """Show that something takes its time."""
        self._bar.update(total=None, progress=0)
        self._bar.add_class("-shown")
        self._reading = True
        try:
            yield
        finally:
            self._reading = False
            self._bar.remove_class("-shown")
            self._scrollback.changed()  # which may want more than it did before

    # What can be seen.

    def _tell(self, text: str, kind: Kind) -> None:
        self.memory.tell(text, kind, datetime.now(UTC))
        self._show()

    def _show(self) -> None:
        self._scrollback.changed()
        self._draw_soon()

    @on(Composer.Hinted)
    def _hinted(self, event: Composer.Hinted) -> None:
        self._explain(event.hint)

    def _explain(self, text: str) -> None:
        keys = _("F1 help  F2 rooms  F3 search  F4 people  F5 light/dark  ^N ^P go  ^C leave")
        self._hint.update(note(text or keys))

    def offers(self) -> tuple[Iterable[str], Iterable[str]]:
        """The nicks and the groups that what is typed may mean."""
        nicks = self.memory.online | {member.name for member in self.memory.people()}
        places = [conversation.place for conversation in self.memory.places()]
        return nicks, self.memory.rooms | {place.name for place in places if place.kind == "group"}

    def _draw_soon(self) -> None:
        if not self._drawing:
            self._drawing = True
            self.set_timer(DRAWN, self._draw)

    def _draw(self) -> None:
        """Draw all but the conversation itself."""
        self._drawing = False
        here = self.memory.here
        if self._scrollback.at_end:
            self.memory.shown.unread = 0
        parts = [where(here)]
        if topic := self.memory.topics.get(here.key):
            parts.append(topic)
        parts.append(f"{self.memory.nick} @ {self._address}")
        if self._unsaid:
            parts.append(_("{count} waiting").format(count=self._unsaid))
        if self._lost:
            parts.append(_("no connection"))
        self._title.update(note(" · ".join(parts)))
        self._places.draw()
        self._people.draw()


def _last_with(text: str, entries: list[Entry]) -> Entry | None:
    """The last message that contains ``text``, which is case-folded."""
    return next((entry for entry in reversed(entries) if entry.id and text in entry.text.casefold()), None)


async def talk(options: Namespace) -> None:
    """Talk, until one leaves. Raises `Unclear`, `Refused` and `Lost`."""
    log = kept(options.log)
    chat = Chat(address(options), options.name, log)
    ended: list[int] = []

    def end(by: int) -> None:
        ended.append(by)
        signal.alarm(EXIT_TIMEOUT_SECONDS)
        chat.call_later(chat.action_quit)

    def watch() -> None:
        terminal = select.poll()
        terminal.register(sys.stdin, 0)
        terminal.poll()  # until it hangs up, which not every process is told by a signal
        with suppress(RuntimeError):  # it has ended
            loop.call_soon_threadsafe(end, signal.SIGHUP)

    loop = asyncio.get_running_loop()
    for by in ENDING:
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
    if chat.in_vain:
        raise Lost(_("{count} of your messages were not sent").format(count=chat.in_vain))
