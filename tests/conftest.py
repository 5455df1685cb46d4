"""What all tests rely on."""

import signal

from hypothesis import settings

# A shell that starts the tests in the background makes them ignore Ctrl-C, and all programs that they start with them.
signal.signal(signal.SIGINT, signal.default_int_handler)

# No deadline: a busy machine takes longer for one example, and nothing is wrong with it.
settings.register_profile("everyday", max_examples=50, deadline=None)
settings.register_profile("thorough", max_examples=2000, deadline=None)
settings.load_profile("everyday")
