"""A chat as OpenAI's clients send it, and the question that it is."""

from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, GetJsonSchemaHandler, WithJsonSchema, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

from hermes_ray.api.openai.parameters import check_parameters
from hermes_ray.api.schemas.base import NUMBER, STREAM_ID, Flag, Schema
from hermes_ray.api.schemas.questions import DEFAULT_MAX_TOKENS, checked_question
from hermes_ray.engine.contracts import Question
from hermes_ray.errors import InvalidQuestion, InvalidRequest

MODEL_PREFIX = "stream/"
"""Each stream is a model of this prefix: ``stream/front-door``."""

ModelName = Annotated[str, Field(json_schema_extra={"pattern": f"^{MODEL_PREFIX}{STREAM_ID}$"})]
"""The pattern is for the document; what is wrong with a name is said in words of ours."""

_MAX_TOKENS = 4096
_TEXT_PARTS = {"text": "text", "input_text": "text", "output_text": "text", "refusal": "refusal"}
_PARTS = [
    {"type": "object", "required": ["type", text], "properties": {"type": {"const": kind}, text: {"type": "string"}}}
    for kind, text in _TEXT_PARTS.items()
]


def _joined(content: object) -> object:
    """The text of a message that comes in parts."""
    if not isinstance(content, list):
        return content
    return "".join(_text_of(number, part) for number, part in enumerate(content))


def _text_of(number: int, part: object) -> str:
    kind = part.get("type") if isinstance(part, dict) else None
    text = part.get(_TEXT_PARTS.get(str(kind), "")) if isinstance(part, dict) else None
    if not isinstance(text, str):
        raise PydanticCustomError(
            "text_parts",
            "part {number} is no text but {kind}; only text can be asked: the pictures are the stream's own",
            {"number": number, "kind": repr(kind)[:80]},
        )
    return text


def _as_list(stop: object) -> object:
    return [stop] if isinstance(stop, str) else stop


def _or_null(field: JsonSchemaValue) -> JsonSchemaValue:
    about = {name: field[name] for name in ("title", "description", "default") if name in field}
    kinds = field.get("anyOf") or [{name: value for name, value in field.items() if name not in about}]
    return {"anyOf": kinds if {"type": "null"} in kinds else [*kinds, {"type": "null"}], **about}


class Tolerant(Schema):
    """Takes fields that it does not know, and null for what was left out: OpenAI's clients send both."""

    model_config = ConfigDict(extra="allow")

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """The schema, with null wherever something may be left out."""
        schema = handler(core)
        if handler.mode == "validation":
            fields = handler.resolve_ref_schema(schema)
            for name, field in fields.get("properties", {}).items():
                if name not in fields.get("required", ()):
                    fields["properties"][name] = _or_null(field)
        return schema

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, data: Any) -> Any:
        return {name: value for name, value in data.items() if value is not None} if isinstance(data, dict) else data


class ChatMessage(Tolerant):
    """One message of the conversation."""

    role: Literal["system", "developer", "user", "assistant"]
    """Who wrote it. What developer and system say is read before the conversation."""
    content: Annotated[
        str,
        BeforeValidator(_joined),
        WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"anyOf": _PARTS}}]}),
    ]
    """What it says: a text, or parts of type text."""

    @property
    def instructs(self) -> bool:
        """Whether it is no part of the conversation but says how to lead it."""
        return self.role in ("system", "developer")


class StreamOptions(Tolerant):
    """Options of a streamed completion."""

    include_usage: Flag = False
    """Send a last chunk with the token counts."""


