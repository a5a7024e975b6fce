"""The full-screen mode of the ``chat`` client, a Textual app."""

from __future__ import annotations

from collections.abc import Awaitable, Container
from datetime import UTC, datetime
from typing import Final

from textual import on, work
from textual.app import App, ComposeResult
from textual.containers import Horizontal
from textual.events import TextSelected
from textual.widgets import Input, ProgressBar

from chatd.client import codec, layout
from chatd.client.codec import LOBBY, ConversationRef
from chatd.client.composer import Composer
from chatd.client.connection import Address
from chatd.client.dialogs import NickDialog, PasswordDialog, RoomsDialog
from chatd.client.directory_loader import DirectoryLoader, joined_group_keys
from chatd.client.help_screen import HelpScreen
from chatd.client.history import HistoryLoader
from chatd.client.keys import focus
from chatd.client.language import _, translated_greeting
from chatd.client.last_place import LastPlaceFile
from chatd.client.lists import ConversationList, MemberList, NameList
from chatd.client.log import ChatLog
from chatd.client.memory import EntryKind, Memory
from chatd.client.outgoing import OutgoingQueue
from chatd.client.pending import ConnectionLost, RefusedByServer
from chatd.client.reconnecting_client import ReconnectingClient
from chatd.client.render import render_answer
from chatd.client.screen_display import ScreenDisplay
from chatd.client.screen_lines import HintLine, SearchLine, TitleLine, placeholder
from chatd.client.scrollback import Scrollback
from chatd.client.search import MessageSearch
from chatd.client.switcher import SwitcherDialog, SwitchTarget, switch_targets
from chatd.client.terminal import TerminalDriver
from chatd.client.unread_line import UnreadLine
from chatd.core import commands as c
from chatd.core.refusals import Refusal
from chatd.json_wire import objects

REDRAW_SECONDS: Final = 0.1
"""The pause between two redraws of the lists, so that many users who arrive at once cause one redraw."""


PASSWORD_REFUSAL_CODES: Final = ("password_required", "wrong_password")
"""Codes of login refusals after which the client asks the user for the password of the nick."""


