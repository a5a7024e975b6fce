"""The markup in messages: code blocks between lines of three backticks, code between backticks, and links.

Everything else is shown as it was written.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote

import msgspec
from rich.style import Style
from rich.text import Text

CODE_FENCE_PATTERN: Final = re.compile(r"```[\w+.#-]*\s*")
"""A line that begins a code block, with the name of a language or without, or ends one."""

_MARKED: Final = re.compile(r"`(?P<code>[^`\n]+)`|(?P<link>https?://[^\s<>\"`]+)")

_BEHIND_A_LINK: Final = ".,;:!?'»”)]}"
"""Characters at the end of an address that belong to the sentence around it."""

_SAFE_IN_A_LINK: Final = "%/:=&?~#+!$,;'@()*[]"


class TextBlock(msgspec.Struct, frozen=True):
    """A part of a message that consists of whole lines: either a code block or ordinary text."""

    text: str
    is_code: bool = False


def split_code_blocks(text: str) -> list[TextBlock]:
    """Split the text of a message into code blocks and ordinary text, without the fences of the code blocks.

    A fence without a closing fence is ordinary text.
    """
    blocks: list[TextBlock] = []
    begun: list[str] = []
    fence: str | None = None
    for line in text.split("\n"):
        if CODE_FENCE_PATTERN.fullmatch(line) is None or (fence is not None and line.strip() != "```"):
            begun.append(line)
            continue
        if begun:
            blocks.append(TextBlock("\n".join(begun), fence is not None))
        begun, fence = [], line if fence is None else None
    if fence is not None:
        begun.insert(0, fence)
        if blocks and not blocks[-1].is_code:
            begun.insert(0, blocks.pop().text)
    if begun:
        blocks.append(TextBlock("\n".join(begun)))
    return blocks or [TextBlock(text)]


def styled_message_text(text: str, code: Style, link: Style) -> Text:
    """Return ``text`` with inline code in the style ``code`` and links in the style ``link``.

    The backticks around code are left out. Each link opens exactly the address that is shown.
    """
    shown = Text()
    at = 0
    for found in _MARKED.finditer(text):
        shown.append(text[at : found.start()])
        at = found.end()
        if found["code"]:
            shown.append(found["code"], code)
        else:
            address = trim_link_address(found["link"])
            at -= len(found["link"]) - len(address)
            target = quote(address, safe=_SAFE_IN_A_LINK)
            shown.append(address, link + Style(link=target))
    shown.append(text[at:])
    return shown


def trim_link_address(found: str) -> str:
    """Return the web address in ``found``, without punctuation at its end that belongs to the sentence.

    A closing bracket belongs to the address if the address has the opening one.
    """
    end = len(found)
    unopened = found.count(")") - found.count("(")
    while found[end - 1] in _BEHIND_A_LINK:
        if found[end - 1] == ")":
            if unopened <= 0:
                break
            unopened -= 1
        end -= 1
    return found[:end]
