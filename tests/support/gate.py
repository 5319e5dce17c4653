"""Talkmeter's /v1 before the simulator, over real sockets, with a wire between the two that remembers every byte."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import psycopg.rows
import uvicorn

from support import books
from support.encodings import loaded
from support.raw_http import Answer, RawConnection, exchange
from support.simulator_requests import FORM, form
from support.wire import Message, Wire
from talkmeter.accounts.keys import ApiKey
from talkmeter.app.sockets import SocketProtocol
from talkmeter.app.surfaces import build_surfaces, programs, protocol
from talkmeter.app.wiring import Application, open_application
from talkmeter.config import resolve
from talkmeter.metering.budget_making import new_budget
from talkmeter.simulator import Simulator

UPSTREAM_KEY = "sk-the-provider-key-0123456789"
ENDED_SECONDS = 60  # far beyond what anything here takes; only a hang is ever that long


@dataclass
class Gate:
    """base_url: of our /v1. wire: between us and the simulator. sockets_port: where only WebSockets are answered."""

    application: Application
    simulator: Simulator
    wire: Wire
    base_url: str
    data_dir: Path
    database_url: str | None = None
    server: uvicorn.Server | None = None
    sockets_port: int = 0

    @property
    def root(self) -> str:
        return self.base_url.removesuffix("/v1")

    async def call(
        self, path: str, body: Any = None, *, method: str | None = None, key: str | None = None, **headers: str
    ) -> Answer:
        """One request below /v1 on a connection of its own, read to its end. body: JSON, or bytes."""
        return await exchange(f"{self.base_url}/{path}", body, method=method, headers=_named(headers, key))

    async def send_form(self, path: str, fields: dict[str, Any], *, key: str | None = None, **headers: str) -> Answer:
        return await self.call(path, form(fields), key=key, content_type=FORM, **headers)

    async def open(self, path: str, body: Any, *, key: str | None = None, **headers: str) -> RawConnection:
        """A request whose answer has not been read yet."""
        connection = await RawConnection.open(self.base_url)
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        await connection.send("POST", f"/v1/{path}", raw, {"Content-Type": "application/json", **_named(headers, key)})
        return connection

    @property
    def answered(self) -> Message:
        """What the provider answered last."""
        return self.wire.answers[-1]

    @property
    def asked(self) -> Message:
        """What the provider was asked last."""
        return self.wire.requests[-1]

    async def ledger(self) -> dict[str, dict[str, Any]]:
        """Every entry by its id, once nothing is under way any more."""
        assert await self.simulator.settled(ENDED_SECONDS), "the simulator is still answering"
        async with asyncio.timeout(ENDED_SECONDS):
            while self.application.passing.under_way or await self.application.store.open_entries():
                await asyncio.sleep(0.005)
            await self.application.passing.settled(ENDED_SECONDS)
        return self.entries()

    def entries(self) -> dict[str, dict[str, Any]]:
        """As they stand now."""
        if self.database_url is None:
            return books.entries(self.data_dir)
        with psycopg.connect(self.database_url, row_factory=psycopg.rows.dict_row) as connection:
            return {row["id"]: row for row in connection.execute("SELECT * FROM ledger_entries ORDER BY position")}

    async def entry(self, answer: Answer) -> dict[str, Any]:
        """The entry that an answer's header names, settled."""
        return (await self.ledger())[answer.headers["x-talkmeter-call-id"]]

    async def entry_anywhere(self, answer: Answer) -> dict[str, Any]:
        """As `entry`, for a call that another provider than the simulator has answered."""
        async with asyncio.timeout(ENDED_SECONDS):
            while (entry := books.entries(self.data_dir)[answer.headers["x-talkmeter-call-id"]])["state"] != "settled":
                await asyncio.sleep(0.005)
        return entry

    async def last(self) -> dict[str, Any]:
        """The newest entry, settled."""
        return list((await self.ledger()).values())[-1]

    async def check_books(self, **allowed: bool) -> dict[str, dict[str, Any]]:
        """The contract: the ledger is the simulator's bill, call by call. Gives the ledger. See books.check_billed."""
        ledger = await self.ledger()
        rows = [msgspec.structs.asdict(row) for row in self.simulator.bill.rows]
        assert len({row["client_request_id"] for row in rows}) == len(rows), "a call went upstream twice"
        books.check_billed(ledger, {row["client_request_id"]: row for row in rows}, **allowed)
        books.check_costs(ledger.values())
        return ledger

    def counters(self) -> list[tuple[int, int]]:
        """What each budget counts: spent, reserved."""
        with books.reading(self.data_dir) as connection:
            found = books.rows(connection, "SELECT spent, reserved FROM budget_periods ORDER BY budget_id")
        return [(row["spent"], row["reserved"]) for row in found]

    async def key(self, name: str = "a key", user: str = "owner", **fields: Any) -> tuple[ApiKey, str]:
        return await self.application.accounts.keys.issue(user_id=user, name=name, **fields)

    async def budget(self, amount: str, *, period: Any = "total", **fields: Any) -> Any:
        return await self.application.budgets.add(
            new_budget(name=fields.pop("name", "a budget"), amount=amount, period=period, **fields)
        )


