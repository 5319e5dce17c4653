"""The prompt cache: which part of a prompt was seen before, as OpenAI discounts it."""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import msgspec

from talkmeter.simulator.counting import prefix_tokens

LEAST = 1024  # tokens
STEP = 128  # tokens
_KEEP = 20_000  # prefixes


class PrefixCache:
    """Prefixes in whole messages of earlier requests with the same model and key."""

    def __init__(self) -> None:
        self._seen: OrderedDict[bytes, None] = OrderedDict()
        self._lock = threading.Lock()

    def cached_tokens(self, request: Mapping[str, Any], model: str, key: str, prompt: int) -> int:
        """Tokens of the longest prefix seen before, and remember this request's own prefixes.

        Less than 1024 count as 0; more are rounded down to a multiple of 128.
        prompt: tokens of the whole request.
        """
        marks = _prefixes(request, model, key)
        with self._lock:
            known = self._known(marks)
            self._remember(marks)
        if known == 0 or prompt < LEAST:
            return 0
        tokens = prefix_tokens(request, model, known)
        return tokens // STEP * STEP if tokens >= LEAST else 0

    def _known(self, marks: list[bytes]) -> int:
        return next((length for length in range(len(marks), 0, -1) if marks[length - 1] in self._seen), 0)

    def _remember(self, marks: list[bytes]) -> None:
        for mark in marks:
            self._seen[mark] = None
            self._seen.move_to_end(mark)
        while len(self._seen) > _KEEP:
            self._seen.popitem(last=False)


def _prefixes(request: Mapping[str, Any], model: str, key: str) -> list[bytes]:
    """One digest for each number of messages from the first; tools and formats stand before them all."""
    before = [model, key, request.get("tools"), request.get("functions"), request.get("response_format")]
    digest = hashlib.blake2b(msgspec.json.encode(before), digest_size=16).digest()
    digests = [digest]
    for message in request["messages"]:
        encoded = msgspec.json.encode(message, order="sorted")
        digests.append(hashlib.blake2b(digests[-1] + encoded, digest_size=16).digest())
    return [after for _, after in pairwise(digests)]
