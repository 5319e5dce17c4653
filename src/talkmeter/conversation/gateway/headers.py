"""Which headers go on, in either direction. Pure.

To the provider: the client's own, less what names a hop, a key, an account, a cookie, or where the client is. To the
client: the provider's own, less what names a hop or would bind the client to the provider's host.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache

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
# The server writes a date of its own.
_NOT_GIVEN_BACK = HOP_BY_HOP | {b"date", b"set-cookie", b"alt-svc", b"strict-transport-security", b"public-key-pins"}
_OURS = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; sandbox"),
)
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


def client_headers(headers: Headers, extra: Headers, request_id: bytes) -> list[tuple[bytes, bytes]]:
    """The provider's headers with ours; of x-ratelimit headers ours are the ones that count for the client.

    request_id: for a provider that has none of its own.
    """
    replaced = {name for name, _ in extra}
    given = [
        (lower, value) for name, value in headers if (lower := _given_back(name)) is not None and lower not in replaced
    ]
    if b"x-request-id" not in dict(given):
        given.append((b"x-request-id", request_id))
    given += _OURS
    given += extra
    return given


@lru_cache(maxsize=1024)
def _given_back(name: bytes) -> bytes | None:
    """The name in lower case; None if the client does not get it."""
    lower = name.lower()
    return None if lower in _NOT_GIVEN_BACK else lower


def _readable(accepted: bytes) -> bytes:
    """What the client accepts and the meter can read."""
    offers = accepted.lower()
    if b"q=0" in offers:  # somebody is particular: nothing is compressed
        return b"identity"
    both = [coding for coding in _READABLE if coding in offers]
    return b", ".join(both) if both else b"identity"
