"""What may be asked of a model: examples, and words that its tokenizer has no token for."""

import re
from collections.abc import Sequence

from transformers import PreTrainedTokenizerBase

GENERAL_EXAMPLES = (
    "What is happening right now?",
    "What has changed since the beginning?",
    "Who or what has been here, and in which order?",
    "Is there a person in view?",
    "How many vehicles have come so far?",
    "Describe the place and the light.",
)
"""Questions that any model with an ordinary tokenizer understands, about any camera."""

_WORDS = re.compile(r"\w+|[^\w\s]+")


def unknown_words(tokenizer: PreTrainedTokenizerBase, *texts: str) -> tuple[str, ...]:
    """Words of texts that a tokenizer turns into its unknown token, each once, in order, as they were written.

    A tokenizer that knows every byte has no such words, whatever the language.
    """
    if tokenizer.unk_token_id is None:
        return ()
    words = list(dict.fromkeys(word for text in texts for word in _WORDS.findall(text)))
    if not words:
        return ()
    ids = tokenizer(words, add_special_tokens=False)["input_ids"]
    return tuple(word for word, tokens in zip(words, ids, strict=True) if tokenizer.unk_token_id in tokens)


def nearest(examples: Sequence[str], question: str, count: int = 3) -> tuple[str, ...]:
    """The examples that share most words with a question, the earlier ones first where they share as many."""
    asked = _as_set(question)
    return tuple(sorted(examples, key=lambda example: -len(asked & _as_set(example)))[:count])


def _as_set(text: str) -> set[str]:
    return {word for word in _WORDS.findall(text.lower()) if word.isalnum()}
