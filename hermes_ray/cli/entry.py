"""What the installed ``hermes`` script calls."""

import signal

from hermes_ray.garbage import loading_for_good


def run() -> None:
    """Load the command line and run it.

    Loading takes up to a second, in which Ctrl-C would print a traceback out of the middle of an import. Nothing has
    been started by then, so the process may simply end by the signal.
    """
    previous = signal.signal(signal.SIGINT, signal.SIG_DFL)
    with loading_for_good():
        from hermes_ray.cli.main import app

    signal.signal(signal.SIGINT, previous)
    app()
