"""What a question would cost before it is sent, and whether it fits: counts, prices and limits put together."""

import asyncio
from collections.abc import Callable, Sequence

from talkmeter.clock import now
from talkmeter.completions import Providers
from talkmeter.conversation import preview as ladders
from talkmeter.conversation.counting import Counting, frame
from talkmeter.conversation.settings import Defaults, resolve
from talkmeter.conversation.store import ConversationStore
from talkmeter.conversation.values import Preview
from talkmeter.conversation.window import sendable
from talkmeter.errors import BadInput, Conflict, NotFound, TalkmeterError
from talkmeter.messages import Attachment, Message, RoomSettings
from talkmeter.metering.cost import price_range
from talkmeter.metering.models_info import model_limits
from talkmeter.metering.pricebook import PriceBook, output_limit
from talkmeter.metering.tokens import encoding_for, is_loaded, preload


class Estimator:
    def __init__(
        self, store: ConversationStore, prices: PriceBook, providers: Providers, defaults: Defaults, counting: Counting
    ) -> None:
        self._store = store
        self._prices = prices
        self._providers = providers
        self._defaults = defaults
        self._counting = counting
        self._branches: dict[str, tuple[Message, ...]] = {}

    async def attachments(self, ids: Sequence[str], principal: str) -> list[Attachment]:
        """In the order asked for. Raises NotFound for one that is not there or another's."""
        if not ids:
            return []
        found = {item.id: item for item in await self._store.attachments(ids, principal)}
        if missing := [item for item in ids if item not in found]:
            raise NotFound(
                f"There is no image {missing[0]}.", f"{missing[0]} 이미지가 없습니다.", code="attachment_not_found"
            )
        if len(set(ids)) != len(ids):
            raise BadInput("An image is named twice.", "같은 이미지가 두 번 지정되었습니다.", param="attachment_ids")
        return [found[item] for item in ids]

    def warm_up(self) -> None:
        encoding = encoding_for(self._defaults.get("default_model") or "").name
        if not is_loaded(encoding):
            preload(encoding)

    def model_of(self, settings: RoomSettings) -> str:
        return resolve(settings, self._defaults).model or ""

    def provider_name(self, settings: RoomSettings) -> str | None:
        """The provider that would be asked; None if none can be: the run will say why."""
        resolved = resolve(settings, self._defaults)
        try:
            return self._providers.pick(resolved.provider_id, resolved.model or "").name
        except TalkmeterError:
            return None

    async def preview(self, settings: RoomSettings, draft: Message) -> Preview:
        """The price ladder for a draft. The counting runs in a thread when there is much of it."""
        resolved = resolve(settings, self._defaults)
        model, window = resolved.model or "", resolved.window or 0
        course = await self._course(resolved, draft)
        context = self._context_window(resolved)
        encoding = encoding_for(model)
        room = prompt_limit(context, resolved.max_tokens)
        fits = ladders.fitting_window(course, room)
        ladder = ladders.ladder(course, window, room, self._pricer(resolved))
        own = next(rung for rung in ladder if rung.window == window)
        return Preview(
            model=model,
            encoding=encoding.name,
            quality="exact" if encoding.known and course.exact else "estimate",
            context_window=context,
            reserved_output=output_limit(model, own.prompt_tokens, resolved.max_tokens),
            window=window,
            fits=own.fits,
            fits_window=fits,
            draft_tokens=course.tokens[-1],
            ladder=ladder,
        )

    async def check_fits(self, settings: RoomSettings, question: Message) -> None:
        """Raises Conflict `context_too_small`, with the window that would fit, before anything is kept or sent.

        Only for models whose limit and tokens we know ourselves; what a provider says of its own is for `preview` to
        warn of, because there our count is an estimate and must not keep a question from being sent.
        """
        resolved = resolve(settings, self._defaults)
        context = model_limits(resolved.model or "").context_window
        if context is None:
            return
        course = await self._course(resolved, question)
        prompt = ladders.prompt_tokens(course, resolved.window or 0)
        limit = prompt_limit(context, resolved.max_tokens)
        if limit is not None and prompt > limit:
            fits = ladders.fitting_window(course, limit)
            raise Conflict(
                f"These messages are {prompt} tokens; {resolved.model} takes {context} with its answer.",
                f"보낼 메시지가 {prompt}토큰입니다. {resolved.model}의 한도는 답변을 포함해 {context}토큰입니다.",
                code="context_too_small",
                param="window",
                hint="Send fewer messages, or choose a model with a larger context.",
                hint_ko="보내는 메시지 수를 줄이거나 컨텍스트가 더 큰 모델을 고르십시오.",
                details={"fits_window": fits, "prompt_tokens": prompt, "context_window": context},
            )

    def _context_window(self, settings: RoomSettings) -> int | None:
        model = settings.model or ""
        try:
            listed = self._providers.context_window(self._providers.pick(settings.provider_id, model).id, model)
        except TalkmeterError:
            listed = None
        return listed or model_limits(model).context_window

    async def _course(self, settings: RoomSettings, draft: Message) -> ladders.Course:
        branch = await self._branch(draft.parent_id)
        return await asyncio.to_thread(self._count, settings, [*sendable(branch), draft])

    def _count(self, settings: RoomSettings, messages: Sequence[Message]) -> ladders.Course:
        model = settings.model or ""
        counts = self._counting.messages(messages, model)
        tokens = [count.total for count in counts]
        exact = all(count.quality == "exact" for count in counts)
        return ladders.Course(tokens, frame(settings, model), exact, [each.role == "user" for each in messages])

    async def _branch(self, leaf_id: str | None) -> Sequence[Message]:
        """The messages up to leaf_id. One branch is remembered: the one that is being typed at."""
        if leaf_id is None:
            return ()
        known = self._branches.get(leaf_id)
        if known is None:
            known = tuple(await self._store.branch(leaf_id, None))
            self._branches.clear()
            if all(message.status not in ("queued", "streaming") for message in known):
                self._branches[leaf_id] = known
        return known

    def _pricer(self, settings: RoomSettings) -> Callable[[int, int], tuple[int | None, int | None]]:
        model, at = settings.model or "", now()
        try:
            provider_id = self._providers.pick(settings.provider_id, model).id
        except TalkmeterError:
            provider_id = ""
        priced = self._prices.priced(provider_id, (model,), at)

        def price(prompt: int, cached: int) -> tuple[int | None, int | None]:
            costs = price_range(
                self._prices.table,
                provider=priced.price_list,
                model=priced.model,
                tier=None,
                at=at,
                prompt_tokens=prompt,
                cached_tokens=cached,
                max_output_tokens=output_limit(model, prompt, settings.max_tokens),
            )
            return costs.low, costs.high

        return price


def prompt_limit(context_window: int | None, max_tokens: int | None) -> int | None:
    """Tokens that a prompt may have so that the answer asked for still fits; at least one token of answer."""
    return None if context_window is None else max(context_window - (max_tokens or 1), 0)
