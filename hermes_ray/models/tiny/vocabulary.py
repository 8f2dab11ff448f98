"""The closed vocabulary of `hermes-tiny`: every word that its camera world needs, and no other."""

PAD = "<pad>"
UNKNOWN = "<unk>"
TURN_START = "<|im_start|>"
TURN_END = "<|im_end|>"
IMAGE = "<image>"
VIDEO = "<video>"

SPECIAL_TOKENS = (PAD, UNKNOWN, TURN_START, TURN_END, IMAGE, VIDEO)

ROLES = ("system", "user", "assistant")
KINDS = ("car", "truck", "bus", "bike", "person", "dog")
PLURALS = ("cars", "trucks", "buses", "bikes", "persons", "dogs")
COLOURS = ("red", "green", "blue", "yellow", "white", "purple")
PLACES = ("left", "middle", "right")
NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
PUNCTUATION = (",", ".", "?", "!", "'", ":", "-")
_QUESTION_WORDS = (
    *("what", "where", "which", "how", "many", "who", "when", "did", "is", "are", "was", "were", "do", "does"),
    *("has", "have", "there", "here", "now", "in", "view", "on", "at", "the", "of", "to", "it", "this", "you", "see"),
    *("came", "come", "passed", "pass", "seen", "happened", "first", "last", "before", "after", "so", "far", "ever"),
    *("moving", "standing", "doing", "day", "night", "or", "light", "dark", "empty", "than", "more", "again", "with"),
    *("colour", "color", "thing", "things", "anything", "something", "please", "camera", "describe", "tell", "me"),
)
_ANSWER_WORDS = ("a", "and", "yes", "no", "nothing", "nowhere", "many")


def words() -> tuple[str, ...]:
    """All tokens in the order of their ids; the order is part of the weights' format and must not change."""
    groups = (SPECIAL_TOKENS, ROLES, KINDS, PLURALS, COLOURS, PLACES, NUMBERS, PUNCTUATION, _QUESTION_WORDS)
    return tuple(dict.fromkeys(word for group in (*groups, _ANSWER_WORDS) for word in group))
