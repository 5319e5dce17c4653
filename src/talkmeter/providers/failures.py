"""What went wrong on the way to a provider, in our words. Nothing of a request's headers gets into them."""

import asyncio

import aiohttp

from talkmeter.completions import UpstreamBroke, UpstreamNotReached
from talkmeter.errors import UpstreamError

LONGEST_REASON = 200


def before_head(error: Exception, base_url: str) -> UpstreamError:
    """For an error that was raised before the answer's head had come."""
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return not_reached(base_url, "connecting took too long", "연결에 시간이 너무 오래 걸렸습니다")
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return not_reached(base_url, "the name of its host is not known", "호스트 이름을 찾을 수 없습니다")
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError):
        return not_reached(base_url, "no secure connection came about", "보안 연결을 맺을 수 없습니다")
    if isinstance(error, aiohttp.ClientProxyConnectionError | aiohttp.ClientHttpProxyError):
        return not_reached(base_url, "the proxy refused", "프록시가 거절했습니다")
    if isinstance(error, aiohttp.ClientConnectorError):
        return not_reached(base_url, _os_reason(error.os_error), "연결이 거절되었습니다")
    if isinstance(error, aiohttp.InvalidURL):
        return not_reached(base_url, "it is not a URL", "URL이 아닙니다")
    return UpstreamBroke("headers", reason(error))


def in_body(error: Exception) -> UpstreamBroke:
    """For an error that was raised while the body was read."""
    return UpstreamBroke("stream", reason(error))


def not_reached(base_url: str, why: str, why_ko: str) -> UpstreamNotReached:
    return UpstreamNotReached(
        f"The provider at {base_url} could not be reached: {why}.",
        f"{base_url}의 제공자에 연결할 수 없습니다: {why_ko}.",
        hint="Nothing was sent and nothing is billed. Check the base URL and that the server runs.",
        hint_ko="아무것도 보내지 않았고 비용도 없습니다. 기본 URL과 서버가 실행 중인지 확인하십시오.",
    )


def reason(error: Exception) -> str:
    """A few words; never the text of an unknown error, which might quote the request."""
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "it was closed"
    if isinstance(error, asyncio.IncompleteReadError | aiohttp.ClientPayloadError):
        return "it was closed early"
    if isinstance(error, OSError):
        return _os_reason(error)
    if isinstance(error, aiohttp.ClientResponseError):
        return "the answer is not HTTP as it should be"
    return type(error).__name__


def _os_reason(error: OSError) -> str:
    return (error.strerror or type(error).__name__)[:LONGEST_REASON].lower()
