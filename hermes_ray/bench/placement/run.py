"""One run: fill, kill, upgrade, grow."""

from collections.abc import Callable

from hermes_ray.bench.figures import Figure
from hermes_ray.bench.placement.plan import Plan
from hermes_ray.bench.placement.results import figures
from hermes_ray.bench.placement.simulation import Simulation

SCHEMA = "hermes-bench-placement/1"


def simulate(plan: Plan, progress: Callable[[str], None]) -> list[Figure]:
    """Figures of one cluster.

    Args:
        plan: its size, and how long things take.
        progress: told what is simulated.

    Raises:
        NoFreeSlot: the workers have no room for so many streams.
    """
    simulation = Simulation(plan)
    progress(f"{plan.streams} streams begin on {plan.workers} workers")
    filled = simulation.fill()
    progress(f"{plan.kills} workers are killed, one after the other")
    kills = [simulation.kill() for _ in range(plan.kills)]
    progress("rolling upgrade")
    upgraded = simulation.upgrade()
    progress(f"{plan.added} workers join")
    grown = simulation.grow()
    return list(figures(plan, filled, kills, upgraded, grown, simulation.placement_us, simulation.decision_us))
