"""Writing frames into memories: batches over streams, and compaction when a stream's own token count says so."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from hermes_ray.config import MemorySettings
from hermes_ray.engine.encoding.writing.compactor import Compactor, Due
from hermes_ray.engine.encoding.writing.decoder_pass import Encoder
from hermes_ray.engine.encoding.writing.grouping import as_group
from hermes_ray.engine.encoding.writing.probing import ProbeSet
from hermes_ray.engine.encoding.writing.rows import EncodeRow
from hermes_ray.engine.isolation import together_or_each
from hermes_ray.engine.residency.parking import ParkingLot
from hermes_ray.engine.residency.residency import Residency
from hermes_ray.engine.residency.stream_memory import StreamMemory, slot_of
from hermes_ray.engine.residency.thumbnails import Thumbnails
from hermes_ray.errors import ConfigError, MemoryFull
from hermes_ray.memory.policies import Policy, build
from hermes_ray.memory.positions import PositionRule, lazy_limit, position_mode
from hermes_ray.memory.slab import KVSlab, SlabShape
from hermes_ray.memory.tiers import layout
from hermes_ray.memory.view import MemoryView, copied
from hermes_ray.models import ModelAdapter, VisualBlock, fingerprint
from hermes_ray.observability.distribution import Meter


@dataclass(slots=True)
class _Pending:
    memory: StreamMemory
    blocks: list[VisualBlock] = field(default_factory=list)


class MemoryWriter:
    """Owns the slab and the policy. Belongs to the engine's thread.

    At rest a layer never holds more than ``budget_tokens`` visual tokens. The frame that exceeds them is encoded into
    the headroom behind, and the memory is compacted at once to ``budget_tokens`` less a slack, so that the cost of
    compaction is shared by the frames that fill the slack. This depends on the stream's own tokens alone, never on
    timing or on what else is in the batch: the same frames always give the same memory.

    Tokens that show nothing new leave gaps in the positions (:meth:`VisualBlock.showing`). A memory of few tokens with
    many gaps is compacted without evicting anything, which re-numbers it, before it runs out of positions.

    Args:
        adapter: the model.
        settings: policy, budget and slots.
        text_tokens: positions to keep free for the longest question and answer.

    Attributes:
        slab: the memories.
        encoder: the decoder's passes over it.
        probes: those that ride on a pass before a compaction.
        thins_out: whether blocks may lack tokens (``memory.unchanged_patches``).

    Raises:
        ConfigError: budget and model do not fit together.
    """

    def __init__(self, adapter: ModelAdapter, settings: MemorySettings, text_tokens: int) -> None:
        shape = adapter.decoder.shape
        with torch.inference_mode():
            self._prefix = adapter.prefix()
        self.budget = settings.budget_tokens
        self.thins_out = settings.unchanged_patches == "drop"
        self._thumbnail_bytes = settings.thumbnail_bytes
        slack = int(settings.budget_tokens * settings.compaction_slack)
        prefix, headroom = self._prefix.shape[0], adapter.max_tokens_per_block
        self._check(adapter, prefix + self.budget + headroom + text_tokens)
        if self.thins_out and self.budget - slack < headroom:
            raise ConfigError(
                f"memory.unchanged_patches is drop, and a compaction leaves {self.budget - slack} tokens, too few for "
                f"a whole block of {adapter.name} ({headroom}); raise memory.budget_tokens"
            )
        self.policy: Policy = build(
            settings,
            shape.layers,
            k_end=adapter.k_end,
            key_bias=adapter.decoder.key_bias,
            frame_tokens=headroom,
        )
        self.probes = ProbeSet(self.policy.probe, adapter, layout(shape.layers))
        rule = PositionRule(
            mode=position_mode(settings, shape.axes),
            first=prefix,
            limit=lazy_limit(shape.max_positions, slack + headroom + text_tokens),
        )
        self.slab = KVSlab(
            SlabShape(
                layers=shape.layers,
                slots=settings.slots,
                kv_heads=shape.kv_heads,
                capacity=prefix + self.budget + headroom,
                head_dim=shape.head_dim,
                axes=shape.axes,
            ),
            prefix=prefix,
            dtype=adapter.dtype,
            device=adapter.device,
            keys_rotated=settings.keys == "rotated",
        )
        self._adapter = adapter
        self.encoder = Encoder(adapter.decoder, adapter.rotary, self.slab)
        keep = max(1, self.budget - slack)
        self._compactor = Compactor(
            self.slab, adapter.rotary, self.policy, self.probes, rule, budget=self.budget, keep=keep
        )
        self._most_reach: float = shape.max_positions - text_tokens - headroom
        self._safe_reach = self._most_reach
        if self.thins_out and rule.mode == "eager":  # as far as whole frames get, and what makes compactions rare
            self._most_reach = min(self._most_reach, prefix + self.budget + slack)
        elif not self.thins_out and rule.mode != "eager":  # how far it is is not known, and the rule's limit will do
            self._most_reach = float("inf")
        # Memories of the other form are foreign, as those of another model are.
        self.fingerprint = fingerprint(adapter.decoder) + ("-rotated-keys" if self.slab.keys_rotated else "")
        self.residency = Residency(
            self.slab,
            ParkingLot(
                host_streams=settings.host_streams, directory=settings.spill_directory, fingerprint=self.fingerprint
            ),
            self._encode_prefix(),
        )

    @property
    def compaction_seconds(self) -> Meter:
        """How long compactions took."""
        return self._compactor.seconds

    @property
    def evicts(self) -> bool:
        """False under policy ``full``."""
        return self.policy.name != "full"

    def open(self, name: str) -> StreamMemory:
        """Begin a stream's memory.

        Raises:
            NoFreeSlot: every slot is taken, and none of the memories in them can be parked.
        """
        memory = StreamMemory(name, reach=self.slab.prefix, thumbnails=Thumbnails(self._thumbnail_bytes))
        self.residency.bring([memory])
        return memory

    def settle(self, memory: StreamMemory, reach: int, *, other_settings: bool) -> None:
        """Close the gaps of a memory that was just read, where questions or frames would run out of positions.

        Where tokens alone decide when it is compacted, frames might if it has few tokens and many gaps, or comes from a
        smaller budget.

        Args:
            memory: in a slot, within the budget.
            reach: its positions are below this one.
            other_settings: it was written under another policy or budget, or where tokens are left out.
        """
        ahead = self.budget - memory.tokens if other_settings and self._most_reach > self._safe_reach else 0
        if reach + ahead > self._safe_reach:
            self._compactor.close_up(memory)

    def close(self, memory: StreamMemory) -> None:
        """Forget a stream."""
        self.residency.forget(memory)

    def check_room(self, memory: StreamMemory, blocks: int) -> None:
        """Under policy ``full``, refuse blocks that might not fit.

        Raises:
            MemoryFull: they would not.
        """
        needed = blocks * self._adapter.max_tokens_per_block
        if not self.evicts and memory.tokens + needed > self.budget:
            raise MemoryFull(
                f"policy full keeps everything: {memory.tokens} of {self.budget} tokens are held and {needed} more "
                "do not fit; raise memory.budget_tokens or choose a policy that evicts"
            )

    def write(
        self, memories: Mapping[str, StreamMemory], blocks: Mapping[str, Sequence[VisualBlock]]
    ) -> dict[str, Exception]:
        """Append blocks to memories, compacting as needed.

        Args:
            memories: by stream.
            blocks: of each stream, in order.

        Returns:
            Streams of which not all blocks are written, and why. Such a memory holds the blocks before, as its
            ``frames`` say.

        Raises:
            Exception: the device is unusable.
        """
        pending = [_Pending(memories[stream], list(frames)) for stream, frames in blocks.items()]
        failed: dict[str, Exception] = {}
        while pending := [item for item in pending if item.blocks and item.memory.name not in failed]:
            # More streams than slots take turns; what is in a pass changes no memory.
            failed |= self._pass(pending[: self.slab.shape.slots])
        return failed

    @torch.inference_mode()
    def preview(self, memory: StreamMemory) -> tuple[VisualBlock, Tensor] | None:
        """The frames held back as a question sees them: their group filled up, placed behind the memory, not stored.

        The vision tower sees them once, however many questions come before the next frame.

        Args:
            memory: in a slot.

        Returns:
            The block and its positions ``[layers, tokens, axes]`` int32; ``None`` when nothing is held back.
        """
        if not memory.held_back:
            return None
        if memory.previewed is None or memory.previewed[0] is not memory.held_back:
            (block,) = self._adapter.encode([as_group(memory.held_back)])
            memory.previewed = memory.held_back, block
        _, block = memory.previewed
        largest = self.slab.largest_positions([slot_of(memory)])[:, 0]
        return block, self._adapter.place(block, largest, memory.newest_block_ms)

    def _pass(self, pending: Sequence[_Pending]) -> dict[str, Exception]:
        """One batched pass: of every stream, the blocks up to the first that makes it due. Returns failures."""
        before = {item.memory.name: (item.memory.state, list(item.blocks)) for item in pending}
        full: list[Due] = []

        def undo(items: Sequence[_Pending]) -> None:
            for item in items:
                state, item.blocks = before[item.memory.name][0], list(before[item.memory.name][1])
                item.memory.go_back(state)
                if item.memory.slot is not None:
                    self.slab.truncate(item.memory.slot, state.tokens)

        failed = together_or_each(pending, lambda items: full.extend(self._append(items)), undo)
        by_name = {item.memory.name: item for item in pending}
        for group in self._compactor.groups(full):
            for due, error in together_or_each(group, self._compactor.compact, lambda _: None):
                item = by_name[due.memory.name]
                undo([item])
                failed.append((item, error))
        return {item.memory.name: error for item, error in failed}

    def _append(self, items: Sequence[_Pending]) -> list[Due]:
        """Encode into the slots; returns the memories to compact, with what their probes observed."""
        self.residency.bring([item.memory for item in items])
        largest = self.slab.largest_positions([slot_of(item.memory) for item in items])
        rows = []
        for index, item in enumerate(items):
            blocks, exceeds = self._take(item)
            rows.append(self._row(item.memory, blocks, largest[:, index], exceeds))
        observed = self.encoder.run(rows)
        for item in items:
            item.memory.tokens = self.slab.visual_tokens(slot_of(item.memory))
        return [Due(item.memory, seen) for item, seen in zip(items, observed, strict=True) if self._is_due(item.memory)]

    def _is_due(self, memory: StreamMemory) -> bool:
        return memory.tokens > self.budget or memory.reach > self._most_reach

    def _take(self, item: _Pending) -> tuple[list[VisualBlock], bool]:
        """The next blocks up to the one that makes the memory due, and whether it exceeds the budget then."""
        held, reach = item.memory.tokens, item.memory.reach
        taken: list[VisualBlock] = []
        while item.blocks and (not taken or (held <= self.budget and reach <= self._most_reach)):
            block = item.blocks.pop(0)
            taken.append(block)
            held, reach = held + block.tokens, reach + block.places
        return taken, held > self.budget

    def _row(self, memory: StreamMemory, blocks: Sequence[VisualBlock], largest: Tensor, probed: bool) -> EncodeRow:
        """Lay blocks out behind a memory, and count them in."""
        positions, frames, patches = [], [], []
        for block in blocks:
            placed = self._adapter.place(block, largest, memory.newest_block_ms)
            largest = torch.maximum(largest, placed.amax(dim=1))
            positions.append(placed)
            numbers = block.numbers or range(memory.frames, memory.frames + block.frames)
            frames.append(torch.full((block.tokens,), numbers[0], dtype=torch.int32, device=placed.device))
            patches.append(_patches(block))
            memory.frames = numbers[-1] + 1
            memory.newest_block_ms = block.elapsed_ms
            memory.reach += block.places
        embeds, placed = torch.cat([block.embeds for block in blocks]), torch.cat(positions, dim=1)
        spans = ()
        if probed and self.probes.rides_along:
            embeds, placed, spans = self.probes.append(embeds, placed, largest)
        deepstack = _join_deepstack(blocks)
        return EncodeRow(slot_of(memory), embeds, placed, torch.cat(frames), torch.cat(patches), spans, deepstack)

    def _encode_prefix(self) -> MemoryView:
        """The prefix is the same for every stream: encoded once, copied from then on."""
        slot = self.slab.allocate()
        count = self._prefix.shape[0]
        if count > 0:
            outside = torch.full((count,), -1, dtype=torch.int32, device=self._prefix.device)
            steps = torch.arange(count, dtype=torch.int32, device=self._prefix.device)[None, :, None]
            positions = steps.expand(self.slab.shape.layers, -1, self.slab.shape.axes)
            self.encoder.run([EncodeRow(slot, self._prefix, positions, frames=outside, patches=outside)])
        prefix = copied(self.slab.prefix_view(slot))
        self.slab.release(slot)
        return prefix

    def _check(self, adapter: ModelAdapter, positions: int) -> None:
        if self.budget < adapter.max_tokens_per_block:
            raise ConfigError(
                f"memory.budget_tokens is {self.budget}, less than one block of {adapter.name} "
                f"({adapter.max_tokens_per_block} tokens)"
            )
        if positions > adapter.decoder.shape.max_positions:
            raise ConfigError(
                f"memory.budget_tokens {self.budget} with the longest question and answer needs {positions} "
                f"positions; {adapter.name} has {adapter.decoder.shape.max_positions}"
            )


def _patches(block: VisualBlock) -> Tensor:
    if block.patches is not None:
        return block.patches
    return torch.arange(block.tokens, dtype=torch.int32, device=block.embeds.device)


def _join_deepstack(blocks: Sequence[VisualBlock]) -> Tensor | None:
    levels = [block.deepstack for block in blocks if block.deepstack is not None]
    return torch.cat(levels, dim=1) if levels else None
