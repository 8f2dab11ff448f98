"""The word-level tokenizer of `hermes-tiny` and its chat template."""

from tokenizers import Tokenizer
from tokenizers.decoders import WordPiece as SpacingDecoder
from tokenizers.models import WordLevel
from tokenizers.normalizers import Lowercase
from tokenizers.pre_tokenizers import Whitespace
from transformers import PreTrainedTokenizerFast

from hermes_ray.models.tiny import vocabulary

# The roles and content parts are those of LLaVA-OneVision's own template: pictures first, then the text.
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' }}"
    "{% if message['content'] is string %}{{ message['content'] }}"
    "{% else %}"
    "{% for part in message['content'] if part['type'] == 'image' %}{{ '<image>' }}{% endfor %}"
    "{% for part in message['content'] if part['type'] == 'video' %}{{ '<video>' }}{% endfor %}"
    "{% for part in message['content'] if part['type'] == 'text' %}{{ '\n' + part['text'] }}{% endfor %}"
    "{% endif %}"
    "{{ '<|im_end|>\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def build_tokenizer(max_tokens: int) -> PreTrainedTokenizerFast:
    """Build the tokenizer: lower-cased words and punctuation marks; a word it does not know becomes ``<unk>``.

    Args:
        max_tokens: the longest input the model takes, recorded as ``model_max_length``.
    """
    ids = {word: index for index, word in enumerate(vocabulary.words())}
    tokenizer = Tokenizer(WordLevel(ids, unk_token=vocabulary.UNKNOWN))
    tokenizer.normalizer = Lowercase()
    tokenizer.pre_tokenizer = Whitespace()
    # Not used for word pieces: this decoder joins words by spaces and leaves none in front of punctuation.
    tokenizer.decoder = SpacingDecoder(prefix="##", cleanup=True)
    tokenizer.add_special_tokens(list(vocabulary.SPECIAL_TOKENS))
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=vocabulary.PAD,
        unk_token=vocabulary.UNKNOWN,
        eos_token=vocabulary.TURN_END,
        extra_special_tokens={"image_token": vocabulary.IMAGE, "video_token": vocabulary.VIDEO},
        model_max_length=max_tokens,
        chat_template=CHAT_TEMPLATE,
    )
