"""What the engine cannot do: with a question, a stream's frames, or its device."""

from hermes_ray.errors.base import HermesError, rebuild_with_retry_after


class EngineError(HermesError):
    """The engine cannot do what was asked."""

    code = "engine"


class UnknownStream(EngineError):
    """No memory of that stream exists."""

    code = "unknown-stream"


class InvalidQuestion(EngineError):
    """The question is empty, too long, or its options make no sense."""

    code = "invalid-question"


class QuestionFailed(EngineError):
    """Something that nobody expected went wrong with this question alone; the engine's log has the cause."""

    code = "question-failed"


class FramesFailed(EngineError):
    """Something that nobody expected went wrong with the frames of one stream; the engine's log has the cause.

    Attributes:
        applied: so many of the frames handed over together are in the memory; it is as if the others had not come.
    """

    code = "frames-failed"

    def __init__(self, message: str, *, applied: int = 0) -> None:
        super().__init__(message)
        self.applied = applied

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild_with_applied, (str(self), self.applied)


class PictureMissing(EngineError):
    """A frame was sent without its picture, as one that shows nothing new, and that is not known; nothing was taken."""

    code = "picture-missing"


class NoFreeSlot(EngineError):
    """Every slot of the slab holds a stream already."""

    code = "no-free-slot"


class MemoryFull(EngineError):
    """Policy ``full`` never evicts, and the stream's slot has no room for another frame."""

    code = "memory-full"


class Overloaded(EngineError):
    """A bounded queue is full. Retry after ``retry_after_s`` seconds."""

    code = "overloaded"

    def __init__(self, message: str, *, retry_after_s: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s

    def __reduce__(self) -> tuple[object, ...]:
        # Exceptions cross process borders by pickle, which would drop the keyword.
        return rebuild_with_retry_after, (type(self), str(self), self.retry_after_s)


class RateLimited(Overloaded):
    """The caller has had its share of requests or questions for now. Others are not concerned."""

    code = "rate-limited"


class QuestionTimeout(EngineError):
    """The time the caller allowed passed before the answer was complete."""

    code = "question-timeout"


class EngineClosed(EngineError):
    """The engine is shutting down and takes no more work."""

    code = "engine-closed"


class EngineFailed(EngineError):
    """The engine's thread has ended with something that leaves the device unusable. Its process is to be replaced."""

    code = "engine-failed"


class GraphMismatch(EngineError):
    """A captured CUDA graph computes something else than the same pass run eagerly; the engine does not start."""

    code = "graph-mismatch"


def _rebuild_with_applied(message: str, applied: int) -> HermesError:
    return FramesFailed(message, applied=applied)
