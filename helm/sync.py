"""Brings the chart's derived files up to date: ``python helm/sync.py``.

Derived are the table of values in ``README.md`` (from the comments of ``values.yaml``), in ``values.schema.json`` the
settings (from ``hermes_ray.config``) and the file of cameras (from ``hermes_ray.cli.cameras``), and the copies of
dashboards and Prometheus rules, because a chart reads only its own files. A test fails when one of them is stale.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from hermes_ray.cli.cameras.file import CamerasFile
from hermes_ray.config import Settings

ROOT = Path(__file__).resolve().parents[1]
CHART = ROOT / "helm" / "hermes-ray"
DASHBOARDS = ROOT / "dashboards"

_TABLE_BEGIN, _TABLE_END = "<!-- values: begin -->\n", "<!-- values: end -->\n"
_MARK = "# -- "
_SETTINGS_OF_THE_CHART = {
    "ModelSettings": ("device",),
    "ClusterSettings": ("address", "memory_workers", "memory_worker_cpus", "ingest_workers"),
    "ApiSettings": ("host", "port", "replicas"),
    "AccessSettings": ("keys_file", "open_without_keys"),
    "MetricsSettings": ("host", "port"),
    "EventSettings": ("database_password",),
    "KafkaSettings": ("sasl_password", "sasl_password_file", "ssl_ca_file", "ssl_cert_file", "ssl_key_file"),
}
"""Derived from other values, or secret: not to be set under ``config``, so the schema does not know them."""

_PROSE = ("title", "description", "default")


def derived_files() -> dict[Path, str]:
    """Every derived file and what it should hold."""
    readme, schema = CHART / "README.md", CHART / "values.schema.json"
    copies = {
        CHART / "files" / "dashboards": sorted(DASHBOARDS.glob("*.json")),
        CHART / "files" / "rules": sorted((DASHBOARDS / "rules").glob("*.yaml")),
    }
    return {
        readme: _with_table(readme.read_text(), (CHART / "values.yaml").read_text()),
        schema: _with_settings(schema.read_text()),
        **{folder / path.name: path.read_text() for folder, paths in copies.items() for path in paths},
    }


def orphaned_files() -> list[Path]:
    """Copies of what is gone."""
    wanted = derived_files()
    return [path for path in (CHART / "files").rglob("*") if path.is_file() and path not in wanted]


def _with_table(readme: str, values: str) -> str:
    head, rest = readme.split(_TABLE_BEGIN)
    tail = rest.split(_TABLE_END)[1]
    rows = [f"| `{path}` | `{default}` | {text} |\n" for path, default, text in _documented(values)]
    return "".join([head, _TABLE_BEGIN, "| value | default | meaning |\n|---|---|---|\n", *rows, _TABLE_END, tail])


def _documented(values: str) -> Iterator[tuple[str, str, str]]:
    """Path, default and text of every value that a ``# --`` comment stands above."""
    defaults = yaml.safe_load(values)
    path: list[str] = []
    text = ""
    for line in values.splitlines():
        stripped = line.strip()
        if stripped.startswith(_MARK):
            text = stripped.removeprefix(_MARK)
        elif stripped and not stripped.startswith(("#", "-")) and ":" in stripped:
            depth = (len(line) - len(line.lstrip())) // 2
            path = [*path[:depth], stripped.split(":")[0]]
            if text:
                yield ".".join(path), json.dumps(_at(defaults, path)), text.replace("|", "\\|")
            text = ""


def _at(tree: Any, path: list[str]) -> Any:
    for key in path:
        tree = tree[key]
    return tree


def _with_settings(schema_text: str) -> str:
    schema = json.loads(schema_text)
    settings = Settings.model_json_schema()
    definitions = {**settings.pop("$defs"), "Settings": settings}
    for name, keys in _SETTINGS_OF_THE_CHART.items():
        for key in keys:
            del definitions[name]["properties"][key]
    cameras = CamerasFile.model_json_schema()
    definitions |= {**cameras.pop("$defs"), "CamerasFile": cameras}
    own = {name: part for name, part in schema["$defs"].items() if name[0].islower()}
    schema["$defs"] = {**own, **{name: _with_names(_without_prose(part)) for name, part in sorted(definitions.items())}}
    return json.dumps(schema, indent=2) + "\n"


def _with_names(part: Any) -> Any:
    """Have Helm name the keys that there are, beside the unknown one that it refuses."""
    if part.get("additionalProperties") is False and part.get("properties"):
        return {**part, "propertyNames": {"enum": list(part["properties"])}}
    return part


def _without_prose(part: Any) -> Any:
    """Keep what validates: descriptions and defaults are in the documentation, and there they may change freely."""
    if isinstance(part, Mapping):
        return {key: _without_prose(value) for key, value in part.items() if key not in _PROSE}
    return [_without_prose(item) for item in part] if isinstance(part, list) else part


def main() -> None:
    """Write what is stale, remove what is orphaned, and say which."""
    for path, content in derived_files().items():
        if not path.exists() or path.read_text() != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
            sys.stdout.write(f"wrote {path.relative_to(ROOT)}\n")
    for path in orphaned_files():
        path.unlink()
        sys.stdout.write(f"removed {path.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
