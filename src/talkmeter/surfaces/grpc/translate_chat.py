"""`chat.Chat` from and to what a conversation knows. Pure."""

import re

from msgspec import UNSET

from talkmeter.accounts.principals import Principal
from talkmeter.conversation.talk_values import Answered, Talk
from talkmeter.surfaces.grpc.entering import DOOR
from talkmeter.surfaces.grpc.messages import chat_pb2
from talkmeter.surfaces.grpc.translate import figures_of, options_of

FIRST_OF_OURS = 10  # the number of the first field that the first clients do not know
OLDEST_IDS = re.compile(r"grpc_[0-9a-f]{8}")  # as clients made them when there was no end mark yet


def is_seed(request: chat_pb2.askrequest) -> bool:
    """Whether the request could be of one of the first clients."""
    return all(field.number < FIRST_OF_OURS for field, _ in request.ListFields())


def wants_end_mark(request: chat_pb2.askrequest) -> bool:
    return is_seed(request) and OLDEST_IDS.fullmatch(request.conversation_id) is None


def talk_of(
    request: chat_pb2.askrequest, principal: Principal, conversation_id: str, tags: tuple[str, ...] = ()
) -> Talk:
    """conversation_id: the request's, or its connection's. Raises BadInput."""
    return Talk(
        surface=DOOR,
        principal=principal,
        conversation_id=conversation_id,
        prompt=request.prompt,
        parent_id=request.parent_id or UNSET,
        options=options_of(request),
        idempotency_key=request.idempotency_key if request.HasField("idempotency_key") else None,
        tags=tags,
    )


def last_piece(answered: Answered, *, end_mark: bool) -> chat_pb2.askresponse:
    """What closes an answer; first clients print `response` as it is and pass over the rest."""
    mark = f"<|end|>${answered.conversation_id}${answered.message_id}" if end_mark else ""
    return chat_pb2.askresponse(
        response=mark,
        conversation_id=answered.conversation_id,
        message_id=answered.message_id,
        run_id=answered.run_id,
        **figures_of(answered),
    )
