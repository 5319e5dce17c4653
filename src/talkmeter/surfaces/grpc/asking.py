"""A question of either service: asked, followed by its client, and what becomes of it when the client leaves."""

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any

from msgspec import Struct

from talkmeter.clock import now
from talkmeter.conversation.run_errors import told_again
from talkmeter.conversation.talk_values import Answered, Started, Talk
from talkmeter.conversation.talks import Talks
from talkmeter.errors import TalkmeterError
from talkmeter.surfaces.grpc.rpc import Failed, Rpc
from talkmeter.surfaces.grpc.statuses import status_of, status_of_answer
from talkmeter.surfaces.grpc.trailers import Pairs, figures

UNDER_WAY = frozenset({"queued", "streaming"})  # statuses of an answer that has not ended


class Leaving(Struct, frozen=True):
    """cut: whether a client that leaves ends its answer, by its key's policy. A deadline of its own does so anyway."""

    cut: bool = False


class Asking:
    """What is under way; `end` waits for what goes on without a client."""

    def __init__(self, talks: Talks) -> None:
        self.talks = talks
        self._aside: set[asyncio.Task[Any]] = set()
        self._ending = False

    async def ask(self, rpc: Rpc, talk: Talk, leaving: Leaving) -> Started:
        """As Talks.ask. A client that leaves in the middle of it has asked all the same."""
        asking = self._keep(self.talks.ask(talk))
        try:
            return await asyncio.shield(asking)
        except asyncio.CancelledError:
            if self._cuts(rpc, leaving):
                self._keep(self._cut_asked(rpc, asking))
            raise

    def left(self, rpc: Rpc, run_id: str, leaving: Leaving) -> bool:
        """The client of a run has left, or its deadline has passed; whether the run is ended for that.

        It is cut upstream and settled by what has come, whoever else is cancelled meanwhile.
        """
        cut = self._cuts(rpc, leaving)
        if cut:
            self._keep(self.talks.stop(rpc.principal, run_id, "cut"))
        return cut

    async def end(self) -> None:
        """At a shutdown: from now on nobody's leaving ends an answer, the server does that itself."""
        self._ending = True
        if self._aside:
            await asyncio.wait(self._aside)

    def _cuts(self, rpc: Rpc, leaving: Leaving) -> bool:
        return not self._ending and (leaving.cut or rpc.is_late)

    async def _cut_asked(self, rpc: Rpc, asking: asyncio.Task[Started]) -> None:
        try:
            started = await asking
        except TalkmeterError:
            return  # nothing was asked
        await self.talks.stop(rpc.principal, started.run_id, "cut")

    def _keep(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(work)
        self._aside.add(task)
        task.add_done_callback(self._over)
        return task

    def _over(self, task: asyncio.Task[Any]) -> None:
        self._aside.discard(task)
        if not task.cancelled():
            task.exception()  # it was raised to whoever was still there


def check_ended(answered: Answered, *, repeated: bool = False) -> Pairs:
    """The trailing metadata of an answer that has ended well. Raises Failed, with them, if it has not.

    repeated: the question was asked before; of an interrupted answer there is no more then, however often one asks.
    """
    trailers = figures(answered)
    if answered.error is not None and answered.status == "failed":
        raise Failed(status_of_answer(answered.error, now()), trailers)
    if answered.error is not None and answered.status == "interrupted":
        error = told_again(answered.error) if repeated else answered.error
        raise Failed(status_of(_interrupted(error), now()), trailers)
    if answered.status in UNDER_WAY:
        raise Failed(status_of(_continues(), now()), trailers)
    return trailers


def _interrupted(error: Mapping[str, Any]) -> TalkmeterError:
    return TalkmeterError(
        error["message"],
        error["message_ko"],
        code=error["code"],
        status=error["http_status"],
        hint=error["hint"],
        hint_ko=error["hint_ko"],
    )


def _continues() -> TalkmeterError:
    return TalkmeterError(
        "The server is stopping; this answer goes on after its next start.",
        "서버가 중지되고 있습니다. 이 답변은 다음에 시작할 때 이어집니다.",
        code="continues_after_restart",
        status=503,
        hint="Follow its run then.",
        hint_ko="그때 실행을 다시 따라가십시오.",
    )
