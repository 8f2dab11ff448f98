"""What becomes of OpenAI's parameters that this API does not honour: ignored with a warning, or refused.

A parameter is refused where an answer without it would be wrong: the caller would take it for something that it is
not. Everything else, names that nobody has heard of included, is ignored, and the answer says so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi.exceptions import RequestValidationError

_MOST_WARNINGS = 32
_LONGEST_NAME = 64


@dataclass(frozen=True, slots=True)
class _Refused:
    reason: str
    neutral: tuple[Any, ...]
    """Values that ask for nothing; many programs send them."""


_TOOLS = "a stream cannot call tools; leave it out"
_CHOICE = ("none", "auto")
_REFUSED: Mapping[str, _Refused] = {
    "n": _Refused("one answer is given; ask again for another", (1,)),
    "tools": _Refused(_TOOLS, ([],)),
    "tool_choice": _Refused(_TOOLS, _CHOICE),
    "functions": _Refused(_TOOLS, ([],)),
    "function_call": _Refused(_TOOLS, _CHOICE),
    "web_search_options": _Refused("a stream cannot search the web; leave it out", ()),
    "response_format": _Refused(
        "answers are plain text, in no promised form; use {'type': 'text'}", ({"type": "text"},)
    ),
    "text.format": _Refused("answers are plain text, in no promised form; use {'type': 'text'}", ({"type": "text"},)),
    "previous_response_id": _Refused("nothing is stored; send the whole conversation", ()),
    "conversation": _Refused("nothing is stored; send the whole conversation", ()),
    "prompt": _Refused("nothing is stored; send the whole conversation", ()),
    "background": _Refused("answers are given at once; leave it out", (False,)),
    "modalities": _Refused("answers are text; use ['text']", (["text"], [])),
    "audio": _Refused("answers are text; leave it out", ()),
    "logprobs": _Refused("probabilities of tokens are not given; leave it out", (False,)),
    "top_logprobs": _Refused("probabilities of tokens are not given; leave it out", (0,)),
    "logit_bias": _Refused("single tokens cannot be made likelier; leave it out", ({},)),
}

_NEUTRAL: Mapping[str, tuple[Any, ...]] = {
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "store": (False,),
    "metadata": ({},),
    "service_tier": ("auto", "default"),
    "parallel_tool_calls": (True, False),
}
"""Values of ignored parameters that need no warning: without them the answer would be the same anywhere."""

_REFUSED_OF_MESSAGE: Mapping[str, str] = {
    "tool_calls": _TOOLS,
    "function_call": _TOOLS,
    "audio": "only text can be asked; leave it out",
}


def check_parameters(
    extra: Mapping[str, Any], messages: Sequence[Mapping[str, Any]], *, of: str = "messages"
) -> list[str]:
    """Judge what a request says beyond the fields that are honoured.

    Args:
        extra: the request's other fields, none of them null.
        messages: the same of each message.
        of: the field that holds the messages.

    Returns:
        A warning for each that was ignored, by name.

    Raises:
        RequestValidationError: some cannot be ignored; names each with its reason.
    """
    refused: dict[tuple[str | int, ...], str] = {
        (name,): _REFUSED[name].reason
        for name, value in extra.items()
        if name in _REFUSED and value not in _REFUSED[name].neutral
    }
    ignored = [name for name, value in extra.items() if name not in _REFUSED and value not in _NEUTRAL.get(name, ())]
    for number, message in enumerate(messages):
        for name, value in message.items():
            if value and name in _REFUSED_OF_MESSAGE:
                refused[of, number, name] = _REFUSED_OF_MESSAGE[name]
            elif value:
                ignored.append(f"{of}.{number}.{name}")
    if refused:
        errors = [{"type": "unsupported", "loc": ("body", *at), "msg": reason} for at, reason in refused.items()]
        raise RequestValidationError(errors)
    return [f"{name[:_LONGEST_NAME]}: ignored; it has no effect here" for name in ignored[:_MOST_WARNINGS]]
