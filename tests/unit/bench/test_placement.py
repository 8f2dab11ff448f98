"""A simulated cluster keeps the rules of a real one, and its figures are those of a count by hand."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from hermes_ray.bench.figures import report
from hermes_ray.bench.machine import describe_machine
from hermes_ray.bench.placement.plan import Plan
from hermes_ray.bench.placement.run import SCHEMA, simulate
from hermes_ray.bench.placement.simulation import Simulation
from hermes_ray.errors import NoFreeSlot

PLAN = Plan(streams=60, workers=6, capacity=16, kills=2, added=2, move_s=2.0, restart_s=30.0)


def test_every_stream_has_a_place_whatever_happens_and_no_worker_more_than_its_room():
    simulation = Simulation(PLAN)
    phases = [simulation.fill(), simulation.kill(), simulation.upgrade(), simulation.grow()]
    assert [sum(phase.loads.values()) for phase in phases] == [60] * 4
    assert all(load <= PLAN.capacity for phase in phases for load in phase.loads.values())
    assert [len(phase.loads) for phase in phases] == [6, 6, 6, 8]


def test_a_killed_workers_streams_go_to_the_others_and_as_many_come_back():
    simulation = Simulation(PLAN)
    simulation.fill()
    killed = simulation.kill()
    assert (killed.taken_over, killed.left_waiting, killed.moves) == (10, 0, 10)
    assert killed.most_restored == 2  # five others share ten
    # A worker is given one stream at a time, once its process has come back and settled.
    assert killed.seconds >= PLAN.restart_s + PLAN.settle_s + 10 * PLAN.move_s


def test_without_room_streams_wait_for_their_workers_next_process():
    simulation = Simulation(replace(PLAN, capacity=11))
    simulation.fill()
    killed = simulation.kill()
    assert (killed.taken_over, killed.left_waiting) == (5, 5)


def test_an_upgrade_takes_its_restarts_and_its_drains():
    simulation = Simulation(PLAN)
    simulation.fill()
    upgraded = simulation.upgrade()
    assert upgraded.left_waiting == 0
    assert upgraded.moves >= PLAN.streams
    assert upgraded.seconds >= PLAN.workers * (PLAN.restart_s + PLAN.move_s)


def test_more_streams_than_room_are_refused():
    with pytest.raises(NoFreeSlot):
        simulate(replace(PLAN, capacity=9), lambda doing: None)


def test_the_document_keeps_to_the_schema(check_schema: Callable[[str, Any], None]):
    told: list[str] = []
    found = simulate(PLAN, told.append)
    assert len(told) == 4
    document = report(describe_machine(), found, quick=True, seconds=1.0, schema=SCHEMA, plan=PLAN)
    check_schema("placement", json.loads(json.dumps(document)))
    assert all(figure.passed is not False for figure in found)
