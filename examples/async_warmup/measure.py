"""Time web_sync_multiple.py and web_async_multiple.py on the same URLs, and print a table.

python measure.py                   # ten pages of a server of its own, each of which takes half a second
python measure.py urls.txt          # the pages that a file lists
"""

import contextlib
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HERE = Path(__file__).parent
PAGES = 10
THINKING = 0.5
"""Seconds that the server takes for a page."""


class SlowPages(BaseHTTPRequestHandler):
    """A server that has to think about every page."""

    def do_GET(self) -> None:
        """Think, then answer with the page's own name."""
        time.sleep(THINKING)
        page = self.path.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *_: object) -> None:
        """Say nothing: the table is all there is to read."""


@contextlib.contextmanager
def urls_of_our_own() -> Iterator[Path]:
    """A file with the URLs of slow pages, which are served meanwhile."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), SlowPages)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as folder:
        urls = Path(folder) / "urls.txt"
        port = server.server_address[1]
        urls.write_text("".join(f"http://127.0.0.1:{port}/page{number}\n" for number in range(PAGES)))
        yield urls
    server.shutdown()
    server.server_close()


def seconds(script: str, urls: Path) -> float:
    """How long ``script`` takes for all of ``urls``, from its start to its end."""
    begin = time.perf_counter()
    subprocess.run([sys.executable, str(HERE / script), str(urls)], check=True)
    return time.perf_counter() - begin


def measure(urls: Path) -> None:
    """Print the table."""
    print("| script | seconds |\n| --- | ---: |")
    for script in ("web_sync_multiple.py", "web_async_multiple.py"):
        print(f"| `{script}` | {seconds(script, urls):.2f} |")


if __name__ == "__main__":
    with contextlib.ExitStack() as stack:
        measure(Path(sys.argv[1]) if len(sys.argv) > 1 else stack.enter_context(urls_of_our_own()))
