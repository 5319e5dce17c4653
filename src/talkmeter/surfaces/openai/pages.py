"""Pages of other origins that call with an API key: what their browsers ask beforehand, and what they want to hear
before they let the page read the answer (CORS). Pure.

It says nothing about who may call: a browser sends no key by itself, and without one no page of another origin is
answered (accounts/entrance.py).
"""

import re
from collections.abc import Mapping, Sequence

Headers = Sequence[tuple[bytes, bytes]]

READABLE: Headers = ((b"access-control-allow-origin", b"*"), (b"access-control-expose-headers", b"*"))
_METHOD = b"access-control-request-method"
_HEADERS = b"access-control-request-headers"
_NAMES = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z, -]{1,4096}")
_METHODS = frozenset({b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE"})
_REMEMBERED = b"7200"  # seconds; no browser remembers it for longer


def leave(method: str, headers: Mapping[bytes, bytes]) -> Headers | None:
    """What a browser that asks beforehand is told; None: this is no such question. headers: names in lower case."""
    asked = headers.get(_METHOD)
    if method != "OPTIONS" or b"origin" not in headers or asked not in _METHODS:
        return None
    told = [*READABLE, (b"access-control-allow-methods", asked), (b"access-control-max-age", _REMEMBERED)]
    names = headers.get(_HEADERS, b"")
    if _NAMES.fullmatch(names):
        told.append((b"access-control-allow-headers", names))
    return told
