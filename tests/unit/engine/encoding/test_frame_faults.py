"""What goes wrong with one stream's frames ends those frames: every other memory is that of an undisturbed engine."""

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from threading import Event
from typing import Any

import pytest
import torch

from hermes_ray.config import EngineSettings, MemorySettings
from hermes_ray.engine import StreamEngine
from hermes_ray.errors import EngineFailed, FramesFailed, SnapshotError
from hermes_ray.memory import snapshot as snapshot_format
from hermes_ray.models import ModelAdapter, fingerprint
from tests.unit.engine.answering.test_question_faults import Replaced
from tests.unit.engine.conftest import parked_files, pictures

STREAMS = ("a", "b", "c")
FRAMES, AT_ONCE = 20, 5
"""Of each stream, and handed over together. The budget holds 15 frames of a 4-token block."""
Spoil = Callable[[int, list[torch.Tensor]], None]


def engine_of(adapter: Any, **memory: Any) -> StreamEngine:
    settings = MemorySettings(policy="hermes", budget_tokens=60, slots=memory.pop("slots", 3), **memory)
    return StreamEngine(adapter, settings, EngineSettings(max_frames_per_step=6))


def show(engine: StreamEngine, stream: str, start: int, stop: int) -> Any:
    return engine.ingest(stream, pictures(FRAMES, seed=ord(stream))[start:stop], list(range(start, stop)))


def watch(engine: StreamEngine) -> dict[str, list[FramesFailed]]:
    """Show everything to all streams at once; after a failure go on behind what the memory has, as the error says."""
    failures: dict[str, list[FramesFailed]] = {stream: [] for stream in STREAMS}
    done = dict.fromkeys(STREAMS, 0)
    while behind := [stream for stream in STREAMS if done[stream] < FRAMES]:
        futures = {stream: show(engine, stream, done[stream], min(done[stream] + AT_ONCE, FRAMES)) for stream in behind}
        for stream, future in futures.items():
            error = future.exception(60)
            if error is None:
                done[stream] = future.result().frames_seen
            else:
                assert isinstance(error, FramesFailed), error
                failures[stream].append(error)
                done[stream] += error.applied
                assert done[stream] == (engine.stream_stats(stream).frames_seen)
    return failures


def memories(engine: StreamEngine) -> dict[str, Any]:
    model = fingerprint(engine.adapter.decoder)
    return {stream: snapshot_format.load(engine.snapshot(stream), model) for stream in STREAMS}


def assert_same(memories_: dict[str, Any], truth: dict[str, Any]) -> None:
    for stream in STREAMS:
        memory, expected = memories_[stream], truth[stream]
        assert (memory.next_frame, memory.extra) == (expected.next_frame, expected.extra)
        for name in ("frames", "patches", "positions", "counts"):
            assert torch.equal(getattr(memory.view, name), getattr(expected.view, name)), (stream, name)
        for name in ("keys", "values"):  # what else is in a batch changes the last bits
            torch.testing.assert_close(getattr(memory.view, name), getattr(expected.view, name), atol=1e-4, rtol=1e-4)


@pytest.fixture(scope="module")
def undisturbed(adapter: ModelAdapter) -> dict[str, Any]:
    with engine_of(adapter) as engine:
        assert not any(watch(engine).values())
        return memories(engine)


@pytest.fixture
def broken(adapter: ModelAdapter) -> Iterator[Callable[[str, Spoil], StreamEngine]]:
    """An engine of which one function's results are handed to another one, with the number of the call."""
    engines: list[StreamEngine] = []

    def make(name: str, spoil: Spoil) -> StreamEngine:
        calls = iter(range(100_000))
        owner: Any = adapter if hasattr(adapter, name) else adapter.decoder
        ready = False

        def replaced(*arguments: Any) -> Any:
            result = getattr(owner, name)(*arguments)
            if ready:
                parts = [result] if isinstance(result, torch.Tensor) else list(result)
                spoil(next(calls), [getattr(part, "embeds", part) for part in parts])
            return result

        if owner is adapter:
            engines.append(engine_of(Replaced(adapter, **{name: replaced})))
        else:
            engines.append(engine_of(Replaced(adapter, decoder=Replaced(owner, **{name: replaced}))))
        ready = True
        return engines[-1]

    yield make
    for engine in engines:
        engine.close()


@pytest.mark.parametrize(("function", "one_in"), [("encode", 3), ("place", 12), ("project", 50), ("finish", 50)])
def test_failures_at_any_call_leave_every_memory_as_it_should_be(broken, undisturbed, function, one_in):
    """A pass that fails together is tried for each stream, and frames that fail alone are sent again."""
    failed, chance = 0, random.Random(function)

    def spoil(number: int, _: list[torch.Tensor]) -> None:
        nonlocal failed
        if number == 0 or chance.randrange(one_in) == 0:
            failed += 1
            raise RuntimeError("injected")

    engine = broken(function, spoil)
    watch(engine)
    assert failed > 1
    assert_same(memories(engine), undisturbed)


