"""What is loaded for good is not searched for garbage, and everything else is."""

import gc
from contextlib import ExitStack
from weakref import ref

import pytest

from hermes_ray.garbage import loading_for_good


class _Ring:
    """Refers to itself, so that only a search finds it to be garbage."""

    def __init__(self) -> None:
        self.itself = self


def test_nothing_is_searched_meanwhile_and_what_came_is_not_searched_later():
    searches: list[str] = []

    def note(phase: str, _: object) -> None:
        searches.append(phase)

    gc.callbacks.append(note)
    try:
        with loading_for_good():
            held = [[] for _ in range(100_000)]
        assert searches == []
        assert not any(held is searched for searched in gc.get_objects())
    finally:
        gc.callbacks.remove(note)


def test_garbage_of_later_is_found():
    with loading_for_good():
        pass
    ring = _Ring()
    watched = ref(ring)
    del ring
    gc.collect()
    assert watched() is None


def test_searching_goes_on_after_an_error():
    with pytest.raises(ImportError), loading_for_good():
        raise ImportError
    assert gc.isenabled()


def test_the_first_of_several_to_leave_ends_the_pause_and_no_other_begins_one():
    first, second = ExitStack(), ExitStack()
    first.enter_context(loading_for_good())
    second.enter_context(loading_for_good())
    first.close()
    assert gc.isenabled()
    second.close()
    assert gc.isenabled()


def test_where_nobody_searched_nobody_does_afterwards():
    gc.disable()
    try:
        ring = _Ring()
        with loading_for_good():
            pass
        assert not gc.isenabled()
        assert any(ring is searched for searched in gc.get_objects())  # which lists no frozen ones
    finally:
        gc.enable()
