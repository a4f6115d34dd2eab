"""What tests of several modules share."""

import logging
from collections.abc import Iterator

import pytest
from hypothesis import settings


@pytest.fixture
def restored_logging() -> Iterator[None]:
    """The command `cch` takes over logging and warnings: give them back."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    for handler in root.handlers:
        if handler not in handlers:
            handler.close()
    root.handlers = handlers
    root.setLevel(level)
    logging.captureWarnings(False)


# `pytest --hypothesis-profile=long tests/unit/test_fuzz*.py`: other examples each time, and fifty times as many.
settings.register_profile("long", max_examples=5000, derandomize=False, database=None, print_blob=True)
