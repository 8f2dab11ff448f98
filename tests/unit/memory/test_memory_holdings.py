"""The memory map: what each tier still holds of each frame."""

from memory_streams import Stream

from hermes_ray.memory.holdings import holdings
from hermes_ray.memory.policies.hermes import Hermes
from hermes_ray.memory.policies.presets import HERMES
from hermes_ray.memory.tiers import Tier, layout


def test_every_tier_accounts_for_its_tokens_frame_by_frame():
    stream, tiers = Stream(layers=10), layout(10)
    view = stream.watch(stream.empty(), 9)
    view = Hermes(HERMES, tiers).compact(view, stream.attention(54), keep=30)
    held = holdings(view.frames, view.counts, tiers)
    assert {tier: h.layers for tier, h in held.items()} == {
        Tier.SENSORY: range(1),
        Tier.WORKING: range(1, 7),
        Tier.LONG_TERM: range(7, 10),
    }
    for tier, h in held.items():
        assert all(h.tokens_per_frame[frame] == stream.patches for frame in range(5, 9))
        merged = tier is Tier.LONG_TERM
        assert abs(sum(h.tokens_per_frame.values()) - (29 if merged else 30)) < 1e-9
        assert h.summarised == (25 if merged else 0)


def test_a_shallow_decoder_has_no_sensory_tier():
    stream = Stream(layers=2)
    view = stream.watch(stream.empty(), 1)
    assert set(holdings(view.frames, view.counts, layout(2))) == {Tier.WORKING, Tier.LONG_TERM}
