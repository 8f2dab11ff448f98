"""What a perfect observer of the simulated camera knows at any moment."""

from dataclasses import dataclass

from hermes_ray.video.world.scene import Visit, World

_CLEARLY_IN = 0.7
_CLEARLY_OUT = 0.3


@dataclass(frozen=True, slots=True)
class Sighting:
    """One thing in view.

    Attributes:
        x: its centre, 0 is the left border of the picture and 1 the right.
        y: its centre, 0 is the top and 1 the bottom.
    """

    kind: str
    colour: str
    x: float
    y: float

    @property
    def name(self) -> str:
        """Colour and kind, such as ``red car``."""
        return f"{self.colour} {self.kind}"


class Truth:
    """Answers about a world whose stream began at time 0. A thing is in view, and has come, once its centre is inside.

    Args:
        world: the scene; nothing of it is copied, so this costs no memory however long the stream runs.
    """

    def __init__(self, world: World) -> None:
        self._world = world

    def in_view(self, t_s: float) -> list[Sighting]:
        """Return what is in view at ``t_s``, from the top of the picture to the bottom."""
        visits = [visit for visit in self._world.visits(t_s, t_s) if visit.came_s <= t_s < visit.gone_s]
        sightings = [Sighting(visit.kind, visit.colour, visit.x(t_s), visit.y) for visit in visits]
        return sorted(sightings, key=lambda sighting: sighting.y)

    def came(self, t_s: float) -> list[Visit]:
        """Return every visit that has begun by ``t_s``, in order of coming."""
        return [visit for visit in self._world.visits(0.0, t_s) if visit.came_s <= t_s]

    def is_clear(self, t_s: float) -> bool:
        """Tell whether everybody would agree what is in view: nothing is about half way through a border."""
        return not any(_CLEARLY_OUT < visit.visible(t_s) < _CLEARLY_IN for visit in self._world.visits(t_s, t_s))
