"""A simulator with short ways to ask it and to read its bill."""

import json
from typing import Any

from support.raw_http import Answer, RawConnection, exchange
from talkmeter.metering.tokens import count_prompt, count_text
from talkmeter.simulator import Simulator
from talkmeter.simulator.bill import Row


class Bench:
    """A running simulator, as fast as possible, and short ways to ask it."""

    def __init__(self, simulator: Simulator, base_url: str) -> None:
        self.simulator = simulator
        self.base_url = base_url
        self.root = base_url.removesuffix("/v1")

    def request(self, model: str = "sim-fast", question: str = "hello", **fields: Any) -> dict[str, Any]:
        messages = [{"role": "user", "content": question}]
        return {"model": model, "messages": messages, **fields}

    def streamed(self, model: str = "sim-fast", question: str = "hello", **fields: Any) -> dict[str, Any]:
        usage = {"stream_options": {"include_usage": True}}
        return self.request(model, question, **({"stream": True} | usage | fields))

    async def ask(self, body: Any, **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = await exchange(f"{self.base_url}/chat/completions", body, headers=named)
        await self.simulator.settled()
        return answer

    async def call(self, path: str, body: Any = None, method: str | None = None, **headers: str) -> Answer:
        """A request to any path below /v1."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = await exchange(f"{self.base_url}/{path}", body, method=method, headers=named)
        await self.simulator.settled()
        return answer

    async def open(self, path: str, body: Any, **headers: str) -> RawConnection:
        """A request to any path below /v1 whose answer has not been read yet."""
        connection = await RawConnection.open(self.base_url)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        kind = {"Content-Type": "application/json", **named}
        await connection.send("POST", f"/v1/{path}", json.dumps(body).encode(), kind)
        return connection

    async def begin(self, body: Any, receive_buffer: int | None = None) -> RawConnection:
        connection = await RawConnection.open(self.base_url, receive_buffer)
        await connection.send(
            "POST", "/v1/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        return connection

    @property
    def row(self) -> Row:
        """The bill's last row."""
        return self.simulator.bill.rows[-1]

    def charged(self) -> tuple[int, int]:
        return self.row.prompt_tokens, self.row.completion_tokens


def prompt_of(body: dict[str, Any]) -> int:
    return count_prompt(body, body["model"]).total


def tokens_of(text: str) -> int:
    return count_text(text, "o200k_base")
