"""A network cable that can be pulled: a TCP relay in front of a server."""

import asyncio
import contextlib
from types import TracebackType
from typing import Self


class Cable:
    """Relays to 127.0.0.1:port while it is plugged in; pulled, every connection breaks and none is made."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.port = 0
        self.carried = 0  # bytes towards the browser since the cable was last plugged in
        self.cut_after: int | None = None  # pulls itself once so many bytes have come through

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def plug_in(self) -> None:
        self.carried = 0
        self._server = await asyncio.start_server(self._relay, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def pull(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in self._writers:
            writer.transport.abort()  # RST, as when the other side has gone
        self.cut_after = None

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        with contextlib.suppress(OSError):
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._target)
            self._writers |= {writer, up_writer}
            try:
                await asyncio.gather(self._pump(reader, up_writer), self._pump(up_reader, writer, down=True))
            finally:
                self._writers -= {writer, up_writer}
                up_writer.transport.abort()
        writer.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, down: bool = False) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(1024):
                if down and self.cut_after is not None and self.carried + len(data) > self.cut_after:
                    writer.write(data[: max(0, self.cut_after - self.carried)])
                    await writer.drain()
                    self.pull()
                    return
                self.carried += len(data) if down else 0
                writer.write(data)
                await writer.drain()
            if writer.can_write_eof():
                writer.write_eof()

    async def __aenter__(self) -> Self:
        await self.plug_in()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.pull()
        await asyncio.gather(*self._tasks, return_exceptions=True)
