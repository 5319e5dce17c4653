"""A client behind any ASGI server: nobody tells when it leaves, so answers are read to their end."""

from collections.abc import Callable
from typing import Any


class AsgiClient:
    """Implements services.Client by `send`."""

    def __init__(self, send: Any) -> None:
        self._send = send
        self._head: dict[str, Any] | None = None
        self._held: list[bytes] = []
        self.gone = False
        self.on_gone: Callable[[], object] | None = None

    def abort(self) -> None:
        raise ConnectionAbortedError("the provider's answer broke off")

    async def break_off(self, data: bytes) -> None:
        self.take(data)
        await self.room()
        self.abort()

    def start(self, status: int, lines: bytes, length: int | None) -> None:  # noqa: ARG002 - it is in the lines
        pairs = [line.split(b": ", 1) for line in lines.split(b"\r\n")[:-1]]
        headers = [(name.lower(), value) for name, value in pairs]
        self._head = {"type": "http.response.start", "status": status, "headers": headers}

    async def flush(self) -> None:
        if self._head is not None:
            head, self._head = self._head, None
            await self._send(head)

    def take(self, data: bytes) -> bool:
        self._held.append(data)
        return False

    async def room(self) -> None:
        await self.flush()
        await self._send({"type": "http.response.body", "body": self._all_held(), "more_body": True})

    async def finish(self, data: bytes = b"") -> None:
        await self.flush()
        await self._send({"type": "http.response.body", "body": self._all_held() + data, "more_body": False})

    def _all_held(self) -> bytes:
        held, self._held = self._held, []
        return b"".join(held)
