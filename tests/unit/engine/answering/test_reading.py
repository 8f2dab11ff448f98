"""Questions read together are read as each would be alone, on copies that share what they can."""

import pytest
import torch
from torch import Tensor

from hermes_ray.config import MemorySettings
from hermes_ray.engine.answering.seats.answer_slab import AnswerSlab
from hermes_ray.engine.answering.seats.reading import Reading
from hermes_ray.engine.answering.tokens.options import cut
from hermes_ray.engine.encoding.writing.writer import MemoryWriter
from hermes_ray.engine.residency.stream_memory import StreamMemory, slot_of
from hermes_ray.models import ModelAdapter
from tests.unit.engine.conftest import encode, pictures

TEXTS = ("what ?", "what happened ?", "what is in view now and what was there before it ?", "where is the red car ?")


@pytest.fixture
def writer(adapter: ModelAdapter) -> MemoryWriter:
    return MemoryWriter(adapter, MemorySettings(policy="hermes", budget_tokens=60, slots=4), text_tokens=64)


def watch(writer: MemoryWriter, adapter: ModelAdapter, memory: StreamMemory, frames: slice) -> None:
    assert not writer.write({memory.name: memory}, {memory.name: encode(adapter, pictures(100)[frames])})


def slab_of(adapter: ModelAdapter, seats: int) -> AnswerSlab:
    return AnswerSlab(adapter.decoder, adapter.rotary, seats=seats, capacity=200)


def follow(copies: AnswerSlab, seat: int, logits: Tensor, tokens: int) -> list[Tensor]:
    """The logits of a greedy answer."""
    seen = [logits]
    for _ in range(tokens):
        seen.append(copies.decode([seat], [int(seen[-1].argmax())])[0])
    return seen


def test_questions_of_any_length_and_answers_in_progress_share_a_pass(adapter, writer):
    memories = [writer.open(name) for name in "abcd"]
    for memory, frames in zip(memories, (3, 9, 25, 1), strict=True):
        watch(writer, adapter, memory, slice(0, frames))
    prompts = [adapter.question(text) for text in TEXTS]

    expected = []
    for memory, prompt in zip(memories, prompts, strict=True):
        alone = slab_of(adapter, 1)
        seat = alone.copy(writer.slab, slot_of(memory))
        expected.append((follow(alone, seat, alone.prefill(seat, prompt), 3), alone.evidence(seat)))

    copies = slab_of(adapter, 6)
    copies.copy(writer.slab, 0)  # somebody else's
    seats = [copies.copy(writer.slab, slot_of(memory)) for memory in memories]
    said: dict[int, list[Tensor]] = {}
    arriving = {0: seats[1:2], 1: [seats[3], seats[0]], 2: seats[2:3]}  # pass by pass, beside those already begun
    for number in range(6):
        goes_on = [seat for seat in said if len(said[seat]) < 4]
        new = arriving.get(number, [])
        readings = [Reading(seat, prompts[seats.index(seat)]) for seat in new]
        readings += [Reading(seat, ids=(int(said[seat][-1].argmax()),)) for seat in goes_on]
        for reading, logits in zip(readings, copies.read(readings), strict=True):
            said.setdefault(reading.seat, []).append(logits[0])

    for seat, (logits, evidence) in zip(seats, expected, strict=True):
        torch.testing.assert_close(torch.stack(said[seat]), torch.stack(logits), atol=1e-4, rtol=1e-4)
        seen = {item.frame: item.weight for item in copies.evidence(seat)}
        assert seen == pytest.approx({item.frame: item.weight for item in evidence}, abs=1e-4)


def test_branches_see_the_question_and_not_one_another(adapter, writer):
    memory = writer.open("a")
    watch(writer, adapter, memory, slice(0, 9))
    prompt = adapter.question(TEXTS[1])
    options = ((5,), (6, 7, 8), (9, 10), (6, 7, 8, 11))
    copies = slab_of(adapter, 3)
    expected, seats = [], []
    for option in options:  # each behind the question, as if it were the answer
        seat = copies.copy(writer.slab, slot_of(memory))
        logits = [copies.prefill(seat, prompt)] + [copies.decode([seat], [token])[0] for token in option]
        expected.append(torch.stack(logits))
        copies.release(seat)
    seats = [copies.copy(writer.slab, slot_of(memory)) for _ in range(2)]
    first, second = copies.read([Reading(seats[0], prompt, branches=options[:3]), Reading(seats[1], prompt)])
    (third,) = copies.read([Reading(seats[1], branches=options[3:])], observe=False)  # what did not fit
    actual = torch.cat((first, third))
    torch.testing.assert_close(first[0], second[0], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(actual, torch.cat((first[:1], *(part[1:] for part in expected))), atol=1e-4, rtol=1e-4)
    # Nothing of them is kept: the answer goes on behind the question.
    after = copies.decode(seats[:1], [5])[0]
    torch.testing.assert_close(after, expected[0][1], atol=1e-4, rtol=1e-4)


def test_options_that_do_not_fit_together_take_more_passes():
    assert cut([(1, 2), (3,), (4, 5, 6), (7,)], room=4) == [((1, 2), (3,)), ((4, 5, 6), (7,))]
    assert cut([], room=4) == [()]


def test_a_copy_that_is_taken_up_again_is_the_memory_bit_for_bit(adapter, writer):
    """Untouched, grown, compacted, beside another one, and shared with a question that is still being answered."""
    memory, other = writer.open("a"), writer.open("b")
    watch(writer, adapter, other, slice(50, 60))
    prompt = adapter.question(TEXTS[2])
    copies = slab_of(adapter, 2)
    busy = None
    for frames in (slice(0, 5), slice(5, 5), slice(5, 8), slice(8, 13), slice(13, 40), slice(40, 43)):
        if frames.start < frames.stop:
            watch(writer, adapter, memory, frames)
        answers = []
        for slab, version in ((copies, memory.version), (slab_of(adapter, 1), None)):
            seat = slab.copy(writer.slab, slot_of(memory), version)
            answers.append(follow(slab, seat, slab.prefill(seat, prompt), 4))
            if slab is copies:
                if busy is not None:
                    copies.release(busy)
                busy = seat
        assert torch.equal(torch.stack(answers[0]), torch.stack(answers[1]))
        if frames.start == 5 and frames.stop == 8:  # somebody else takes the free seat meanwhile
            seat = copies.copy(writer.slab, slot_of(other), other.version)
            copies.prefill(seat, prompt)
            copies.release(seat)
    assert memory.compactions > 1