def _named(headers: dict[str, str], key: str | None) -> dict[str, str]:
    named = {name.replace("_", "-").title(): value for name, value in headers.items()}
    return named if key is None else {"Authorization": f"Bearer {key}", **named}


def chat(question: str = "hello", model: str = "sim-fast", **fields: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": question}], **fields}


@asynccontextmanager
async def gate_open(folder: Path, environ: dict[str, str] | None = None, **settings: Any) -> AsyncIterator[Gate]:
    """A gate of its own with these settings, on a simulator that any model answers as fast as it can."""
    await loaded()
    simulator = Simulator(folder / "bill.jsonl", tokens_per_second=0, any_model=True)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(simulator.stop)
        wire = await stack.enter_async_context(Wire(await simulator.start()))
        data_dir = settings.setdefault("data_dir", folder / "data")
        flags = {**settings, "data_dir": str(data_dir)}
        upstream = {"OPENAI_BASE_URL": wire.base_url, "OPENAI_API_KEY": UPSTREAM_KEY, **(environ or {})}
        application = await open_application(resolve(flags, upstream))
        stack.push_async_callback(application.close)
        await application.recover()
        await application.begin()
        server = await stack.enter_async_context(_served(application))
        stack.push_async_callback(application.end_runs, 0)
        ports = [one.sockets[0].getsockname()[1] for one in server.servers]
        base_url = f"http://127.0.0.1:{ports[0]}/v1"
        yield Gate(application, simulator, wire, base_url, data_dir, settings.get("database_url"), server, ports[1])


@asynccontextmanager
async def _served(application: Application) -> AsyncIterator[uvicorn.Server]:
    """On two ports of its own: the main one, and the one for WebSockets."""
    listening = [socket.socket(), socket.socket()]
    for one in listening:
        one.bind(("127.0.0.1", 0))
        one.listen(256)
        one.setblocking(False)
    door = programs(application)
    config = uvicorn.Config(
        build_surfaces(application, door, listening[1].getsockname()[1]), http=protocol(application, door),
        ws=SocketProtocol(application), ws_per_message_deflate=False, loop="none", log_config=None, lifespan="off",
        proxy_headers=False, server_header=False, timeout_graceful_shutdown=1,
    )  # fmt: skip
    server = uvicorn.Server(config)
    task = asyncio.create_task(server._serve(sockets=listening))
    while not server.started:
        await asyncio.sleep(0.002)
    try:
        yield server
    finally:
        server.should_exit = True
        with contextlib.suppress(asyncio.CancelledError):
            await task
        for one in listening:
            one.close()
