"""What is shown of workers that come, go and come back."""

from dataclasses import replace

from hermes_ray.cluster.control.workers.stats_board import StatsBoard
from hermes_ray.cluster.wire.protocol import Assignment, IngestHealth
from hermes_ray.observability.stats import IngestTotals, WorkerStats

HEALTH = IngestHealth(
    running=True,
    detail="reading 2 partitions",
    broker_reachable=True,
    partitions=frozenset({0, 1}),
    assignment=Assignment(1, frozenset({0, 1})),
    frames_inflight=3,
    process="first",
    lag_records={0: 7, 1: 0},
    counts=IngestTotals(records=40),
)


def board_of(*healths: IngestHealth) -> StatsBoard:
    board = StatsBoard((), ("ingest-0",))
    for health in healths:
        board.heard("ingest-0", health)
    return board


def test_a_worker_that_has_never_answered_is_down_and_has_no_counts():
    assert board_of().workers == {"ingest-0": WorkerStats("ingest", up=False)}


def test_a_silent_worker_keeps_its_counts_and_loses_its_state():
    board = board_of(HEALTH)
    board.silent("ingest-0")
    worker = board.workers["ingest-0"]
    assert (worker.up, worker.ingest, worker.reading) == (False, IngestTotals(records=40), None)


def test_answers_of_the_same_process_are_no_restart():
    worker = board_of(HEALTH, HEALTH).workers["ingest-0"]
    assert (worker.up, worker.restarts) == (True, 0)


def test_another_process_is_a_restart_and_counts_for_itself():
    board = board_of(HEALTH)
    board.silent("ingest-0")
    board.heard("ingest-0", replace(HEALTH, process="second", counts=IngestTotals(records=2)))
    worker = board.workers["ingest-0"]
    assert (worker.up, worker.restarts) == (True, 1)
    assert worker.ingest == IngestTotals(records=2)


def test_what_became_of_the_streams_of_ended_processes_adds_up_and_is_shown_from_the_beginning():
    board = StatsBoard(("memory-0",), ("ingest-0",))
    assert board.workers["memory-0"].streams_left == {"taken-over": 0, "suspected": 0, "waited": 0}
    board.left("memory-0", "taken-over", 3)
    board.silent("memory-0")
    board.left("memory-0", "taken-over", 2)
    board.left("memory-0", "waited", 1)
    assert board.workers["memory-0"].streams_left == {"taken-over": 5, "suspected": 0, "waited": 1}
    assert board.workers["ingest-0"].streams_left == {}
