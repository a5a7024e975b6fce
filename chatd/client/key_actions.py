"""What the keys of the full-screen client do, apart from those of its input fields."""

from __future__ import annotations

import os

from textual import on, work
from textual.app import App
from textual.events import TextSelected
from textual.widgets import Input

from chatd.client import layout
from chatd.client.clipboard import copy_result_text
from chatd.client.codec import ConversationRef
from chatd.client.composer import Composer
from chatd.client.help_screen import HelpScreen
from chatd.client.history import HistoryLoader
from chatd.client.keys import focus_now
from chatd.client.language import _
from chatd.client.lists import MemberList
from chatd.client.memory import Memory
from chatd.client.screen_lines import HintLine, SearchLine
from chatd.client.scrollback import Scrollback
from chatd.client.search import MessageSearch
from chatd.client.switcher import SwitcherDialog, SwitchTarget, all_switch_targets
from chatd.client.unread_navigation import NewMessageJumper, next_unread_conversation


class KeyActions(App[None]):
    """The base class of the app with the actions of the key bindings in `layout.KEY_BINDINGS`.

    `ChatApp`, the subclass, has the widgets that the actions change.
    """

    BINDINGS = layout.KEY_BINDINGS

    memory: Memory
    history: HistoryLoader
    _scrollback: Scrollback
    _people: MemberList
    _search_line: SearchLine
    _composer: Composer
    _hint: HintLine
    _new_messages: NewMessageJumper
    _search: MessageSearch | None = None

    def switch_conversation(self, place: ConversationRef) -> None:
        """Show the conversation ``place``."""
        raise NotImplementedError

    def queue_typed_line(self, text: str) -> bool:
        """Carry out ``text`` as a line that the user has typed."""
        raise NotImplementedError

    def _draw_soon(self) -> None:
        raise NotImplementedError

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Return whether the action of a key may run now.

        A dialog disables the actions that change the chat behind the dialog.
        """
        if action == "show_help":
            return not isinstance(self.screen, HelpScreen)
        return not (self.screen.is_modal and action in layout.ACTIONS_BLOCKED_BY_DIALOG)

    def action_step_conversation(self, step: int) -> None:
        """Show the next conversation of the list if ``step`` is 1, or the previous one if ``step`` is -1."""
        places = self.memory.listed_conversations()
        at = places.index(self.memory.shown_conversation)
        self.switch_conversation(places[(at + step) % len(places)].place)

    def action_show_next_unread(self) -> None:
        """Show the next conversation with unread messages, private ones and mentions first."""
        place = next_unread_conversation(self.memory)
        if place is None:
            self._hint.show(_("nothing is unread elsewhere"))
        else:
            self.switch_conversation(place)

    @work(exclusive=True, group="reading")
    async def action_show_new_messages(self) -> None:
        """Scroll to the first new message.

        Each further call scrolls to the next new message that mentions the user.
        """
        if not await self._new_messages.jump():
            self._hint.show(_("nothing is new here"))

    def action_focus_people(self) -> None:
        """Give the list of users the keyboard focus. If the list is hidden for lack of
        room, show it as long as it has the focus."""
        self._people.add_class("-open")
        focus_now(self._people)

    def action_show_help(self) -> None:
        """Show the keys and the commands, with examples for the current conversation."""
        others = [one.name for one in self.memory.participants() if one.name != self.memory.nick]
        self.push_screen(HelpScreen(self.memory.here, others[0] if others else ""))

    def action_open_switcher(self) -> None:
        """Open the dialog in which the user finds a conversation, a user or a command by typing a few
        letters.
        """

        def go(target: SwitchTarget | None) -> None:
            focus_now(self._composer)
            if target is None:
                return
            if target.place is not None:
                self.switch_conversation(target.place)
            elif target.is_complete_line:
                self.queue_typed_line(target.typed_line)
            else:
                self._composer.replace_input(target.typed_line)

        self.push_screen(SwitcherDialog(all_switch_targets(self.memory)), go)

    def action_run_command(self, line: str) -> None:
        """Run ``line`` as if the user had typed it."""
        self.queue_typed_line(line)

    def action_toggle_theme(self) -> None:
        """Switch between the dark and the light theme."""
        self.theme = "textual-light" if self.current_theme.dark else "textual-dark"
        self.call_after_refresh(self._draw_soon)  # the colours of nicks depend on the background

    def _copy_selected(self, text: str) -> None:
        """Copy the selected ``text`` to the clipboard of the terminal, if that allows it."""
        self.copy_to_clipboard(text)
        self._hint.show(copy_result_text(text, os.environ))

    @on(TextSelected)
    def _text_selected(self) -> None:
        if text := self.screen.get_selected_text():
            self._copy_selected(text)

    async def action_copy_or_quit(self) -> None:
        """Copy the selected text to the clipboard. If no text is selected, quit the client."""
        if text := self.screen.get_selected_text():
            self._copy_selected(text)
            self.screen.clear_selection()
        else:
            await self.action_quit()

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
        """Open the search line and give it the keyboard focus. If it is open already, search further back."""
        if self._search_line.is_open and self._search_line.text:
            self.action_step_search(1)
        self._search_line.open()

    def action_focus_composer(self) -> None:
        """Stop the search, hide the search line, and give the input box the keyboard focus."""
        self.workers.cancel_group(self, "searching")
        self._search = None
        self._search_line.close()
        focus_now(self._composer)

    @on(Input.Submitted, "#search")
    def _search_submitted(self) -> None:
        self.action_step_search(1)

    @work(exclusive=True, group="searching")
    async def action_step_search(self, step: int) -> None:
        """Show the next older match of the search if ``step`` is 1, or the next newer one if ``step``
        is -1.
        """
        text = self._search_line.text
        if not text or not self._search_line.is_open:
            return
        search = self._search
        if search is None or search.text != text or not search.stays_valid:
            search = MessageSearch(self.memory, self.history, text, self._search_line.show_state)
            self._search = search
        if not await (search.show_older() if step > 0 else search.show_newer()):
            self._hint.show(_("nothing further back") if step > 0 else _("nothing further forward"))
        await search.count_older_matches()
