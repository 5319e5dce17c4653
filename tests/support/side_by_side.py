"""One client program against the provider itself and against Talkmeter, with a wire in front of either."""

import asyncio
import json
import os
import re
import zlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.gate import Gate, gate_open
from support.wire import Message, Wire
from talkmeter.simulator import Simulator

PROGRAM_SECONDS = 240  # far beyond what a program takes; only a hang is ever that long
UNSTEADY = "sim-fast@900"  # fails twice before it answers; see the programs
FAULTS = ({"fault": "503", "model": UNSTEADY}, {"fault": "429", "model": UNSTEADY, "retry_after": 0})
# What the simulator makes up anew for each answer.
_IDS = re.compile(rb"\b(?:chatcmpl|cmpl|resp|msg|rs|fc|call|file|modr|req|batch)[-_](?:req_|in)?[0-9a-f]{16,}")
_TIMES = re.compile(rb'("(?:created|expires|completed)(?:_at)?":)\d+')
_SEALED = re.compile(rb"c2ltdWxhdGVk[0-9a-f]+")
_NULL_USAGE = b',"usage":null'


@dataclass(frozen=True)
class Run:
    """told: what a program told of each scene. wire: what was said between it and its server."""

    told: dict[str, Any]
    wire: Wire

    def answers(self) -> dict[bytes, list[tuple[str, bytes, bool]]]:
        """By what was asked: status, body, and whether the body came to its end, of every answer in order.

        Unpacked, and without what cannot be the same twice: ids and times. A usage of null stands in streams that tell
        their usage at the end, which is what Talkmeter asks for where the program did not.
        """
        found: dict[bytes, list[tuple[str, bytes, bool]]] = {}
        for asked, answered in self.wire.exchanges:
            unasked = b'"stream":true' in asked.body.replace(b" ", b"") and b"include_usage" not in asked.body
            packed = answered.header("content-encoding") == "gzip"
            body = zlib.decompress(answered.body, wbits=31) if packed else answered.body
            body = body.replace(_NULL_USAGE, b"") if unasked else body
            found.setdefault(_question(asked), []).append((answered.first, steady(body), answered.whole))
        return found


def steady(data: bytes) -> bytes:
    """With the same ids and times in every run."""
    names: dict[bytes, bytes] = {}
    data = _IDS.sub(lambda match: names.setdefault(match[0], b"id-%d" % len(names)), data)
    return _SEALED.sub(b"sealed", _TIMES.sub(rb"\g<1>0", data))


def _question(asked: Message) -> bytes:
    boundary = re.search(r"boundary=\"?([^\";]+)", asked.header("content-type") or "")
    body = asked.body.replace(boundary[1].encode(), b"boundary") if boundary else asked.body
    return steady(asked.first.encode() + b" " + (asked.header("x-simulate") or "").encode() + b" " + body)


@asynccontextmanager
async def side_by_side(
    folder: Path, command: list[str], environ: dict[str, str]
) -> AsyncIterator[tuple[Run, Run, Gate]]:
    """Runs the program at the simulator, then at a gate that stands before another: (direct, through, the gate)."""
    async with AsyncExitStack() as stack:
        simulator = Simulator(None, tokens_per_second=0, any_model=True)
        stack.push_async_callback(simulator.stop)
        wire = await stack.enter_async_context(Wire(await simulator.start()))
        simulator.script(*FAULTS)
        direct = Run(await _told(command, environ, wire.base_url, "sk-of-the-tests", "sk-bad"), wire)
        gate = await stack.enter_async_context(gate_open(folder))
        gate.simulator.script(*FAULTS)
        wire = await stack.enter_async_context(Wire(gate.base_url))
        _, key = await gate.key("a program", disconnect="cut")
        yield direct, Run(await _told(command, environ, wire.base_url, key, "tm_wrong"), wire), gate


async def _told(command: list[str], environ: dict[str, str], url: str, key: str, wrong_key: str) -> dict[str, Any]:
    """Runs a program to its end; what it told of each scene."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "LANG"))}
    own = {"TALKMETER_BASE_URL": url, "TALKMETER_API_KEY": key, "TALKMETER_WRONG_KEY": wrong_key, "LANG": "C.UTF-8"}
    process = await asyncio.create_subprocess_exec(
        *command, env=kept | environ | own, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(PROGRAM_SECONDS):
            said, trouble = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, f"{' '.join(command)} at {url}:\n{said.decode()[-2000:]}\n{trouble.decode()}"
    lines = [json.loads(line) for line in said.decode().splitlines()]
    return {line["scene"]: line["told"] for line in lines}
