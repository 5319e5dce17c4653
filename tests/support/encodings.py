"""The simulator counts what it is asked, in the process of the test."""

import asyncio

from talkmeter.metering.tokens import preload


async def loaded() -> None:
    """So that its first answer is not late, and past a time-out, because an encoding is being loaded."""
    await asyncio.to_thread(preload("o200k_base").join)
