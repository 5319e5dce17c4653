"""Unpacks gzip and deflate piece by piece, and gives up where a few bytes would become far too many. Pure."""

import zlib
from collections.abc import Iterator

PACKED = frozenset({"gzip", "x-gzip", "deflate"})  # content codings that can be read
PIECE_BYTES = 1 << 20  # what is handed on at once, however much it is in all
FREE_BYTES = 8 << 20  # so much may come of anything
MOST_TIMES = 100  # beyond that, so many bytes of each; events that repeat themselves reach 60, a bomb has 1,000
_EITHER_FRAME = zlib.MAX_WBITS | 32
_MAGIC = b"\x1f"


class Unpackable(ValueError):
    """The text says why, for the receipt."""


class Unpacker:
    """One answer's. What follows a packed file is read if it is another one, else left out."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(_EITHER_FRAME)
        self._in = 0
        self._out = 0

    @property
    def in_the_middle(self) -> bool:
        """Whether the end is missing."""
        return self._in > 0 and not self._inner.eof

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What has come out, in pieces. Raises Unpackable, after which nothing more can be read."""
        self._in += len(data)
        while data:
            if self._inner.eof:
                if not data.startswith(_MAGIC):
                    return
                self._inner = zlib.decompressobj(_EITHER_FRAME)
            try:
                piece = self._inner.decompress(data, PIECE_BYTES)
            except zlib.error:
                raise Unpackable("the answer's compression could not be read") from None
            self._out += len(piece)
            if self._out > FREE_BYTES + MOST_TIMES * self._in:
                raise Unpackable(f"the answer unpacks to more than {MOST_TIMES} times its size and was not read on")
            data = self._inner.unconsumed_tail or self._inner.unused_data
            if piece:
                yield piece
