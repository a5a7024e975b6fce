"""Download all pages that a file lists, a URL in each line, one after the other.

    python web_sync_multiple.py urls.txt

What is at https://www.ynov.com goes into web_www.ynov.com in the temporary folder (/tmp).
"""

import sys
import tempfile
from pathlib import Path

from web_sync import get_content, write_content


def read_urls(file: Path) -> list[str]:
    """The URLs in ``file``; blank lines say nothing."""
    return [line.strip() for line in file.read_text().splitlines() if line.strip()]


def file_for(url: str) -> Path:
    """Where a page goes: its URL without the scheme, as the name of a file, which can't hold a slash."""
    name = url.partition("://")[2].rstrip("/").replace("/", "_")
    return Path(tempfile.gettempdir()) / f"web_{name}"


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python web_sync_multiple.py FILE")
    for url in read_urls(Path(sys.argv[1])):
        write_content(get_content(url), file_for(url))