@pytest.mark.parametrize(
    ("function", "one_in", "number"), [("encode", 3, torch.nan), ("project", 50, torch.nan), ("finish", 50, torch.inf)]
)
def test_what_is_not_finite_reaches_no_memory(broken, undisturbed, function, one_in, number):
    chance = random.Random(function)

    def spoil(index: int, tensors: list[torch.Tensor]) -> None:
        if index == 0 or chance.randrange(one_in) == 0:
            tensors[-1].view(-1)[3] = number

    engine = broken(function, spoil)
    watch(engine)
    assert_same(memories(engine), undisturbed)


def test_the_stream_whose_frames_always_fail_fails_alone_and_goes_on_behind_them(adapter, undisturbed):
    cursed = [adapter.preprocess(picture) for picture in pictures(FRAMES, seed=ord("b"))[16:18]]

    all_sent = Event()
    all_sent.set()

    def encode(groups: Any) -> Any:
        assert all_sent.wait(60)
        if any(torch.equal(pixels, bad) for group in groups for pixels in group.pixels for bad in cursed):
            raise ValueError("injected")
        return adapter.encode(groups)

    with engine_of(Replaced(adapter, encode=encode)) as engine:
        for stream in STREAMS:
            show(engine, stream, 0, 8).result(60)
        all_sent.clear()
        futures = {stream: show(engine, stream, 8, FRAMES) for stream in STREAMS}
        behind = show(engine, "b", 0, 1)
        all_sent.set()
        for stream in ("a", "c"):
            assert futures[stream].result(60).frames_seen == FRAMES
        error = futures["b"].exception(60)
        assert isinstance(error, FramesFailed)
        assert "ValueError: injected" in str(error)
        assert error.applied <= 8  # of the frames before the two that fail
        assert isinstance(behind.exception(60), FramesFailed)  # it waited behind frames that are not in the memory
        seen = engine.stream_stats("b").frames_seen
        assert seen == 8 + error.applied
        assert show(engine, "b", 18, 20).result(60).frames_seen == seen + 2
        assert engine.ask("b", "what happened ?").result(60).frames_seen == seen + 2
        mine = memories(engine)
        assert_same({**mine, "b": undisturbed["b"]}, undisturbed)


def test_frames_whose_group_is_incomplete_are_not_seen_twice_or_lost(adapter, undisturbed):
    """As with a family that joins two frames: the first of a failed group had been seen, and stays seen."""
    del undisturbed
    failing = iter([True])

    def encode(groups: Any) -> Any:
        if any(len(group.pixels) == 2 for group in groups) and next(failing, False):
            raise ValueError("injected")
        alone = [type(group)(group.pixels[:1], group.elapsed_ms[:1]) for group in groups]
        return [
            replace(block, frames=len(group.pixels)) for block, group in zip(adapter.encode(alone), groups, strict=True)
        ]

    with engine_of(Replaced(adapter, encode=encode, frames_per_block=2)) as engine:
        assert show(engine, "a", 0, 1).result(60).frames_seen == 1
        error = show(engine, "a", 1, 2).exception(60)
        assert isinstance(error, FramesFailed)
        assert error.applied == 0
        assert engine.stream_stats("a").frames_seen == 1
        assert show(engine, "a", 1, 2).result(60).frames_seen == 2


def test_a_parked_memory_that_is_lost_concerns_its_stream_alone(adapter, tmp_path):
    with engine_of(adapter, slots=1, host_streams=1, spill_directory=tmp_path) as engine:
        for stream in STREAMS:
            show(engine, stream, 0, 2).result(60)
        for parked in parked_files(tmp_path):  # of the one that was used first
            parked.write_bytes(b"damaged")
        futures = {stream: show(engine, stream, 2, 4) for stream in STREAMS}
        assert isinstance(futures["a"].exception(60), SnapshotError)
        assert {futures[stream].result(60).frames_seen for stream in ("b", "c")} == {4}


def test_memory_that_runs_out_is_given_back_and_tried_again(broken, undisturbed):
    failed = 0

    def spoil(_: int, blocks: list[torch.Tensor]) -> None:
        nonlocal failed
        if failed == 1 or (failed == 0 and len(blocks) > AT_ONCE):  # streams together, then the first of them alone
            failed += 1
            raise torch.OutOfMemoryError("injected")

    engine = broken("encode", spoil)
    assert not any(watch(engine).values())
    assert failed == 2
    assert_same(memories(engine), undisturbed)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("error", [torch.OutOfMemoryError("for good"), RuntimeError("CUDA error: unspecified launch")])
def test_a_device_that_is_unusable_ends_the_engine(broken, error):
    def spoil(number: int, _: list[torch.Tensor]) -> None:
        raise error

    ended = show(broken("project", spoil), "a", 0, 1).exception(60)
    assert isinstance(ended, EngineFailed)
    assert str(error) in str(ended)
