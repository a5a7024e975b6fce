"""Download a page into the file web_page of the temporary folder (/tmp), with aiohttp and aiofiles.

python web_async.py https://www.ynov.com
"""

import asyncio
import sys
import tempfile
from pathlib import Path

import aiofiles
import aiohttp
from complaints import FAILURES, TIMEOUT, checked, complaint


async def get_content(url: str, timeout: float = TIMEOUT) -> bytes:
    """What is at ``url``. Raises `aiohttp.ClientError`, also for an error as an answer, and `FAILURES`."""
    silence = aiohttp.ClientTimeout(total=None, sock_connect=timeout, sock_read=timeout)
    async with (
        aiohttp.ClientSession(raise_for_status=True, timeout=silence) as session,
        session.get(checked(url)) as answer,
    ):
        return await answer.read()


async def write_content(content: bytes, file: Path) -> None:
    """Write ``content`` into ``file``."""
    async with aiofiles.open(file, "wb") as page:
        await page.write(content)


async def download(url: str, file: Path) -> str | None:
    """Put what is at ``url`` into ``file``: there is nothing to write before it has come.

    What went wrong, if anything did.
    """
    try:
        await write_content(await get_content(url), file)
    except (aiohttp.ClientError, *FAILURES) as error:
        return complaint(url, error)
    return None


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python web_async.py URL")
    sys.exit(asyncio.run(download(sys.argv[1], Path(tempfile.gettempdir()) / "web_page")))
