"""What is shown while a benchmark runs."""

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from hermes_ray.cli.console.output import progress_console


def time_progress() -> Progress:
    """Progress through work whose parts are weighed by the time they take."""
    return Progress(
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
        console=progress_console(),
        speed_estimate_period=3600,  # a part takes minutes
    )


def count_progress() -> Progress:
    """Progress through work whose parts are alike."""
    return Progress(
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
        console=progress_console(),
    )
