"""What is trained when: clips grow longer as the tasks are learnt, and the tasks that go worst are asked most."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hermes_ray.video.world import TASKS


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of the curriculum.

    Attributes:
        frames: shortest and longest clip.
        clips: clips in a batch.
        extra_clips: further clips of :data:`EXTRA_FRAMES` frames that only the vision tower and its heads are shown.
        questions: per clip; 0 trains the vision tower alone, on the auxiliary heads.
        empty_share: about how many of the visual tokens that show nothing the decoder is given.
        steps: the most steps to stay.
        leave_at: mean accuracy over the past tasks at which the next stage begins sooner.
        longest_stretch: how far positions are spread at most, see :meth:`training.packing.Packer.pack`.
        quiet: whether little happens in these clips.
        lapse: whether most of what shows nothing is left out of them, see :func:`training.clips.make_clip`.
        moments: at how many frames of each clip it is asked; ``None`` for any.
        whole_frames: so many newest frames at most are given whole wherever a clip is asked, see
            :meth:`training.packing.Packer.pack`.
        cycle: which stages its steps come from in turns, counted back from this one.
    """

    frames: tuple[int, int]
    clips: int
    extra_clips: int
    questions: int
    empty_share: float
    steps: int
    leave_at: float = 1.0
    longest_stretch: float = 1.0
    quiet: bool = False
    lapse: bool = False
    moments: int | None = None
    whole_frames: int = 0
    cycle: tuple[int, ...] = (0,)


STAGES = (
    Stage(frames=(8, 8), clips=40, extra_clips=0, questions=0, empty_share=1.0, steps=300),
    Stage(frames=(2, 5), clips=32, extra_clips=0, questions=9, empty_share=0.3, steps=240, leave_at=0.85),
    Stage(frames=(5, 10), clips=18, extra_clips=20, questions=12, empty_share=0.25, steps=500, leave_at=0.85),
    Stage(frames=(8, 16), clips=12, extra_clips=20, questions=14, empty_share=0.2, steps=1500, leave_at=0.94),
    Stage(
        frames=(8, 24),
        clips=10,
        extra_clips=20,
        questions=16,
        empty_share=0.2,
        steps=150,
        longest_stretch=16.0,
        moments=6,
        whole_frames=3,
    ),
    Stage(
        frames=(60, 400),
        clips=3,
        extra_clips=0,
        questions=24,
        empty_share=0.4,
        steps=3500,
        longest_stretch=4.0,
        quiet=True,
        moments=6,
        whole_frames=4,
        cycle=(1, 1, 0),
    ),
    Stage(
        frames=(16, 48),
        clips=12,
        extra_clips=0,
        questions=16,
        empty_share=0.12,
        steps=4200,
        longest_stretch=16.0,
        quiet=True,
        lapse=True,
        moments=6,
        whole_frames=4,
        cycle=(0, 1, 0, 2, 0, 1),
    ),
    Stage(
        frames=(100, 400),
        clips=2,
        extra_clips=0,
        questions=40,
        empty_share=1.0,
        steps=1_000_000,
        longest_stretch=4.0,
        quiet=True,
        moments=6,
        cycle=(0, 1, 0, 2, 0, 1, 0, 1, 0, 3),
    ),
)

EXTRA_FRAMES = 8

_WARMUP_STEPS = 150
_EVIDENCE = 300  # questions over which a task's accuracy is averaged
_LEAST_WEIGHT = 0.15  # relative to a task that is always wrong


@dataclass(slots=True)
class Progress:
    """Where a run stands; all of it is in the checkpoint.

    Attributes:
        step: steps done.
        stage: index into :data:`STAGES`.
        stage_began: step at which this stage began.
        elapsed_s: time spent training, over all resumptions.
        accuracy: per task, a running average over the newest questions of training (each clip is new, so these are
            held-out questions of the stage's difficulty).
    """

    step: int = 0
    stage: int = 0
    stage_began: int = 0
    elapsed_s: float = 0.0
    accuracy: dict[str, float] = field(default_factory=lambda: dict.fromkeys(TASKS, 0.0))

    def record(self, tasks: Sequence[Sequence[str]], correct: Sequence[Sequence[bool]]) -> None:
        """Take note of which questions of a batch were answered right."""
        for row_tasks, row_correct in zip(tasks, correct, strict=True):
            for task, right in zip(row_tasks, row_correct, strict=True):
                self.accuracy[task] += (float(right) - self.accuracy[task]) / _EVIDENCE

    def advance(self) -> bool:
        """Count a step and move to the next stage when it is time; tell whether it moved."""
        self.step += 1
        stage = STAGES[self.stage]
        learnt = stage.questions > 0 and self.mean_accuracy("past") >= stage.leave_at
        if self.stage + 1 == len(STAGES) or not (learnt or self.step - self.stage_began >= stage.steps):
            return False
        self.stage += 1
        self.stage_began = self.step
        return True

    def mean_accuracy(self, topic: str) -> float:
        """Return the mean over the tasks of one topic."""
        values = [self.accuracy[task] for task, (of, _) in TASKS.items() if of == topic]
        return sum(values) / len(values)


def lesson(stage: int, step: int) -> Stage:
    """Return what one step of a stage trains: the stage itself, or in its turn an earlier one, lest it be forgotten."""
    cycle = STAGES[stage].cycle
    return STAGES[stage - cycle[step % len(cycle)]]


def task_weights(accuracy: Mapping[str, float]) -> dict[str, float]:
    """Return how often to ask each task: in proportion to its error, but never hardly at all."""
    return {task: _LEAST_WEIGHT + 1.0 - value for task, value in accuracy.items()}


def learning_rate(step: int, *, peak: float, total_steps: int, decay_share: float) -> float:
    """Return the rate of one step: a short warm-up, the peak, and a linear decay to zero over the last share of steps.

    A run whose length is not yet known can so be prolonged at the peak and finished whenever there is time.
    """
    decay_steps = max(1, round(total_steps * decay_share))
    return peak * min(1.0, (step + 1) / _WARMUP_STEPS, max(0.0, (total_steps - step) / decay_steps))
