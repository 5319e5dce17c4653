"""`chat.Chat`: a prompt answered piece by piece, for the first clients and for those that came after."""

import asyncio
from collections.abc import Mapping

from talkmeter.clock import now
from talkmeter.surfaces.grpc.asking import Asking, Leaving, check_ended
from talkmeter.surfaces.grpc.channels import Channels, Question
from talkmeter.surfaces.grpc.messages import chat_pb2
from talkmeter.surfaces.grpc.pieces import pieces
from talkmeter.surfaces.grpc.rpc import Answer, Failed, Rpc, Unread
from talkmeter.surfaces.grpc.translate_chat import is_seed, last_piece, talk_of, wants_end_mark

SERVICE = "chat.Chat"


class Chat:
    def __init__(self, asking: Asking, channels: Channels) -> None:
        self._asking = asking
        self._channels = channels

    def methods(self) -> Mapping[str, Answer]:
        return {"Ask": self.ask}

    async def ask(self, rpc: Rpc, request: chat_pb2.askrequest) -> None:
        """Raises what Talks.ask raises, and Failed for an answer that did not come to its end."""
        user_id = rpc.principal.user_id
        question = Question(user_id, request.conversation_id or rpc.peer, request.prompt)
        rpc.cuts = rpc.principal.key is not None and rpc.principal.key.disconnect == "cut"
        leaving = Leaving(cut=rpc.cuts)
        told = _Told()
        broken = self._channels.take_broken(question, now()) if is_seed(request) else None
        run_id, repeated = (broken, False) if broken else await self._begin(rpc, request, leaving)
        try:
            await self._tell(rpc, run_id, told, end_mark=wants_end_mark(request), repeated=repeated)
        except asyncio.CancelledError:
            if not self._asking.left(rpc, run_id, leaving):
                self._channels.broke_off(question, run_id, now())
            raise
        except (Failed, Unread):
            if told.length and broken is None:
                self._channels.broke_off(question, run_id, now())
            raise

    async def _begin(self, rpc: Rpc, request: chat_pb2.askrequest, leaving: Leaving) -> tuple[str, bool]:
        """A new question, in the conversation that it names or that its connection is in: its run, and whether it was
        asked before.
        """
        user_id = rpc.principal.user_id
        where = request.conversation_id or self._channels.conversation(user_id, rpc.peer, now()) or ""
        started = await self._asking.ask(rpc, talk_of(request, rpc.principal, where, rpc.tags), leaving)
        self._channels.in_conversation(user_id, rpc.peer, started.conversation_id, now())
        return started.run_id, started.repeated

    async def _tell(self, rpc: Rpc, run_id: str, told: "_Told", *, end_mark: bool, repeated: bool) -> None:
        talks = self._asking.talks
        standing = await talks.standing(rpc.principal, run_id)
        await rpc.begin(standing.conversation_id, run_id, standing.message_id)
        async for event in talks.follow(rpc.principal, run_id):
            if event.kind == "delta":
                news = event.data["text"][told.length - event.data["offset"] :]  # it may begin before
                for _, piece in pieces(news):
                    await rpc.write(chat_pb2.askresponse(response=piece))
                told.length += len(news)
        answered = await talks.standing(rpc.principal, run_id)
        trailers = check_ended(answered, repeated=repeated)
        await rpc.write(last_piece(answered, end_mark=end_mark))
        rpc.trail(trailers)


class _Told:
    """How much of an answer was written to the client, in code points."""

    length = 0
