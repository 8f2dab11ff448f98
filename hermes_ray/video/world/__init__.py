"""The simulated camera's world: what happens in it, what it looks like, what is true, and questions about it."""

from hermes_ray.video.world.conditions import CONDITIONS, Condition
from hermes_ray.video.world.questions import TASKS, QuestionAnswer, QuestionWriter
from hermes_ray.video.world.render import Renderer
from hermes_ray.video.world.scene import Traffic, Visit, World
from hermes_ray.video.world.truth import Sighting, Truth

__all__ = [
    "CONDITIONS",
    "TASKS",
    "Condition",
    "QuestionAnswer",
    "QuestionWriter",
    "Renderer",
    "Sighting",
    "Traffic",
    "Truth",
    "Visit",
    "World",
]
