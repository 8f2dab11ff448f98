"""Which words a model knows, and what it can be asked."""

import re

import numpy as np
import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from hermes_ray.models import tiny
from hermes_ray.models.parts.vocabulary import nearest, unknown_words
from hermes_ray.models.tiny.tokenizer import build_tokenizer
from hermes_ray.video.world import QuestionWriter, World
from hermes_ray.video.world.questions import PLURALS, TASKS
from hermes_ray.video.world.scene import COLOURS, KINDS

CLOSED = build_tokenizer(max_tokens=128)


def byte_level(**special: str) -> PreTrainedTokenizerFast:
    """A tokenizer as Qwen's: pairs of bytes, every byte among its tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(["what is in view now ?"], trainers.BpeTrainer(initial_alphabet=alphabet))
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special)


@pytest.mark.parametrize(
    ("question", "unknown"),
    [
        ("What is in view now?", ()),
        ("hello", ("hello",)),
        ("Wo ist der Hund?", ("Wo", "ist", "der", "Hund")),
        ("is there a CAT or a cat in view ? CAT", ("CAT", "cat")),
        ("is the car\u2014red\u2014here", ("\u2014",)),
        ("\u732b \U0001f408", ("\u732b", "\U0001f408")),
    ],
)
def test_words_outside_a_closed_vocabulary_are_named_as_they_were_written(question: str, unknown: tuple[str, ...]):
    assert unknown_words(CLOSED, question) == unknown


@pytest.mark.parametrize("special", [{}, {"unk_token": "<|endoftext|>"}])
def test_a_tokenizer_that_knows_every_byte_knows_every_word(special: dict[str, str]):
    assert unknown_words(byte_level(**special), "Wo ist der Hund? \u732b \U0001f408 <|endoftext|>", "x\u0000") == ()


def test_the_examples_are_of_the_kinds_that_the_bundled_model_was_taught_and_of_all_of_them():
    asked = set()
    for seed in range(20):
        writer = QuestionWriter(World(seed), np.random.default_rng(seed))
        asked |= {(task, _form(q.text)) for task in TASKS for t in range(5, 60) if (q := writer.ask(task, t))}
    forms = {_form(example) for example in tiny.EXAMPLES}
    assert forms <= {form for _, form in asked}
    assert {task for task, form in asked if form in forms} == set(TASKS)


def test_suggestions_are_those_that_resemble_the_question():
    assert nearest(tiny.EXAMPLES, "Did a red cat come?")[0] == "did a red car come ?"
    assert nearest(tiny.EXAMPLES, "hello") == tiny.EXAMPLES[:3]


def _form(question: str) -> str:
    """A question without what it is about."""
    for words, name in ((PLURALS.values(), "THINGS"), (KINDS, "THING"), (COLOURS, "COLOUR")):
        question = re.sub(rf"\b({'|'.join(words)})\b", name, question)
    return question
