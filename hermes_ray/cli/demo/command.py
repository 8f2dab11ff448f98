"""``hermes demo``: the command and the order in which things start."""

from typing import Annotated

import typer

from hermes_ray.cli.console.options import AsJson, Assignments, parse_assignments


def demo(
    once: Annotated[bool, typer.Option("--once", help="Run a fixed scenario and exit.")] = False,
    cameras: Annotated[int, typer.Option(min=1, max=32, help="How many simulated cameras.")] = 2,
    no_footage: Annotated[
        bool, typer.Option("--no-footage", help="Simulated cameras only; downloads nothing.")
    ] = False,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="TCP port of the HTTP API; 0 picks one (default: 8000 if free)."),
    ] = None,
    open_browser: Annotated[
        bool, typer.Option("--open", help="Open the console in a browser, once there is something to see.")
    ] = False,
    assignments: Assignments = None,
    as_json: AsJson = False,
) -> None:
    """Everything on this machine: broker, Ray, cameras, answers, and a live table until Ctrl-C.

    With --json, a report is written to stdout as the last output. With --once, exit code 1 also means that a frame
    was lost or that a memory outgrew its budget.
    """
    from hermes_ray.cli.demo.run import run_demo
    from hermes_ray.cli.demo.scenario import ONCE_SECONDS, Scenario

    if once and open_browser:
        raise typer.BadParameter("--once ends before anybody has looked; leave one of the two out", param_hint="--open")
    plan = Scenario(cameras, footage=not no_footage, seconds=ONCE_SECONDS if once else None)
    run_demo(
        plan,
        port=0 if once and port is None else port,
        assignments=parse_assignments(assignments or ()),
        as_json=as_json,
        open_browser=open_browser,
    )
