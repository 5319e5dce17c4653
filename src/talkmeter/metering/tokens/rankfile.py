"""The packed form of a rank table: a zlib stream of one count, a column of lengths, and the bytes.

    u32 little-endian N | N bytes: length of the token of rank 0..N-1 | the tokens, joined

A length of 0 is a rank without a token (p50k_base leaves 50256 to ``<|endoftext|>``).
"""

import base64
import struct
import zlib
from collections.abc import Iterable
from itertools import accumulate, pairwise

_COUNT = struct.Struct("<I")


def pack(ranks: dict[bytes, int]) -> bytes:
    """Pack token bytes → rank. Tokens hold 1 to 255 bytes, ranks are not negative."""
    column: list[bytes] = [b""] * (max(ranks.values()) + 1)
    for token, rank in ranks.items():
        column[rank] = token
    lengths = bytes(len(token) for token in column)
    return zlib.compress(_COUNT.pack(len(column)) + lengths + b"".join(column), level=9)


def unpack(packed: bytes, limit: int | None = None) -> dict[bytes, int]:
    """Token bytes → rank, in rank order; with `limit` only the ranks below it."""
    raw = zlib.decompress(packed)
    (count,) = _COUNT.unpack_from(raw)
    start = _COUNT.size + count
    lengths = raw[_COUNT.size : start]
    bounds = accumulate(lengths[:limit], initial=start)
    return {raw[a:b]: rank for rank, (a, b) in enumerate(pairwise(bounds)) if a != b}


def parse_tiktoken(text: bytes) -> dict[bytes, int]:
    """Read the published form: one ``base64(token) rank`` per line."""
    return {base64.b64decode(token): int(rank) for token, rank in map(bytes.split, text.splitlines())}


def format_tiktoken(ranks: Iterable[tuple[bytes, int]]) -> bytes:
    """Write the published form back, byte for byte."""
    return b"".join(b"%s %d\n" % (base64.b64encode(token), rank) for token, rank in ranks)
