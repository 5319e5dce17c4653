"""Pictures made in code."""

import struct
import zlib


def png(width: int, height: int, seed: int) -> bytes:
    """A valid PNG of that size: stripes in colours that depend on the seed."""
    colours = bytes(seed * (7 + index) * 37 % 256 for index in range(3 * 8))
    stripe = max(1, width // 8)
    row = b"\0" + bytes(min(7, x // stripe) for x in range(width))
    pixels = zlib.compress(row * height, 1)
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"PLTE", colours), (b"IDAT", pixels), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