class ChatRequest(Tolerant):
    """A question to a stream, with the conversation before it.

    Other fields of OpenAI's are ignored, and the answer's ``warnings`` name them; those that change what an answer
    means (tools, more than one answer, a promised form) are refused.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"model": "stream/front-door", "messages": [{"role": "user", "content": "What is on the table?"}]}
            ]
        }
    )

    model: ModelName
    """``stream/`` and the stream's id."""
    messages: Annotated[list[ChatMessage], Field(min_length=1)]
    """The conversation. Its last message must be the user's."""
    max_tokens: Annotated[int, Field(ge=1), NUMBER] | None = None
    """The most tokens to answer with; the server's own limit may be lower."""
    max_completion_tokens: Annotated[int, Field(ge=1), NUMBER] | None = None
    """The same under its newer name; wins over max_tokens."""
    temperature: Annotated[float, Field(ge=0, le=2), NUMBER] = 0.0
    """0 always takes the likeliest token. (OpenAI's default is 1.)"""
    top_p: Annotated[float, Field(ge=0, le=1), NUMBER] = 1.0
    """Sample among the likeliest tokens that together have this probability; without effect at temperature 0."""
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63), NUMBER] | None = None
    """Makes sampling repeatable."""
    stop: Annotated[
        list[Annotated[str, Field(max_length=256)]],
        BeforeValidator(_as_list, json_schema_input_type=str | list[str]),
    ] = Field(default_factory=list, max_length=16)
    """The answer ends before the first of these texts."""
    stream: Flag = False
    """Answer token by token."""
    stream_options: StreamOptions | None = None
    """Options of a streamed completion."""

    @property
    def include_usage(self) -> bool:
        """Whether the last chunk has the token counts."""
        return self.stream_options is not None and self.stream_options.include_usage

    def stream_id(self) -> str:
        """The stream that the model's name means, as written.

        Raises:
            InvalidRequest: the name has no ``stream/`` in front.
        """
        return stream_id_of(self.model)

    def warnings(self) -> list[str]:
        """What of the request has no effect, by name.

        Raises:
            RequestValidationError: some of it cannot be ignored.
        """
        ignored = check_parameters(self.model_extra or {}, [message.model_extra or {} for message in self.messages])
        begun = next((number for number, message in enumerate(self.messages) if not message.instructs), 0)
        late = [
            f"messages.{number}: read before the conversation, as every message of role {message.role} is"
            for number, message in enumerate(self.messages)
            if message.instructs and number > begun
        ]
        return ignored + late

    def to_question(self) -> Question:
        """The last message of the conversation as a question, behind the others.

        Raises:
            InvalidQuestion: it is not the user's, or blank.
        """
        turns = _joined_turns(self.messages)
        if not turns or turns[-1][0] != "user":
            raise InvalidQuestion(f"messages: the last one must have role user, not {self.messages[-1].role}")
        *before, (_, question) = turns
        if before and before[0][0] == "assistant":  # a greeting
            before.insert(0, ("user", ""))
        texts = [text for _, text in before]
        instructions = [text for message in self.messages if message.instructs and (text := message.content.strip())]
        max_tokens = min(self.max_completion_tokens or self.max_tokens or DEFAULT_MAX_TOKENS, _MAX_TOKENS)
        return replace(
            checked_question(question, max_tokens, self.temperature, self.seed),
            history=tuple(zip(texts[::2], texts[1::2], strict=True)),
            instructions="\n\n".join(instructions) or None,
            stop=tuple(stop for stop in self.stop if stop),
            top_p=self.top_p,
        )


def stream_id_of(model: str) -> str:
    """The stream that a model's name means, as written.

    Raises:
        InvalidRequest: the name has no ``stream/`` in front.
    """
    if not model.startswith(MODEL_PREFIX):
        raise InvalidRequest(f"model must be {MODEL_PREFIX}ID with the id of a stream, not {model[:160]!r}")
    return model.removeprefix(MODEL_PREFIX)


def _joined_turns(messages: list[ChatMessage]) -> list[tuple[str, str]]:
    """Role and text of the conversation's turns; what one side says in several messages is one turn."""
    turns: list[tuple[str, str]] = []
    for message in messages:
        if message.instructs:
            continue
        if turns and turns[-1][0] == message.role:
            turns[-1] = (message.role, f"{turns[-1][1]}\n{message.content}")
        else:
            turns.append((message.role, message.content))
    return turns
