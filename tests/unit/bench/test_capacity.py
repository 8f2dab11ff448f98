"""The numbers that are tried, levels against hand calculations, and footage as quiet as it was asked for."""

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from hermes_ray.bench.capacity.footage import CYCLE, film
from hermes_ray.bench.capacity.level import Level
from hermes_ray.bench.capacity.picture import draw
from hermes_ray.bench.capacity.plan import Plan
from hermes_ray.bench.capacity.reading import Reading
from hermes_ray.bench.capacity.results import figures
from hermes_ray.bench.capacity.run import SCHEMA
from hermes_ray.bench.capacity.search import most_carried, next_cameras
from hermes_ray.bench.figures import report
from hermes_ray.bench.machine import describe_machine
from hermes_ray.cli.bench.capacity import table
from hermes_ray.engine.encoding.waiting.change import ChangeDetector, small_picture
from hermes_ray.engine.residency.reference import Reference

PLAN = Plan(first=4, most=512)
INFINITY = float("inf")


@pytest.mark.parametrize("capacity", [0, 1, 2, 3, 4, 7, 29, 100, 511, 512, 600])
def test_the_search_ends_near_what_is_carried(capacity: int):
    carried: dict[int, bool] = {}
    while (cameras := next_cameras(carried, first=4, most=512)) is not None:
        assert 1 <= cameras <= 512 and cameras not in carried
        carried[cameras] = cameras <= capacity
        assert len(carried) < 25
    found = most_carried(carried)
    assert found <= capacity
    assert min(capacity, 512) - found <= 0.08 * found


def reading(
    at_s: float, applied: int, lags: dict[float, int], busy: dict[str, float] | None = None, unchanged: int = 0
) -> Reading:
    busy = busy or {}
    return Reading(
        at_s=at_s,
        published=applied,
        applied=applied,
        unchanged=unchanged,
        lags=lags,
        vision_s=busy.get("vision", 0.0),
        frames_s=busy.get("frames", 0.0),
        answers_s=busy.get("answers", 0.0),
        cpu_s={"memory": busy.get("memory", 0.0), "broker": 0.0, "cameras": 0.5},
        ingest_thread_s=busy.get("decode", 0.0),
        busy_s=busy.get("cores", 0.0),
        sent_bytes=0,
        link_bytes=0,
    )


def level(cameras: int = 10, unchanged: str = "skip", **changes: Any) -> Level:
    before = reading(100.0, 50, {0.5: 50, 2.0: 50, 2.5: 50, INFINITY: 50})
    after = reading(110.0, 250, {0.5: 150, 2.0: 250, 2.5: 250, INFINITY: 250}, {"memory": 1.2}, unchanged=150)
    values = {"overdue": 0, "late_camera_s": 0.01, "ttft_s": [0.1] * 19 + [0.3], "refused": {}}
    whole = Level(PLAN, unchanged, cameras, before, after, **values)  # pyright: ignore[reportArgumentType]
    return replace(whole, **changes)


def test_a_level_is_what_happened_between_two_readings():
    measured = level()
    assert (measured.frames, measured.seconds, measured.encoded_share) == (200, 10.0, pytest.approx(0.25))
    assert measured.lag_s(50) == pytest.approx(0.5)
    assert measured.lag_s(75) == pytest.approx(0.5 + 1.5 / 2)
    assert measured.cpu_ms_per_frame()["memory"] == pytest.approx(6.0)
    assert measured.cpu_ms_per_frame()["cameras"] == 0.0
    assert measured.too_much is None


