"""Ctrl-C while a command imports its libraries, which takes up to seconds on a busy machine, shows no traceback.

A KeyboardInterrupt there comes out of code that nobody guards, or is taken for a library that cannot be imported. So
until the command runs the signal ends the process, as it ends any program; unless it is to be ignored, as behind nohup.
"""

import signal


def ends_the_process() -> None:
    """Ctrl-C ends the process; for the time of the imports."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def raises() -> None:
    """Ctrl-C raises KeyboardInterrupt again, which the commands turn into the exit code 130."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
