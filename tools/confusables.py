"""Makes chatd/core/confusables.py from Unicode's confusables.txt, read from standard input.

The file comes with every version of UTS 39 and in ICU's sources, at ``source/data/unidata``; the notice that
its licence asks for is copied from the file named on the command line, which is ICU's or Unicode's LICENSE.
"""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Iterable
from pathlib import Path

WIDTH = 110

HEAD = '''\
"""The table of characters that look alike, from Unicode's confusables.txt {version}.

``make confusables`` writes this file (see CONTRIBUTING.md); don't edit it. Source: UTS 39, section 4.

{notice}
"""

from __future__ import annotations

from typing import Final

# fmt: off
PROTOTYPES: Final[dict[int, str]] = {{
{data}
}}
# fmt: on
"""The prototype of each code point that looks like another: all look-alikes have the same prototype.

Prototypes themselves have no entry.
"""
'''


def main() -> None:
    """Write the module to standard output."""
    if len(sys.argv) != 2:
        sys.exit("usage: python -m tools.confusables LICENSE < confusables.txt")
    # A byte order mark begins Unicode's file.
    confusables = sys.stdin.buffer.read().decode("utf-8-sig")
    sys.stdout.write(module(confusables, Path(sys.argv[1]).read_text("utf-8")))


def module(confusables: str, licence: str) -> str:
    """The module's text. Raises `ValueError` for other files."""
    version = re.search(r"^# Version: ([\d.]+)$", confusables, re.MULTILINE)
    notice = re.match(r"(?s)UNICODE LICENSE V3\n.*?SPDX-License-Identifier: Unicode-3\.0\n", licence)
    if version is None or notice is None:
        raise ValueError("give UTS 39's confusables.txt, and a file that begins with the Unicode License V3")
    return HEAD.format(version=version[1], notice=notice[0].rstrip(), data=packed(entries(confusables)))


def entries(confusables: str) -> Iterable[tuple[int, str]]:
    """Each character that looks like another, and its prototype."""
    for line in confusables.splitlines():
        fields = line.partition("#")[0].split(";")
        if len(fields) == 3:
            yield int(fields[0], 16), "".join(chr(int(code, 16)) for code in fields[1].split())


def packed(pairs: Iterable[tuple[int, str]]) -> str:
    """The entries of a dict in ASCII, as many in a line as fit."""
    written = ((source, ascii(prototype).replace(" ", r"\x20")) for source, prototype in pairs)
    text = " ".join(f"0x{source:X}:{prototype}," for source, prototype in written)
    return textwrap.fill(text, WIDTH, break_long_words=False, break_on_hyphens=False)


if __name__ == "__main__":
    main()
