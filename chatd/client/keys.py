"""Handles key bindings and changes of the focus in the order in which the keys were pressed."""

from __future__ import annotations

from textual import events
from textual.widget import Widget
from textual.widgets import Input


async def run_key_binding_now(widget: Widget, event: events.Key) -> None:
    """Run the action that is bound to the pressed key now, if there is such an action.

    Textual passes the key up to the app, and runs the action only after letters that were typed later. When
    many keys arrive at once, as over a slow line, ``hellp``, Backspace, ``o`` would become ``hellp`` and not
    ``hello``.
    """
    bound = widget.screen.active_bindings.get(event.key)
    if bound is not None and await widget.app.run_action(bound.binding.action, bound.node):
        event.stop()
        event.prevent_default()


def focus_now(widget: Widget) -> None:
    """Give ``widget`` the keyboard focus now.

    Textual's `Widget.focus` gives the focus only after a few more keys were handled.
    """
    widget.screen.set_focus(widget)


class LineInput(Input):
    """A one-line input field that runs key bindings in the order in which the keys were pressed."""

    async def _on_key(self, event: events.Key) -> None:
        await run_key_binding_now(self, event)
