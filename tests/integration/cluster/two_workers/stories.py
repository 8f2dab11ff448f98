"""What holds of a stream through deaths of processes: each an async generator, in which these die at the ``yield``."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

Story = AsyncIterator[None]


async def through(die: Callable[[], Awaitable[None]], *stories: Story) -> None:
    """Tell stories of as many streams beside one another, since processes are dear to start.

    Args:
        die: ends processes, once all stories have come to that.
        stories: at least one. The last is told up to there when all others are, right before the death.
    """
    *others, last = stories
    await asyncio.gather(*(anext(story) for story in others))
    await anext(last)
    await die()
    await asyncio.gather(*(_end(story) for story in stories))


async def _end(story: Story) -> None:
    async for _ in story:
        raise AssertionError("a story has one death")
