"""What holds for every test: Hypothesis without deadlines, and logging as it was before."""

import logging
from collections.abc import Iterator

import pytest
from hypothesis import settings

# A busy machine would exceed any deadline.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")


@pytest.fixture(autouse=True)
def _logging_stays_unconfigured() -> Iterator[None]:
    """Undo what a command run in the test's own process configures.

    Otherwise later tests capture the log lines of libraries, at the level of that command.
    """
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    yield
    root.setLevel(level)
    root.handlers[:] = [handler for handler in root.handlers if handler in handlers]
