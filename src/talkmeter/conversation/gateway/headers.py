"""Which headers go on, in either direction. Pure.

To the provider: the client's own, less what names a hop, a key, an account, a cookie, or where the client is. To the
client: the provider's own, less what names a hop or would bind the client to the provider's host.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache

from talkmeter.completions import Answer

Headers = Sequence[tuple[bytes, bytes]]

HOP_BY_HOP = frozenset(
    {
        b"connection", b"keep-alive", b"proxy-connection", b"proxy-authenticate", b"proxy-authorization", b"te",
        b"trailer", b"transfer-encoding", b"upgrade",
    }
)  # fmt: skip
_NOT_SENT_ON = HOP_BY_HOP | {
    b"host", b"content-length", b"expect", b"authorization", b"cookie", b"api-key", b"x-api-key",
    b"openai-organization", b"openai-project", b"x-client-request-id", b"forwarded", b"via", b"x-real-ip",
    b"origin", b"referer", b"accept-encoding", b"priority",
}  # fmt: skip
_NOT_SENT_ON_PREFIXES = (b"x-forwarded-", b"x-talkmeter-", b"sec-", b"cf-")
_OURS = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; sandbox"),
)
# The server writes a date of its own.
_NOT_GIVEN_BACK = frozenset(name for name, _ in _OURS) | HOP_BY_HOP | {
    b"date", b"set-cookie", b"alt-svc", b"strict-transport-security", b"public-key-pins",
}  # fmt: skip
_READABLE = (b"gzip", b"deflate")  # what the meter can read, too


def upstream_headers(headers: Iterable[tuple[bytes, bytes]], *, plain: bool = False) -> tuple[tuple[bytes, bytes], ...]:
    """plain: the answer must not be compressed, because something is to be taken out of it or added."""
    found: list[tuple[bytes, bytes]] = []
    named: frozenset[bytes] | set[bytes] = frozenset()
    coding = b"identity"
    for pair in headers:
        name = pair[0]
        if name not in _NOT_SENT_ON:
            if not name.startswith(_NOT_SENT_ON_PREFIXES):
                found.append(pair)
        elif name == b"accept-encoding" and not plain:
            coding = _readable(pair[1])
        elif name == b"connection":
            named = {part.strip().lower() for part in pair[1].split(b",")}
    if named - {b"close", b"keep-alive"}:
        found = [pair for pair in found if pair[0] not in named]
    found.append((b"accept-encoding", coding))
    return tuple(found)


def client_lines(answer: Answer, extra: Headers, request_id: bytes, *, resized: bool = False) -> bytes:
    """The lines of the provider's headers, and of ours, which take the place of those with the same name.

    extra: ours, at least one. request_id: for a provider that has none of its own. resized: the body will not be as
    long as the provider says. Raises ValueError for a header that could be taken for two.
    """
    names, values = zip(*extra, strict=True)
    replaced, template = _ours(names, resized)
    lines = template % values
    if not lines.count(b"\n") == lines.count(b"\r") == len(names) + len(_OURS) or b"\0" in lines:
        raise ValueError("a header holds a line break")
    if answer.header(b"x-request-id") is None:
        lines = b"x-request-id: %b\r\n%b" % (request_id, lines)
    return answer.header_lines(replaced) + lines


@lru_cache(maxsize=64)
def _ours(names: tuple[bytes, ...], resized: bool) -> tuple[frozenset[bytes], bytes]:
    """For headers of ours with these names: what the client does not get of the provider's, and the lines of ours."""
    fixed = b"".join([b"%b: %b\r\n" % pair for pair in _OURS])
    less = (b"content-length",) if resized else ()
    return _NOT_GIVEN_BACK.union(names, less), fixed + b"".join([b"%b: %%b\r\n" % name for name in names])


def _readable(accepted: bytes) -> bytes:
    """What the client accepts and the meter can read."""
    offers = accepted.lower()
    if b"q=0" in offers:  # somebody is particular: nothing is compressed
        return b"identity"
    both = [coding for coding in _READABLE if coding in offers]
    return b", ".join(both) if both else b"identity"
