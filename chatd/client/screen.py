"""The full-screen mode of the ``chat`` client, a Textual app."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Awaitable, Callable, Container
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

from textual import events, on, work
from textual.app import ComposeResult
from textual.await_complete import AwaitComplete
from textual.containers import Horizontal

from chatd.client import codec, layout
from chatd.client.account_files import account_file_stem
from chatd.client.account_settings import SETTINGS_SUFFIX, AccountSettings
from chatd.client.client_command_table import parse_immediate_command
from chatd.client.client_commands import ClientCommandRunner, unsent_messages_warning
from chatd.client.codec import LOBBY, ConversationRef
from chatd.client.composer import Composer
from chatd.client.connection import Address
from chatd.client.dialogs import RoomsDialog
from chatd.client.directory_loader import DirectoryLoader, joined_group_keys
from chatd.client.history import HistoryLoader
from chatd.client.key_actions import KeyActions
from chatd.client.keys import focus_now
from chatd.client.language import _, translated_greeting
from chatd.client.lists import ConversationList, MemberList, NameList
from chatd.client.log import ChatLog
from chatd.client.login_dialogs import LoginDialogs
from chatd.client.memory import TYPING_NOTICE_SHOWN_SECONDS, EntryKind, Memory
from chatd.client.missed_mentions import find_missed_mentions
from chatd.client.notifications import Notifier
from chatd.client.outbox import UNSENT_SHOWN_AFTER_SECONDS, Outbox, conversation_of
from chatd.client.outbox_file import OutboxFile
from chatd.client.outgoing import OutgoingQueue
from chatd.client.pending import ConnectionLost, RefusedByServer
from chatd.client.read_marks import ReadMarkKeeper
from chatd.client.reconnecting_client import ReconnectingClient
from chatd.client.render import render_answer
from chatd.client.screen_display import ScreenDisplay
from chatd.client.screen_lines import HintLine, ReadingLine, SearchLine, TitleLine, composer_placeholder
from chatd.client.scrollback import Scrollback
from chatd.client.shown_entries import ShownEntries
from chatd.client.terminal import TerminalDriver
from chatd.client.typing_marks import TypingMarkSender
from chatd.client.unread_line import UnreadLine
from chatd.client.unread_navigation import NewMessageJumper, next_unread_conversation
from chatd.core import commands as c
from chatd.core.refusals import Refusal
from chatd.json_wire import objects

REDRAW_INTERVAL_SECONDS: Final = 0.1
"""The pause between two redraws of the lists, so that many users who arrive at once cause one redraw."""


class ChatApp(KeyActions):
    """The Textual app of the full-screen client, for the server ``address``.

    If ``nick`` is empty, the client asks the user for a nick. It asks for the password of a registered nick
    unless ``password`` has it. ``log`` is the file that the messages are written to, ``state_folder`` the
    folder for the user's settings and unsent messages; None keeps them in memory only. The client begins in
    the conversation where the user was last, or else with the list of rooms. After the app has
    ended, `failure` is the error that ended it, or None, `unsent_at_exit` the number of messages without
    an ack, and `has_confirmed_leaving` says whether the user was told what is not sent, and left.
    """

    TITLE = "chat"
    ENABLE_COMMAND_PALETTE = False
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (64, "-normal"), (110, "-wide"), (160, "-huge")]
    VERTICAL_BREAKPOINTS = [(0, "-flat"), (3, "-low"), (10, "-high")]
    CSS = layout.STYLE_SHEET

    shows_typing = True

    def __init__(
        self,
        address: Address,
        nick: str,
        log: ChatLog,
        password: str = "",
        state_folder: Path | None = None,
    ) -> None:
        super().__init__(driver_class=TerminalDriver)
        self.failure: Exception | None = None
        self.unsent_at_exit = 0
        self.has_confirmed_leaving = False
        self.memory = Memory(nick)
        self._address = address
        self._password = password
        self._conversation_log = log
        self._client: ReconnectingClient | None = None
        self._lost = ""
        self._drawing = False
        # Attributes, because the client may still report something after the widgets have left the screen.
        self._title = TitleLine(self.memory, address)
        self.outbox = Outbox(lambda why: self._tell(why, "trouble"))
        self._unread = UnreadLine(self.memory)
        self._places = ConversationList(self.memory, self.outbox, id="places")
        self._shown_entries = ShownEntries(self.memory, self.outbox)
        self._scrollback = Scrollback(self.memory, self._shown_entries, id="scrollback")
        self._people = MemberList(self.memory, id="people")
        self._reading_line = ReadingLine()
        self._search_line = SearchLine()
        self._composer = Composer(
            self.queue_typed_line, self.memory.known_names, lambda: self.memory.here, id="composer"
        )
        self._hint = HintLine()
        self.history = HistoryLoader(self.memory, self._scrollback, self._reading_line, self._answer)
        self._directory_loader = DirectoryLoader(
            self.memory, self._answer, self._draw_soon, REDRAW_INTERVAL_SECONDS
        )
        self._answers = ScreenDisplay(
            self.memory,
            self._scrollback,
            self.history,
            self.outbox,
            add_text=self._tell,
            show_place=self._show_place,
            choose_room=self._list_rooms,
            show_help=self.action_show_help,
            copy=self.copy_to_clipboard,
            unsent_changed=self._unsent_changed,
        )
        self._outgoing = OutgoingQueue(
            lambda *request: self._ask(*request),
            self._answers,
            self.outbox,
            known=self.memory.known_names,
            is_disconnected=lambda: bool(self._lost),
        )
        self._state_folder = state_folder
        self._has_opened_outbox = False
        self._client_commands = ClientCommandRunner(
            self.memory, self.outbox, self._outgoing, self._tell, self._put_into_composer
        )
        self._notifier = Notifier(self.memory, self.bell, self._write_escape, time.monotonic, os.environ)
        self._has_warned_of_leaving = self._has_warned_of_ownership = False
        self._is_unsent_redraw_due = False
        self._read_marks = ReadMarkKeeper(self.memory, self._ask, self._draw_soon)
        self._typing_marks = TypingMarkSender(self.memory, self._ask, time.monotonic)
        self._new_messages = NewMessageJumper(self.memory, self._scrollback, self.history)
        self._login_dialogs = LoginDialogs(self, address, self._log_in)

    def compose(self) -> ComposeResult:
        """Yield the widgets of the screen from top to bottom."""
        yield self._title
        yield self._unread
        with Horizontal():
            yield self._places
            yield self._scrollback
            yield self._people
        yield self._reading_line
        yield self._search_line
        yield self._composer
        yield self._hint

    def on_mount(self) -> None:
        """Log in under the given nick, or ask the user for a nick if none is given."""
        self._draw()
        focus_now(self._composer)
        self._run_typed()
        self._keep_read_marks()
        if self.memory.nick:
            self._log_in(self.memory.nick, self._password)
        else:
            self._login_dialogs.ask_nick()

    # Login.

    def _log_in(self, nick: str, password: str = "") -> None:
        """Log in, in the conversation where the user was last: what is typed goes there from the start."""
        self.memory.nick = nick
        if self._state_folder is not None:
            stem = account_file_stem(self._address, nick)
            self.memory.settings = AccountSettings(self._state_folder / f"{stem}{SETTINGS_SUFFIX}")
        self._show_place(self.memory.settings.last_conversation or LOBBY)
        self._client = ReconnectingClient(self._address, nick, self, password=password, patience=math.inf)
        self._run_client(self._client)

    @work
    async def _run_client(self, client: ReconnectingClient) -> None:
        try:
            await client.run()
        except RefusedByServer as refused:
            if not self.memory.has_logged_in:
                self._login_dialogs.ask_again(self.memory.nick, refused)
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
        self._read_marks.start_session(welcome)
        self._shown_entries.is_connected = True
        if not self._has_opened_outbox:
            self._open_outbox()
        if text := _("connected again") if again else translated_greeting(welcome.msg):
            self._tell(text, "answer")
        is_course_work = isinstance(welcome, codec.CourseworkWelcome)
        self._typing_marks.is_supported = not is_course_work
        self._read_lists(again, is_course_work)

    def disconnected(self, why: str) -> None:
        """Show why the connection was lost. Do nothing for a failed attempt to reconnect."""
        if not self._lost:
            self._tell(_("connection lost ({why}): connecting again").format(why=why), "trouble")
        self._lost = why
        self._shown_entries.is_connected = False
        self._show()

    def news_received(self, news: codec.News) -> None:
        """Store, log and show a message, an event or a server's notice."""
        here = self.memory.here
        self.memory.add_news(news, self._scrollback.at_end, self.is_watched)
        self._notifier.announce(news)
        if trouble := self._conversation_log.write_received(news, self.memory.nick):
            self._tell(trouble, "trouble")
        if self.memory.here is not here:
            self._outgoing.record_forced_switch(here)
            self._go_to(self.memory.here, here)
        elif isinstance(news, objects.GroupEvent) and ConversationRef("group", news.group).key == here.key:
            if self._directory_loader.record_member_change() == 1:
                self._read_members()
        self._show()

    def typing_received(self, typing: objects.Typing) -> None:
        """Show for some seconds that another user types."""
        self.memory.record_typing(typing, time.monotonic())
        self._draw_soon()
        self.set_timer(TYPING_NOTICE_SHOWN_SECONDS + REDRAW_INTERVAL_SECONDS, self._draw_soon)

    def login_backlog_received(self, backlog: codec.LoginBacklog) -> None:
        """Store, log and show the messages or the conversations that the daemon sends after the login."""
        self.memory.add_login_backlog(backlog)
        if isinstance(backlog, objects.Conversations) and backlog.more:
            self._tell(render_answer(backlog, self.memory.nick)[-1], "answer")
        if trouble := self._conversation_log.write_missed_messages(backlog, self.memory.nick):
            self._tell(trouble, "trouble")
        self._show()

    def read_mark_moved(self, mark: objects.ReadMark) -> None:
        """Store and show how far the user has read with another client."""
        if not self._read_marks.apply_mark(mark):
            self._read_counts()
        self._draw_soon()

    @work(exclusive=True, group="counts")
    async def _read_counts(self) -> None:
        await self._read_marks.read_counts()

    @work
    async def _keep_read_marks(self) -> None:
        await self._read_marks.run()

    @work
    async def _read_lists(self, again: bool, course_work: bool) -> None:
        await self._directory_loader.read_users()
        if course_work:  # such a server may close the connection at a request for groups
            if not again:
                self._go_to(LOBBY)
            self._draw_soon()
            return
        groups = await self._directory_loader.read_groups()
        here = self.memory.here
        if not again and here.kind == "group" and here.key not in joined_group_keys(groups):
            self._outgoing.record_forced_switch(here)
            self._go_to(LOBBY)
            if not self.outbox.messages_for(here) and here.key not in self.memory.drafts:
                self.memory.drop_conversation(here)
        self._directory_loader.add_conversations(groups)
        self._refresh_members()
        if not again and self.memory.settings.last_conversation is None:
            self._remember_place()
            self._choose_room(groups)
        await self._read_marks.read_counts()
        if not again:
            self.memory.shown_conversation.read.place_new_messages_line()
            self._show()
            await self.history.read_events()
            await find_missed_mentions(self.memory, self.history)
            self._draw_soon()

    async def _list_rooms(self) -> None:
        self._choose_room(await self._directory_loader.read_groups())

    def _choose_room(self, groups: list[objects.Group]) -> None:
        def go(typed: str | None) -> None:
            if typed is None:
                self.switch_conversation(LOBBY)
            elif typed:
                self.queue_typed_line(typed)

        self.push_screen(RoomsDialog(groups), go)

    # Typed lines.

    def queue_typed_line(self, text: str) -> bool:
        """Queue ``text`` as a line typed in the current conversation, or carry out a command of the client
        itself.

        If the line is malformed, show why and return False; else return True.
        """
        self._has_warned_of_leaving = False
        if (command := parse_immediate_command(text)) is not None:
            self._client_commands.run(*command)
            self._show()
            return True
        last_id = partial(self.memory.shown_conversation.last_message_id, self.memory.nick)
        try:
            # What is on its way has no id yet.
            own_id = None if self._outgoing.has_unsent_message else last_id(True)
            line = self._outgoing.prepare_line(text, self.memory.here, own_id, last_id(False))
        except Refusal as refusal:
            self._answers.show_failure(refusal)
            return False
        if isinstance(line.command, c.Quit) and self._lost:
            self.call_later(self.action_quit)
        else:
            self._outgoing.add(line)
            self.outbox.store_draft(self.memory.here, "")
        return True

    @work
    async def _run_typed(self) -> None:
        try:
            while not self._exit:
                await self._outgoing.run()
                await self.action_quit()
        finally:
            self._outgoing.cancel()

    def _ask(
        self,
        command: c.Command,
        ref: str | None = None,
        before_sending: Callable[[], None] | None = None,
    ) -> Awaitable[objects.AnswerObject]:
        assert self._client is not None  # nothing is asked before the login
        return self._client.ask(command, ref, before_sending)

    def _open_outbox(self) -> None:
        """Keep unsent messages on disk from now on, and send those that earlier runs have left."""
        self._has_opened_outbox = True
        if self._state_folder is None:
            return
        left = self._outgoing.open_file(
            OutboxFile(self._state_folder, account_file_stem(self._address, self.memory.nick))
        )
        for message in left:
            self.memory.conversation(conversation_of(message))  # to have it in the list
        for place, text in self.outbox.stored_drafts:
            self.memory.add_draft(self.memory.conversation(place).place, text)
        self._show_draft()
        if waiting := sum(not message.failure for message in left):
            self._tell(_("sending messages of your last session: {count}").format(count=waiting), "answer")

    def _unsent_changed(self) -> None:
        """Redraw unsent messages where they are or were shown, and again when they have waited for long."""
        if self._shown_entries.has_unsent or not self._shown_entries.is_connected or self.outbox.failed_count:
            self._scrollback.redraw_soon()
        self._draw_soon()
        if not self._is_unsent_redraw_due and self._outgoing.unsent_count:
            self._is_unsent_redraw_due = True
            self.set_timer(UNSENT_SHOWN_AFTER_SECONDS * 1.1, self._show_unsent)

    def _show_unsent(self) -> None:
        self._is_unsent_redraw_due = False
        if self._outgoing.unsent_count:
            self._scrollback.redraw_soon()
            self._unsent_changed()

    def _put_into_composer(self, text: str) -> None:
        """Put ``text`` into the empty input box, after the line that was just typed has left it."""
        self.call_later(self._composer.exchange_draft, text)

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
        self._go_to(place)

    def _go_to(self, place: ConversationRef, old: ConversationRef | None = None) -> None:
        """Show ``place`` with its draft, and keep what is in the input box as the draft of ``old``, which is
        the current conversation by default.
        """
        old = old or self.memory.here
        if old.key != place.key:
            self.memory.add_draft(old, self._composer.exchange_draft(""))
            self.outbox.store_draft(old, self.memory.drafts.get(old.key, ""))
        self._show_place(place)

    def _show_place(self, place: ConversationRef) -> None:
        self.memory.switch_conversation(place)
        self._show_draft()
        self.history.found = None
        self._scrollback.show()
        self._mark_if_seen()
        self._draw_soon()
        if self.memory.has_logged_in:  # else the lists are read after the login
            self._refresh_members()
            self._read_events()
            self._remember_place()

    def _show_draft(self) -> None:
        """Put the draft of the conversation on the screen into the input box, if that is empty."""
        if not self._composer.text and (draft := self.memory.drafts.pop(self.memory.here.key, "")):
            self._composer.exchange_draft(draft)

    def _remember_place(self) -> None:
        with suppress(OSError):  # then the next start begins elsewhere
            self.memory.settings.set_last_conversation(self.memory.here)

    @on(NameList.Chosen)
    def _chosen(self, event: NameList.Chosen) -> None:
        self.switch_conversation(event.place)
        focus_now(self._composer)

    async def action_quit(self) -> None:
        """Log out from the daemon and end the app. Ask once if something would be left unsent."""
        drafts = (*self.memory.drafts.values(), self._composer.text.strip())
        lost = sum(bool(draft) and not self.outbox.can_store_draft(draft) for draft in drafts)
        commands = self._outgoing.waiting_command_count
        warning = unsent_messages_warning(self.outbox, commands, lost, self._shown_entries.is_connected)
        self.has_confirmed_leaving = bool(warning) and self._has_warned_of_leaving
        if warning and not self._has_warned_of_leaving:
            self._has_warned_of_leaving = True
            self._tell(warning, "trouble")
            return
        await self.leave()

    async def leave(self) -> None:
        """Log out from the daemon and end the app."""
        if self._client is not None:
            if not self._lost:
                await self._read_marks.send_last_marks()
            await self._client.quit()
        self.unsent_at_exit = self._outgoing.unsent_count
        self.memory.add_draft(self.memory.here, self._composer.exchange_draft(""))
        for conversation in self.memory.conversations.values():
            place = conversation.place
            self.outbox.store_draft(place, self.memory.drafts.get(place.key, ""))
        self.outbox.close()
        self.exit()

    def _refresh_members(self) -> None:
        self._directory_loader.member_changes = 1
        self._read_members()

    @work(exclusive=True, group="members")
    async def _read_members(self) -> None:
        await self._directory_loader.read_members()
        if self.memory.owns_without_password and not self._has_warned_of_ownership:
            self._has_warned_of_ownership = True
            told = _("without a password (/register), you own {group} only until your connection ends")
            self._tell(told.format(group=self.memory.here.name), "answer")

    @work(exclusive=True, group="events")
    async def _read_events(self) -> None:
        await self.history.read_events()

    # What the user sees.

    @property
    def is_watched(self) -> bool:
        """Whether the user can see the conversation: the window has the focus, and no dialog covers the
        screen.

        The value is False until the unread counts are known.
        """
        is_shown = len(self.screen_stack) == 1 and self._scrollback.size.height > 0
        return self.app_focus and is_shown and self._read_marks.has_counts

    def pop_screen(self) -> AwaitComplete:
        """Close a dialog, and mark the messages that become visible as read."""
        closing = super().pop_screen()
        self._draw_soon()
        return closing

    def _mark_if_seen(self) -> None:
        """Count the conversation on the screen as read if the user sees its end."""
        conversation = self.memory.shown_conversation
        has_end = conversation.newest_id is not None or not conversation.has_older
        if self._scrollback.at_end and has_end and self.is_watched:
            conversation.mark_seen()

    async def on_event(self, event: events.Event) -> None:
        """Record that the user is at the window before a key or a mouse event is handled."""
        if isinstance(event, events.InputEvent):
            self._notifier.key_pressed()
        await super().on_event(event)

    def _write_escape(self, sequence: str) -> None:
        if self._driver is not None and not self.is_headless:
            self._driver.write(sequence)

    @on(Composer.EmptySubmitted)
    def _join_invited(self) -> None:
        """Accept the invitation on the screen."""
        if self.memory.shown_conversation.is_invitation:
            self.queue_typed_line(f"/join {self.memory.here.name}")

    def watch_app_focus(self, has_focus: bool) -> None:
        """Count arriving messages as unread while the terminal's window has no focus."""
        self._notifier.focus_changed(has_focus)
        if not has_focus:
            self.memory.shown_conversation.read.remove_new_messages_line()
        self._draw_soon()

    # Drawing.

    @on(Scrollback.PageWanted)
    @work(group="reading")
    async def _read_on(self, event: Scrollback.PageWanted) -> None:
        if self.memory.has_logged_in:
            await self.history.load_more(event.older)
            if self.memory.shown_conversation.unread_count:
                self._draw_soon()  # the end may be in view now

    def _tell(self, text: str, kind: EntryKind) -> None:
        self.memory.add_client_text(text, kind, datetime.now(UTC))
        self._show()

    def _show(self) -> None:
        self._scrollback.redraw_soon()
        self._draw_soon()

    @on(Composer.HintChanged)
    def _hinted(self, event: Composer.HintChanged) -> None:
        self._has_warned_of_leaving = False
        self._hint.show(event.hint)
        if self._composer.is_draft_changed and not self._lost and self.memory.has_logged_in:
            if self._typing_marks.is_due(self._composer.text):
                self._send_typing_mark()

    @work(exclusive=True, group="typing")
    async def _send_typing_mark(self) -> None:
        await self._typing_marks.send()

    @on(Scrollback.NewestReached)
    def _draw_soon(self) -> None:
        if not self._drawing:
            self._drawing = True
            self.set_timer(REDRAW_INTERVAL_SECONDS, self._draw)

    def _draw(self) -> None:
        """Redraw the title and the lists, but not the conversation."""
        self._drawing = False
        self._mark_if_seen()
        self._read_marks.schedule_sending()
        self._composer.placeholder = composer_placeholder(self.memory.shown_conversation)
        self._title.show(self._outgoing.unsent_count, self.outbox.failed_count, bool(self._lost))
        is_unread = next_unread_conversation(self.memory) is not None
        is_new_above = self.memory.shown_conversation.read.new_after is not None
        self._hint.show_keys_for_unread(is_unread, is_new_above and not self._scrollback.shows_new_line)
        self._unread.draw()
        self._places.draw()
        self._people.draw()
