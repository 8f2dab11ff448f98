"""What ``hermes streams`` shows in a terminal of 80 columns, and in others."""

import io
import re
from typing import get_args

import pytest
from rich.console import Console

from hermes_ray.cli.console.streams_table import StreamsTable
from hermes_ray.cluster.wire.protocol import memory_worker_name
from hermes_ray.config import PolicyName
from tests.terminal import lines_of, lines_with
from tests.unit.cli.listed import stream

BUSY = [
    stream(
        id=f"entrance-north-{number}",
        policy=policy,
        worker=memory_worker_name(number),
        frames_seen=1_234_567,
        compactions=12_345,
        frames_shed=120,
    )
    for number, policy in enumerate(get_args(PolicyName), start=95)
]
TITLES = ("stream", "state", "frames", "age", "lag", "left out", "tokens / limit", "compactions", "snapshot", "policy",
          "worker")  # fmt: skip


def shown(width: int) -> list[str]:
    screen = io.StringIO()
    Console(file=screen, width=width).print(StreamsTable(BUSY))
    return screen.getvalue().splitlines()


def test_a_stream_keeps_its_name_its_state_and_its_worker():
    lines = lines_of(StreamsTable(BUSY))
    for each in BUSY:
        (line,) = lines_with(each.id, lines)
        assert {each.state, str(each.frames_seen), each.worker} < set(line.split())


@pytest.mark.parametrize("width", [20, 40, 60, 80, 100, 120, 200])
def test_columns_that_do_not_fit_go_and_no_cell_is_cut(width: int):
    head, *rows = shown(width)
    titles = [title for title in TITLES if re.search(rf"(^| ){title}( |$)", head)]
    assert " ".join(titles) == " ".join(head.split())
    assert all(len(line) <= width for line in (head, *rows))
    for each in BUSY:
        (row,) = [row for row in rows if row.startswith(each.id + " ")]
        cells = {"state": each.state, "frames": str(each.frames_seen), "age": "400 ms", "policy": each.policy,
                 "worker": each.worker, "compactions": "12345", "tokens / limit": "30 / 30"}  # fmt: skip
        for title in cells.keys() & set(titles):
            assert f" {cells[title]} " in f"{row} ", title
    if width == 200:
        assert titles == list(TITLES)


def test_a_very_long_stream_name_goes_on_below_and_is_not_cut():
    name = "building-7/floor-3/corridor-west/" + "camera-" * 20
    lines = lines_of(StreamsTable([stream(id=name, worker=memory_worker_name(123))]))
    assert "".join(line.partition(" ")[0] for line in lines) == "stream" + name
    assert lines_with("memory-123", lines)
