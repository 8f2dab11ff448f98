"""``hermes models``: which models are supported, what each needs, and whether one can run here."""

from typing import Annotated, Any

import psutil
import typer
from rich.table import Table

from hermes_ray.cli.console.exits import CommandFailed
from hermes_ray.cli.console.options import AsJson, Assignments, ConfigFile, load_settings
from hermes_ray.cli.console.output import progress_console, result_console, write_json
from hermes_ray.config import Settings

_GIB = 2**30
_MIB = 2**20

models = typer.Typer(help="List the models that are supported, and check one before anything starts.")


@models.callback(invoke_without_command=True)
def list_models(
    context: typer.Context,
    gpu_gib: Annotated[float, typer.Option("--gpu-gib", min=1, help="Memory of the GPU to plan for, GiB.")] = 80.0,
    fps: Annotated[
        float | None, typer.Option(min=0.01, help="Frames of each stream per second (default: video.target_fps).")
    ] = None,
    config_file: ConfigFile = None,
    assignments: Assignments = None,
    as_json: AsJson = False,
) -> None:
    """List published models of the supported families, with what they need."""
    if context.invoked_subcommand is not None:
        return
    from hermes_ray.models.loading.catalogue import PUBLISHED

    settings = load_settings(config_file, assignments).settings
    rate = settings.video.target_fps if fps is None else fps
    budget, questions = settings.memory.budget_tokens, settings.engine.max_questions
    found = [
        {
            "name": model.name,
            "family": model.family,
            "weights_bytes": model.weights_bytes,
            "stream_bytes": model.stream_bytes(budget),
            "tokens_per_frame": model.tokens_per_frame,
            "room_for_streams": model.room(gpu_gib * _GIB, budget, questions),
            "keeps_up_with_streams": int(model.frames_per_s() / rate),
        }
        for model in PUBLISHED
    ]
    if as_json:
        write_json({"gpu_gib": gpu_gib, "fps": rate, "budget_tokens": budget, "models": found})
        return
    result_console().print(_table(found))
    progress_console().print(
        f"[dim]And bundled: hermes-tiny, for the simulated cameras only. Weights in bfloat16; streams with a budget of "
        f"{budget} tokens; room for them in {gpu_gib:g} GiB beside {questions} questions. How many an H200 keeps up "
        f"with at {rate:g} frames a second is estimated from one model that was measured: measure yours with "
        f"`hermes bench engine`.[/]"
    )


@models.command()
def check(
    name: Annotated[
        str | None, typer.Argument(help="A directory or a hub name (default: model.name).", show_default=False)
    ] = None,
    revision: Annotated[str | None, typer.Option(help="Hub branch, tag or commit (default: model.revision).")] = None,
    config_file: ConfigFile = None,
    assignments: Assignments = None,
    as_json: AsJson = False,
) -> None:
    """Check whether a model is complete, supported and fits this machine with these settings. Loads no weights."""
    from hermes_ray.models.loading.description import describe
    from hermes_ray.models.loading.inspection import inspect

    settings = load_settings(config_file, assignments).settings
    named = settings.model.name if name is None else name
    console = progress_console()
    with console.status(f"looking at {named}"):
        described = describe(named, revision or settings.model.revision)
        shape = inspect(named, described.directory, settings.model.max_pixels_per_frame)
    if settings.memory.budget_tokens < shape.tokens_per_block:
        raise CommandFailed(
            f"memory.budget_tokens ({settings.memory.budget_tokens}) must hold at least one frame of {named}, "
            f"{shape.tokens_per_block} tokens"
        )
    needs = _needs(settings, shape, described.weights.parameters)
    report = {
        "name": named,
        "family": shape.family,
        "on_this_machine": described.on_this_machine,
        "files": described.weights.files,
        "files_bytes": described.weights.size_bytes,
        "parameters": described.weights.parameters,
        "tokens_per_frame": shape.tokens_per_block / shape.frames_per_block,
        **needs,
    }
    report["fits"] = report["needed_bytes"] <= report["free_bytes"]
    if as_json:
        write_json(report)
    else:
        _say(report, settings)
    if not report["fits"]:
        raise CommandFailed(
            f"{named} needs {_gib(needs['needed_bytes'])} with these settings and {needs['device']} has "
            f"{_gib(needs['free_bytes'])} free: lower memory.slots ({settings.memory.slots}), engine.max_questions "
            f"({settings.engine.max_questions}) or memory.budget_tokens ({settings.memory.budget_tokens}), or take a "
            f"smaller model"
        )


def _needs(settings: Settings, shape: Any, parameters: int) -> dict[str, Any]:
    """What the model takes of which device by the formula of docs/operator/sizing.md, and what that has; bytes."""
    import torch

    from hermes_ray.models.loading.loading import resolve_device, resolve_dtype

    device = resolve_device(settings.model.device)
    dtype = resolve_dtype(settings.model.dtype, device)
    memory, engine = settings.memory, settings.engine
    slot = shape.slot_bytes(memory.budget_tokens, dtype)
    seat = shape.seat_bytes(memory.budget_tokens, engine.max_question_tokens + engine.max_answer_tokens, dtype)
    weights = parameters * dtype.itemsize
    free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else psutil.virtual_memory().available
    return {
        "device": str(device),
        "dtype": str(dtype).removeprefix("torch."),
        "weights_bytes": weights,
        "stream_bytes": slot,
        "question_bytes": seat,
        "needed_bytes": weights + memory.slots * slot + engine.max_questions * seat,
        "free_bytes": free,
    }


def _say(report: dict[str, Any], settings: Settings) -> None:
    where = "on this machine" if report["on_this_machine"] else "at the hub, to be fetched"
    lines = (
        f"{report['name']}: {report['family']}, {report['parameters'] / 1e9:.3g} billion parameters",
        f"files: {report['files']} with {_gib(report['files_bytes'])}, complete, {where}",
        f"weights: {_gib(report['weights_bytes'])} as {report['dtype']} on {report['device']}",
        f"each stream: {report['stream_bytes'] / _MIB:.0f} MiB with a budget of {settings.memory.budget_tokens} "
        f"tokens, of which a frame takes {report['tokens_per_frame']:g} at most",
        f"in all: {_gib(report['needed_bytes'])} with {settings.memory.slots} streams and "
        f"{settings.engine.max_questions} questions, and the work of a step; {_gib(report['free_bytes'])} are free",
    )
    for line in lines:
        result_console().print(line, markup=False, soft_wrap=True)


def _table(found: list[dict[str, Any]]) -> Table:
    titles = ("model", "weights, GiB", "MiB a stream", "tokens a frame", "room for", "keeps up with")
    table = Table(*titles, box=None, padding=(0, 1, 0, 0))
    table.columns[0].no_wrap = True
    for model in found:
        table.add_row(
            model["name"],
            f"{model['weights_bytes'] / _GIB:.1f}",
            f"{model['stream_bytes'] / _MIB:.0f}",
            str(model["tokens_per_frame"]),
            str(model["room_for_streams"]),
            str(model["keeps_up_with_streams"]),
        )
    return table


def _gib(size_bytes: float) -> str:
    return f"{size_bytes / _GIB:.1f} GiB" if size_bytes >= _GIB / 10 else f"{size_bytes / _MIB:.1f} MiB"
