"""What the user is told after a text was written to the terminal for its clipboard."""

from __future__ import annotations

from collections.abc import Mapping

from chatd.client.language import _


def copy_result_text(text: str, environment: Mapping[str, str]) -> str:
    """Return what became of ``text``, which was sent to the terminal with OSC 52, in the user's language.

    A terminal does not answer, so nobody knows whether it has taken the text. ``environment`` has the
    variables of the process, which say whether the terminal is tmux.
    """
    told = _("sent to the terminal for its clipboard, if it takes that: {count} characters")
    told = told.format(count=len(text))
    if environment.get("TMUX"):
        command = "tmux set -s set-clipboard on"
        return _("{told}. tmux takes it after: {command}").format(told=told, command=command)
    return told