class ChatApp(App[None]):
    """The full-screen client for the daemon at ``address``.

    If ``nick`` is empty, the client asks the user for a nick. It asks for the password of a registered nick
    unless ``password`` has it. ``log`` is the file that the messages are written to. The client begins in the
    conversation that ``last_places`` has for the nick, or else with the list of rooms. After the app has
    ended, `failure` is the error that ended it, or None, and `unsent_at_exit` the number of messages without
    an ack.
    """

    TITLE = "chat"
    ENABLE_COMMAND_PALETTE = False
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (64, "-normal"), (110, "-wide"), (160, "-huge")]
    VERTICAL_BREAKPOINTS = [(0, "-flat"), (3, "-low"), (10, "-high")]
    CSS = layout.STYLE_SHEET
    BINDINGS = layout.KEY_BINDINGS

    def __init__(
        self,
        address: Address,
        nick: str,
        log: ChatLog,
        password: str = "",
        last_places: LastPlaceFile | None = None,
    ) -> None:
        super().__init__(driver_class=TerminalDriver)
        self.failure: Exception | None = None
        self.unsent_at_exit = 0
        self.memory = Memory(nick)
        self._address = address
        self._password = password
        self._conversation_log = log
        self._last_places = last_places
        self._knows_last_place = False
        self._client: ReconnectingClient | None = None
        self._lost = ""
        self._drawing = False
        # Attributes, because the client may still report something after the widgets have left the screen.
        self._title = TitleLine(self.memory, address)
        self._unread = UnreadLine(self.memory)
        self._places = ConversationList(self.memory, id="places")
        self._scrollback = Scrollback(self.memory, id="scrollback")
        self._people = MemberList(self.memory, id="people")
        self._bar = ProgressBar(id="progress", show_eta=False)
        self._search_line = SearchLine()
        self._composer = Composer(
            self.queue_line, self.memory.known_names, lambda: self.memory.here, id="composer"
        )
        self._hint = HintLine()
        self._search: MessageSearch | None = None
        self.history = HistoryLoader(self.memory, self._scrollback, self._bar, self._answer)
        self._directory_loader = DirectoryLoader(self.memory, self._answer, self._draw_soon, REDRAW_SECONDS)
        self._answers = ScreenDisplay(
            self.memory,
            self._scrollback,
            self.history,
            add_text=self._tell,
            show_place=self._show_place,
            choose_room=self._list_rooms,
            show_help=self.action_show_help,
            copy=self.copy_to_clipboard,
            draw_soon=self._draw_soon,
        )
        self._outgoing = OutgoingQueue(
            lambda command: self._ask(command), self._answers, known=self.memory.known_names
        )

    def compose(self) -> ComposeResult:
        """Yield the widgets of the screen from top to bottom."""
        yield self._title
        yield self._unread
        with Horizontal():
            yield self._places
            yield self._scrollback
            yield self._people
        yield self._bar
        yield self._search_line
        yield self._composer
        yield self._hint

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Return whether a key's action may run.

        A dialog disables the keys that act on the chat behind the dialog.
        """
        return not (self.screen.is_modal and action in layout.ACTIONS_BLOCKED_BY_DIALOG)

    def on_mount(self) -> None:
        """Log in under the given nick, or ask the user for a nick if none is given."""
        self._draw()
        focus(self._composer)
        self._run_typed()
        if self.memory.nick:
            self._log_in(self.memory.nick, self._password)
        else:
            self._ask_nick()

    # Login.

    def _ask_nick(self, why: str = "") -> None:
        self.push_screen(NickDialog(str(self._address), self.memory.nick, why), self._log_in)

    def _ask_password(self, why: str) -> None:
        def log_in(password: str | None) -> None:
            if password:
                self._log_in(self.memory.nick, password)
            else:
                self._ask_nick()

        self.push_screen(PasswordDialog(why), log_in)

    def _log_in(self, nick: str | None, password: str = "") -> None:
        assert nick  # the dialog returns nothing else
        self.memory.nick = nick
        self._return_to_last_place()
        self._client = ReconnectingClient(self._address, nick, self, password=password)
        self._run_client(self._client)

    @property
    def _account(self) -> str:
        return f"{self._address} {self.memory.nick}"

    def _return_to_last_place(self) -> None:
        """Show the conversation that the user was in last: what is typed goes there from the start."""
        place = self._last_places.read(self._account) if self._last_places is not None else None
        self._knows_last_place = place is not None
        self._show_place(place or LOBBY)

    @work
    async def _run_client(self, client: ReconnectingClient) -> None:
        try:
            await client.run()
        except RefusedByServer as refused:
            if not self.memory.has_logged_in:
                if refused.code in PASSWORD_REFUSAL_CODES:
                    self._ask_password(str(refused))
                else:
                    self._ask_nick(str(refused))
                return
            self.failure = refused
        except ConnectionLost as lost:
            self.failure = lost
        self.exit()

    # Calls from the connection: the app implements `ConnectionObserver`.

    def logged_in(self, welcome: objects.Welcome) -> None:
        """Show the daemon's greeting, and read the lists of users and groups from the daemon."""
        again, self._lost = bool(self._lost), ""
        self.memory.on_login(welcome)
        if text := _("connected again") if again else translated_greeting(welcome.msg):
            self._tell(text, "answer")
        self._read_lists(again, isinstance(welcome, codec.CourseworkWelcome))

    def disconnected(self, why: str) -> None:
        """Show why the connection was lost. Show nothing for failed attempts to reconnect."""
        if not self._lost:
            self._tell(_("connection lost ({why}): connecting again").format(why=why), "trouble")
        self._lost = why
        self._draw_soon()

    def news_received(self, news: codec.News) -> None:
        """Store, log and show a message, an event or a server's notice."""
        here = self.memory.here
        self.memory.add_news(news, self._scrollback.at_end)
        if trouble := self._conversation_log.write_received(news, self.memory.nick):
            self._tell(trouble, "trouble")
        if self.memory.here is not here:
            self._show_place(self.memory.here)
        elif isinstance(news, objects.GroupEvent) and ConversationRef("group", news.group).key == here.key:
            if self._directory_loader.record_member_change() == 1:
                self._read_members()
        self._show()

    def login_backlog_received(self, backlog: codec.LoginBacklog) -> None:
        """Store, log and show the messages or the conversations that the daemon sends after the login."""
        self.memory.add_login_backlog(backlog)
        if isinstance(backlog, objects.Conversations) and backlog.more:
            self._tell(render_answer(backlog, self.memory.nick)[-1], "answer")
        if trouble := self._conversation_log.write_missed_messages(backlog, self.memory.nick):
            self._tell(trouble, "trouble")
        self._show()

    @work
    async def _read_lists(self, again: bool, course_work: bool) -> None:
        await self._directory_loader.read_users()
        if course_work:  # such a server may close the connection at a request for groups
            if not again:
                self._show_place(LOBBY)
            self._draw_soon()
            return
        groups = await self._directory_loader.read_groups(joined=True)
        self._refresh_members()
        if again:
            return
        here = self.memory.here
        if not self._knows_last_place:
            self._remember_place()
            self._choose_room(groups)
        elif here.kind == "group" and here.key not in joined_group_keys(groups):
            self.memory.drop_conversation(here)
            self._show_place(self.memory.here)

    async def _list_rooms(self) -> None:
        self._choose_room(await self._directory_loader.read_groups())

    def _choose_room(self, groups: list[objects.Group]) -> None:
        def go(typed: str | None) -> None:
            if typed is None:
                self.switch_conversation(LOBBY)
            elif typed:
                self.queue_line(typed)

        self.push_screen(RoomsDialog(groups), go)

    # Typed lines.

    def queue_line(self, text: str) -> bool:
        """Queue ``text`` as a line typed in the current conversation.

        If the line is malformed, show why and return False; else return True.
        """
        try:
            line = self._outgoing.prepare_line(text, self.memory.here)
        except Refusal as refusal:
            self._answers.show_failure(refusal)
            return False
        if isinstance(line.command, c.Quit) and self._lost:
            self.call_later(self.action_quit)
        else:
            self._outgoing.add(line)
        return True

    @work
    async def _run_typed(self) -> None:
        try:
            await self._outgoing.run()
            await self.action_quit()
        finally:
            self._outgoing.cancel()

    def _ask(self, command: c.Command) -> Awaitable[objects.AnswerObject]:
        assert self._client is not None  # nothing is asked before the login
        return self._client.ask(command)

    async def _answer(self, command: c.Command, allowed: Container[str] = ()) -> objects.AnswerObject | None:
        """Send ``command`` to the daemon and return the answer.

        Return an empty answer for a refusal whose code is in ``allowed``. For any other failure, show the
        reason and return None.
        """
        try:
            return await self._ask(command)
        except (RefusedByServer, ConnectionLost) as failure:
            if isinstance(failure, RefusedByServer) and failure.code in allowed:
                return objects.AnswerBase()
            self._answers.show_failure(failure)
        return None

    # Moving between conversations.

    def switch_conversation(self, place: ConversationRef) -> None:
        """Show the conversation ``place``, and cancel the conversation switches of queued lines."""
        self._outgoing.cancel_queued_switches()
        self._show_place(place)

    def _show_place(self, place: ConversationRef) -> None:
        self.memory.switch_conversation(place)
        self.history.found = None
        self._scrollback.show()
        self._draw_soon()
        if self.memory.has_logged_in:  # else the lists are read after the login
            self._refresh_members()
            self._remember_place()

    def _remember_place(self) -> None:
        if self._last_places is not None:
            self._last_places.write(self._account, self.memory.here)

    @on(NameList.Chosen)
    def _chosen(self, event: NameList.Chosen) -> None:
        self.switch_conversation(event.place)
        focus(self._composer)

    def action_step_conversation(self, step: int) -> None:
        """Show the next conversation of the list, or the previous one if ``step`` is -1."""
        places = self.memory.listed_conversations()
        at = places.index(self.memory.shown_conversation)
        self.switch_conversation(places[(at + step) % len(places)].place)

    def action_focus_people(self) -> None:
        """Give the list of users the keyboard focus."""
        focus(self._people)

    def action_show_help(self) -> None:
        """Show the keys and the commands, with examples for the current conversation."""
        others = [one.name for one in self.memory.participants() if one.name != self.memory.nick]
        self.push_screen(HelpScreen(self.memory.here, others[0] if others else ""))

    def action_switch(self) -> None:
        """Let the user find a conversation, a user or a command by a few letters, and go there."""

        def go(target: SwitchTarget | None) -> None:
            focus(self._composer)
            if target is None:
                return
            if target.place is not None:
                self.switch_conversation(target.place)
            elif target.is_whole:
                self.queue_line(target.typed)
            else:
                self._composer.begin(target.typed)

        self.push_screen(SwitcherDialog(switch_targets(self.memory)), go)

    def action_run_command(self, line: str) -> None:
        """Run ``line`` as if the user had typed it."""
        self.queue_line(line)

    def action_toggle_theme(self) -> None:
        """Switch between the dark and the light theme."""
        self.theme = "textual-light" if self.current_theme.dark else "textual-dark"
        self.call_after_refresh(self._draw)  # the colours of nicks depend on the background

    def _copy_selected(self, text: str) -> None:
        """Copy the selected ``text`` to the clipboard of the terminal, if that allows it."""
        self.copy_to_clipboard(text)
        self._hint.show(_("copied: {count} characters").format(count=len(text)))

    @on(TextSelected)
    def _text_selected(self) -> None:
        if text := self.screen.get_selected_text():
            self._copy_selected(text)

    async def action_copy_or_quit(self) -> None:
        """Copy the selected text, if there is one; else leave."""
        if text := self.screen.get_selected_text():
            self._copy_selected(text)
            self.screen.clear_selection()
        else:
            await self.action_quit()

    async def action_quit(self) -> None:
        """Log out from the daemon and end the app."""
        if self._client is not None:
            await self._client.quit()
        self.unsent_at_exit = self._outgoing.unsent
        self.exit()

    def _refresh_members(self) -> None:
        self._directory_loader.member_changes = 1
        self._read_members()

    @work(exclusive=True, group="members")
    async def _read_members(self) -> None:
        await self._directory_loader.read_members()

    # Scrolling and searching.

    @on(Scrollback.PageWanted)
    @work(group="reading")
    async def _read_on(self, event: Scrollback.PageWanted) -> None:
        if self.memory.has_logged_in:
            await self.history.load_more(event.older)

    @work(exclusive=True, group="reading")
    async def action_show_beginning(self) -> None:
        """Show the beginning of the current conversation."""
        await self.history.show_beginning()

    @work(exclusive=True, group="reading")
    async def action_show_end(self) -> None:
        """Show the end of the current conversation."""
        if await self.history.show_end():
            self._draw_soon()

    def action_scroll(self, pages: int) -> None:
        """Scroll the conversation by ``pages`` screen pages, up if ``pages`` is negative."""
        self._scrollback.scroll_pages(pages)

    def action_search(self) -> None:
        """Show the search line and give it the keyboard focus; if it is shown, search further back."""
        if self._search_line.is_open and self._search_line.text:
            self.action_step_search(1)
        self._search_line.open()

    def action_focus_composer(self) -> None:
        """Stop the search, hide the search line, and give the input box the keyboard focus."""
        self.workers.cancel_group(self, "searching")
        self._search = None
        self._search_line.close()
        focus(self._composer)

    @on(Input.Submitted, "#search")
    def _search_submitted(self) -> None:
        self.action_step_search(1)

    @work(exclusive=True, group="searching")
    async def action_step_search(self, step: int) -> None:
        """Show the next older message with the search text, or the next newer one if ``step`` is -1."""
        text = self._search_line.text
        if not text or not self._search_line.is_open:
            return
        search = self._search
        if search is None or search.text != text or not search.stays_valid:
            search = MessageSearch(self.memory, self.history, text, self._search_line.show_state)
            self._search = search
        if not await (search.show_older() if step > 0 else search.show_newer()):
            self._hint.show(_("nothing further back") if step > 0 else _("nothing further forward"))
        await search.count_older()

    def _tell(self, text: str, kind: EntryKind) -> None:
        self.memory.add_client_text(text, kind, datetime.now(UTC))
        self._show()

    def _show(self) -> None:
        self._scrollback.redraw_soon()
        self._draw_soon()

    @on(Composer.HintChanged)
    def _hinted(self, event: Composer.HintChanged) -> None:
        self._hint.show(event.hint)

    @on(Scrollback.NewestReached)
    def _draw_soon(self) -> None:
        if not self._drawing:
            self._drawing = True
            self.set_timer(REDRAW_SECONDS, self._draw)

    def _draw(self) -> None:
        """Redraw the title and the lists, but not the conversation."""
        self._drawing = False
        if self._scrollback.at_end:
            self.memory.shown_conversation.unread = 0
        self._unread.draw()
        self._composer.placeholder = placeholder(self.memory.here)
        self._title.show(self._outgoing.unsent, bool(self._lost))
        self._places.draw()
        self._people.draw()
