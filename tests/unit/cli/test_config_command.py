"""``hermes config``: what it prints, and that the documentation is what it prints."""

import json
from pathlib import Path

import jsonschema
import yaml
from typer.testing import CliRunner

from hermes_ray.cli.main import app
from hermes_ray.cli.settings.reference import setting_fields
from hermes_ray.config import load

REPOSITORY = Path(__file__).parents[3]


def run(*arguments: str, env: dict[str, str] | None = None):
    return CliRunner().invoke(app, ["config", *arguments], env=env)


def test_the_documentation_is_up_to_date():
    page = (REPOSITORY / "docs" / "configuration.md").read_text()
    assert run("--reference").stdout == page, "run: hermes config --reference > docs/configuration.md"


def test_json_names_each_value_and_its_source():
    result = run("--json", "--set", "memory.slots=3", env={"HERMES_API__PORT": "8123"})
    settings = json.loads(result.stdout)
    assert settings["memory.slots"] == {"value": 3, "source": "override"}
    assert settings["api.port"] == {"value": 8123, "source": "environment"}
    assert settings["kafka.group_id"]["source"] == "default"


def test_yaml_output_is_a_settings_file(tmp_path):
    path = tmp_path / "hermes.yaml"
    path.write_text(run("--format", "yaml", "--set", "memory.slots=3").stdout)
    assert load(path).memory.slots == 3


def test_the_schema_accepts_the_effective_settings_and_refuses_unknown_keys():
    schema = json.loads(run("--schema").stdout)
    settings = yaml.safe_load(run("--format", "yaml").stdout)
    jsonschema.validate(settings, schema)
    settings["memory"]["slotz"] = 1
    assert not jsonschema.Draft202012Validator(schema).is_valid(settings)


def test_secrets_are_masked_in_every_format():
    for output in ("table", "yaml", "json"):
        result = run("--format", output, env={"HERMES_KAFKA__SASL_PASSWORD": "open-sesame"})
        assert result.exit_code == 0
        assert "open-sesame" not in result.output
        assert "***" in result.output


def test_a_wrong_setting_is_one_line_and_exit_code_2():
    result = run("--set", "memory.slotz=3")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "memory.slotz (override)" in result.stderr
    assert "Traceback" not in result.stderr


def test_debug_shows_the_traceback_wherever_it_stands():
    result = run("--set", "memory.slotz=3", "--debug")
    assert result.exit_code == 2
    assert "Traceback" in result.stderr


def test_every_setting_has_a_meaning_and_a_variable():
    fields = list(setting_fields())
    assert len(fields) > 50
    for field in fields:
        assert field.description.endswith((".", ";", ")", "``")), field.path
        assert field.variable == "HERMES_" + field.path.upper().replace(".", "__")
