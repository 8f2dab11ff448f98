"""Standing questions and the journal: what is asked again and again, of which streams, and when it is told."""

from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field, field_validator, model_validator

from hermes_ray.config.section import Section

DEFAULT_EVERY_S = 5.0
"""How often a standing question is asked that says nothing of it, seconds of video."""
RESERVED_NAMES = frozenset({"journal"})
"""Names of rules that are no standing questions: events bear them."""


def _no_number(value: object) -> object:
    if isinstance(value, int | float):
        raise ValueError('write it in quotes, "22:00": YAML takes 22:00 for a number')
    return value


_TimeOfDay = Annotated[str, BeforeValidator(_no_number), Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
_Glob = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9._*?\[\]!-]+$")]
_Text = Annotated[str, Field(min_length=1, max_length=2000, pattern=r"\S")]
_Option = Annotated[str, Field(min_length=1, max_length=200, pattern=r"\S")]
_Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class QuietTime(Section):
    """A time of day at which nothing is told, every day."""

    begins: _TimeOfDay
    """``HH:MM``, the first quiet minute."""
    ends: _TimeOfDay
    """``HH:MM``, the first minute that is not quiet; before ``begins`` it is the next day's."""
    zone: str = "UTC"
    """Time zone of the two, a name of the IANA database such as ``Europe/Berlin``."""

    @field_validator("zone")
    @classmethod
    def _zone_is_known(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (KeyError, ValueError, OSError) as error:
            raise ValueError(f"no time zone {zone!r}; give a name of the IANA database, as Europe/Berlin") from error
        return zone

    @model_validator(mode="after")
    def _lasts(self) -> "QuietTime":
        if self.begins == self.ends:
            raise ValueError("begins and ends are the same; to silence a question altogether, mute it")
        return self


class StandingDefinition(Section):
    """A question that is asked again and again, and when its answer is an event; of whom is said elsewhere."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?$")]
    """What it is called: lower-case letters, digits and ``.`` ``_`` ``-``."""
    question: _Text
    """As it is asked."""
    options: Annotated[tuple[_Option, ...], Field(min_length=2, max_length=16)] = ("yes", "no")
    """What it can be answered with."""
    fires: Annotated[tuple[_Option, ...], Field(max_length=15)] = ()
    """Which of the options it waits for; empty: the first."""
    every_s: Annotated[float, Field(ge=0.1, le=86400, allow_inf_nan=False)] | None = None
    """How often it is asked, seconds of video; 5 where ``every_frames`` is not set either."""
    every_frames: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """How often it is asked, frames in the memory, instead."""
    fire_at: _Share = 0.6
    """Least probability, of all options in ``fires`` together, at which it matches."""
    clear_at: _Share = 0.4
    """Probability below which it matches no more; between the two it stays as it was."""
    on: Literal["change", "match"] = "change"
    """``change``: an event when it begins to match, and one when it ends. ``match``: one each time it is asked and
    matches."""
    cool_down_s: Annotated[float, Field(ge=0, le=30 * 86400, allow_inf_nan=False)] = 0.0
    """After a match no other is told for so long, seconds of video."""
    quiet: Annotated[tuple[QuietTime, ...], Field(max_length=16)] = ()
    """When no match is told."""
    muted: bool = False
    """It is not asked."""

    @property
    def firing(self) -> tuple[str, ...]:
        """The options that it waits for."""
        return self.fires or self.options[:1]

    @property
    def period_s(self) -> float | None:
        """How often it is asked, seconds of video; ``None`` where frames count."""
        return None if self.every_frames is not None else (self.every_s or DEFAULT_EVERY_S)

    @field_validator("name")
    @classmethod
    def _name_is_free(cls, name: str) -> str:
        if name in RESERVED_NAMES:
            raise ValueError(f"{name!r} is what the journal's events are called; choose another name")
        return name

    @field_validator("options")
    @classmethod
    def _options_differ(cls, options: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(options)) < len(options):
            raise ValueError("two of them are the same; give each once")
        return options

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if strangers := [option for option in self.fires if option not in self.options]:
            raise ValueError(f"fires: {strangers[0]!r} is none of the options {', '.join(self.options)}")
        if set(self.fires) == set(self.options):
            raise ValueError("fires: names every option, so it would always match; leave one out")
        if self.every_s is not None and self.every_frames is not None:
            raise ValueError("every_s: is set together with every_frames; remove one")
        if self.clear_at > self.fire_at:
            raise ValueError(f"clear_at: {self.clear_at:g} is above fire_at {self.fire_at:g}; give it less or the same")
        return self


class StandingQuestion(StandingDefinition):
    """A question that is put to streams again and again, and when its answer is an event."""

    streams: Annotated[tuple[_Glob, ...], Field(min_length=1, max_length=100)] = ("*",)
    """Names of streams, or globs of such: ``gate-*``."""
    owner: Annotated[str, Field(min_length=1, max_length=256, pattern=r"\S")] | None = None
    """The program that keeps it up to date, such as ``hermes cameras``; ``None``: people do."""


class JournalSettings(Section):
    """What happened, written down again and again: the memory of weeks."""

    streams: tuple[_Glob, ...] = ()
    """Names of streams, or globs of such, that have a journal; ``["*"]``: all. None by default: nobody's days are
    written down unasked."""
    every_s: Annotated[float, Field(ge=1, le=86400, allow_inf_nan=False)] = 60.0
    """How much video a line is about at least, seconds; one in which nothing new was seen gets no line."""
    question: _Text = "In one or two sentences, what happened in the last {seconds} seconds?"
    """What is asked; ``{seconds}`` stands for the length of the span. hermes-tiny knows ``what happened ?``."""
    max_tokens: Annotated[int, Field(ge=1, le=512)] = 64
    """The most tokens of a line."""


class StandingSettings(Section):
    """Standing questions and the journal."""

    questions: tuple[StandingQuestion, ...] = ()
    """Standing questions, each with ``name``, ``question`` and what docs/integrator/standing-questions.md names. They
    cannot be changed while the system runs; those made by API or command line can."""
    journal: JournalSettings = JournalSettings()
    """What happened, written down again and again."""
    max_questions: Annotated[int, Field(ge=0)] = 100
    """The most standing questions made while the system runs."""
    max_evaluations_per_s: Annotated[float, Field(gt=0)] = 10.0
    """What all standing questions may cost, evaluations per second for each memory worker, counted over the streams of
    now when one is made or unmuted. Those in ``questions`` count and are not refused."""

    @field_validator("questions")
    @classmethod
    def _names_differ(cls, questions: tuple[StandingQuestion, ...]) -> tuple[StandingQuestion, ...]:
        names = [question.name for question in questions]
        if doubled := [name for name in names if names.count(name) > 1]:
            raise ValueError(f"two are called {doubled[0]!r}; give each a name of its own")
        return questions
