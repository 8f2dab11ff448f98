import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoTokenizer

from hermes_ray.models.tiny import save_random, weights_directory
from hermes_ray.models.tiny.architecture import build_model
from hermes_ray.video.world import TASKS
from training.checkpoints import load_bundled, newest_checkpoint, restore, save_checkpoint
from training.clips import IGNORED, make_clip
from training.curriculum import STAGES, Progress, lesson
from training.optimiser import build_optimisers, orthogonalise
from training.packing import Packer
from training.trainee import Trainee

EVEN = dict.fromkeys(TASKS, 1.0)


@pytest.fixture(scope="module")
def clips():
    return [make_clip(seed, frames=6, questions=5, task_weights=EVEN) for seed in (1, 2)]


@pytest.fixture(scope="module")
def trainee():
    torch.manual_seed(0)
    return Trainee(build_model(seed=1), Packer().prefix).eval()


def test_a_packed_question_gets_the_logits_of_transformers_own_forward(clips, trainee, tmp_path):
    batch = Packer().pack(clips)
    with torch.no_grad():
        packed, _ = trainee.answer_logits(batch, trainee.see(batch))
    rows, columns = (batch.targets != IGNORED).nonzero(as_tuple=True)
    tokenizer = AutoTokenizer.from_pretrained(save_random(tmp_path), local_files_only=True)
    for row, clip in enumerate(clips):
        for index, placed in enumerate(clip.questions):
            chat = [
                {"role": "user", "content": [{"type": "video"}, {"type": "text", "text": placed.question.text}]},
                {"role": "assistant", "content": placed.question.answer},
            ]
            text = tokenizer.apply_chat_template(chat, tokenize=False)
            text = text.replace("<video>", "<video>" * (9 * (placed.frame + 1) + 1))
            pixels = torch.from_numpy(clip.frames[: placed.frame + 1]).permute(0, 3, 1, 2).float() / 127.5 - 1
            inputs = tokenizer(text, return_tensors="pt")
            with torch.no_grad():
                plain = trainee.model(**inputs, pixel_values_videos=pixels[None]).logits[0]
            answer = len(tokenizer(placed.question.answer).input_ids) + 1
            expected = plain[-answer - 1 : -1]
            mine = packed[(rows == row) & (batch.segments[rows, columns] == index)]
            torch.testing.assert_close(mine, expected, rtol=1e-4, atol=1e-4)


def test_a_question_is_correct_only_if_its_whole_answer_is(clips, trainee):
    batch = Packer().pack(clips)
    outcome = trainee(batch)
    with torch.no_grad():
        logits, _ = trainee.answer_logits(batch, trainee.see(batch))
    rows, columns = (batch.targets != IGNORED).nonzero(as_tuple=True)
    right = logits.argmax(-1) == batch.targets[rows, columns]
    for row, tasks in enumerate(batch.tasks):
        for index in range(len(tasks)):
            assert outcome.correct[row][index] == bool(
                right[(rows == row) & (batch.segments[rows, columns] == index)].all()
            )


def test_dropping_empty_tokens_keeps_all_that_show_something(clips):
    whole, part = Packer().pack(clips), Packer().pack(clips, empty_share=0.2)
    assert part.kept.shape[1] < whole.kept.shape[1]
    for row in range(len(clips)):
        shown = whole.kept[row][whole.labels["kind"][row] != 0]
        assert set(shown.tolist()) <= set(part.kept[row].tolist())
        assert torch.equal(part.labels["kind"][row], whole.labels["kind"][row][part.kept[row]])


def test_the_frame_that_is_new_when_a_question_comes_is_kept_whole():
    clips = [make_clip(seed, frames=12, questions=5, task_weights=EVEN, moments=2) for seed in (1, 2)]
    batch = Packer().pack(clips, empty_share=0.1, whole_frames=3)
    assert batch.kept.shape[1] < 12 * 9
    for row, clip in enumerate(clips):
        moments = {placed.frame for placed in clip.questions}
        assert 1 <= len(moments) <= 2
        for frame in moments:
            assert set(range(9 * frame, 9 * frame + 9)) <= set(batch.kept[row].tolist())


def test_labels_mark_the_cell_in_which_a_thing_stands():
    clip = make_clip(5, frames=8, questions=3, task_weights=EVEN)
    kinds = clip.labels["kind"]
    assert kinds.shape == (8, 9)
    assert (kinds > 0).any()
    shown = kinds > 0
    assert ((clip.labels["colour"] > 0) == shown).all()
    assert (clip.labels["order"][kinds == 0] == IGNORED).all()


