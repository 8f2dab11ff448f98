"""The settings tree as a list of fields, and as the page docs/configuration.md."""

import types
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from hermes_ray.config import ENV_PREFIX, Settings
from hermes_ray.config.section import Section

_BOUNDS = ((Ge, "ge", "≥"), (Gt, "gt", ">"), (Le, "le", "≤"), (Lt, "lt", "<"))

_TABLE_HEAD = "| setting | type | default | meaning |\n|---|---|---|---|\n"

_PREAMBLE = """\
# Configuration

<!-- Written by `hermes config --reference`; a test compares. Change the descriptions in hermes_ray/config/. -->

One tree of settings. Later sources win:

1. the defaults below;
2. a YAML file: `--config FILE`, or the one that the environment variable `HERMES_CONFIG` names;
3. environment variables: `HERMES_`, the section, two underscores, the field;
4. `--set PATH=VALUE` on the command line, for example `--set memory.slots=16`.

An unknown key is refused by name, with the nearest that there is, in the file and in the environment. `hermes config`
prints the effective settings with the source of each value and with secrets masked; `hermes config --schema` prints a
JSON Schema for editors.

```yaml
kafka:
  bootstrap_servers: kafka-1:9092,kafka-2:9092
memory:
  budget_tokens: 4096
  slots: 16
```
"""


@dataclass(frozen=True)
class SettingField:
    """One setting.

    Attributes:
        path: dotted path, such as ``kafka.bootstrap_servers``.
        kind: its type and bounds, for people.
        default: its default, as YAML would write it.
        variable: the environment variable that sets it.
    """

    path: str
    kind: str
    default: str
    description: str
    variable: str


def setting_fields(model: type[Section] | type[Settings] = Settings, prefix: str = "") -> Iterator[SettingField]:
    """Yield every setting, in the order of the tree."""
    descriptions = model.descriptions()
    for name, field in model.model_fields.items():
        path = f"{prefix}{name}"
        if _is_section(field):
            yield from setting_fields(field.annotation, f"{path}.")  # pyright: ignore[reportArgumentType]
            continue
        yield SettingField(path, _kind(field), _default(field.default), descriptions.get(name, ""), _variable(path))


def reference_page() -> str:
    """Return docs/configuration.md."""
    descriptions = Settings.descriptions()
    sections = (
        f"\n## `{name}`\n\n{descriptions[name]}\n\n{_TABLE_HEAD}{''.join(map(_row, _fields_of(name, section)))}"
        for name, section in Settings.model_fields.items()
    )
    return _PREAMBLE + "".join(sections)


def _fields_of(name: str, section: FieldInfo) -> Iterator[SettingField]:
    return setting_fields(section.annotation, f"{name}.")  # pyright: ignore[reportArgumentType]


def _row(field: SettingField) -> str:
    meaning = " ".join(field.description.split()).replace("``", "`").replace("|", "&#124;")
    return f"| `{field.path}`<br>`{field.variable}` | {field.kind} | `{field.default}` | {meaning} |\n"


def _is_section(field: FieldInfo) -> bool:
    return isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)


def _variable(path: str) -> str:
    return ENV_PREFIX + path.replace(".", "__").upper()


def _default(value: Any) -> str:
    if isinstance(value, tuple):
        return str(list(value))
    return "null" if value is None else str(value)


def _kind(field: FieldInfo) -> str:
    bounds = _bounds(field.metadata)
    return _type_name(field.annotation) + (f" {bounds}" if bounds else "")


def _bounds(metadata: list[Any] | tuple[Any, ...]) -> str:
    # Bounds inside a union's Annotated arrive as a FieldInfo that holds them; bounds of the field itself arrive bare.
    items = [inner for item in metadata for inner in (item.metadata if isinstance(item, FieldInfo) else (item,))]
    signs = ((item, name, sign) for item in items for kind, name, sign in _BOUNDS if isinstance(item, kind))
    return " and ".join(f"{sign} {getattr(item, name):g}" for item, name, sign in signs)


def _type_name(annotation: Any) -> str:
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType):
        return " or ".join(_type_name(member) for member in get_args(annotation))
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in get_args(annotation))
    if origin is tuple:
        return f"list of {_type_name(get_args(annotation)[0])}"
    if hasattr(annotation, "__metadata__"):
        bounds = _bounds(annotation.__metadata__)
        return _type_name(annotation.__origin__) + (f" {bounds}" if bounds else "")
    return {type(None): "null", SecretStr: "secret"}.get(annotation, getattr(annotation, "__name__", str(annotation)))
