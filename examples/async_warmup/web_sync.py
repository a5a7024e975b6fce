"""Download a page into the file web_page of the temporary folder (/tmp), with requests.

python web_sync.py https://www.ynov.com
"""

import sys
import tempfile
from pathlib import Path

import requests
from complaints import FAILURES, TIMEOUT, checked, complaint


def get_content(url: str, timeout: float = TIMEOUT) -> bytes:
    """What is at ``url``. Raises `FAILURES`, also for an answer that is an error."""
    answer = requests.get(checked(url), timeout=timeout)
    answer.raise_for_status()
    return answer.content


def write_content(content: bytes, file: Path) -> None:
    """Write ``content`` into ``file``."""
    with open(file, "wb") as page:
        page.write(content)


def download(url: str, file: Path) -> str | None:
    """Put what is at ``url`` into ``file``. What went wrong, if anything did."""
    try:
        write_content(get_content(url), file)
    except FAILURES as error:
        return complaint(url, error)
    return None


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python web_sync.py URL")
    sys.exit(download(sys.argv[1], Path(tempfile.gettempdir()) / "web_page"))
