"""Requests that look something up or change it, and cost nothing."""

from collections.abc import Mapping
from typing import Any

import msgspec

from talkmeter.simulator.charging import NOTHING
from talkmeter.simulator.dialect import Dialect
from talkmeter.simulator.jobs import Incoming, Job, Made
from talkmeter.simulator.models import SimModel
from talkmeter.simulator.refusals import Refusal
from talkmeter.simulator.wire import Sent


class ObjectDialect(Dialect):
    """A JSON object that costs nothing."""

    def __init__(self, value: Mapping[str, Any]) -> None:
        self._value = dict(value)

    def whole(self, usage: dict[str, Any] | None) -> bytes:
        return msgspec.json.encode(self.padded(self._value))


class PlainJob(Job):
    """Its query says what the answer is to look like."""

    def __init__(self, incoming: Incoming, model: SimModel | None) -> None:
        super().__init__(incoming, model)
        self.query, self.params = incoming.query, incoming.params

    def free(self, dialect: Dialect) -> Made:
        """Not charged, whatever figures are in it."""
        return Made(dialect, NOTHING, work=Sent())

    def answer(self, value: Mapping[str, Any]) -> Made:
        return self.free(ObjectDialect(value))

    def listed(self, items: list[dict[str, Any]]) -> Made:
        """A page of OpenAI's lists: `order`, `after`, `limit`; the items are given oldest first."""
        ordered = items if self.query.get("order", "desc") == "asc" else items[::-1]
        limit = query_integer(self.query, "limit", 20, least=1)
        ids = [item["id"] for item in ordered]
        start = ids.index(self.query["after"]) + 1 if self.query.get("after") in ids else 0
        page = ordered[start : start + limit]
        return self.answer(
            {
                "object": "list",
                "data": page,
                "first_id": page[0]["id"] if page else "",
                "last_id": page[-1]["id"] if page else "",
                "has_more": start + limit < len(ordered),
            }
        )


def query_integer(query: Mapping[str, str], name: str, usual: int, *, least: int = 0) -> int:
    """An integer of the URL. Raises Refusal 400."""
    value = query.get(name)
    if value is None:
        return usual
    try:
        number = int(value)
    except ValueError:
        number = least - 1
    if number < least:
        raise Refusal(400, f"Invalid '{name}': expected an integer of at least {least}.", param=name)
    return number
