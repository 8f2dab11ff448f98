"""Standing questions that people make while the system runs: kept, merged with those of the settings, and limited."""

import asyncio
from pathlib import Path

import pytest

from hermes_ray.cluster.control.standing_questions import StandingQuestions
from hermes_ray.cluster.memory_worker.frames.standing_rules import StandingRules
from hermes_ray.cluster.store.snapshot_store import SnapshotStore
from hermes_ray.cluster.store.standing_store import StandingStore
from hermes_ray.config import Settings, SnapshotSettings, StandingQuestion, StandingSettings
from hermes_ray.errors import (
    InvalidRequest,
    NotReady,
    SnapshotError,
    StandingQuestionExists,
    UnknownStandingQuestion,
)
from tests.unit.cluster.store.faulty_store import FaultyFileSystem, on


def question(name: str, **fields: object) -> StandingQuestion:
    return StandingQuestion.model_validate({"name": name, "question": "is somebody there?", **fields})


FIXED = question("fixed", muted=True)
STREAMS = [f"cam-{n}" for n in range(20)]


def store_at(place: Path | str) -> StandingStore:
    return StandingStore(SnapshotStore(SnapshotSettings(url=str(place))))


async def opened(place: Path | str | None, **settings: object) -> StandingQuestions:
    store = None if place is None else store_at(place)
    standing = StandingSettings.model_validate({"questions": [FIXED.model_dump()], **settings})
    held = StandingQuestions(Settings(standing=standing), store, lambda: STREAMS, lambda: 1)
    await held.load()
    return held


def names(held: StandingQuestions, *, muted: bool) -> list[str]:
    return [found.question.name for found in held.all() if found.question.muted is muted]


async def test_what_was_made_survives_a_restart_and_reaches_a_worker_that_reads_the_store(tmp_path):
    held = await opened(tmp_path)
    await held.add(question("gate", streams=["cam-1"]))
    await held.add(question("door", streams=["cam-2"]))
    await held.mute("door", True)
    await held.mute("fixed", False)
    await held.remove("door")
    again = await opened(tmp_path)
    assert names(again, muted=False) == ["fixed", "gate"]
    rules = StandingRules(StandingSettings(questions=(FIXED,)), store_at(tmp_path))
    assert [rule.name for rule in rules.of("cam-1")] == []
    rules.load()
    assert [rule.name for rule in rules.of("cam-1")] == ["fixed", "gate"]
    assert [rule.name for rule in rules.of("cam-2")] == ["fixed"]
    assert rules.version == again.known.version > 1
    assert len(list((tmp_path / "standing-questions").iterdir())) <= 2


async def test_a_worker_learns_what_is_newer_and_nothing_older(tmp_path):
    held = await opened(tmp_path)
    before = held.known
    await held.add(question("gate"))
    rules = StandingRules(StandingSettings(), store_at(tmp_path / "elsewhere"))
    rules.learn(held.known)
    rules.learn(before)
    rules.load()  # something is known already
    assert [rule.name for rule in rules.of("cam-1")] == ["gate"]


async def test_names_are_taken_once_and_settings_are_muted_not_removed(tmp_path):
    held = await opened(tmp_path)
    await held.add(question("gate", streams=["cam-1"]))
    for taken in ("gate", "fixed"):
        with pytest.raises(StandingQuestionExists, match=taken):
            await held.add(question(taken))
    with pytest.raises(InvalidRequest, match="remove it there, or mute it"):
        await held.remove("fixed")
    for gone in (held.remove("gone"), held.mute("gone", True)):
        with pytest.raises(UnknownStandingQuestion, match="'gone'"):
            await gone


async def test_a_setting_of_the_same_name_takes_the_place_of_what_was_made(tmp_path):
    await (await opened(tmp_path)).add(question("gate", streams=["cam-1"]))
    own = question("gate", question="another?").model_dump()
    held = await opened(tmp_path, questions=[own])
    assert [(found.question.question, found.made) for found in held.all()] == [("another?", False)]


async def test_what_asks_too_often_is_refused_and_says_how_often(tmp_path):
    held = await opened(tmp_path, max_evaluations_per_s=5)
    await held.add(question("some", every_s=5))  # of 20 streams: 4 a second
    with pytest.raises(InvalidRequest, match=r"streams: .* would ask 2 times per second, the others 4, and 5 are"):
        await held.add(question("more", every_s=10))
    await held.add(question("one", every_frames=2, streams=["cam-7"]))  # of 2 a second
    await held.add(question("muted", every_s=1, muted=True))
    with pytest.raises(InvalidRequest):
        await held.mute("muted", False)
    await held.remove("some")
    with pytest.raises(InvalidRequest):
        await held.mute("muted", False)  # 20 a second by itself
    assert names(held, muted=True) == ["fixed", "muted"]


async def test_there_are_at_most_so_many_also_when_many_are_made_at_once(tmp_path):
    held = await opened(tmp_path, max_questions=3)
    made = [held.add(question(f"q{n}", streams=["cam-1"])) for n in range(6)]
    refused = [one for one in await asyncio.gather(*made, return_exceptions=True) if isinstance(one, Exception)]
    assert [type(error) for error in refused] == [InvalidRequest] * 3
    assert names(await opened(tmp_path), muted=False) == ["q0", "q1", "q2"]


async def test_without_a_store_nothing_is_made_that_a_restart_would_lose():
    held = await opened(None)
    with pytest.raises(InvalidRequest, match=r"snapshots\.url"):
        await held.add(question("gate"))
    assert names(held, muted=True) == ["fixed"]


async def test_a_store_that_does_not_take_it_leaves_everything_as_it_was():
    held = await opened("faulty://standing")
    await held.add(question("gate", streams=["cam-1"]))
    with FaultyFileSystem.failing(on("write", OSError("full"))), pytest.raises(SnapshotError):
        await held.add(question("door", streams=["cam-1"]))
    assert names(held, muted=False) == ["gate"]
    await held.add(question("door", streams=["cam-1"]))
    assert names(await opened("faulty://standing"), muted=False) == ["door", "gate"]


async def test_of_two_coordinators_the_later_one_is_told_that_it_is_not_alone(tmp_path):
    first, second = await opened(tmp_path), await opened(tmp_path)
    await first.add(question("gate", streams=["cam-1"]))
    with pytest.raises(SnapshotError, match="another Coordinator"):
        await second.add(question("door", streams=["cam-1"]))
    await second.add(question("door", streams=["cam-1"]))
    assert names(await opened(tmp_path), muted=False) == ["door", "gate"]


async def test_damage_is_told_and_not_taken_for_no_questions(tmp_path):
    held = await opened(tmp_path)
    await held.add(question("gate", streams=["cam-1"]))
    newest = max((tmp_path / "standing-questions").iterdir())
    newest.write_text("{")
    with pytest.raises(SnapshotError, match="damaged"):
        store_at(tmp_path).load()
    held = StandingQuestions(Settings(), store_at(tmp_path), lambda: STREAMS, lambda: 1)
    with pytest.raises(NotReady):
        held.all()
