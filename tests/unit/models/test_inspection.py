"""A model is looked at without its weights, and what keeps it from being loaded is found before it is."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner, Result

from hermes_ray import models
from hermes_ray.cli.main import app
from hermes_ray.config import EngineSettings, MemorySettings
from hermes_ray.engine import StreamEngine
from hermes_ray.errors import MissingWeights, UnsupportedModel
from hermes_ray.models.families.registry import FAMILIES
from hermes_ray.models.loading.catalogue import PUBLISHED
from hermes_ray.models.loading.inspection import inspect
from hermes_ray.models.loading.progress import download_bars
from hermes_ray.models.loading.weight_files import look_at_weights
from tests.unit.models import families


def hermes(*arguments: str | Path) -> Result:
    result = CliRunner().invoke(app, ["models", *map(str, arguments)])
    assert "Traceback" not in result.output
    return result


def test_what_a_stream_takes_is_what_the_engine_allocates(directories: dict[str, Path], family: str):
    shape = inspect(family, directories[family])
    adapter = models.load(directories[family], device="cpu")
    with StreamEngine(adapter, MemorySettings(budget_tokens=200, slots=3), EngineSettings(max_questions=1)) as engine:
        assert engine.stats().slab_bytes == 3 * shape.slot_bytes(200, torch.float32)
    assert (shape.family, shape.frames_per_block) == (family, adapter.frames_per_block)


def test_the_parameters_are_those_of_the_files(directories: dict[str, Path], family: str):
    found = look_at_weights(directories[family])
    tensors = load_file(directories[family] / "model.safetensors").values()
    assert found.parameters == sum(tensor.numel() for tensor in tensors)
    assert found.size_bytes == (directories[family] / "model.safetensors").stat().st_size


def test_files_that_are_missing_cut_off_or_something_else_are_named(tmp_path: Path):
    with pytest.raises(MissingWeights, match=r"no .*safetensors"):
        look_at_weights(tmp_path)
    whole = tmp_path / "model-1.safetensors"
    save_file({"a": torch.zeros(1000)}, whole)
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": whole.name, "b": "model-2.safetensors"}}))
    with pytest.raises(MissingWeights, match=r"1 of 2 .*model-2"):
        look_at_weights(tmp_path)
    index.unlink()
    assert look_at_weights(tmp_path).parameters == 1000
    data = whole.read_bytes()
    for wrong in (data[:-1], data[:20], b"", b"<html>not found</html>", data + b"x"):
        whole.write_bytes(wrong)
        with pytest.raises(MissingWeights, match="fetch it again"):
            look_at_weights(tmp_path)


def test_what_loading_refuses_is_refused_without_loading(tmp_path: Path):
    directory = families.save("qwen2_5_vl", tmp_path, use_sliding_window=True, sliding_window=16, max_window_layers=2)
    with pytest.raises(UnsupportedModel, match="sliding_attention"):
        inspect("mine", directory)
    (tmp_path / "video_preprocessor_config.json").unlink()
    families.save("qwen2_5_vl", tmp_path)
    (tmp_path / "video_preprocessor_config.json").unlink()
    with pytest.raises(MissingWeights, match="preprocess"):
        inspect("mine", directory)


def test_the_command_says_what_a_directory_holds_and_needs(directories: dict[str, Path], family: str):
    budget = ("--set", "memory.budget_tokens=300", "--set", "model.device=cpu")
    said = hermes("check", directories[family], *budget)
    assert said.exit_code == 0, said.output
    assert family in said.stdout
    found = json.loads(hermes("check", directories[family], *budget, "--json").stdout)
    assert (found["family"], found["fits"], found["on_this_machine"], found["files"]) == (family, True, True, 1)
    assert found["weights_bytes"] == 4 * found["parameters"]


@pytest.mark.parametrize(
    ("assignment", "said"),
    [("memory.slots=1000000000", "memory.slots"), ("memory.budget_tokens=3", "at least one frame")],
)
def test_a_model_that_does_not_fit_is_refused_with_what_to_lower(
    directories: dict[str, Path], assignment: str, said: str
):
    result = hermes("check", directories["qwen3_vl"], "--set", assignment, "--set", "model.device=cpu")
    assert (result.exit_code, said in result.stderr) == (1, True)


def test_a_directory_of_another_family_is_refused_with_those_that_are_supported(tmp_path: Path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "gpt2"}))
    save_file({"a": torch.zeros(10)}, tmp_path / "model.safetensors")
    result = hermes("check", tmp_path)
    assert (result.exit_code, "unsupported-model" in result.stderr) == (1, True)
    assert all(name in result.stderr for name in FAMILIES)


def test_the_list_names_every_family_and_what_its_models_need():
    listed = json.loads(hermes("--json", "--gpu-gib", "80", "--fps", "2").stdout)["models"]
    assert {model["family"] for model in listed} == set(FAMILIES)
    (seven,) = [model for model in listed if model["name"].endswith("qwen2-7b-ov-hf")]
    # 2 x 28 layers x 4 heads x 128 numbers x 2 bytes, and 16 bytes per layer, for 4096 + 256 tokens
    assert seven["stream_bytes"] == 4352 * (57_344 + 28 * 16)
    assert seven["keeps_up_with_streams"] == 46  # of the 92 frames a second that were measured
    assert all(len(line) <= 80 for line in hermes().stdout.splitlines())
    assert all(model.name in hermes().stdout for model in PUBLISHED)


def test_who_waits_for_a_model_is_told_how_far_it_is(directories: dict[str, Path]):
    said: list[str] = []
    models.load(directories["qwen3_vl"], device="cpu", on_progress=said.append)
    total = said[-1].rpartition(" ")[2]
    assert said[-1] == f"reading weights, {total} of {total}"
    said.clear()
    with download_bars(said.append)(total=5_000_000, unit="B", mininterval=0) as bar:
        bar.update(2_000_000)
    assert "fetching from the hub, 2 MB of 5 MB" in said
