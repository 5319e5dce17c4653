"""From what a program sends to what the gateway is asked: the same for every door that programs use."""

from collections.abc import AsyncIterable, Awaitable, Callable
from dataclasses import dataclass, field

from talkmeter.accounts.principals import Principal
from talkmeter.conversation.gateway.allowed import GatewayOptions, refuse_shared
from talkmeter.conversation.gateway.endpoints import Endpoint, answer_id
from talkmeter.conversation.gateway.fields import Fields, end_user_of, metadata_of
from talkmeter.conversation.gateway.values import PassAsk
from talkmeter.errors import NotFound
from talkmeter.metering.admission import Whose, tags_text
from talkmeter.metering.asked import Asked, PassingContext
from talkmeter.metering.ledger import LedgerEntry

_CONVERSATIONS = Endpoint(name="conversations", group="other", shared=True)


MOST_KNOWN = 1024


@dataclass(frozen=True, kw_only=True)
class Requests:
    """whose: what budgets and limits go by, for a principal and the tags of a request.

    entry_of_answer: the entry whose answer the provider gave that id.
    """

    options: GatewayOptions
    whose: Callable[[Principal, tuple[str, ...]], Whose]
    entry_of_answer: Callable[[str], Awaitable[LedgerEntry | None]]
    # By surface, key and tags: the principal, its context and what goes by it.
    _known: dict[tuple[str, str | None, tuple[str, ...]], tuple[Principal, PassingContext, Whose]] = field(
        default_factory=dict, init=False
    )

    def ask(
        self,
        *,
        surface: str,
        principal: Principal,
        asked: Asked,
        fields: Fields,
        tags: tuple[str, ...],
        method: str,
        path: str,
        headers: tuple[tuple[bytes, bytes], ...],
        body: bytes | AsyncIterable[bytes],
        body_length: int | None = None,
        usage_unasked: bool = False,
        model_span: tuple[int, int] | None = None,
        provider_id: str | None = None,
        late_for: LedgerEntry | None = None,
    ) -> PassAsk:
        """A request that this principal may make; see PassAsk. headers: those that go on."""
        key = principal.key
        known = self._known.get((surface, None if key is None else key.id, tags))
        if known is None or known[0] is not principal:  # it is another one once its key or its user has changed
            known = self._learn(surface, principal, tags)
        _, context, whose = known
        if fields.user is not None or fields.safety_identifier is not None or fields.metadata is not None:
            context = PassingContext(
                surface=surface,
                principal=context.principal,
                key_id=context.key_id,
                end_user=end_user_of(fields),
                tags=context.tags,
                metadata=metadata_of(fields),
            )
        return PassAsk(
            context=context,
            whose=whose,
            asked=asked,
            method=method,
            path=path,
            headers=headers,
            body=body,
            body_length=body_length,
            usage_unasked=usage_unasked,
            stream_options=fields.stream_options,
            model_span=model_span,
            provider_id=provider_id,
            late_for=late_for,
            disconnect=key.disconnect if key is not None else "drain",
        )

    def _learn(
        self, surface: str, principal: Principal, tags: tuple[str, ...]
    ) -> tuple[Principal, PassingContext, Whose]:
        if len(self._known) >= MOST_KNOWN:  # tags are the clients' to make up
            self._known.clear()
        key_id = None if principal.key is None else principal.key.id
        context = PassingContext(surface=surface, principal=principal.user_id, key_id=key_id, tags=tags_text(tags))
        known = self._known[surface, key_id, tags] = principal, context, self.whose(principal, tags)
        return known

    async def earlier(self, path: str, endpoint: Endpoint, principal: Principal) -> LedgerEntry | None:
        """The call that made what this one asks about: nobody sees another's answers. path: below /v1/."""
        if not endpoint.shared:
            return None
        named = answer_id(path)
        entry = await self.entry_of_answer(named) if named is not None else None
        if entry is None:
            refuse_shared(endpoint, principal, self.options)
            return None
        if not _may_see(principal, entry):
            raise NotFound(f"There is no {named!r:.80}.", f"{named!r:.80}이(가) 없습니다.", code="not_found")
        return entry

    async def continued(self, fields: Fields, principal: Principal) -> str | None:
        """The provider that keeps the response which this request goes on from: nobody goes on from another's."""
        if fields.conversation is not None:
            refuse_shared(_CONVERSATIONS, principal, self.options)
        named = fields.previous_response_id
        entry = await self.entry_of_answer(named) if isinstance(named, str) else None
        if entry is not None and _may_see(principal, entry):
            return entry.opening.provider_id
        if named is not None and (entry or (principal.role != "owner" and not self.options.members_share)):
            raise NotFound(
                f"Previous response with id {named!r:.80} not found.",
                f"이전 응답 {named!r:.80}을(를) 찾을 수 없습니다.",
                code="previous_response_not_found",
                param="previous_response_id",
            )
        return None


def _may_see(principal: Principal, entry: LedgerEntry) -> bool:
    """A response is its principal's alone: not an owner's, and not of every program on this machine, which need no key.
    A batch lies with the provider like the files that it is made of; an owner may see it.
    """
    opening = entry.opening
    return opening.principal == principal.user_id or (principal.role == "owner" and opening.endpoint == "batches")
