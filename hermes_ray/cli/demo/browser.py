"""Showing the console to whoever started the demo."""

import webbrowser
from collections.abc import Callable

Say = Callable[[str], None]


def open_console(url: str, say: Say, browse: Callable[[str], bool] = webbrowser.open) -> None:
    """Open the console in a browser, or say that there is none.

    Args:
        url: of the API.
        say: tells people.
        browse: opens an address; false if nothing can.
    """
    try:
        opened = browse(url)
    except webbrowser.Error:
        opened = False
    if not opened:
        say(f"no browser could be opened here: open {url} yourself")
