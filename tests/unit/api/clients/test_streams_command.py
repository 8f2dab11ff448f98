"""``hermes streams`` against the application on a socket."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from hermes_ray.cli.main import app
from hermes_ray.engine import StreamEngine
from tests.pseudo_terminal import PseudoTerminal
from tests.unit.api.conftest import FIRST_TS_MS, STREAM


def hermes(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["streams", *arguments])


def test_a_stream_that_was_reset_is_listed_no_more(url: str, engine: StreamEngine):
    engine.ingest("spare", [np.zeros((64, 64, 3), np.uint8)], [FIRST_TS_MS]).result(60)
    listed = json.loads(hermes("--json", "--url", url).stdout)["streams"]
    assert {stream["id"] for stream in listed} == {STREAM, "spare"}
    assert hermes("reset", "spare", "--url", url).stdout == "spare: empty memory on local\n"
    listed = json.loads(hermes("--json", "--url", url).stdout)["streams"]
    assert [stream["id"] for stream in listed] == [STREAM]


def test_a_reset_of_an_unknown_stream_fails_with_its_name(url: str):
    result = hermes("reset", "nobody", "--url", url)
    assert (result.exit_code, "nobody" in result.stderr) == (1, True)


@pytest.mark.parametrize("option", [["--url", "http://elsewhere"], ["--json"], ["--watch"]])
def test_an_option_that_would_count_for_nothing_is_refused(option: list[str]):
    result = hermes(*option, "reset", "spare")
    assert (result.exit_code, f"{option[0]} is for the list here" in result.stderr) == (2, True)


def test_a_refresh_writes_over_the_table_and_never_wipes_it(url: str):
    terminal = PseudoTerminal("streams", "--watch", "--interval", "0.1", "--url", url)
    terminal.expect(STREAM)
    for _ in range(3):
        drawn = terminal.expect(STREAM)
        assert "\x1b[H" in drawn  # to the upper left corner
        assert "\x1b[2J" not in drawn
        assert "\x1b[2K" not in drawn
    terminal.interrupt()
    assert terminal.exit_code() == 0
