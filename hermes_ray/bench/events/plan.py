"""How much the benchmark of events does."""

from dataclasses import dataclass

from hermes_ray.config import StandingQuestion


@dataclass(frozen=True, slots=True)
class Plan:
    """Sizes of one run.

    Attributes:
        cameras: simulated cameras, each with a world of its own.
        minutes: of video of each, in which the events are compared with the truth.
        fps: of that video; hermes-tiny was trained on one frame a second.
        every_s: how often each standing question is asked there, seconds of video.
        things: what they are about, colour and kind.
        load_seconds: of each of the four rounds of live load, two with standing questions and two without.
        load_fps: of the live cameras.
        load_every_s: how often each standing question is asked there.
        budget_tokens: of each memory, per layer.
    """

    cameras: int = 20
    minutes: float = 60.0
    fps: float = 1.0
    every_s: float = 2.0
    things: tuple[tuple[str, str], ...] = (("red", "car"), ("blue", "truck"), ("yellow", "person"))
    load_seconds: float = 60.0
    load_fps: float = 1.0
    load_every_s: float = 5.0
    budget_tokens: int = 512

    def questions(self, every_s: float) -> tuple[StandingQuestion, ...]:
        """A standing question for each of the things."""
        return tuple(
            StandingQuestion(name=f"{colour}-{kind}", question=f"is there a {colour} {kind} in view ?", every_s=every_s)
            for colour, kind in self.things
        )


FULL = Plan()
QUICK = Plan(cameras=6, minutes=10, load_seconds=10)
SMOKE = Plan(cameras=2, minutes=0.5, load_seconds=0.5, things=(("red", "car"),))
"""For tests of the benchmark itself: its numbers mean nothing."""