def test_the_bounds_are_on_the_lag_and_on_the_first_token():
    late = {0.5: 250 - 3, 2.0: 250 - 3, 2.5: 250, INFINITY: 250}
    assert level(after=replace(level().after, lags=late)).too_much == "lag", "3 of 200 frames are later than 2 s"
    assert level(after=replace(level().after, lags={**late, 2.0: 250 - 2})).too_much is None
    assert level(overdue=3).too_much == "lag"
    assert level(overdue=3).lag_s(99) is None, "nobody knows when those will come"
    assert level(ttft_s=[0.1] * 18 + [3.0] * 2).too_much == "ttft"
    assert level(ttft_s=[0.1] * 19 + [3.0]).too_much is None
    assert level(refused={"overloaded": 1}).too_much == "ttft"
    assert level(ttft_s=[]).too_much == "ttft"


@pytest.mark.parametrize(
    ("busy", "full"),
    [
        ({"frames": 9.0, "vision": 6.0}, "vision"),
        ({"frames": 6.0, "vision": 1.0, "answers": 3.0}, "decoder"),
        ({"frames": 3.0, "vision": 1.0, "answers": 6.5}, "answers"),
        ({"decode": 9.5, "frames": 5.0}, "decode"),
        ({"cores": 1e6, "memory": 12.0, "frames": 5.0}, "cores: memory"),
        ({"decode": 5.0, "frames": 5.0, "vision": 1.0}, "none"),
    ],
)
def test_the_part_that_is_full_is_named(busy: dict[str, float], full: str):
    after = reading(110.0, 250, dict(level().after.lags), busy)
    assert level(after=after).full() == full


def test_figures_are_the_largest_numbers_that_were_carried_and_their_ratio():
    never = {INFINITY: 250}
    late = replace(level().after, lags=never)
    measured = [
        level(4, "keep"),
        level(6, "keep", after=late),
        level(6, "keep"),  # the second try counts
        level(9, "keep", after=late),
        level(20, "skip"),
        level(30, "skip"),
        level(45, "skip", after=late),
    ]
    found = {(figure.model, figure.name): figure for figure in figures(PLAN, measured)}
    assert found["keep", "cameras"].value == 6
    assert found["keep", "cameras"].detail["too_many"] == 9
    assert found["skip", "cameras"].value == 30
    ratio = found["both", "cameras_skip_over_keep"]
    assert (ratio.value, ratio.passed) == (5.0, True)
    assert not any(f.bar for f in figures(replace(PLAN, quiet=0.5), measured))


def test_the_document_keeps_to_its_schema_and_the_table_to_eighty_columns(
    check_schema: Callable[[str, Any], None], tmp_path: Path
):
    nothing = level(45, "keep", after=replace(level().before, at_s=110.0), ttft_s=[])
    measured = [nothing, level(512, "skip", after=replace(level().after, busy_s=1e6, lags={INFINITY: 250}))]
    document = report(
        describe_machine(),
        list(figures(PLAN, measured)),
        quick=True,
        seconds=60.0,
        schema=SCHEMA,
        plan=PLAN,
        levels=measured,
    )
    check_schema("capacity", json.loads(json.dumps(document | {"picture_bytes": 5000.0})))
    draw(PLAN, measured, tmp_path / "capacity.png")
    assert (tmp_path / "capacity.png").read_bytes().startswith(b"\x89PNG")

    console = Console(width=80, file=io.StringIO())
    with console.capture() as shown:
        console.print(table(measured))
    assert len(shown.get().splitlines()) == 1 + len(measured), "no cell is folded"


@pytest.mark.parametrize("quiet", [0.0, 0.5, 0.9, 1.0])
def test_footage_is_as_quiet_as_it_was_asked_for(quiet: float):
    pictures = [np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB")) for jpeg in film(1, quiet, 320, 240)]
    assert len(pictures) == CYCLE
    assert len({picture.tobytes() for picture in pictures}) == CYCLE, "noise goes on"
    detector, reference, news = ChangeDetector(max_gap_s=1e9), None, 0
    for number in range(2 * CYCLE):  # the loop closes
        small = small_picture(pictures[number % CYCLE])
        if detector.is_new(reference, small, number):
            reference, news = Reference(small.cells, number), news + (number >= CYCLE)
    assert news == pytest.approx(CYCLE * (1 - quiet), abs=1)
