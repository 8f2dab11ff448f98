"""What cannot be run is refused when it is loaded, with what to do about it."""

import json
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from hermes_ray import models
from hermes_ray.errors import ConfigError, MissingWeights, UnsupportedModel
from hermes_ray.models.parts.rotary import frequency_axes
from tests.unit.models import families


def test_family_without_adapter_is_refused_with_the_list_of_families(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "gpt2"}), encoding="utf-8")
    with pytest.raises(UnsupportedModel, match=r"'gpt2'.*llava_onevision, qwen2_5_vl, qwen3_vl"):
        models.load(tmp_path, device="cpu")


def test_missing_weight_is_not_replaced_by_a_random_one(tmp_path: Path) -> None:
    families.save("qwen3_vl", tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    del weights["model.language_model.layers.3.self_attn.q_norm.weight"]
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(MissingWeights, match=r"lacks 1 weights.*layers\.3\.self_attn\.q_norm"):
        models.load(tmp_path, device="cpu")


@pytest.mark.parametrize("content", [None, "{", "[]", "{}"])
def test_unusable_preprocessing_file_is_named(tmp_path: Path, content: str | None) -> None:
    families.save("qwen2_5_vl", tmp_path)
    file = tmp_path / "video_preprocessor_config.json"
    file.unlink() if content is None else file.write_text(content, encoding="utf-8")
    with pytest.raises(MissingWeights, match=r"preprocess|image_mean"):
        models.load(tmp_path, device="cpu")


def test_preprocessing_nested_in_the_processors_file_is_read(tmp_path: Path) -> None:
    families.save("qwen2_5_vl", tmp_path)
    nested = json.loads((tmp_path / "video_preprocessor_config.json").read_text(encoding="utf-8"))
    (tmp_path / "video_preprocessor_config.json").unlink()
    (tmp_path / "processor_config.json").write_text(json.dumps({"video_processor": nested}), encoding="utf-8")
    limit = models.load(tmp_path, device="cpu").max_tokens_per_block
    nested["size"]["longest_edge"] *= 64
    (tmp_path / "processor_config.json").write_text(json.dumps({"video_processor": nested}), encoding="utf-8")
    assert models.load(tmp_path, device="cpu").max_tokens_per_block > limit


def test_sliding_window_is_refused(tmp_path: Path) -> None:
    families.save("qwen2_5_vl", tmp_path, use_sliding_window=True, sliding_window=16, max_window_layers=2)
    with pytest.raises(UnsupportedModel, match="sliding_attention"):
        models.load(tmp_path, device="cpu")


def test_rotary_embedding_that_changes_with_length_is_refused(tmp_path: Path) -> None:
    rope = {"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0, "mrope_section": [2, 3, 3]}
    families.save("qwen2_5_vl", tmp_path, rope_parameters=rope)
    with pytest.raises(UnsupportedModel, match="'dynamic'"):
        models.load(tmp_path, device="cpu")


def test_pixel_limit_is_refused_where_every_frame_has_one_size() -> None:
    with pytest.raises(ConfigError, match=r"model\.max_pixels_per_frame"):
        models.load(models.TINY_RANDOM, device="cpu", max_pixels_per_frame=10_000)


def test_frequencies_follow_the_axes_that_the_configuration_names(adapters) -> None:
    axes = {
        name: frequency_axes(adapter.decoder.rotary, 3, adapter.device).tolist() for name, adapter in adapters.items()
    }
    assert axes["qwen2_5_vl"] == [0, 0, 1, 1, 1, 2, 2, 2]  # mrope_section 2, 3, 3
    assert axes["qwen3_vl"] == [0, 1, 2, 0, 1, 2, 0, 0]  # mrope_section 4, 2, 2, interleaved
