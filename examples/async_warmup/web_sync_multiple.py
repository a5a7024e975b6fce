"""Download all pages that a file lists, a URL in each line, one after the other.

    python web_sync_multiple.py urls.txt

What is at https://www.ynov.com goes into web_www.ynov.com in the temporary folder (/tmp). For each page that
can't be fetched there is a sentence in the end, and the exit code is 1.
"""

import sys
import tempfile
from pathlib import Path

from complaints import FAILURES, why
from web_sync import download


def read_urls(file: Path) -> list[str]:
    """The URLs in ``file``; blank lines say nothing. Ends the program if it can't be read."""
    try:
        return [line.strip() for line in file.read_text().splitlines() if line.strip()]
    except FAILURES as error:
        sys.exit(f"can't read {file}: {why(error)}")


def file_for(url: str) -> Path:
    """Where a page goes: its URL without the scheme, as the name of a file, which can't hold a slash."""
    name = url.partition("://")[2].rstrip("/").replace("/", "_")
    return Path(tempfile.gettempdir()) / f"web_{name}"


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python web_sync_multiple.py FILE")
    complaints = [download(url, file_for(url)) for url in read_urls(Path(sys.argv[1]))]
    sys.exit("\n".join(filter(None, complaints)) or None)
