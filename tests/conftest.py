"""What pytest must do to be like trial."""

import contextlib
import gc
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True, scope="session")
def folder_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Run the tests elsewhere: `mktemp` makes its folders where it is, which trial has seen to."""
    with contextlib.chdir(tmp_path_factory.mktemp("trial")):
        yield


def pytest_collection_finish() -> None:
    """Leave what was imported out of garbage collection, and collect more rarely: a tenth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
