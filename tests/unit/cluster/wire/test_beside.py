"""What an actor does beside its calls ends the process if it fails, and says why."""

import asyncio
import sys

import pytest

_FAILS = """
import asyncio
from hermes_ray.cluster.wire.beside import or_end_process

async def work():
    {work}

async def main():
    task = asyncio.create_task(or_end_process(work(), "keeping things tidy"))
    await asyncio.wait([task])

asyncio.run(main())
"""


@pytest.mark.parametrize(("work", "code"), [("1 / 0", 1), ("pass", 0), ("asyncio.current_task().cancel()", 0)])
async def test_the_process_ends_with_its_work_if_that_fails(work: str, code: int):
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _FAILS.format(work=work), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await process.communicate()
    assert process.returncode == code
    for words in (b"ZeroDivisionError", b"keeping things tidy"):
        assert (words in said) == (code == 1)
