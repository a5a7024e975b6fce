"""What the four downloads have in common: the URLs that they take, and how they say what went wrong."""

import os
from urllib.parse import urlsplit

FAILURES = (OSError, ValueError)
"""What a download raises for a bad URL, a server or a file; the errors of requests are `OSError`, too."""

TIMEOUT = 30
"""Seconds that a server may be silent."""


def checked(url: str) -> str:
    """``url``, if it is one of the web. Raises `ValueError`."""
    try:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0:
            return url
    except ValueError:  # a port that is no number, half an address
        pass
    raise ValueError("that is no URL: http:// or https://, then a host")


def complaint(url: str, error: Exception) -> str:
    """A sentence: ``url`` can't be fetched because of ``error``."""
    return f"can't fetch {url}: {why(error)}"


def why(error: BaseException) -> str:
    """The innermost reason, which libraries wrap in exceptions of their own."""
    while not isinstance(error, TimeoutError) and (inner := error.__cause__ or error.__context__):
        error = inner
    if isinstance(error, TimeoutError):
        return "it takes too long"
    if isinstance(error, OSError) and error.errno and error.errno > 0:
        return os.strerror(error.errno)
    return " ".join(str(error).split()) or type(error).__name__
