"""The model in training: `hermes-tiny` with auxiliary heads that are thrown away afterwards."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from transformers import LlavaOnevisionForConditionalGeneration

from hermes_ray.models.tiny.architecture import IMAGE_MEAN, IMAGE_STD
from training.clips import IGNORED, LABEL_CLASSES
from training.packing import NEWLINE, Batch, attention_mask

_PROJECTED = 0
_HEAD_LAYER = {
    "kind": _PROJECTED,
    "colour": _PROJECTED,
    "place": _PROJECTED,
    "is_new": 4,
    "kind_before": 6,
    "colour_before": 6,
    "order": 7,
    "order_of_kind": 7,
}
"""Decoder layer after which each auxiliary head reads the visual tokens; 0 reads what the projector made."""
_EMPTY_WEIGHT = 0.1  # most tokens show nothing


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one batch gave.

    Attributes:
        loss: scalar, to minimise.
        answer_loss: mean cross-entropy of the answers' tokens, nats.
        head_losses: likewise per auxiliary head.
        correct: per row and question, whether greedy decoding would give exactly the right answer.
    """

    loss: Tensor
    answer_loss: float
    head_losses: dict[str, float]
    correct: list[list[bool]]


class Trainee(nn.Module):
    """`hermes-tiny` with its auxiliary heads.

    Args:
        model: float32, trained in place.
        prefix_ids: token ids before the first frame.
    """

    def __init__(self, model: LlavaOnevisionForConditionalGeneration, prefix_ids: list[int]) -> None:
        super().__init__()
        self.model = model
        width = model.config.text_config.hidden_size
        self.heads = nn.ModuleDict({name: nn.Linear(width, classes) for name, classes in LABEL_CLASSES.items()})
        self.norms = nn.ModuleDict({name: nn.RMSNorm(width) for name, layer in _HEAD_LAYER.items() if layer})
        self.register_buffer("prefix_ids", torch.tensor(prefix_ids), persistent=False)

    def see(self, batch: Batch) -> Tensor:
        """Return the visual tokens that the batch keeps, ``[B, V, width]`` float32."""
        pixels = torch.from_numpy(batch.frames).permute(0, 1, 4, 2, 3).to(torch.float32) / 255
        mean, std = (torch.tensor(values)[:, None, None] for values in (IMAGE_MEAN, IMAGE_STD))
        tokens = self.model.model.get_video_features((pixels - mean) / std).pooler_output
        return tokens.gather(1, batch.kept[:, :, None].expand(-1, -1, tokens.shape[-1]))

    def vision_loss(self, batch: Batch) -> Outcome:
        """Return the loss of the heads that read the projected visual tokens; the decoder is not run."""
        visual = self.see(batch)
        losses = {
            name: self._head_loss(name, visual, batch.labels[name])
            for name, layer in _HEAD_LAYER.items()
            if layer == _PROJECTED
        }
        return Outcome(sum(losses.values(), torch.zeros(())), 0.0, _numbers(losses), [])

    def forward(self, batch: Batch) -> Outcome:
        """Run a batch and compare with its answers and labels."""
        visual = self.see(batch)
        logits, states = self.answer_logits(batch, visual)
        targets = batch.targets[batch.targets != IGNORED]
        weights = _answer_weights(batch)
        answer_loss = (cross_entropy(logits, targets, reduction="none") * weights).sum() / weights.sum()
        start = len(self.prefix_ids)
        losses = {}
        for name, layer in _HEAD_LAYER.items():
            tokens = visual if layer == _PROJECTED else states[layer][:, start : start + visual.shape[1]]
            losses[name] = self._head_loss(name, tokens, batch.labels[name])
        loss = answer_loss + 0.3 * sum(losses.values(), torch.zeros(()))
        return Outcome(loss, float(answer_loss.detach()), _numbers(losses), _exact_matches(batch, logits))

    def answer_logits(self, batch: Batch, visual: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return the logits at every position that predicts an answer's token, row by row, and all layers' states."""
        rows, visual_tokens, _ = visual.shape
        start = len(self.prefix_ids)
        language = self.model.model.language_model
        prefix = language.embed_tokens(self.prefix_ids).expand(rows, -1, -1)
        context = torch.cat((torch.arange(start).expand(rows, -1), batch.visual_positions), dim=1)
        output = language(
            inputs_embeds=torch.cat((prefix, visual, self._embed(batch.text_ids)), dim=1),
            position_ids=torch.cat((context, batch.positions), dim=1),
            attention_mask=attention_mask(batch, start),
            use_cache=False,
            output_hidden_states=True,
        )
        text = output.last_hidden_state[:, start + visual_tokens :]
        return self.model.lm_head(text[batch.targets != IGNORED]), output.hidden_states

    def _embed(self, text_ids: Tensor) -> Tensor:
        embedded = self.model.model.language_model.embed_tokens(text_ids.clamp(min=0))
        return torch.where((text_ids == NEWLINE)[:, :, None], self.model.model.image_newline, embedded)

    def _head_loss(self, name: str, tokens: Tensor, labels: Tensor) -> Tensor:
        asked = labels != IGNORED
        if not asked.any():
            return tokens.sum() * 0
        tokens = tokens[asked]
        if name in self.norms:
            tokens = self.norms[name](tokens)
        weights = torch.ones(LABEL_CLASSES[name])
        if name in ("kind", "colour"):
            weights[0] = _EMPTY_WEIGHT
        return cross_entropy(self.heads[name](tokens), labels[asked], weight=weights)


def _numbers(losses: dict[str, Tensor]) -> dict[str, float]:
    return {name: float(loss.detach()) for name, loss in losses.items()}


def _answer_weights(batch: Batch) -> Tensor:
    """Return 1 / sqrt(answer's length) per token: between "each token alike" and "each answer alike"."""
    asked = batch.targets != IGNORED
    rows, _ = asked.shape
    key = batch.segments + torch.arange(rows)[:, None] * (batch.segments.max() + 1)
    lengths = torch.bincount(key[asked])
    return lengths[key[asked]].float().rsqrt()


def _exact_matches(batch: Batch, logits: Tensor) -> list[list[bool]]:
    asked = batch.targets != IGNORED
    wrong = torch.zeros(batch.targets.shape, dtype=torch.bool)
    wrong[asked] = logits.argmax(dim=-1) != batch.targets[asked]
    correct = [[True] * len(tasks) for tasks in batch.tasks]
    for row, column in wrong.nonzero().tolist():
        correct[row][int(batch.segments[row, column])] = False
    return correct
