import base64
import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talkmeter.metering.tokens import data_url_size, image_output_tokens, image_tokens

SIDES = st.integers(1, 100_000)
DETAILS = st.sampled_from(["low", "high", "auto", "original"])
MODELS = [
    "gpt-4o",
    "gpt-4o-mini",
    "o3",
    "gpt-5",
    "gpt-4.1-mini",
    "gpt-5-mini",
    "gpt-5.4",
    "gpt-6",
    "computer-use-preview",
]


@pytest.mark.parametrize(
    ("model", "size", "detail", "tokens", "quality"),
    [
        # OpenAI's guide
        ("gpt-4o", (1024, 1024), "high", 765, "exact"),
        ("gpt-4o", (2048, 4096), "high", 1105, "exact"),
        ("gpt-4o", (4096, 8192), "low", 85, "exact"),
        # landscape, portrait, tiny, and one that only needs one of the two steps
        ("gpt-4o", (4096, 2048), "auto", 1105, "exact"),
        ("gpt-4o", (1, 1), "auto", 255, "exact"),
        ("gpt-4o", (1500, 300), "auto", 85 + 3 * 170, "exact"),
        ("gpt-4o", (1, 100_000), "auto", 85 + 4 * 170, "exact"),
        ("gpt-4o", (1366, 1024), "auto", 85 + 2 * 2 * 170, "exact"),
        ("gpt-4.5-preview", (512, 512), "auto", 255, "exact"),
        ("gpt-4-turbo", (513, 512), "auto", 425, "exact"),
        ("o1", (512, 512), "auto", 225, "exact"),
        ("gpt-5", (512, 512), "auto", 210, "exact"),
        ("gpt-5.1-chat-latest", (512, 512), "low", 70, "exact"),
        ("sim-chat", (512, 512), "auto", 255, "exact"),
        ("computer-use-preview", (512, 512), "auto", 194, "estimate"),
        ("llava", (512, 512), "auto", 255, "estimate"),
        # an unknown size counts as 1024×1024, and does not matter for low
        ("gpt-4o", None, "auto", 765, "estimate"),
        ("gpt-4o", None, "low", 85, "exact"),
        # patches, below and at their budget
        ("gpt-4.1-mini", (32, 32), "auto", 3, "estimate"),
        ("gpt-4.1-mini", (1024, 1024), "auto", 1024 * 162 // 100 + 2, "estimate"),
        ("gpt-4.1-mini", (1800, 2400), "auto", math.ceil(1452 * 1.62) + 1, "estimate"),  # the guide's 1452
        ("gpt-5-mini", (4096, 64), "low", math.ceil(16 * 1 * 1.2), "estimate"),
        ("gpt-5.2", (2048, 2048), "high", math.ceil(4096 * 1.2), "estimate"),
        ("gpt-5.4", (3200, 3200), "original", 12_000, "estimate"),
        ("gpt-5.4", (3200, 3200), "high", 3000, "estimate"),
        ("gpt-6", (6400, 6400), "original", 48_000, "estimate"),
    ],
)
def test_image_tokens(model, size, detail, tokens, quality):
    counted = image_tokens(model, size, detail)
    assert (counted.tokens, counted.quality) == (tokens, quality)


@given(st.sampled_from(MODELS), SIDES, SIDES, DETAILS)
def test_every_size_has_a_price(model, width, height, detail):
    counted = image_tokens(model, (width, height), detail)
    assert counted.tokens >= 1
    assert abs(image_tokens(model, (height, width), detail).tokens - counted.tokens) <= counted.tokens * 0.02
    if detail == "low":
        assert counted.tokens <= image_tokens(model, (width, height), "high").tokens


@given(SIDES, SIDES)
def test_tiles_never_exceed_the_largest_fit(width, height):
    assert 255 <= image_tokens("gpt-4o", (width, height)).tokens <= 85 + 8 * 170


@given(SIDES, SIDES)
def test_patches_keep_to_their_budget(width, height):
    assert image_tokens("gpt-5-mini", (width, height)).tokens <= math.ceil(1536 * 1.2)


def test_a_zero_size_is_one_pixel():
    assert image_tokens("gpt-4o", (0, 0)).tokens == 255


def test_generated_images():
    assert image_output_tokens("gpt-image-1", "medium", "1024x1536") == 1584
    assert image_output_tokens("gpt-image-1-2025-04-23", "low", "1024x1024") == 272
    assert image_output_tokens("gpt-image-1", "auto", "1024x1024") is None
    assert image_output_tokens("gpt-image-1", "high", "auto") is None
    assert image_output_tokens("gpt-image-2", "high", "1024x1024") is None
    assert image_output_tokens("gpt-image-1-mini", "high", "1024x1024") is None


PNG = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", 640, 480)


def url_of(data: bytes, mime: str = "image/png") -> str:
    return f"data:{mime};base64,{base64.b64encode(data).decode()}"


def test_data_urls_tell_their_size():
    assert data_url_size(url_of(PNG)) == (640, 480)
    assert data_url_size(url_of(PNG + bytes(5_000_000))) == (640, 480)
    late = b"\xff\xd8" + (b"\xff\xe1" + struct.pack(">H", 65_000) + bytes(64_998)) * 4
    assert data_url_size(url_of(late + b"\xff\xc0" + struct.pack(">HBHH", 17, 8, 20, 10), "image/jpeg")) == (10, 20)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "data:",
        "https://example.org/a,b.png",
        "data:image/png,abc",
        "data:image/png;base64,가",
        "data:image/png;base64,AAAA",
    ],
)
def test_other_urls_do_not(url):
    assert data_url_size(url) is None
