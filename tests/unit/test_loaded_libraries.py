"""What each kind of process loads: libraries that take seconds to load are only where they are used."""

import json
import subprocess
import sys

import pytest

_OF_MODELS = {"torch", "transformers"}
_OF_EVENTS = {"sqlalchemy", "alembic"}
_HEAVY = sorted({*_OF_MODELS, *_OF_EVENTS, "av", "kafka", "numpy", "fastapi", "mcp", "ray", "matplotlib", "scipy"})

_WITHOUT_FRAMES = {
    "a command that asks": (
        ("hermes_ray.cli.main", "hermes_ray.cli.commands.ask", "hermes_ray.cli.running.connection"),
        set(_HEAVY),
    ),
    "the Coordinator": (("hermes_ray.cluster.control.coordinator",), {*_HEAVY} - {"ray"}),
    "the event sink": (
        ("hermes_ray.cluster.event_sink.actor", "hermes_ray.events.keeper"),
        {*_OF_MODELS, "av", "numpy", "fastapi", "mcp"},
    ),
}
_WITH_FRAMES_OR_SERVE = {
    "hermes up": (
        ("hermes_ray.cli.commands.up", "hermes_ray.api.server"),
        {*_OF_MODELS, *_OF_EVENTS, "av", "kafka", "mcp"},
    ),
    "a router": (
        ("hermes_ray.api.router", "hermes_ray.api.application"),
        {*_OF_MODELS, *_OF_EVENTS, "av", "kafka", "mcp"},
    ),
    "a memory worker before its model": (
        ("hermes_ray.cluster.memory_worker.actor", "hermes_ray.cluster.memory_worker.worker"),
        {*_OF_MODELS, *_OF_EVENTS, "av", "kafka", "mcp"},
    ),
    "an ingest worker": (
        ("hermes_ray.cluster.ingest.actor", "hermes_ray.cluster.ingest.loop"),
        {*_OF_MODELS, *_OF_EVENTS, "mcp"},
    ),
}
_PROCESSES = _WITHOUT_FRAMES | _WITH_FRAMES_OR_SERVE
"""What each loads of this package, and what must not come along; ordered so that two interpreters serve for all."""

_LOAD_ONE_AFTER_THE_OTHER = """
import json, sys
from importlib import import_module
processes, heavy = json.loads(sys.argv[1])
for modules in processes:
    for module in modules:
        import_module(module)
    print(json.dumps([name for name in heavy if name in sys.modules]))
"""


@pytest.fixture(scope="module")
def loaded() -> dict[str, set[str]]:
    """By kind of process which libraries are there, those of the kinds before it in its interpreter included."""
    found: dict[str, set[str]] = {}
    for processes in (_WITHOUT_FRAMES, _WITH_FRAMES_OR_SERVE):
        modules = [modules for modules, _ in processes.values()]
        command = [sys.executable, "-c", _LOAD_ONE_AFTER_THE_OTHER, json.dumps([modules, _HEAVY])]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
        found |= {process: set(json.loads(line)) for process, line in zip(processes, said, strict=True)}
    return found


@pytest.mark.parametrize("process", _PROCESSES)
def test_a_process_loads_no_library_that_it_does_not_use(process: str, loaded: dict[str, set[str]]):
    _, not_used = _PROCESSES[process]
    assert loaded[process] & not_used == set()
