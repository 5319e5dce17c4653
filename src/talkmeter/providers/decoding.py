"""Bodies that came compressed, though nobody had asked for that. Pure."""

import zlib
from collections.abc import Iterator, Sequence

PIECE_BYTES = 65_536  # what comes out is handed on in pieces of this size at most, however much it grows
ANY_FRAME = zlib.MAX_WBITS | 32
DECODABLE = (b"gzip", b"x-gzip", b"deflate")


class Undecodable(ValueError):
    """It is not what its head says."""


def encoding_of(headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    """The content codings in lower case, empty if there is none."""
    values = (value.strip().lower() for name, value in headers if name.lower() == b"content-encoding")
    return b", ".join(value for value in values if value not in (b"", b"identity"))


class Decoder:
    """For gzip and deflate; deflate with its frame or, as some send it, without."""

    def __init__(self, encoding: bytes) -> None:
        self._inner = zlib.decompressobj(ANY_FRAME)
        self._undecided = encoding == b"deflate"
        self._held = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Raises Undecodable."""
        if self._undecided:
            data = self._held = self._held + data
            if len(data) < 2:
                return
            self._undecided = False
            if data[0] & 15 != zlib.DEFLATED or (data[0] << 8 | data[1]) % 31:  # RFC 1950's first two bytes
                self._inner = zlib.decompressobj(-zlib.MAX_WBITS)
        while data:
            if self._inner.eof:
                self._inner = zlib.decompressobj(ANY_FRAME)  # one packed file after the other
            try:
                out = self._inner.decompress(data, PIECE_BYTES)
            except zlib.error:
                raise Undecodable from None
            data = self._inner.unconsumed_tail or self._inner.unused_data
            if out:
                yield out

    def finish(self) -> None:
        """Raises Undecodable if the end is missing."""
        if not self._inner.eof:
            raise Undecodable


def unpack(data: bytes, encoding: bytes, limit: int) -> bytes:
    """What could be unpacked, at most so many bytes."""
    decoder, out = Decoder(encoding), bytearray()
    try:
        for piece in decoder.feed(data):
            out += piece
            if len(out) >= limit:
                break
    except Undecodable:
        pass
    return bytes(out[:limit])
