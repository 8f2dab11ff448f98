"""`hermes demo --open`."""

import webbrowser

from typer.testing import CliRunner

from hermes_ray.cli.demo.browser import open_console
from hermes_ray.cli.main import app

URL = "http://127.0.0.1:8000"


def test_the_console_is_opened_and_where_nothing_can_open_it_its_address_is_said():
    opened: list[str] = []
    said: list[str] = []
    open_console(URL, said.append, lambda url: opened.append(url) is None)
    assert (opened, said) == ([URL], [])

    open_console(URL, said.append, lambda _: False)

    def broken(_: str) -> bool:
        raise webbrowser.Error("no runnable browser")

    open_console(URL, said.append, broken)
    assert len(said) == 2
    assert all(URL in sentence for sentence in said)


def test_a_run_that_ends_by_itself_opens_nothing():
    result = CliRunner().invoke(app, ["demo", "--once", "--open"])
    assert result.exit_code == 2
    assert "--once" in result.output
