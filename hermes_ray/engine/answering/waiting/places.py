"""How many questions an engine takes in. Those that may wait long for a moment have places of their own."""

from collections import Counter

from hermes_ray.config import EngineSettings
from hermes_ray.engine.contracts import Question
from hermes_ray.errors import Overloaded


class QuestionPlaces:
    """Counts questions from the moment they are taken to their end. The caller's lock guards it.

    Args:
        settings: how many there may be of each kind.
    """

    def __init__(self, settings: EngineSettings) -> None:
        self._most = settings.max_questions + settings.max_questions_waiting
        self._most_ahead = settings.max_questions_ahead
        self._most_per_stream = settings.max_questions_ahead_per_stream
        self._taken = 0
        self._ahead: Counter[str] = Counter()

    def take(self, stream_id: str, question: Question) -> None:
        """Take a place.

        Raises:
            Overloaded: there is none left for such a question.
        """
        if question.as_of_ms is None:
            if self._taken >= self._most:
                raise Overloaded(f"{self._taken} questions are waiting or being answered already")
            self._taken += 1
            return
        if self._ahead[stream_id] >= self._most_per_stream:
            raise Overloaded(
                f"as_of: {self._most_per_stream} questions about this stream wait for a moment already "
                f"(engine.max_questions_ahead_per_stream)"
            )
        if self._ahead.total() >= self._most_ahead:
            raise Overloaded(
                f"as_of: {self._most_ahead} questions wait for a moment already (engine.max_questions_ahead)"
            )
        self._ahead[stream_id] += 1

    def leave(self, stream_id: str, question: Question) -> None:
        """Give a place back."""
        if question.as_of_ms is None:
            self._taken -= 1
        else:
            self._ahead -= Counter({stream_id: 1})  # a count of zero takes no room
