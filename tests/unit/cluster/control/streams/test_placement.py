import pytest

from hermes_ray.cluster.control.streams.placement import Move, WorkerLoad, choose_worker, next_move
from hermes_ray.errors import NoFreeSlot


def test_the_emptiest_worker_is_chosen():
    assert choose_worker([WorkerLoad("a", 8, 3), WorkerLoad("b", 8, 1), WorkerLoad("c", 8, 2)]) == "b"


def test_among_equals_the_choice_does_not_depend_on_order():
    loads = [WorkerLoad("b", 8, 1), WorkerLoad("a", 8, 1)]
    assert choose_worker(loads) == choose_worker(reversed(loads)) == "a"


def test_a_full_worker_is_passed_over_even_if_it_holds_fewest():
    assert choose_worker([WorkerLoad("small", 1, 1), WorkerLoad("large", 8, 5)]) == "large"


@pytest.mark.parametrize("loads", [[], [WorkerLoad("a", 2, 2), WorkerLoad("b", 1, 1)]])
def test_no_worker_with_a_free_slot_is_a_typed_error(loads):
    with pytest.raises(NoFreeSlot):
        choose_worker(loads)


def _all_moves(loads):
    """Those that begin at once."""
    moves: list[Move] = []
    while (move := next_move(loads, moves)) is not None:
        moves.append(move)
    return moves


def test_several_streams_leave_a_drained_worker_at_once_each_to_another():
    others = [WorkerLoad(f"worker-{number}", 99, 5) for number in range(20)]
    moves = _all_moves([WorkerLoad("drained", 99, 50, leaving=True), *others])
    assert {move.source for move in moves} == {"drained"}
    assert 1 < len(moves) == len({move.target for move in moves}) < 20


def test_a_worker_that_stays_gives_and_is_given_one_stream_at_a_time():
    loads = [WorkerLoad("full", 99, 50), WorkerLoad("fuller", 99, 60), WorkerLoad("a", 99, 0), WorkerLoad("b", 99, 0)]
    assert _all_moves(loads) == [Move("fuller", "a"), Move("full", "b")]


def test_nothing_moves_where_the_only_target_is_being_given_a_stream():
    loads = [WorkerLoad("drained", 99, 50, leaving=True), WorkerLoad("target", 99, 5)]
    assert next_move(loads, [Move("drained", "target")]) is None
