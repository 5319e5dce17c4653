"""What a process that dies now would lose of the calls that pass through: kept, sealed, four times a second.

Of a call that lasts longer than a moment that is its prompt, once, and the text of its answer, as it comes. Nobody
counts it unless the process does die: nearly every call is told by its provider what it came to. A prompt that is too
long to be written down is counted at once.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from msgspec import Struct

from talkmeter.errors import StoreError
from talkmeter.metering.asked import Asked, as_preflight, is_countable
from talkmeter.metering.ledger import PROMPT_PART, CountEntry, ForgetPartials, KeepPartial, LedgerStore
from talkmeter.metering.tokens import PromptCount

log = logging.getLogger(__name__)

KEEP_SECONDS = 0.25
KEPT_PROMPT_BYTES = 64 << 10

Seal = Callable[[str, str], str]  # entry id, text; empty: there is no key to seal it with, so it is not kept


class Keeps(Protocol):
    """A call under way. began: monotonic ns."""

    @property
    def began(self) -> int: ...

    async def count_if_long(self) -> None: ...

    def to_keep(self) -> list[Struct]: ...

    def keep_again(self) -> None: ...


class Keeping:
    """live: the calls under way, whoever adds and removes them."""

    def __init__(self, store: LedgerStore, live: set[Keeps]) -> None:
        self._store = store
        self._live = live
        self._task: asyncio.Task[None] | None = None
        self._odd: set[Keeps] = set()  # calls of which something could not be kept, and that has been said

    def watch(self, call: Keeps) -> None:
        """One more call. The work begins with the first, and ends by itself once there is none."""
        self._live.add(call)
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._keep(), name="keep-partial-texts")

    async def _keep(self) -> None:
        while self._live:
            await asyncio.sleep(KEEP_SECONDS)
            old = time.monotonic_ns() - int(KEEP_SECONDS * 1e9)
            lasting = [call for call in self._live if call.began < old]
            self._odd &= self._live
            for call in lasting:
                try:
                    await call.count_if_long()
                except Exception as error:  # noqa: BLE001 - one call must not leave the others without what is kept
                    self._note(call, error)
            try:
                await self._keep_all(lasting)
            except Exception as error:
                if isinstance(error, StoreError):
                    log.warning("texts under way cannot be kept yet: %s", error)
                else:  # a mistake of ours must not leave all later calls without what is kept of them
                    log.exception("texts under way are not kept")
                for call in lasting:
                    call.keep_again()

    async def _keep_all(self, lasting: Sequence[Keeps]) -> None:
        """From here to the submission nothing else runs: what is settled later is settled after this."""
        changes: list[Struct] = []
        for call in lasting:
            if call in self._live:
                try:
                    changes += call.to_keep()
                except Exception as error:  # noqa: BLE001 - as above
                    self._note(call, error)
        if changes:
            await self._store.submit(*changes)

    def _note(self, call: Keeps, error: Exception) -> None:
        """Says it, once for each call and not four times a second."""
        if call not in self._odd:
            self._odd.add(call)
            log.error("texts under way are not kept", exc_info=error)


class Kept:
    """What has been kept of one call. times: how often; 0: what is stored, if anything, is not known to be all."""

    __slots__ = ("_again", "_asked", "_entry_id", "_seal", "times")

    def __init__(self, entry_id: str, asked: Asked, seal: Seal) -> None:
        self._entry_id = entry_id
        self._asked = asked
        self._seal = seal
        self._again = False
        self.times = 0

    @property
    def stored(self) -> bool:
        """Whether there may be something that must be forgotten with the settlement."""
        return self.times > 0 or self._again

    def begin_again(self) -> None:
        """The last of it could not be written, or nobody knows: next time it is all written anew, without a hole."""
        if self.times:
            self._again, self.times = True, 0

    def changes(self, count: PromptCount | None, texts: Sequence[tuple[int, str]]) -> list[Struct]:
        """What to commit now. count: of the prompt, if it was counted; texts: what is new, each with its place."""
        found: list[Struct] = self._prompt(count) if self.times == 0 else []
        if texts or found:
            self.times += 1
            found += [self._partial(part, self.times, text) for part, text in texts]
            if self._again:
                found.insert(0, ForgetPartials(self._entry_id))
                self._again = False
        return found

    def _prompt(self, count: PromptCount | None) -> list[Struct]:
        if count is not None:
            return [CountEntry(id=self._entry_id, **as_preflight(count))]
        if not is_countable(self._asked) or is_long(self._asked):
            return []  # a long one that has no count cannot be counted
        kept = self._partial(PROMPT_PART, 1, self._asked.body.decode("utf-8", "replace"))
        return [kept] if kept.text else []

    def _partial(self, part: int, seq: int, text: str) -> KeepPartial:
        return KeepPartial(entry_id=self._entry_id, part=part, seq=seq, text=self._seal(self._entry_id, text))


def is_long(asked: Asked) -> bool:
    """Whether a prompt is counted rather than kept."""
    return is_countable(asked) and len(asked.body) > KEPT_PROMPT_BYTES
