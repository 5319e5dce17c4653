"""`talkmeter.v1.Conversations`: ask, follow again, look back, list, stop."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

from google.protobuf.message import Message

from talkmeter.conversation.runlog import ENDS
from talkmeter.errors import BadInput
from talkmeter.messages import RunEvent
from talkmeter.surfaces.grpc.asking import UNDER_WAY, Asking, Leaving, check_ended
from talkmeter.surfaces.grpc.messages import conversations_pb2 as pb
from talkmeter.surfaces.grpc.rpc import Answer, Rpc
from talkmeter.surfaces.grpc.trailers import figures
from talkmeter.surfaces.grpc.translate_conversations import (
    PAGE_SIZE,
    begun,
    ended,
    events_of,
    history,
    rooms,
    stop_mode_of,
    talk_of,
)

SERVICE = "talkmeter.v1.Conversations"

Wrap = Callable[[pb.RunEvent], Message]


class Conversations:
    def __init__(self, asking: Asking) -> None:
        self._asking = asking
        self._talks = asking.talks

    def methods(self) -> Mapping[str, Answer]:
        return {
            "Ask": self.ask,
            "Follow": self.follow,
            "GetHistory": self.get_history,
            "ListRooms": self.list_rooms,
            "Stop": self.stop,
        }

    async def ask(self, rpc: Rpc, request: pb.AskRequest) -> None:
        """The answer goes on without its client, unless a deadline of the client's own has passed."""
        leaving = Leaving()
        started = await self._asking.ask(rpc, talk_of(request, rpc.principal, rpc.tags), leaving)
        try:
            await rpc.begin(started.conversation_id, started.run_id, started.message_id)
            await rpc.write(pb.AskResponse(event=begun(started)))
            await self._tell(rpc, started.run_id, 0, lambda event: pb.AskResponse(event=event))
            answered = await self._talks.standing(rpc.principal, started.run_id)
            rpc.trail(check_ended(answered, repeated=started.repeated))
        except asyncio.CancelledError:
            self._asking.left(rpc, started.run_id, leaving)
            raise

    async def follow(self, rpc: Rpc, request: pb.FollowRequest) -> None:
        run_id = request.run_id
        standing = await self._talks.standing(rpc.principal, run_id)
        await rpc.begin(standing.conversation_id, run_id, standing.message_id)
        await self._tell(rpc, run_id, request.after_seq, lambda event: pb.FollowResponse(event=event))
        answered = await self._talks.standing(rpc.principal, run_id)
        if answered.status in UNDER_WAY:
            check_ended(answered)  # the server stops; an answer that has failed, though, was followed to its end
        rpc.trail(figures(answered))

    async def get_history(self, rpc: Rpc, request: pb.GetHistoryRequest) -> pb.GetHistoryResponse:
        limit = page_size(request.page_size)
        told = await self._talks.history(rpc.principal, request.conversation_id, request.page_token or None, limit)
        return history(told)

    async def list_rooms(self, rpc: Rpc, request: pb.ListRoomsRequest) -> pb.ListRoomsResponse:
        page = await self._talks.rooms(rpc.principal, request.page_token or None, page_size(request.page_size))
        return rooms(page)

    async def stop(self, rpc: Rpc, request: pb.StopRequest) -> pb.StopResponse:
        await self._talks.stop(rpc.principal, request.run_id, stop_mode_of(request))
        return pb.StopResponse()

    async def _tell(self, rpc: Rpc, run_id: str, after: int, wrap: Wrap) -> None:
        """The events up to and with the end; without one, if the server stops before it."""
        async for event in self._events(rpc, run_id, after):
            await rpc.write(wrap(event))

    async def _events(self, rpc: Rpc, run_id: str, after: int) -> AsyncIterator[pb.RunEvent]:
        events: AsyncIterator[RunEvent] = self._talks.follow(rpc.principal, run_id, after)
        async for event in events:
            if event.kind in ENDS:
                yield ended(event.seq, event.kind, await self._talks.standing(rpc.principal, run_id))
            else:
                for one in events_of(event):
                    yield one


def page_size(asked: int) -> int:
    """Raises BadInput for less than nothing; what is too much is given in parts."""
    if asked < 0:
        raise BadInput(
            f"page_size cannot be {asked}.",
            f"page_size는 {asked}일 수 없습니다.",
            code="bad_page_size",
            param="page_size",
        )
    return asked or PAGE_SIZE
