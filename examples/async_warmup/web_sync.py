"""Download a page into the file web_page of the temporary folder (/tmp), with requests.

python web_sync.py https://www.ynov.com
"""

import sys
import tempfile
from pathlib import Path

import requests

TIMEOUT = 30
"""Seconds that a server may be silent."""


def get_content(url: str) -> bytes:
    """What is at ``url``. Raises `requests.RequestException`, also for an answer that is an error."""
    answer = requests.get(url, timeout=TIMEOUT)
    answer.raise_for_status()
    return answer.content


def write_content(content: bytes, file: Path) -> None:
    """Write ``content`` into ``file``."""
    with open(file, "wb") as page:
        page.write(content)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python web_sync.py URL")
    write_content(get_content(sys.argv[1]), Path(tempfile.gettempdir()) / "web_page")
