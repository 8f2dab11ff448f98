"""What fails together is tried again one by one, with nothing of the failed try in the way."""

from collections.abc import Sequence
from weakref import ReferenceType, ref

import pytest
import torch

from hermes_ray.engine.isolation import together_or_each


def nothing(items: Sequence[str]) -> None:
    """There is nothing to take back."""


def test_what_a_failed_try_held_is_free_when_the_next_begins() -> None:
    held: list[ReferenceType[torch.Tensor]] = []
    done: list[str] = []

    def work(items: Sequence[str]) -> None:
        assert [tensor for tensor in held if tensor() is not None] == []
        large = torch.zeros(3)
        held.append(ref(large))
        if len(held) < 3:  # together, and the first of them alone
            raise torch.OutOfMemoryError("injected")
        done.extend(items)

    assert together_or_each(["a", "b"], work, nothing) == []
    assert done == ["a", "b"]


def test_without_memory_for_one_of_them_twice_nobody_goes_on() -> None:
    tries: list[Sequence[str]] = []

    def work(items: Sequence[str]) -> None:
        tries.append(items)
        raise torch.OutOfMemoryError("for good")

    with pytest.raises(torch.OutOfMemoryError, match="for good"):
        together_or_each(["a", "b"], work, nothing)
    assert tries == [["a", "b"], ["a"], ["a"]]


def test_of_several_only_the_guilty_fail_and_what_they_did_is_taken_back() -> None:
    written: list[str] = []

    def work(items: Sequence[str]) -> None:
        written.extend(items)
        if "bad" in items:
            raise ValueError("injected")

    def undo(items: Sequence[str]) -> None:
        for item in items:
            written.remove(item)

    ((guilty, error),) = together_or_each(["a", "bad", "b"], work, undo)
    assert (guilty, str(error)) == ("bad", "injected")
    assert written == ["a", "b"]
