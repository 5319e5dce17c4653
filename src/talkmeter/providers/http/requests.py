"""The bytes of a request's head. Pure but for a memory. Nothing that a caller gives can become a line of its own."""

import re
from collections.abc import Sequence
from functools import lru_cache
from urllib.parse import unquote

from talkmeter import __version__
from talkmeter.completions import UpstreamCall
from talkmeter.errors import BadInput

AGENT = b"User-Agent: talkmeter/%b\r\n" % __version__.encode()
LONGEST_TARGET = 16_384
LONGEST_HEADERS = 65_536
LONGEST_NAME = 256
MOST_KNOWN = 256  # heads of clients, for each base URL
MOST_ENCODINGS = 3  # a path that is encoded more often than this hides something

# What frames a message or speaks of one connection is ours to say; so is whom we talk to, and with whose key.
RESERVED = frozenset(
    b"authorization connection content-length expect host keep-alive proxy-authenticate proxy-authorization"
    b" proxy-connection te trailer transfer-encoding upgrade".split()
)
BODILESS = frozenset(("DELETE", "GET", "HEAD", "OPTIONS"))
METHODS = BODILESS | {"PATCH", "POST", "PUT"}

_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_PLAIN = bytes({*range(32, 127), *range(128, 256), 9})  # what may stand in a value
_ID = re.compile(r"[!-~]{1,256}")
_PATH = re.compile(r"[!-\"$-~]+")


class Heads:
    """The heads of requests to one base URL. own: header lines of ours, clean.

    A client that keeps its connection has the very same tuple of headers from one call to the next: what comes before
    the call's id is remembered by it.
    """

    def __init__(self, base: bytes, own: bytes) -> None:
        self._base = base
        self._own = own
        # By the id of the headers, which stay alive here, so that no others can have it.
        self._known: dict[int, tuple[tuple[tuple[bytes, bytes], ...], str, str, bytes]] = {}

    def of(self, call: UpstreamCall, length: int | None) -> bytes:
        """The request line and the headers, with the empty line.

        length: of the body, in bytes; None: it comes in chunks. Raises BadInput.
        """
        headers, path, method, call_id = call.headers, call.path, call.method, call.call_id
        framing = _framing(method, length)
        if not call_id:
            return b"%b%b\r\n" % (self._beginning(call), framing)
        if _ID.fullmatch(call_id) is None:
            raise _refuse("a header holds what no header can", "헤더에 쓸 수 없는 글자가 있습니다")
        known = self._known.get(id(headers))
        if known is None or known[0] is not headers or known[1] != path or known[2] != method:
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            known = self._known[id(headers)] = headers, path, method, self._beginning(call)
        return b"%bX-Client-Request-Id: %b\r\n%b\r\n" % (known[3], call_id.encode(), framing)

    def _beginning(self, call: UpstreamCall) -> bytes:
        if call.method not in METHODS:
            raise _refuse("the method is not one of HTTP's", "HTTP 메서드가 아닙니다")
        target = target_below(self._base, call.path)
        lines = header_lines(call.headers, named=call.call_id != "")
        return b"%b %b HTTP/1.1\r\n%b%b" % (call.method.encode(), target, self._own, lines)


def _framing(method: str, length: int | None) -> bytes:
    if length is None:
        return b"Transfer-Encoding: chunked\r\n"
    if length or method not in BODILESS:
        return b"Content-Length: %d\r\n" % length
    return b""


def header_lines(headers: Sequence[tuple[bytes, bytes]], *, named: bool = False) -> bytes:
    """Our name, and one line for each header. Raises BadInput for what would be more than a line.

    named: without a request id of the caller's own, as ours is the one that both sides name.
    """
    return _lines(tuple(headers), named)


@lru_cache(maxsize=256)
def _lines(headers: tuple[tuple[bytes, bytes], ...], named: bool) -> bytes:
    lines, agent = [], AGENT
    for header in headers:
        if (lower := _special(header[0])) is not None:
            if lower == b"user-agent":
                agent = b""
            elif named:
                continue
        lines.append(b"%b: %b\r\n" % header)
    block = b"".join(lines)
    # One look at the whole: whatever is no plain character is the line ends that we have written, and no more.
    if block.translate(None, _PLAIN) != b"\r\n" * len(lines) or len(block) > LONGEST_HEADERS:
        raise _refuse("a header holds what no header can", "헤더에 쓸 수 없는 글자가 있습니다")
    return agent + block


@lru_cache(maxsize=1024)
def _special(name: bytes) -> bytes | None:
    """In lower case if it needs care, else None. Raises BadInput for what is no name or not the caller's to set."""
    lower = name.lower()
    if _NAME.fullmatch(name) is None or len(name) > LONGEST_NAME:
        raise _refuse("a header holds what no header can", "헤더에 쓸 수 없는 글자가 있습니다")
    if lower in RESERVED:
        raise _refuse("it sets a header that is Talkmeter's to set", "Talkmeter가 정하는 헤더가 들어 있습니다")
    return lower if lower in (b"user-agent", b"x-client-request-id") else None


@lru_cache(maxsize=1024)
def target_below(base: bytes, path: str) -> bytes:
    """base: the base URL's path (absolute form for a proxy), without a slash at its end. Raises BadInput.

    A path cannot leave the base URL, neither with dots nor with encoded ones.
    """
    if _PATH.fullmatch(path) is None or len(path) > LONGEST_TARGET:
        raise _refuse("its path holds what no URL has", "경로에 쓸 수 없는 글자가 있습니다")
    if _leaves(path.partition("?")[0]):
        raise _refuse("its path leads out of the provider's base URL", "경로가 제공자의 기본 URL을 벗어납니다")
    return base + b"/" + path.encode()


def _leaves(path: str) -> bool:
    for _ in range(MOST_ENCODINGS):
        path = unquote(path)
    parts = path.replace("\\", "/").split("/")
    return path != unquote(path) or any(part.partition(";")[0] in (".", "..") for part in parts)


def _refuse(why: str, why_ko: str) -> BadInput:
    return BadInput(
        f"The request cannot be sent to the provider: {why}.",
        f"요청을 제공자에게 보낼 수 없습니다: {why_ko}.",
        hint="Nothing was sent and nothing is billed.",
        hint_ko="아무것도 보내지 않았고 비용도 없습니다.",
        code="bad_upstream_request",
    )
