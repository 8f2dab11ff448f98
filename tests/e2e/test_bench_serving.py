"""``hermes bench serving`` end to end: nobody is dropped, and nothing is left behind."""

import json
from pathlib import Path

import jsonschema
import pytest

from tests.patience import LIMIT_S

pytestmark = pytest.mark.integration

_FEW_PLACES = {
    "HERMES_API__MAX_ONGOING_REQUESTS": "32",
    "HERMES_API__MAX_QUEUED_REQUESTS": "32",
    "HERMES_API__LIMITS__QUESTIONS": "1000",
}
"""So that of so many most are refused, and for want of a place."""
_SCHEMA = Path(__file__).parents[2] / "benchmarks" / "serving.schema.json"


def test_five_hundred_askers_are_answered_or_refused_in_our_words(hermes, tmp_path):
    file = tmp_path / "serving.json"
    plan = ("--askers", "1", "--askers", "500", "--seconds", "1")
    run = hermes("bench", "serving", "--quick", *plan, "--json", str(file), env=_FEW_PLACES)
    table = run.finish(LIMIT_S)
    assert run.process.returncode == 0, run.errors
    assert run.survivors() == []
    document = json.loads(file.read_text())
    jsonschema.validate(document, json.loads(_SCHEMA.read_text()))
    levels = {(level["way"], level["askers"]): level for level in document["levels"]}
    assert set(levels) == {("engine", 1), *((way, n) for way in ("json", "sse") for n in (1, 500))}
    for level in levels.values():
        assert level["answers"] > 0
        assert level["dropped"] == {}
        assert level["failed"].keys() <= {"question-timeout"}  # in so long a line, on a machine that is slow
    assert all(levels[way, 500]["refused"].keys() == {"overloaded"} for way in ("json", "sse"))
    assert all(levels[way, 1]["refused"] == {} for way in ("engine", "json", "sse"))
    assert all(len(line) <= 80 for line in table.splitlines() if "engine" in line or "sse" in line)
