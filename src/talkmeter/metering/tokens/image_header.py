"""Type and size of an image from its header bytes. Pixels are never decoded."""

import struct
from collections.abc import Callable
from typing import NamedTuple


class ImageInfo(NamedTuple):
    """An image's media type and its size in pixels as stored (EXIF rotation is not applied)."""

    mime: str
    width: int
    height: int


class NotAnImage(ValueError):
    """The bytes are no PNG, JPEG, WebP or GIF, or end before the size is told."""


def image_size(data: bytes) -> ImageInfo:
    """Read type and size from the beginning of an image file.

    `data` may be the whole file or its first part: 30 bytes are enough for PNG, GIF and WebP; JPEG
    needs all that stands before its frame header, usually below 64 kB. Raises NotAnImage.
    """
    for signature, read in _READERS:
        if data.startswith(signature):
            try:
                info = read(data)
            except (struct.error, IndexError):
                raise NotAnImage("The image is truncated: its header ends before the size.") from None
            if info.width == 0 or info.height == 0:
                raise NotAnImage(f"The {info.mime} header gives a size of {info.width}×{info.height} pixels.")
            return info
    raise NotAnImage("This is no PNG, JPEG, WebP or GIF image (its first bytes are none of theirs).")


def _png(data: bytes) -> ImageInfo:
    if data[12:16] != b"IHDR":
        raise NotAnImage("The PNG does not begin with its IHDR chunk.")
    width, height = struct.unpack_from(">II", data, 16)
    return ImageInfo("image/png", width, height)


def _gif(data: bytes) -> ImageInfo:
    width, height = struct.unpack_from("<HH", data, 6)
    return ImageInfo("image/gif", width, height)


def _webp(data: bytes) -> ImageInfo:
    if data[8:12] != b"WEBP":
        raise NotAnImage("The RIFF file is not a WebP image.")
    kind = data[12:16]
    if kind == b"VP8 ":  # lossy: 14 bits each, upper two are scaling hints
        if data[23:26] != b"\x9d\x01\x2a":
            raise NotAnImage("The WebP image has no VP8 key frame at its start.")
        width, height = struct.unpack_from("<HH", data, 26)
        return ImageInfo("image/webp", width & 0x3FFF, height & 0x3FFF)
    if kind == b"VP8L":  # lossless: 14 bits each, minus one, behind a signature byte
        if data[20] != 0x2F:
            raise NotAnImage("The WebP image has no VP8L signature at its start.")
        (bits,) = struct.unpack_from("<I", data, 21)
        return ImageInfo("image/webp", (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
    if kind == b"VP8X":  # extended: 24 bits each, minus one
        low_w, high_w, low_h, high_h = struct.unpack_from("<HBHB", data, 24)
        return ImageInfo("image/webp", (high_w << 16 | low_w) + 1, (high_h << 16 | low_h) + 1)
    raise NotAnImage(f"The WebP image begins with an unknown chunk {kind!r}.")


# Frame headers SOF0 to SOF15; the codes C4, C8 and CC between them mean other things.
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_BARE = frozenset({0x01, *range(0xD0, 0xD8)})
_JPEG_END = frozenset({0xD9, 0xDA})
_JPEG_FILL = 0xFF
_JPEG_STEPS = 100_000  # a real file needs some dozens; a hostile one would keep us busy for seconds


def _jpeg(data: bytes) -> ImageInfo:
    at = 2
    for _ in range(_JPEG_STEPS):
        if data[at] != 0xFF:
            raise NotAnImage("The JPEG is damaged: a segment does not begin where it should.")
        marker = data[at + 1]
        at += 1 if marker == _JPEG_FILL else 2
        if marker == _JPEG_FILL or marker in _JPEG_BARE:
            continue
        if marker in _JPEG_END:
            raise NotAnImage("The JPEG has no frame header before its image data.")
        if marker in _JPEG_FRAMES:
            height, width = struct.unpack_from(">HH", data, at + 3)
            return ImageInfo("image/jpeg", width, height)
        (length,) = struct.unpack_from(">H", data, at)
        at += max(2, length)
    raise NotAnImage(f"The JPEG has no frame header within its first {_JPEG_STEPS:,} segments.")


_READERS: tuple[tuple[bytes, Callable[[bytes], ImageInfo]], ...] = (
    (b"\x89PNG\r\n\x1a\n", _png),
    (b"\xff\xd8\xff", _jpeg),
    (b"GIF87a", _gif),
    (b"GIF89a", _gif),
    (b"RIFF", _webp),
)
