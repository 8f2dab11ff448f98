from dataclasses import replace

from hermes_ray.bench.accuracy.evaluation import encode_stream, evaluate
from hermes_ray.bench.accuracy.items import evaluation_stream
from hermes_ray.bench.accuracy.variants import override, policy_names, variants
from hermes_ray.config import HERMES_PRESETS, MemorySettings
from hermes_ray.memory.policies import hermes_parameters
from hermes_ray.memory.policies.presets import ABLATIONS, LLAVA_K_END
from hermes_ray.models import ModelAdapter


def test_an_ablation_by_settings_is_the_preset_of_that_name():
    for name, parameters in ABLATIONS.items():
        settings = MemorySettings.model_validate(override(parameters))
        assert hermes_parameters(settings) == replace(parameters, k_end=LLAVA_K_END), name


def test_every_policy_may_keep_the_same_number_of_tokens():
    compared = variants([12, 50], stream_tokens=4500, frame_tokens=9)
    for percent, tokens in ((12, 540), (50, 2250)):
        budgets = {v.settings["budget_tokens"] for v in compared if v.budget_percent == percent and v.same_budget}
        assert budgets == {tokens}


def test_all_presets_and_bounded_policies_are_compared():
    assert set(policy_names()) >= {
        *HERMES_PRESETS,
        *ABLATIONS,
        *("recent_only", "sink_window", "uniform", "infinipot_v", "streammem", "livevlm", "dscache", "full"),
    }


def test_every_policy_holds_the_same_number_of_tokens_when_it_is_asked(adapter: ModelAdapter):
    seen = encode_stream(adapter, evaluation_stream(seed=1, frames=16, moments=1, per_category=1))
    compared = variants([12], stream_tokens=450, frame_tokens=9)
    held = {
        v.policy: {o.cached_tokens for o in evaluate(adapter, [seen], v)}
        for v in compared
        if v.same_budget and not v.is_peer
    }
    assert len(held) > 10
    assert len({frozenset(tokens) for tokens in held.values()}) == 1, held
    assert max(held["hermes"]) <= 54
