"""What the conversation doors (ask, WebSocket, gRPC, Slack) take from a client and give back."""

from typing import Any

from msgspec import UNSET, Struct, UnsetType

from talkmeter.accounts.principals import Principal
from talkmeter.conversation.values import Multitask
from talkmeter.messages import MessageStatus, Role, RoomSettings
from talkmeter.metering.cost import Cost
from talkmeter.metering.ledger import LedgerEntry, Provenance
from talkmeter.metering.usage import Usage

NEW = "new"  # in place of a conversation_id: a fresh one; so does an empty one


class Talk(Struct, frozen=True, kw_only=True):
    """A question by any conversation door.

    conversation_id: a room's id or a name that the client makes; an unknown one makes a room. parent_id: the answer
    that it follows, UNSET or "new" or empty: the newest. options: the settings of the room while nothing has been
    answered in it, else for this answer only. idempotency_key: the same one again, from the same principal by the same
    surface, gives the same answer; None: each is a question of its own. tags: what budgets go by, see accounts.tags.
    """

    surface: str
    principal: Principal
    conversation_id: str
    prompt: str
    parent_id: str | UnsetType = UNSET
    options: RoomSettings | None = None
    idempotency_key: str | None = None
    multitask: Multitask = "enqueue"
    tags: tuple[str, ...] = ()


class Started(Struct, frozen=True, kw_only=True):
    """A question that is on the disk, and its answer in the making. message_id: the answer's.

    repeated: this idempotency key has asked it before.
    """

    run_id: str
    conversation_id: str
    room_id: str
    question_id: str
    message_id: str
    model: str | None
    repeated: bool = False


class Answered(Struct, frozen=True, kw_only=True):
    """How an answer ended, or how it stands if the server is stopping: then status is `queued` or `streaming`.

    entry: its call in the ledger; None: it never left. error: {"code", "message", "message_ko", "status",
    "retry_after"}, as on a message, with "hint" and "hint_ko" where the model is not there: which are. model: asked
    for; model_served: as the provider says. Figures that nobody has are None, which is not zero.
    """

    run_id: str
    conversation_id: str
    room_id: str
    question_id: str
    message_id: str
    status: MessageStatus
    text: str
    model: str | None
    provider_name: str | None
    created_at: int
    finished_at: int | None
    error: dict[str, Any] | None = None
    entry: LedgerEntry | None = None

    @property
    def usage(self) -> Usage | None:
        return self.entry.settlement.usage if self.entry and self.entry.settlement else None

    @property
    def cost(self) -> Cost | None:
        """Picodollars within; its `picodollars` is None where the price is not known."""
        return self.entry.settlement.cost if self.entry and self.entry.settlement else None

    @property
    def provenance(self) -> Provenance | None:
        return self.entry.settlement.provenance if self.entry and self.entry.settlement else None

    @property
    def finish_reason(self) -> str | None:
        return self.entry.settlement.finish_reason if self.entry and self.entry.settlement else None

    @property
    def model_served(self) -> str | None:
        return self.entry.settlement.model_served if self.entry and self.entry.settlement else None


class Said(Struct, frozen=True, kw_only=True):
    """A message of a conversation's shown branch. entry: of an answer, None for questions."""

    id: str
    parent_id: str | None
    role: Role
    text: str
    status: MessageStatus
    created_at: int
    model: str | None = None
    run_id: str | None = None
    error: dict[str, Any] | None = None
    entry: LedgerEntry | None = None


class Told(Struct, frozen=True, kw_only=True):
    """A conversation as it stands, oldest message first. older: give it as `before` for the ones before; None: none.

    under_way: ids of the runs that are being answered or wait, in their order.
    """

    conversation_id: str
    room_id: str
    title: str
    settings: RoomSettings
    created_at: int
    last_used_at: int
    messages: tuple[Said, ...]
    older: str | None
    under_way: tuple[str, ...]
