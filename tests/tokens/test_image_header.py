import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talkmeter.metering.tokens import ImageInfo, NotAnImage, image_size

SIDE16 = st.integers(1, 0xFFFF)
SIDE14 = st.integers(1, 0x3FFF)


def png(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sIIBBBBB", 13, b"IHDR", width, height, 8, 6, 0, 0, 0)


def gif(width: int, height: int, version: bytes = b"GIF89a") -> bytes:
    return version + struct.pack("<HHBBB", width, height, 0, 0, 0)


def jpeg(width: int, height: int, frame: int = 0xC0, before: bytes = b"") -> bytes:
    start = b"\xff\xd8\xff\xe0" + struct.pack(">H5sBBBHHBB", 16, b"JFIF\0", 1, 1, 0, 72, 72, 0, 0)
    return start + before + bytes([0xFF, frame]) + struct.pack(">HBHHB", 17, 8, height, width, 3)


def webp(chunk: bytes, body: bytes) -> bytes:
    return b"RIFF" + struct.pack("<I", 4 + 8 + len(body)) + b"WEBP" + chunk + struct.pack("<I", len(body)) + body


def vp8(width: int, height: int, scale: int = 0) -> bytes:
    return webp(b"VP8 ", b"\x30\x01\x00\x9d\x01\x2a" + struct.pack("<HH", width | scale << 14, height | scale << 14))


def vp8l(width: int, height: int) -> bytes:
    return webp(b"VP8L", b"\x2f" + struct.pack("<I", (width - 1) | (height - 1) << 14 | 1 << 28) + bytes(4))


def vp8x(width: int, height: int) -> bytes:
    size = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    return webp(b"VP8X", b"\x10\0\0\0" + size)


@given(st.integers(1, 2**32 - 1), st.integers(1, 2**32 - 1))
def test_png(width, height):
    assert image_size(png(width, height)) == ImageInfo("image/png", width, height)


@given(SIDE16, SIDE16, st.sampled_from([b"GIF87a", b"GIF89a"]))
def test_gif(width, height, version):
    assert image_size(gif(width, height, version)) == ImageInfo("image/gif", width, height)


SEGMENT = st.builds(
    lambda code, body, fill: b"\xff" * fill + bytes([0xFF, code]) + struct.pack(">H", len(body) + 2) + body,
    st.sampled_from([0xC4, 0xC8, 0xCC, 0xDB, 0xE1, 0xE2, 0xFE, 0xDD]),
    st.binary(max_size=200),
    st.integers(0, 3),
)
BARE = st.sampled_from([b"\xff\x01", b"\xff\xd0", b"\xff\xd7"])


@given(SIDE16, SIDE16, st.sampled_from([0xC0, 0xC1, 0xC2, 0xC9, 0xCF]), st.lists(SEGMENT | BARE).map(b"".join))
def test_jpeg(width, height, frame, before):
    assert image_size(jpeg(width, height, frame, before)) == ImageInfo("image/jpeg", width, height)


@given(SIDE14, SIDE14, st.integers(0, 3))
def test_webp_lossy_and_lossless(width, height, scale):
    assert image_size(vp8(width, height, scale)) == ImageInfo("image/webp", width, height)
    assert image_size(vp8l(width, height)) == ImageInfo("image/webp", width, height)


@given(st.integers(1, 2**24), st.integers(1, 2**24))
def test_webp_extended(width, height):
    assert image_size(vp8x(width, height)) == ImageInfo("image/webp", width, height)


SAMPLES = {
    "png": png(3, 4)[:24],
    "gif": gif(3, 4)[:10],
    "jpeg": jpeg(3, 4)[:-1],
    "vp8": vp8(3, 4),
    "vp8l": vp8l(3, 4)[:25],
    "vp8x": vp8x(3, 4),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_the_header_is_enough_and_any_less_is_refused(name):
    data = SAMPLES[name]
    assert image_size(data)[1:] == (3, 4)
    for end in range(len(data)):
        with pytest.raises(NotAnImage):
            image_size(data[:end])


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "no PNG, JPEG, WebP or GIF"),
        (b"BM" + bytes(60), "no PNG, JPEG, WebP or GIF"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "no PNG, JPEG, WebP or GIF"),
        (b"%PDF-1.7", "no PNG, JPEG, WebP or GIF"),
        (png(0, 5), "0×5 pixels"),
        (gif(5, 0), "5×0 pixels"),
        (png(3, 4).replace(b"IHDR", b"CgBI"), "does not begin with its IHDR chunk"),
        (b"RIFF\0\0\0\0WAVEfmt ", "not a WebP image"),
        (webp(b"ALPH", bytes(20)), "unknown chunk b'ALPH'"),
        (webp(b"VP8 ", bytes(20)), "no VP8 key frame"),
        (webp(b"VP8L", bytes(20)), "no VP8L signature"),
        (b"\xff\xd8\xff\xda" + bytes(20), "no frame header"),
        (b"\xff\xd8\xff\xd9", "no frame header"),
        (b"\xff\xd8\xff\xe0\x00\x04ab" + bytes(20), "a segment does not begin"),
        (b"\xff\xd8\xff\xe0", "truncated"),
        (b"\xff\xd8" + b"\xff" * 200_000, "no frame header within its first 100,000 segments"),
    ],
)
def test_what_is_wrong_is_said(data, words):
    with pytest.raises(NotAnImage, match=words):
        image_size(data)


@given(st.binary() | st.builds(bytes.__add__, st.sampled_from([data[:12] for data in SAMPLES.values()]), st.binary()))
def test_any_bytes_are_an_image_or_refused(data):
    try:
        info = image_size(data)
    except NotAnImage:
        return
    assert info.width > 0
    assert info.height > 0
