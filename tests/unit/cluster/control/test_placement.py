import pytest

from hermes_ray.cluster.control.placement import WorkerLoad, choose_worker
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
