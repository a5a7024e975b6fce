"""What pytest must do to be like trial."""

import contextlib
import gc
import importlib.metadata
import os
import resource
import tempfile
from collections.abc import Iterator
from functools import cache

import pytest

from tests.support.effort import IS_FULL

# pytest asks for Twisted's version in each test, which takes 6 ms to read and parse.
importlib.metadata.version = cache(importlib.metadata.version)

MEMORY = "/dev/shm"
"""A file system in memory, on Linux. There, what databases wait for on a disk takes no time."""


@pytest.fixture(autouse=True, scope="session")
def folder_of_its_own() -> Iterator[None]:
    """Run the tests elsewhere: `mktemp` makes its folders where it is, which trial has seen to.

    In memory, if possible, unless all is to be tried.
    """
    in_memory = not IS_FULL and os.access(MEMORY, os.W_OK)
    with (
        tempfile.TemporaryDirectory(prefix="chatd-", dir=MEMORY if in_memory else None) as folder,
        contextlib.chdir(folder),
    ):
        yield


def pytest_collection_finish() -> None:
    """Leave what was imported out of garbage collection, and collect more rarely: a tenth of the time.

    Files of tests that have ended stay open for longer then, more than the usual limit of 1,024.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
