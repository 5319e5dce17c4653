"""Images: by tokens and by the picture; whole, streamed, edited."""

import base64
import json
import struct
import zlib
from typing import Any

import pytest

from support.raw_http import exchange
from support.simulator_bench import Bench, tokens_of
from support.simulator_requests import FORM, form
from talkmeter.metering.tokens import image_size, image_tokens
from talkmeter.simulator.pictures import png

PROMPT = "a lighthouse at night"
MEDIUM = 1056  # output tokens of a square of medium quality


def body_of(model: str = "sim-image", **fields: Any) -> dict[str, Any]:
    return {"model": model, "prompt": PROMPT, **fields}


def test_a_picture_is_a_valid_png() -> None:
    data = png(30, 20, 5)
    assert image_size(data)[1:] == (30, 20)
    position, kinds = 8, []
    while position < len(data):
        size, kind = struct.unpack_from(">I4s", data, position)
        kinds.append(kind)
        content = data[position + 8 : position + 8 + size]
        assert zlib.crc32(kind + content) == struct.unpack_from(">I", data, position + 8 + size)[0]
        if kind == b"IDAT":
            assert len(zlib.decompress(content)) == 31 * 20
        position += 12 + size
    assert kinds == [b"IHDR", b"PLTE", b"IDAT", b"IEND"]
    assert data != png(30, 20, 6)


async def test_pictures_by_tokens(bench: Bench) -> None:
    answer = (await bench.call("images/generations", body_of(n=2, size="1024x1536", quality="low"))).json()
    assert [image_size(base64.b64decode(one["b64_json"]))[1:] for one in answer["data"]] == [(1024, 1536)] * 2
    assert (answer["size"], answer["quality"], answer["output_format"]) == ("1024x1536", "low", "png")
    said, drawn = tokens_of(PROMPT), 2 * 408
    assert answer["usage"] == {
        "input_tokens": said,
        "input_tokens_details": {"text_tokens": said, "image_tokens": 0},
        "output_tokens": drawn,
        "total_tokens": said + drawn,
    }
    row = bench.row
    assert (row.prompt_tokens, row.completion_tokens, row.completion_image_tokens) == (said, drawn, drawn)
    assert (row.images, row.size, row.quality, row.outcome) == (2, "1024x1536", "low", "finished")


async def test_pictures_in_a_stream(bench: Bench) -> None:
    answer = await bench.call("images/generations", body_of(stream=True, partial_images=2))
    names = [name for name, _ in answer.named]
    assert names == ["image_generation.partial_image"] * 2 + ["image_generation.completed"]
    assert [data["partial_image_index"] for _, data in answer.named[:2]] == [0, 1]
    assert all(name == data["type"] for name, data in answer.named)
    told = answer.named[-1][1]["usage"]
    assert told["output_tokens"] == MEDIUM + 200 == bench.row.completion_image_tokens
    assert bench.row.images == 1
    cut = await bench.call(
        "images/generations",
        body_of(stream=True, partial_images=2, simulate={"fault": "error-in-200", "after_events": 1}),
    )
    assert len(cut.events) == 2
    assert (bench.charged(), bench.row.images) == ((tokens_of(PROMPT), 0), 0)


async def test_pictures_by_the_picture(bench: Bench) -> None:
    wanted = body_of("sim-image-classic", n=2, size="512x512", response_format="b64_json")
    answer = (await bench.call("images/generations", wanted)).json()
    assert "usage" not in answer
    assert image_size(base64.b64decode(answer["data"][1]["b64_json"]))[1:] == (512, 512)
    row = bench.row
    assert (row.images, row.size, row.quality, bench.charged()) == (2, "512x512", "standard", (0, 0))
    linked = (await bench.call("images/generations", body_of("sim-image-classic", quality="hd"))).json()["data"][0]
    picture = await exchange(linked["url"])
    assert (picture.headers["content-type"], image_size(picture.body)[1:]) == ("image/png", (1024, 1024))
    assert (bench.row.images, bench.row.quality) == (1, "hd")


async def test_pictures_are_edited_in_a_form(bench: Bench) -> None:
    seen = [png(512, 512, 1), png(64, 64, 2)]
    fields = {"model": "sim-image", "prompt": PROMPT, "image": seen, "n": "1", "user": "u-1"}
    answer = (await bench.call("images/edits", form(fields), Content_Type=FORM)).json()
    tokens = sum(image_tokens("gpt-image-1", image_size(data)[1:], "high").tokens for data in seen)
    assert answer["usage"]["input_tokens_details"] == {"text_tokens": tokens_of(PROMPT), "image_tokens": tokens}
    row = bench.row
    assert (row.prompt_tokens, row.prompt_image_tokens) == (tokens_of(PROMPT) + tokens, tokens)
    assert (row.completion_image_tokens, row.endpoint, row.user) == (MEDIUM, "/v1/images/edits", "u-1")
    streamed = await bench.call("images/edits", form({**fields, "stream": "true"}), Content_Type=FORM)
    assert streamed.named[-1][0] == "image_edit.completed"
    url = "data:image/png;base64," + base64.b64encode(seen[0]).decode()
    in_json = await bench.call("images/edits", body_of(images=[{"image_url": url}]))
    assert in_json.json()["usage"]["input_tokens_details"]["image_tokens"] > 0


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"prompt": ""}, "prompt"),
        ({"prompt": "x" * 32_001}, "prompt"),
        ({"n": 11}, "n"),
        ({"size": "1x1"}, "size"),
        ({"quality": "hd"}, "quality"),
        ({"response_format": "url"}, "response_format"),
        ({"partial_images": 4}, "partial_images"),
        ({"model": "sim-image-classic", "stream": True}, "stream"),
        ({"messages": []}, None),
    ],
)
async def test_what_is_refused(bench: Bench, changes: dict[str, Any], param: str | None) -> None:
    answer = await bench.call("images/generations", {**body_of(), **changes})
    assert (answer.status, answer.json()["error"]["param"]) == (400, param)
    assert bench.row.images == 0


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (form({"model": "sim-image", "prompt": PROMPT}), FORM),
        (form({"model": "sim-image", "prompt": PROMPT, "image": b"no image"}), FORM),
        (form({"model": "sim-image", "prompt": PROMPT})[:-10], FORM),
        (b"--x\r\n\r\n--x--\r\n", "multipart/form-data; boundary=x"),
        (b"", "multipart/form-data"),
        (json.dumps(body_of()).encode(), "application/json"),
    ],
)
async def test_a_bad_form_is_refused(bench: Bench, body: bytes, kind: str) -> None:
    assert (await bench.call("images/edits", body, Content_Type=kind)).status == 400
