"""Fixtures of the end-to-end tests."""

import pytest

from tests.e2e.runs import Run


@pytest.fixture
def hermes(tmp_path):
    runs: list[Run] = []

    def start(*arguments: str, env: dict[str, str] | None = None) -> Run:
        runs.append(Run(tmp_path, *arguments, env=env))
        return runs[-1]

    yield start
    for run in runs:
        if run.process.poll() is None:
            run.kill()
