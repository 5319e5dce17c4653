"""Nothing that arrived is lost when the connection breaks while the reader is busy elsewhere."""

import asyncio

import pytest

from talkmeter.completions import Chunk, CompletionRequest, UpstreamBroke
from talkmeter.providers.client import Client, Timeouts
from talkmeter.providers.openai_compatible import OpenAICompatible
from talkmeter.simulator import Simulator


@pytest.mark.parametrize("fault", ["cut", "reset"])
async def test_bytes_before_the_break_reach_a_slow_reader(fault):
    simulator = Simulator(None, tokens_per_second=0)
    client = Client(Timeouts())
    try:
        provider = OpenAICompatible(
            id="sim", name="Simulator", base_url=await simulator.start(), key=None, client=client
        )
        simulator.script({"fault": fault, "after_bytes": 20_000})
        body = {"model": "sim-fast", "messages": [{"role": "user", "content": "long 20000"}], "stream": True}
        received = b""
        with pytest.raises(UpstreamBroke):
            async for part in provider.send(CompletionRequest("call_x", "chat/completions", body)):
                if isinstance(part, Chunk):
                    received += part.data
                    await asyncio.sleep(0.25)
        assert len(received) == 20_000
    finally:
        await client.close()
        await simulator.stop()
