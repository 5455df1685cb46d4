"""What all tests rely on."""

import signal
from pathlib import Path

import pytest
from hypothesis import settings

from tests.thorough import MANY

# A shell that starts the tests in the background makes them ignore Ctrl-C, and all programs that they start with them.
signal.signal(signal.SIGINT, signal.default_int_handler)

# No deadline: a busy machine takes longer for one example, and nothing is wrong with it.
settings.register_profile("everyday", max_examples=50, deadline=None)
settings.register_profile("thorough", max_examples=MANY, deadline=None)
settings.load_profile("everyday")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Two for the everyday tests, many of which wait for programs that they started.

    None for a single file, where starting workers takes longer than it gains, and none for what measures a real
    llama.cpp, which wants the machine for itself.
    """
    everyday = config.option.markexpr == "not real and not eras and not browser"
    single = any(Path(argument.partition("::")[0]).is_file() for argument in config.args)
    return 2 if everyday and not single else 0
