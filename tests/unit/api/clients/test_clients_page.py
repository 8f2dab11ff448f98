"""The examples of the page about clients, run as they stand there."""

import asyncio
import re
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[4] / "docs" / "integrator" / "clients.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES, ids=["hermes_ray.client", "openai"])
async def test_a_python_example_runs(example: str, url: str):
    program = example.replace("http://localhost:8000", url)
    assert program != example
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    said, complaints = await process.communicate()
    assert process.returncode == 0, complaints.decode()
    assert said.strip()
