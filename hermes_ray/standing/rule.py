"""What is put to a stream again and again: a standing question, or the journal's."""

from dataclasses import dataclass
from fnmatch import fnmatchcase
from zlib import crc32

from hermes_ray.config import JournalSettings, StandingQuestion
from hermes_ray.engine.contracts import Question
from hermes_ray.transport.event import JOURNAL

_SECONDS = "{seconds}"


@dataclass(frozen=True, slots=True)
class Moment:
    """A stream's memory as far as rules are concerned.

    Attributes:
        frames: that it has seen.
        encoded: those of them that showed something new.
        captured_ms: when the newest was captured, ms since epoch.
    """

    frames: int
    encoded: int
    captured_ms: int


@dataclass(frozen=True, slots=True)
class Rule:
    """One of them.

    Attributes:
        source: the standing question, or the settings of the journal.
    """

    source: StandingQuestion | JournalSettings

    @property
    def name(self) -> str:
        """What its events say that they are of."""
        return self.source.name if isinstance(self.source, StandingQuestion) else JOURNAL

    def watches(self, stream_id: str) -> bool:
        """Whether it is put to a stream."""
        if isinstance(self.source, StandingQuestion) and self.source.muted:
            return False
        return any(fnmatchcase(stream_id, pattern) for pattern in self.source.streams)

    def period(self, stream_id: str, frames: int, captured_ms: int) -> int:
        """In which of its periods a frame is; it is put once in each, at the first frame there.

        Where periods begin follows from the stream's name. So all that is due on a stream in periods of the same length
        is due at the same frame, and read together; and streams have their turns one after the other.

        Args:
            stream_id: of which stream.
            frames: the frame's number, from 1.
            captured_ms: when it was captured, ms since epoch.
        """
        phase = crc32(stream_id.encode())  # the same in every process and release
        if isinstance(self.source, StandingQuestion) and self.source.every_frames is not None:
            return (frames + phase) // self.source.every_frames
        every_s = self.source.period_s if isinstance(self.source, StandingQuestion) else self.source.every_s
        assert every_s is not None, "a period is of frames or of seconds"
        return (captured_ms + phase) // max(1, round(every_s * 1000))

    def question(self, since_ms: int, until_ms: int) -> Question:
        """What the engine is asked.

        Args:
            since_ms: for the journal, where the span begins, ms since epoch.
            until_ms: where it ends, ms since epoch.
        """
        if isinstance(self.source, StandingQuestion):
            return Question(self.source.question, options=self.source.options)
        text = self.source.question.replace(_SECONDS, str(max(1, round((until_ms - since_ms) / 1000))))
        return Question(text, max_tokens=self.source.max_tokens)
