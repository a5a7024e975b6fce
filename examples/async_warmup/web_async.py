"""Download a page into the file web_page of the temporary folder (/tmp), with aiohttp and aiofiles.

python web_async.py https://www.ynov.com
"""

import asyncio
import sys
import tempfile
from pathlib import Path

import aiofiles
import aiohttp


async def get_content(url: str) -> bytes:
    """What is at ``url``. Raises `aiohttp.ClientError`, also for an answer that is an error."""
    async with aiohttp.ClientSession(raise_for_status=True) as session, session.get(url) as answer:
        return await answer.read()


async def write_content(content: bytes, file: Path) -> None:
    """Write ``content`` into ``file``."""
    async with aiofiles.open(file, "wb") as page:
        await page.write(content)


async def download(url: str, file: Path) -> None:
    """Put what is at ``url`` into ``file``: there is nothing to write before it has come."""
    await write_content(await get_content(url), file)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python web_async.py URL")
    asyncio.run(download(sys.argv[1], Path(tempfile.gettempdir()) / "web_page"))
