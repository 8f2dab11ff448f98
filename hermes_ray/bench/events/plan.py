"""How much the benchmark of events does."""

from dataclasses import dataclass

from hermes_ray.config import JournalSettings, StandingQuestion

JOURNAL_QUESTION = "what is in view now ?"
"""What hermes-tiny was taught to say of a moment; ``what happened ?`` it was taught of at most eight things."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Sizes of one run.

    Attributes:
        cameras: simulated cameras, each with a world of its own.
        minutes: of video of each, in which the events are compared with the truth.
        fps: of that video; hermes-tiny was trained on one frame a second.
        every_s: how often each standing question is asked there, and a line of the journal written, seconds of video.
        window_minutes: of video that one search looks through.
        things: what they are about, colour and kind.
        load_seconds: of each of the four rounds of live load, two with standing questions and two without.
        load_fps: of the live cameras.
        load_every_s: how often each standing question is asked there.
        budget_tokens: of each memory, per layer.
    """

    cameras: int = 20
    minutes: float = 20.0
    fps: float = 1.0
    every_s: float = 2.0
    window_minutes: float = 10.0
    things: tuple[tuple[str, str], ...] = (("red", "car"), ("blue", "truck"), ("yellow", "person"))
    load_seconds: float = 60.0
    load_fps: float = 1.0
    load_every_s: float = 5.0
    budget_tokens: int = 512

    def names(self) -> tuple[str, ...]:
        """What they are about, such as ``red car``."""
        return tuple(f"{colour} {kind}" for colour, kind in self.things)

    def questions(self, every_s: float) -> tuple[StandingQuestion, ...]:
        """A standing question for each of the things."""
        return tuple(
            StandingQuestion(name=name.replace(" ", "-"), question=f"is there a {name} in view ?", every_s=every_s)
            for name in self.names()
        )

    def journal(self) -> JournalSettings:
        """A journal of every camera."""
        return JournalSettings(streams=("*",), every_s=self.every_s, question=JOURNAL_QUESTION, max_tokens=16)


FULL = Plan()
QUICK = Plan(cameras=6, minutes=10, load_seconds=10)
SMOKE = Plan(cameras=2, minutes=0.5, load_seconds=0.5, things=(("red", "car"),))
"""For tests of the benchmark itself: its numbers mean nothing."""
