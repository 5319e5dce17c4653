"""Where a provider does not know the model that was asked for: which there are, told with the answer's error.

An error stays as the provider has said it wherever it is kept; the names are those of the moment in which it is told.
"""

import asyncio
import difflib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from talkmeter.accounts.keys import allows_model
from talkmeter.accounts.principals import Principal
from talkmeter.conversation.run_errors import names_no_model

MOST_NAMED = 30
LIKENED = 2000  # names that are compared with the one that was asked for; a list can be ten times as long
LIST_SECONDS = 3.0  # for how long providers may be asked for their lists; an error is not told later than that

Models = Callable[[], Awaitable[Sequence[str]]]


class KnownModels:
    """models: the names that the providers offer to conversations now. Raises nothing."""

    def __init__(self, models: Models) -> None:
        self._models = models

    async def told(
        self, error: Mapping[str, Any] | None, model: str | None, principal: Principal
    ) -> dict[str, Any] | None:
        """The error, with `hint` and `hint_ko` if it is about a model that is not there and it is known which are."""
        if error is None or not names_no_model(error):
            return None if error is None else dict(error)
        try:
            async with asyncio.timeout(LIST_SECONDS):
                names = await self._models()
        except TimeoutError:
            names = ()
        key = principal.key
        if key is not None and key.models is not None:
            names = [name for name in names if allows_model(key, name)]
        return {**error, **await asyncio.to_thread(hints, names, model or "")}


def hints(names: Sequence[str], asked: str) -> dict[str, str]:
    """What there is, in both languages; nothing if that is not known. Slow, as `listed` is."""
    if not names:
        return {}
    told = listed(names, asked)
    return {"hint": f"There are: {told}.", "hint_ko": f"쓸 수 있는 모델: {told}."}


def listed(names: Sequence[str], asked: str) -> str:
    """At most MOST_NAMED names, those that resemble the one asked for in front, and `…` where there are more.

    Slow where there are many, 90 ms for 2000: for a thread.
    """
    near = difflib.get_close_matches(asked, names[:LIKENED], n=5)
    told = list(dict.fromkeys([*near, *names]))
    return ", ".join([*told[:MOST_NAMED], *(["…"] if len(told) > MOST_NAMED else [])])
