"""From logits to what an answer says next: a token, or one of its options."""

from collections.abc import Callable, Collection

import torch
from torch import Tensor

from hermes_ray.engine.answering.in_progress import AnswerInProgress
from hermes_ray.engine.answering.seats.reading import Reading
from hermes_ray.engine.answering.token_meter import TokenMeter
from hermes_ray.engine.answering.tokens.options import probabilities
from hermes_ray.engine.answering.tokens.sampling import Peak, choose
from hermes_ray.engine.contracts import AnswerToken


class Chooser:
    """For one engine. Belongs to its thread.

    Args:
        stop_ids: token ids that end an answer.
        max_tokens: of any answer.
        meter: told of tokens.
        read: reads further options, one :class:`Reading` of them, and returns the logits behind all of their tokens.
    """

    def __init__(
        self, stop_ids: Collection[int], max_tokens: int, meter: TokenMeter, read: Callable[[Reading], Tensor]
    ) -> None:
        self._stop_ids = stop_ids
        self._max_tokens = max_tokens
        self._meter = meter
        self._read = read

    def go_on(self, item: AnswerInProgress, logits: Tensor, peak: Peak) -> None:
        """Say what comes next; sets ``ended`` if that is the end.

        Args:
            item: the answer.
            logits: of its last reading, ``[1 + branch tokens, vocabulary]`` float32.
            peak: of the first of them.

        Raises:
            ArithmeticError: they are no numbers to choose by.
        """
        if item.job.question.options:
            self._choose_option(item, logits)
        else:
            self._take_token(item, logits[0], peak)

    def _choose_option(self, item: AnswerInProgress, logits: Tensor) -> None:
        """Answer with the likeliest option."""
        behind = [logits[1:], *(self._read(Reading(item.seat, branches=branches)) for branches in item.branches[1:])]
        ids = [option for branches in item.branches for option in branches]
        item.option_probabilities = probabilities(ids, logits[0], torch.cat(behind), self._stop_ids)
        options = item.job.question.options
        item.text.text = options[max(range(len(options)), key=item.option_probabilities.__getitem__)]
        self._clock(item)
        item.job.tell(AnswerToken(0, item.text.text))
        item.ended = "stop"

    def _take_token(self, item: AnswerInProgress, logits: Tensor, peak: Peak) -> None:
        question = item.job.question
        token = choose(logits, peak, question.temperature, item.generator, question.top_p)
        item.tokens.append(token)
        item.reading = Reading(item.seat, ids=(token,))
        self._meter.answer_tokens += 1
        self._clock(item)
        if token in self._stop_ids:
            item.ended = "stop"
            return
        item.job.tell(AnswerToken(len(item.tokens) - 1, item.text.push(token)))
        if item.text.stopped:
            item.ended = "stop"
        elif len(item.tokens) >= min(question.max_tokens, self._max_tokens):
            item.ended = "length"

    def _clock(self, item: AnswerInProgress) -> None:
        if item.job.background:
            return
        now_s = self._meter.came(item.job.received_s, item.newest_token_s)
        if item.newest_token_s is None:
            item.ttft_ms = (now_s - item.job.received_s) * 1000
        item.newest_token_s = now_s
