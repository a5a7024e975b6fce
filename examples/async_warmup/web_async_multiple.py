"""Download all pages that a file lists, a URL in each line, all at the same time.

    python web_async_multiple.py urls.txt

What is at https://www.ynov.com goes into web_www.ynov.com in the temporary folder (/tmp). For each page that
can't be fetched there is a sentence in the end, and the exit code is 1.
"""

import asyncio
import sys
from pathlib import Path

from web_async import download
from web_sync_multiple import file_for, read_urls


async def download_all(urls: list[str]) -> list[str | None]:
    """Put what is at each of ``urls`` into its file; what went wrong with each, if anything did."""
    return await asyncio.gather(*(download(url, file_for(url)) for url in urls))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python web_async_multiple.py FILE")
    complaints = asyncio.run(download_all(read_urls(Path(sys.argv[1]))))
    sys.exit("\n".join(filter(None, complaints)) or None)
