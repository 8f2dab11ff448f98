"""What ``hermes watch`` was asked to do."""

import math
from dataclasses import dataclass
from pathlib import Path

from hermes_ray.errors import ConfigError

_AS_FAST_AS_POSSIBLE = "max"


@dataclass(frozen=True, slots=True)
class WatchPlan:
    """What to show, at which speed, and what to ask.

    Attributes:
        source: as it was named; ``None`` for an imported memory alone.
        stream: name of the stream; ``None`` for that of the source.
        speed: seconds of a recording in one second; infinite for as fast as it goes.
        fps: frames per second of video time.
        seconds: of video time; ``None`` for all.
        questions: to ask; none where somebody asks meanwhile.
        positions: at which to ask them, seconds, ascending; none for the end.
        max_tokens: the most tokens of an answer.
        import_file: the memory to begin with.
        export_file: where the memory goes at the end.
    """

    source: str | None
    stream: str | None
    speed: float
    fps: float
    seconds: float | None
    questions: tuple[str, ...]
    positions: tuple[float, ...]
    max_tokens: int
    import_file: Path | None
    export_file: Path | None

    def __post_init__(self) -> None:
        """Refuse what can be refused before anything is loaded.

        Raises:
            ConfigError: the parts do not go together.
        """
        if self.positions and (not self.questions or self.source is None):
            raise ConfigError("--at says when in a recording to ask what --ask says: give all three")
        if any(not question.strip() for question in self.questions):
            raise ConfigError("--ask: the question is blank")
        if self.export_file is not None and not self.export_file.absolute().parent.is_dir():
            raise ConfigError(f"--export {self.export_file}: there is no directory {self.export_file.parent}")


def parse_speed(text: str | None, *, one_shot: bool) -> float:
    """How fast a recording is shown; by default as it was taken, or as fast as it goes where nobody looks on.

    Raises:
        ConfigError: that is no speed.
    """
    if text is None:
        return math.inf if one_shot else 1.0
    if text == _AS_FAST_AS_POSSIBLE:
        return math.inf
    try:
        speed = float(text)
    except ValueError:
        speed = math.nan
    if not 0 < speed < math.inf:
        raise ConfigError(f"--speed {text}: write a number above 0, such as 4, or {_AS_FAST_AS_POSSIBLE}")
    return speed
