"""A request whose body comes piece by piece, no faster than the upstream takes it."""

import asyncio
from collections.abc import AsyncIterable

from talkmeter.completions import UpstreamSilent
from talkmeter.errors import BadInput
from talkmeter.providers.http.answer import HttpAnswer
from talkmeter.providers.http.timeouts import Timeouts


class Upload:
    """length: what the body must come to, in bytes; None: it goes out in chunks."""

    def __init__(
        self, transport: asyncio.Transport, answer: HttpAnswer, body: AsyncIterable[bytes], length: int | None
    ) -> None:
        self.done = False
        self._transport = transport
        self._answer = answer
        self._body = body
        self._length = length
        self._task: asyncio.Task[None] | None = None
        self._room = asyncio.Event()
        self._room.set()

    async def run(self, head: bytes, timeouts: Timeouts) -> None:
        """Returns when the request is out and the answer's head is there, or with the head of a refusal before that.

        Raises what the body raises; the caller then closes the answer.
        """
        self._task = asyncio.get_running_loop().create_task(self._send(head, timeouts), name="upload")
        self._task.add_done_callback(lambda _task: self._answer.wake())
        try:
            await self._answer.head(self._task)
            if self._answer.status < 400:
                await asyncio.wait([self._task])
                if not self._task.cancelled():  # as it is when the connection ends; reading the answer says how
                    self._task.result()
        finally:
            self.stop()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _send(self, head: bytes, timeouts: Timeouts) -> None:
        left = self._length
        write = self._transport.write
        write(head)
        async for piece in self._body:
            if not piece:
                continue
            if left is None:
                write(b"%x\r\n%b\r\n" % (len(piece), piece))
            elif len(piece) > left:
                raise _wrong_length()
            else:
                left -= len(piece)
                write(piece)
            if not self._room.is_set():
                await self._drain(timeouts.silence)
        if left:
            raise _wrong_length()
        if left is None:
            write(b"0\r\n\r\n")
        self.done = True

    async def _drain(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._room.wait()
        except TimeoutError:
            raise UpstreamSilent("silence" if self._answer.has_head else "headers", seconds) from None

    def pause(self) -> None:
        self._room.clear()

    def resume(self) -> None:
        self._room.set()

    def stop(self) -> None:
        """The upstream is gone, or has answered without wanting the rest."""
        if self._task is not None and not self._task.done():
            self._task.cancel()


def _wrong_length() -> BadInput:
    return BadInput(
        "The body of the request has another length than it said.",
        "요청 본문의 길이가 알린 길이와 다릅니다.",
        hint="The call to the provider was cut.",
        hint_ko="제공자 호출을 끊었습니다.",
        code="bad_body_length",
    )
