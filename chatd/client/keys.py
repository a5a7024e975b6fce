"""Keys, obeyed in the order in which they were pressed."""

from __future__ import annotations

from textual import events
from textual.widget import Widget
from textual.widgets import Input


async def obey(widget: Widget, event: events.Key) -> None:
    """Do at once what is bound to a key that ``widget`` got.

    Textual itself lets it go up to the app and come back, and obeys it after letters that were typed behind:
    where many keys come at once, as over a slow line, ``hellp``, Backspace, ``o`` would end as ``hellp``.
    """
    bound = widget.screen.active_bindings.get(event.key)
    if bound is not None and await widget.app.run_action(bound.binding.action, bound.node):
        event.stop()
        event.prevent_default()


class Line(Input):
    """One line to write in."""

    async def _on_key(self, event: events.Key) -> None:
        await obey(self, event)
