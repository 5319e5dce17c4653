"""Heads of requests. A client that keeps its connection sends the same head again and again, but for the length of the
body; what one comes to is worked out once. Pure, but for what it remembers.

Only the plainest heads are remembered, by their very bytes: what frames the body, or speaks of the connection, in any
other way than by one length has to be read anew each time, by the server's own parser.
"""

import re
from collections.abc import Sequence
from typing import Any

from talkmeter.accounts.entrance import Caller, caller_of
from talkmeter.accounts.tags import tags_of
from talkmeter.conversation.gateway.endpoints import Endpoint, find_endpoint
from talkmeter.conversation.gateway.headers import upstream_headers
from talkmeter.errors import TalkmeterError

PREFIX = "/v1/"
MOST_HEADS = 512
LONGEST_HEAD = 8192
MOST_HEADERS = 64
COST_HEADER = b"x-talkmeter-cost"

_END = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\n[Cc]ontent-[Ll]ength: (0|[1-9][0-9]{0,8})\r\n")
_LINE = re.compile(rb"POST (/v1/[A-Za-z0-9_/.-]+) HTTP/1\.1")
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*)")
_FRAMING = frozenset(
    b"connection expect keep-alive proxy-connection te trailer transfer-encoding upgrade content-length".split()
)


class Head:
    """headers: names in lower case; of two with one name the last. path: below /v1/; target: the same with its query.

    coded: whether the body is compressed.
    """

    __slots__ = (
        "_caller",
        "_going_on",
        "coded",
        "endpoint",
        "given",
        "headers",
        "method",
        "path",
        "tags",
        "target",
        "trailer",
    )

    def __init__(self, method: str, path: str, query: bytes, given: Sequence[tuple[bytes, bytes]]) -> None:
        """Raises BadInput for tags that are none."""
        self.method = method
        self.path = path
        self.target = f"{path}?{query.decode('latin-1')}" if query else path
        self.given = given
        self.headers = dict(given)
        self.endpoint: Endpoint | None = find_endpoint(method, path)
        self.tags = tags_of(self.headers.get(b"x-talkmeter-tags"))
        self.trailer = self.headers.get(COST_HEADER) == b"trailer"
        self.coded = self.headers.get(b"content-encoding", b"identity").lower() != b"identity"
        self._caller: Caller | None = None
        self._going_on: dict[bool, tuple[tuple[bytes, bytes], ...]] = {}

    def going_on(self, *, plain: bool) -> tuple[tuple[bytes, bytes], ...]:
        """The headers for the provider. plain: see upstream_headers."""
        found = self._going_on.get(plain)
        if found is None:
            found = self._going_on[plain] = upstream_headers(self.given, plain=plain)
        return found

    def caller(self, peer: Any) -> Caller:
        """Who knocks with this head. peer: the client's address and port, or None."""
        known = self._caller
        if known is None or peer is None or known.address != peer[0]:
            known = self._caller = caller_of(peer, self.headers)
        return known


def head_of(scope: Any) -> Head:
    """Of an ASGI request below /v1/."""
    return Head(scope["method"], scope["path"][len(PREFIX) :], scope["query_string"], scope["headers"])


class KnownHeads:
    def __init__(self) -> None:
        self._heads: dict[bytes, Head | None] = {}

    def whole(self, data: bytes) -> tuple[Head, bytes] | None:
        """Head and body, if these bytes are one whole request with a JSON body and the plainest of heads."""
        end = data.find(_END)
        found = _LENGTH.search(data, 0, end + 2) if end > 0 else None
        if found is None:
            return None
        start, stop = found.span(1)
        if len(data) - end - 4 != int(data[start:stop]):
            return None
        bare = data[:start] + data[stop:end]
        head = self._heads.get(bare)
        if head is None:
            if bare in self._heads:
                return None
            head = self._learn(bare, data[:end])
            if head is None:
                return None
        return head, data[end + 4 :]

    def _learn(self, bare: bytes, head: bytes) -> Head | None:
        if len(bare) > LONGEST_HEAD:
            return None
        if len(self._heads) >= MOST_HEADS:
            self._heads.clear()
        known = self._heads[bare] = plain_head(head)
        return known


def plain_head(head: bytes) -> Head | None:
    """head: without the empty line. None for what is not of the plainest form."""
    first, *lines = head.split(b"\r\n")
    line = _LINE.fullmatch(first)
    if line is None or len(lines) > MOST_HEADERS:
        return None
    given: list[tuple[bytes, bytes]] = []
    for each in lines:
        header = _HEADER.fullmatch(each)
        if header is None:
            return None
        given.append((header[1].lower(), header[2].rstrip(b" \t")))
    names = [name for name, _ in given]
    framing = [pair for pair in given if pair[0] in _FRAMING]
    kept = [pair for pair in framing if pair[0] != b"content-length"]
    if len(framing) - len(kept) != 1 or names.count(b"host") != 1:
        return None
    if b"origin" in names or names.count(b"authorization") > 1:  # a page's; one that is refused
        return None
    if any(name != b"connection" or value.lower() != b"keep-alive" for name, value in kept):
        return None
    try:
        known = Head("POST", line[1].decode("ascii")[len(PREFIX) :], b"", given)
    except TalkmeterError:
        return None
    return known if known.endpoint is not None and known.endpoint.body == "json" else None
