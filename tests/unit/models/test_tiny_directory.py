import pytest
import torch
from transformers import AutoModelForImageTextToText, AutoTokenizer

from hermes_ray.errors import MissingWeights
from hermes_ray.models.tiny import directory as tiny_directory
from hermes_ray.models.tiny import save_random, weights_directory


@pytest.fixture(scope="module")
def random_directory(tmp_path_factory):
    return save_random(tmp_path_factory.mktemp("tiny"), seed=3)


@pytest.fixture(scope="module")
def tokenizer(random_directory):
    return AutoTokenizer.from_pretrained(random_directory, local_files_only=True)


@pytest.fixture(scope="module")
def model(random_directory):
    return AutoModelForImageTextToText.from_pretrained(random_directory, local_files_only=True)


def test_transformers_loads_the_directory_and_sees_nine_tokens_per_frame(model):
    frames = torch.zeros(1, 4, 3, 72, 72)
    features = model.model.get_video_features(frames).pooler_output
    assert features.shape[1] == 4 * 9 + 1  # and the newline that closes a video


def test_model_generates_from_a_chat_about_a_video(model, tokenizer):
    chat = [{"role": "user", "content": [{"type": "video"}, {"type": "text", "text": "what is in view now ?"}]}]
    text = tokenizer.apply_chat_template(chat, add_generation_prompt=True, tokenize=False)
    text = text.replace("<video>", "<video>" * (2 * 9 + 1))
    inputs = tokenizer(text, return_tensors="pt")
    output = model.generate(**inputs, pixel_values_videos=torch.zeros(1, 2, 3, 72, 72), max_new_tokens=3)
    assert output.shape[1] > inputs.input_ids.shape[1]


def test_same_seed_gives_the_same_weights_and_another_does_not(random_directory, tmp_path):
    weights = (random_directory / "model.safetensors").read_bytes()
    assert (save_random(tmp_path / "same", seed=3) / "model.safetensors").read_bytes() == weights
    assert (save_random(tmp_path / "other", seed=4) / "model.safetensors").read_bytes() != weights


def test_building_a_model_leaves_the_global_random_generator_alone(tmp_path):
    torch.manual_seed(11)
    expected = torch.rand(1)
    torch.manual_seed(11)
    save_random(tmp_path)
    assert torch.equal(torch.rand(1), expected)


def test_unknown_words_become_unk(tokenizer):
    ids = tokenizer("Where is the ZEBRA?", add_special_tokens=False).input_ids
    assert tokenizer.convert_ids_to_tokens(ids) == ["where", "is", "the", "<unk>", "?"]


def test_decoding_puts_no_space_before_punctuation(tokenizer):
    ids = tokenizer("a red car , a blue dog .", add_special_tokens=False).input_ids
    assert tokenizer.decode(ids) == "a red car, a blue dog."


def test_chat_template_puts_the_video_before_the_question(tokenizer):
    chat = [
        {"role": "system", "content": "you see a camera"},
        {"role": "user", "content": [{"type": "text", "text": "where is the car ?"}, {"type": "video"}]},
    ]
    ids = tokenizer.apply_chat_template(chat, add_generation_prompt=True, tokenize=True).input_ids
    assert tokenizer.convert_ids_to_tokens(ids) == [
        *("<|im_start|>", "system", "you", "see", "a", "camera", "<|im_end|>"),
        *("<|im_start|>", "user", "<video>", "where", "is", "the", "car", "?", "<|im_end|>"),
        *("<|im_start|>", "assistant"),
    ]


def test_deleted_weights_are_reported_not_replaced(tmp_path, monkeypatch):
    monkeypatch.setattr(tiny_directory, "__file__", str(tmp_path / "directory.py"))
    with pytest.raises(MissingWeights, match="hermes-tiny"):
        weights_directory()