def test_the_same_seed_makes_the_same_clip():
    first, second = (make_clip(9, frames=4, questions=4, task_weights=EVEN) for _ in range(2))
    assert np.array_equal(first.frames, second.frames)
    assert first.questions == second.questions


def test_clips_of_different_length_are_refused():
    clips = [make_clip(1, frames=n, questions=2, task_weights=EVEN) for n in (2, 3)]
    with pytest.raises(ValueError, match="same number of frames"):
        Packer().pack(clips)


def test_orthogonalised_matrices_have_singular_values_near_one():
    for shape in ((3, 20, 50), (2, 50, 20)):
        values = torch.linalg.svdvals(orthogonalise(torch.randn(shape, generator=torch.Generator().manual_seed(1))))
        assert values.min() > 0.5
        assert values.max() < 1.3


def test_a_resumed_run_takes_the_same_step_as_one_that_never_stopped(tmp_path, clips):
    torch.manual_seed(0)
    packer = Packer()
    batch = packer.pack(clips)

    def start():
        trainee = Trainee(build_model(seed=2), packer.prefix)
        return trainee, build_optimisers(trainee, lr=1e-3)

    def step(trainee, optimisers):
        trainee.zero_grad()
        trainee(batch).loss.backward()
        for optimiser in optimisers:
            optimiser.step()

    going, its_optimisers = start()
    step(going, its_optimisers)
    path = save_checkpoint(tmp_path, going, its_optimisers, Progress(step=1))
    step(going, its_optimisers)
    resumed, optimisers = start()
    assert restore(path, resumed, optimisers).step == 1
    step(resumed, optimisers)
    for mine, expected in zip(resumed.parameters(), going.parameters(), strict=True):
        torch.testing.assert_close(mine, expected, rtol=1e-4, atol=1e-6)


def test_only_the_newest_two_checkpoints_are_kept(tmp_path, trainee):
    for step in (1, 2, 30):
        save_checkpoint(tmp_path, trainee, [], Progress(step=step))
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["checkpoint-00000002.pt", "checkpoint-00000030.pt"]
    assert newest_checkpoint(tmp_path).name == "checkpoint-00000030.pt"


def test_spread_or_renumbered_positions_leave_the_order_and_what_is_seen(clips):
    plain, varied = Packer().pack(clips, empty_share=0.2), Packer().pack(clips, empty_share=0.2, longest_stretch=16.0)
    assert torch.equal(plain.kept, varied.kept) and torch.equal(plain.visible, varied.visible)
    layouts = set()
    for seed in range(8):
        varied = Packer().pack(clips, empty_share=0.2, longest_stretch=16.0, seed=seed)
        assert (varied.visual_positions.diff(dim=1) > 0).all()
        for row in range(len(clips)):
            used = varied.segments[row] >= 0
            seen = varied.kept[row] < varied.visible[row, :, None]
            behind = torch.where(seen, varied.visual_positions[row], -1).amax(dim=1)
            assert (varied.positions[row] > behind)[used].all()
            span = int(varied.visual_positions[row, -1] - varied.visual_positions[row, 0]) + 1
            tokens = varied.kept.shape[1]
            layouts.add("renumbered" if span == tokens else "plain" if span <= 54 else "spread")
    assert layouts == {"plain", "renumbered", "spread"}


def test_a_lapse_shows_all_that_came_and_leaves_out_most_of_the_rest():
    for seed in range(6):
        clip = make_clip(seed, frames=24, questions=8, task_weights=EVEN, quiet=True, lapse=True)
        shown = clip.labels["kind"] > 0
        assert len(clip.frames) == 24
        assert shown.any(axis=1).sum() >= 6, "of hours in which little happens, what happens is shown"
        orders = clip.labels["order"][shown]
        things = int(orders.max()) + 1
        assert set(orders[orders >= 0].tolist()) == set(range(things)), "none that came before another is missing"


def test_training_goes_on_from_the_weights_of_the_package():
    trainee = Trainee(build_model(seed=3), Packer().prefix)
    load_bundled(trainee)
    # By what they hold: transformers has names of its own for them in a file.
    stored = load_file(weights_directory() / "model.safetensors").values()
    mine = {(weight.shape, float(weight.double().sum())) for weight in trainee.model.state_dict().values()}
    assert {(weight.shape, float(weight.double().sum())) for weight in stored} <= mine


def test_the_last_stage_rehearses_those_before_it():
    last = len(STAGES) - 1
    seen = [lesson(last, step) for step in range(6)]
    assert {STAGES.index(stage) for stage in seen} == {last, last - 1, last - 2}
    assert seen.count(STAGES[last]) == 3
