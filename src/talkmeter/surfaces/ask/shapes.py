"""What comes in and goes out, by field. `/openapi.json` is made from these very types."""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from talkmeter.messages import MessageStatus, Role, TokenWindow
from talkmeter.metering.ledger import Provenance

Text = Annotated[str, Meta(description="UTF-8 text")]
Microseconds = Annotated[int, Meta(description="µs since 1970 UTC")]


class AskBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A question. What follows `parent_id` may be left out: the room's settings hold, or the server's defaults."""

    prompt: Annotated[str, Meta(description="The question.", examples=["Hello"])]
    parent_id: Annotated[
        str | None, Meta(description="The answer that this question follows; null, empty or `new`: the newest.")
    ] = None
    model: Annotated[str, Meta(max_length=200)] | None = None
    system_prompt: Annotated[str, Meta(max_length=400_000)] | None = None
    window: Annotated[
        int | TokenWindow | None,
        Meta(description='How many messages are sent, 0: all; or `{"tokens": 3200}`: the question and what fits.'),
    ] = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    multitask: Annotated[
        Literal["enqueue", "reject", "interrupt"], Meta(description="What if the conversation is answering already.")
    ] = "enqueue"
    stream: Annotated[
        bool | None, Meta(description="True: server-sent events, as with `Accept: text/event-stream`.")
    ] = None


class StopBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Which answer to stop. drain: read on for the exact bill; cut: cancel it with the provider."""

    run_id: Annotated[str | None, Meta(description="null: all that are under way in the conversation.")] = None
    mode: Literal["drain", "cut"] = "drain"


class Choice(Struct, frozen=True, kw_only=True):
    """The answer, as an OpenAI text completion has it."""

    text: Text
    index: int = 0
    logprobs: None = None
    finish_reason: str | None = None


class PromptDetails(Struct, frozen=True, kw_only=True):
    cached_tokens: int | None


class CompletionDetails(Struct, frozen=True, kw_only=True):
    reasoning_tokens: int | None


class TokenUsage(Struct, frozen=True, kw_only=True):
    """null: nobody has told; which is not zero."""

    prompt_tokens: int | None
    completion_tokens: int | None
    total_tokens: int | None
    prompt_tokens_details: PromptDetails
    completion_tokens_details: CompletionDetails


class Price(Struct, frozen=True, kw_only=True):
    """Exact, as decimal text. null: not known, `unpriced` says for what. provenance: where the tokens come from."""

    usd: str | None
    picodollars: str | None
    provenance: Provenance | None
    unpriced: tuple[str, ...] = ()


class Reply(Struct, frozen=True, kw_only=True):
    """An answer: the fields of every generation of clients at once.

    parent_id: the answer's id, for the next question. usage, cost: null until the answer has ended.
    """

    message: Text
    conversation_id: str
    parent_id: str
    id: str
    object: Literal["text_completion"]
    created: Annotated[int, Meta(description="Seconds since 1970 UTC")]
    model: str | None
    choices: tuple[Choice, ...]
    usage: TokenUsage | None
    cost: Price | None
    run_id: str
    question_id: str
    status: MessageStatus
    entry_id: Annotated[str | None, Meta(description="Of the call in the ledger; null: it never left.")]


class Problem(Struct, frozen=True, kw_only=True):
    """What was wrong, and what to do. Further facts stand beside these."""

    code: str
    message: str
    message_ko: str
    hint: str | None
    hint_ko: str | None
    param: str | None
    request_id: str


class Failure(Struct, frozen=True, kw_only=True):
    """An error. Once there is a run, the fields of its Reply stand beside these."""

    error: Problem
    response: Annotated[str, Meta(description="The message, in Korean where `Accept-Language` asks for it.")]
    detail: Annotated[str, Meta(description="What to do, or the code.")]


class Entry(Struct, frozen=True, kw_only=True):
    """One message of a conversation."""

    id: str
    parent_id: str | None
    role: Role
    text: Text
    status: MessageStatus
    created_at: Microseconds
    model: str | None
    run_id: str | None
    usage: TokenUsage | None
    cost: Price | None
    error: dict[str, Any] | None


class Conversation(Struct, frozen=True, kw_only=True):
    """A conversation as it stands, oldest message first. older: the `before` of the next page; null: there is none."""

    conversation_id: str
    room_id: str
    title: str
    created_at: Microseconds
    last_used_at: Microseconds
    messages: tuple[Entry, ...]
    older: str | None
    under_way: Annotated[tuple[str, ...], Meta(description="Runs that are being answered or wait.")]


class Listed(Struct, frozen=True, kw_only=True):
    conversation_id: str
    room_id: str
    title: str
    created_at: Microseconds
    last_used_at: Microseconds
    message_count: int


class Conversations(Struct, frozen=True, kw_only=True):
    """next: the `cursor` of the following page; null: there is none."""

    conversations: tuple[Listed, ...]
    next: str | None
    total: int


class Deleted(Struct, frozen=True, kw_only=True):
    conversation_id: str
    deleted: bool


class Stopping(Struct, frozen=True, kw_only=True):
    """The runs that were asked to end; their logs say when they have."""

    stopping: tuple[str, ...]


class Health(Struct, frozen=True, kw_only=True):
    status: Literal["ok"]
