"""One WebSocket's connection: uvicorn's protocol, with bounds on what a client can make it hold, and an end that comes.

- A reader that does not read is closed with 1013 after `stall_seconds`; until then nothing is queued for it beyond the
  transport's own buffer, because whoever speaks waits.
- At the server's end an idle socket is closed with 1012 at once, a busy one when its session says so.
- Who is told to close and does not within `linger_seconds` is cut off.
"""

import asyncio
from collections.abc import Callable
from typing import ClassVar

from msgspec import Struct
from uvicorn.config import Config
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import InvalidState
from websockets.frames import Frame
from websockets.http11 import Request

RESTARTING, TRY_LATER = 1012, 1013
POLICY, TOO_BIG = 1008, 1009
MOST_FRAGMENTS = 1024  # frames of one message
MOST_WAITING = 256  # messages that have come and nobody has taken yet
EXTENSION = "talkmeter.socket"


class SocketLimits(Struct, frozen=True, kw_only=True):
    """message_bytes: of one message of a client. Times in seconds."""

    message_bytes: int = 1 << 20
    ping_seconds: float = 20
    stall_seconds: float = 20
    linger_seconds: float = 5


class SocketClosed(Exception):
    """Nothing can be said any more."""


def socket_protocol(limits: SocketLimits) -> type["Socket"]:
    """A protocol class for `uvicorn.Config(ws=…)`."""

    class Limited(Socket):
        pass

    Limited.limits = limits
    return Limited


class Socket(WebSocketsSansIOProtocol):
    """Sessions find it in `scope["extensions"]["talkmeter.socket"]`. on_lost: for who counts connections."""

    limits: ClassVar[SocketLimits] = SocketLimits()

    def __init__(self, config: Config, *args: object, **kwargs: object) -> None:
        super().__init__(config, *args, **kwargs)  # type: ignore[arg-type]
        self.conn.max_size = self.limits.message_bytes
        self.ping_interval = self.ping_timeout = self.limits.ping_seconds
        self.on_lost: Callable[[], object] | None = None
        self.on_restart: Callable[[], object] | None = None
        self._stall_timer: asyncio.TimerHandle | None = None

    # --- for the session

    @property
    def over(self) -> bool:
        """Nothing can be said any more."""
        return self.close_sent or self.disconnected or self.transport.is_closing()

    async def say(self, text: str) -> None:
        """Sends a message; waits while the client does not read. Raises SocketClosed."""
        await self.writable.wait()
        if self.over:
            raise SocketClosed
        try:
            self.conn.send_text(text.encode())
        except InvalidState:
            raise SocketClosed from None
        self.transport.write(b"".join(self.conn.data_to_send()))

    def end(self, code: int, reason: str = "") -> None:
        """Closes, whether the client reads or not. reason: up to 123 bytes."""
        if self.over:
            return
        self.stop_keepalive()
        self.conn.send_close(code, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        self.writable.set()  # whoever waits there learns that it is over
        self._cut_off_later()
        if code == RESTARTING:
            self.transport.close()  # once what was said is on its way: a server that ends waits for nobody

    # --- the connection

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if self.response.status_code == 101:
            extensions: dict[str, object] = self.scope["extensions"]  # type: ignore[assignment]
            extensions[EXTENSION] = self

    def connection_lost(self, exc: Exception | None) -> None:
        self._read_again()
        super().connection_lost(exc)
        if self.on_lost is not None:
            self.on_lost()
            self.on_lost = None
        self.on_restart = None

    def shutdown(self) -> None:
        if self.on_restart is not None and not self.over:
            self.on_restart()
            return
        super().shutdown()
        self._cut_off_later()

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._stall_timer is None:
            self._stall_timer = self.loop.call_later(self.limits.stall_seconds, self._stalled)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._read_again()

    def _read_again(self) -> None:
        if self._stall_timer is not None:
            self._stall_timer.cancel()
            self._stall_timer = None

    def _stalled(self) -> None:
        self.end(TRY_LATER, "The client does not read.")

    def _cut_off_later(self) -> None:
        if self.close_timer is None:
            self.close_timer = self.loop.call_later(self.limits.linger_seconds, self.transport.abort)

    # --- what comes

    def data_received(self, data: bytes) -> None:
        if self.conn.parser_exc is None:  # else the rest of it is thrown away, so that our close frame is not lost
            super().data_received(data)

    def handle_cont(self, event: Frame) -> None:
        if len(self.frames) >= MOST_FRAGMENTS:
            self.end(TOO_BIG, "The message has too many fragments.")
            return
        super().handle_cont(event)

    def send_receive_event_to_app(self) -> None:
        if self.queue.qsize() >= MOST_WAITING:
            self.end(POLICY, "Too many messages at once.")
            return
        super().send_receive_event_to_app()

    def handle_ping(self) -> None:
        if self.writable.is_set():
            super().handle_ping()
        else:
            self.conn.data_to_send()  # who does not read gets no pong

    def handle_parser_exception(self) -> None:
        """What came is no WebSocket message, or too large: websockets has made the close frame that says so."""
        sent = self.conn.close_sent
        code, reason = (sent.code, sent.reason) if sent is not None else (1002, "")
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.writable.set()
        self._cut_off_later()

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        self._cut_off_later()
