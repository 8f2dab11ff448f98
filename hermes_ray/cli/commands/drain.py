"""``hermes drain``: hand the streams of a memory worker over to the others."""

from typing import Annotated

import typer

from hermes_ray.cli.console.options import AsJson, Assignments, ConfigFile, load_settings
from hermes_ray.cli.console.output import progress_console, write_json
from hermes_ray.cli.console.steps import Steps
from hermes_ray.cli.running.lifecycle import Lifecycle
from hermes_ray.cli.running.system import quiet_ray
from hermes_ray.config import Settings
from hermes_ray.errors import ConfigError
from hermes_ray.garbage import loading_for_good


def drain(
    workers: Annotated[list[str] | None, typer.Argument(metavar="[WORKER]...", help="Such as memory-0.")] = None,
    here: Annotated[bool, typer.Option("--here", help="All memory workers of the machine that this runs on.")] = False,
    cancel: Annotated[bool, typer.Option("--cancel", help="Let the workers have streams again.")] = False,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds to wait until they are empty.")] = 120.0,
    config_file: ConfigFile = None,
    assignments: Assignments = None,
    as_json: AsJson = False,
) -> None:
    """Empty memory workers before their machine goes: every stream moves to another worker, and no frame is lost.

    Joins the Ray cluster that cluster.address (or RAY_ADDRESS) names, or else the one on this machine. A drained worker
    gets no streams until --cancel, or until its process is gone for good.
    """
    if bool(workers) == here:
        raise ConfigError("name the workers to drain, such as memory-0, or give --here; not both")
    loaded = load_settings(config_file, assignments or ())
    settings = _of_a_running_cluster(loaded.settings)
    console = progress_console()
    steps = Steps(console)
    with Lifecycle(console.print) as lifecycle:
        with steps.step("loading Ray"), lifecycle.deferring_signals(), loading_for_good():
            quiet_ray()
            import ray

            from hermes_ray.cluster.control.bringup.cluster import connect_ray
            from hermes_ray.cluster.control.moves import draining
        with steps.step("joining Ray"), lifecycle.while_others_take_signals():
            lifecycle.at_end(ray.shutdown)
            connect_ray(settings.cluster, loaded.named_by("cluster.address"))
        chosen = list(workers or draining.workers_on_this_machine(settings))
        if cancel:
            for worker in chosen:
                draining.end_drain(settings, worker)
        elif chosen:
            with steps.step(f"draining {', '.join(chosen)}") as progress:
                draining.drain(settings, chosen, timeout, lambda left: progress(f"{left} streams left"))
    if as_json:
        write_json({"workers": chosen, "draining": not cancel})
    elif not chosen:
        console.print("no memory worker runs on this machine")


def _of_a_running_cluster(settings: Settings) -> Settings:
    """The settings, made to join a cluster: there is nothing to drain in one that would be started now."""
    if settings.cluster.address is not None:
        return settings
    return settings.model_copy(update={"cluster": settings.cluster.model_copy(update={"address": "auto"})})
