"""What all tests rely on."""

import signal

# A shell that starts the tests in the background makes them ignore Ctrl-C, and all programs that they start with them.
signal.signal(signal.SIGINT, signal.default_int_handler)
