"""The wire shapes of the Images API."""

import base64
from collections.abc import Iterator
from typing import Any, ClassVar, NamedTuple

import msgspec

from talkmeter.simulator.charging import Charge
from talkmeter.simulator.dialect import Dialect, Event
from talkmeter.simulator.pictures import png
from talkmeter.simulator.shapes import seconds


class Look(NamedTuple):
    """what: image_generation or image_edit. seed: of the first picture; n: how many."""

    what: str
    size: str
    quality: str
    seed: int
    n: int

    def pictures(self) -> list[bytes]:
        width, height = (int(side) for side in self.size.split("x"))
        return [png(width, height, self.seed + index) for index in range(self.n)]


class ImageDialect(Dialect):
    """Pictures that are charged by tokens."""

    draws: ClassVar[bool] = True

    def __init__(self, look: Look, partial: int) -> None:
        self._look, self._partial = look, partial
        self._common = {
            "created_at": seconds(),
            "size": look.size,
            "quality": look.quality,
            "background": "opaque",
            "output_format": "png",
        }

    def contents(self) -> Iterator[Event]:
        for index in range(self._partial):
            one = self._look._replace(seed=self._look.seed + 100 + index, n=1).pictures()[0]
            yield Event(self._named("partial_image", {"b64_json": _text(one), "partial_image_index": index}))

    def closing(self, usages: list[dict[str, Any]], *, done: bool) -> Iterator[Event]:
        # The last picture is what ends the stream, so there is nothing that `no-done` could leave out.
        pictures = self._look.pictures()
        claims: list[dict[str, Any] | None] = [*usages]
        for number, one in enumerate(pictures):
            # The figures are those of the request, and come with the last picture.
            last = number == len(pictures) - 1
            for turn, usage in enumerate((claims or [None]) if last else [None]):
                payload = {"b64_json": _text(one), **({} if usage is None else {"usage": usage})}
                yield Event(self._named("completed", payload), usage=usage, images=int(turn == 0))

    def whole(self, usage: dict[str, Any] | None) -> bytes:
        common = {name: value for name, value in self._common.items() if name != "created_at"}
        body: dict[str, Any] = {
            "created": self._common["created_at"],
            **common,
            "data": [{"b64_json": _text(one)} for one in self._look.pictures()],
        }
        return msgspec.json.encode(self.padded(body if usage is None else {**body, "usage": usage}))

    def images(self) -> int:
        return self._look.n

    def usage(self, charge: Charge) -> dict[str, Any]:
        """Without a split of the output, as OpenAI writes it."""
        return {
            "total_tokens": charge.prompt_tokens + charge.completion_tokens,
            "input_tokens": charge.prompt_tokens,
            "output_tokens": charge.completion_tokens,
            "input_tokens_details": {
                "text_tokens": charge.prompt_tokens - charge.prompt_image_tokens,
                "image_tokens": charge.prompt_image_tokens,
            },
        }

    def _named(self, what: str, payload: dict[str, Any]) -> bytes:
        name = f"{self._look.what}.{what}"
        return b"event: " + name.encode() + self.line_end + self.event({"type": name, **self._common, **payload})


class ClassicDialect(Dialect):
    """Pictures that are charged one by one, without a usage object. origin: of the URLs, None: in the answer."""

    def __init__(self, look: Look, prompt: str, origin: str | None) -> None:
        self._look, self._prompt, self._origin = look, prompt, origin

    def whole(self, usage: dict[str, Any] | None) -> bytes:
        body: dict[str, Any] = {"created": seconds(), "data": [self._picture(n) for n in range(self._look.n)]}
        return msgspec.json.encode(self.padded(body if usage is None else {**body, "usage": usage}))

    def _picture(self, number: int) -> dict[str, str]:
        look = self._look._replace(seed=self._look.seed + number, n=1)
        if self._origin is not None:
            return {"revised_prompt": self._prompt, "url": f"{self._origin}/_image/{look.size}/{look.seed}.png"}
        return {"revised_prompt": self._prompt, "b64_json": _text(look.pictures()[0])}

    def images(self) -> int:
        return self._look.n


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
