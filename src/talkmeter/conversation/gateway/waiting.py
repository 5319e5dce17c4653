"""A client that leaves before the head of its answer has come: what is under way for it then, and how it ends."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from talkmeter.conversation.gateway.values import Disconnect
from talkmeter.errors import BadInput
from talkmeter.metering.passing import PassingCall


class Leaver(Protocol):
    """The client's connection, as far as the gateway cares.

    on_gone: to be told when it is lost; with `cut=True` that it wants no more, and the answer is cancelled.
    """

    gone: bool
    on_gone: Callable[..., object] | None


class Waiting:
    """One request on its way to its answer's head. Once the client is gone there are no further attempts.

    With *cut* the attempt under way is cancelled at once, with *drain* after `seconds`: until then its answer may come
    and be read for the bill.
    """

    __slots__ = ("_call", "_disconnect", "_seconds", "_task", "_timer", "left")

    def __init__(self, disconnect: Disconnect, seconds: float) -> None:
        self._disconnect = disconnect
        self._seconds = seconds
        self._task: asyncio.Task[object] | None = None
        self._call: PassingCall | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.left = False

    def client_left(self, *, cut: bool = False) -> None:
        if self.left:
            return
        self.left = True
        if cut or self._disconnect == "cut" or self._seconds <= 0:
            self._give_up()
        else:
            self._timer = asyncio.get_running_loop().call_later(self._seconds, self._give_up)

    def for_answer(self, call: PassingCall | None) -> None:
        """From here to `over` the wait may be cancelled; call: what is settled then.

        Raises BadInput if the client has left already: then nothing must be sent.
        """
        if self.left:
            if call is not None:
                call.end("not_reached")
            raise client_left()
        self._task, self._call = asyncio.current_task(), call

    def over(self) -> None:
        self._task = self._call = None

    def end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _give_up(self) -> None:
        self._timer = None
        if self._call is not None:
            self._call.cut()
        if self._task is not None:
            self._task.cancel()

    def gave_up(self) -> bool:
        """Whether a cancellation was ours, which is forgotten then."""
        task = asyncio.current_task()
        if not self.left or self._timer is not None or task is None or task.cancelling() != 1:
            return False
        task.uncancel()
        return True


def client_left() -> BadInput:
    return BadInput("The client left.", "클라이언트가 연결을 끊었습니다.", code="client_left", status=499)
