"""The receipt: the itemised view of one call, which adds up to the provider's figure.

What was sent is found again from the branch (messages never change) and the window on the entry; the tokens of each
line are those that were counted before sending. After the room's deletion the figures remain, the texts are gone.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec

from talkmeter.conversation.counting import Counting
from talkmeter.conversation.requests import opening
from talkmeter.conversation.store import ConversationStore
from talkmeter.conversation.values import LeftOutLine, Receipt, SentLine, TokenLine
from talkmeter.conversation.window import cut_window
from talkmeter.errors import NotFound
from talkmeter.messages import ALL_MESSAGES, Message, Run
from talkmeter.metering.ledger import LedgerEntry, LedgerStore, OpenEntry, Quality
from talkmeter.metering.tokens import Line

EXCERPT = 200  # characters of a message that are shown
LEFT_OUT_SHOWN = 50  # messages that were left out, newest of them


class ReceiptStore(ConversationStore, LedgerStore, Protocol):
    """Both views of the same store."""


class Receipts:
    def __init__(self, store: ReceiptStore, counting: Counting) -> None:
        self._store = store
        self._counting = counting

    async def receipt(self, principal: str, entry_id: str, *, everybodys: bool = False) -> Receipt:
        """everybodys: another's figures too, but never another's texts.

        Raises NotFound, for what may not be seen as for what is not there.
        """
        entry = await self._store.entry(entry_id)
        if entry is None or not (everybodys or entry.opening.principal == principal):
            raise NotFound(f"There is no entry {entry_id}.", f"{entry_id} 기록이 없습니다.", code="entry_not_found")
        opening = entry.opening
        lines = msgspec.json.decode(opening.preflight_lines, type=list[Line]) if opening.preflight_lines else []
        sent, left_out = await self._messages(opening) if opening.principal == principal else ((), ())
        run = await self._store.run(opening.run_id, principal) if opening.run_id else None
        raw = entry.settlement.raw_usage if entry.settlement else None
        return Receipt(
            entry=entry,
            sent=tuple(sent_lines(opening, lines, sent, _opened_with(run))),
            left_out=tuple(self._left_out(left_out, opening.model_requested)),
            lines=tuple(prompt_lines(entry, lines)),
            output_lines=tuple(output_lines(entry)),
            raw_usage=msgspec.json.decode(raw) if raw else None,
        )

    async def _messages(self, opening: OpenEntry) -> tuple[Sequence[Message], Sequence[Message]]:
        """What was sent and what was left out, as far as the room still has it."""
        if opening.question_id is None:
            return (), ()
        window = opening.window or ALL_MESSAGES
        limit = None if window == ALL_MESSAGES else 2 * window + 20 + LEFT_OUT_SHOWN
        branch = await self._store.branch(opening.question_id, limit)
        cut = cut_window(branch, window)
        return cut.sent, cut.left_out[-LEFT_OUT_SHOWN:]

    def _left_out(self, messages: Sequence[Message], model: str) -> list[LeftOutLine]:
        counts = self._counting.messages(messages, model)
        return [
            LeftOutLine(message_id=message.id, role=message.role, excerpt=message.text[:EXCERPT], tokens=count.total)
            for message, count in zip(messages, counts, strict=True)
        ]


def sent_lines(
    entry: OpenEntry, lines: Sequence[Line], sent: Sequence[Message], before: Sequence[Mapping[str, Any]]
) -> list[SentLine]:
    """One line for each message of the request. before: what stood before the room's messages, as far as is known."""
    messages_sent = entry.messages_sent or 0
    first = messages_sent - len(sent) if sent else 0
    by_message: dict[int | None, list[Line]] = {}
    for line in lines:
        by_message.setdefault(line.message, []).append(line)
    found: list[SentLine] = []
    for index in range(messages_sent):
        of_message = by_message.get(index, [])
        message = sent[index - first] if sent and index >= first else None
        known = before[index] if index < min(first, len(before)) else None
        role, text = ("unknown", "") if known is None else (known["role"], known["content"])
        found.append(
            SentLine(
                message_id=message.id if message else None,
                role=message.role if message else role,
                excerpt=(message.text if message else text)[:EXCERPT],
                tokens=sum(line.tokens for line in of_message if line.kind not in ("framing", "image")),
                framing_tokens=sum(line.tokens for line in of_message if line.kind == "framing"),
                image_tokens=sum(line.tokens for line in of_message if line.kind == "image"),
                quality="exact" if all(line.quality == "exact" for line in of_message) else "estimate",
                gone=message is None and known is None,
            )
        )
    return found


def _opened_with(run: Run | None) -> list[dict[str, Any]]:
    return [] if run is None else opening(run.system_prompt, run.first_prompt)


KINDS = {"text": "message", "framing": "framing", "prime": "framing", "image": "images"}


def prompt_lines(entry: LedgerEntry, lines: Sequence[Line]) -> list[TokenLine]:
    """Sums by kind; they add up to the provider's prompt figure with the line `unexplained`.

    None where the request was not itemised: then nothing is explained, and nothing unexplained.
    """
    sums: dict[str, int] = {}
    exact: dict[str, bool] = {}
    for line in lines:
        kind = KINDS.get(line.kind, line.kind)
        sums[kind] = sums.get(kind, 0) + line.tokens
        exact[kind] = exact.get(kind, True) and line.quality == "exact"
    found = [
        TokenLine(kind=kind, label=kind, tokens=tokens, quality="exact" if exact[kind] else "estimate")
        for kind, tokens in sums.items()
        if tokens
    ]
    usage = entry.settlement.usage if entry.settlement else None
    if lines and usage is not None and usage.prompt_tokens is not None:
        found += _unexplained(usage.prompt_tokens - sum(sums.values()), entry)
    return found


def output_lines(entry: LedgerEntry) -> list[TokenLine]:
    """Text and reasoning; they add up to the provider's completion figure."""
    usage = entry.settlement.usage if entry.settlement else None
    if usage is None or usage.completion_tokens is None:
        return []
    reasoning = usage.reasoning_tokens or 0
    parts = {"text": usage.completion_tokens - reasoning, "reasoning": reasoning}
    quality: Quality = (
        "exact"
        if entry.settlement and entry.settlement.provenance in ("reported", "drained", "reconciled")
        else "estimate"
    )
    return [
        TokenLine(kind=kind, label=kind, tokens=tokens, quality=quality)
        for kind, tokens in parts.items()
        if tokens or kind == "text"
    ]


def _unexplained(rest: int, entry: LedgerEntry) -> list[TokenLine]:
    """The rest between the provider's figure and our lines. A refused call was not billed: no rest to explain."""
    if rest == 0 or (entry.settlement is not None and entry.settlement.outcome in ("refused", "not_sent")):
        return []
    return [TokenLine(kind="unexplained", label="unexplained", tokens=rest, quality="exact")]
