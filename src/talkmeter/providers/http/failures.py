"""What went wrong on the way to a provider, in our words. Nothing of a request's headers gets into them."""

import os
import socket
import ssl

from talkmeter.completions import UpstreamNotReached

LONGEST_REASON = 200
NOT_HTTP = "the answer is not HTTP as it should be"


class ProxyRefused(OSError):
    """The proxy did not open the way. Never carries what it said."""


def unreachable(error: Exception, where: str, seconds: float) -> UpstreamNotReached:
    """For an error that was raised while connecting. where: the base URL. seconds: how long it might have taken."""
    if isinstance(error, TimeoutError):
        return _too_slow(where, seconds)
    if isinstance(error, socket.gaierror | UnicodeError):
        return not_reached(where, "the name of its host is not known", "호스트 이름을 찾을 수 없습니다")
    if isinstance(error, ssl.SSLError):
        return not_reached(
            where, f"no secure connection came about{_certificate(error)}", "보안 연결을 맺을 수 없습니다"
        )
    if isinstance(error, ProxyRefused):
        return not_reached(where, "the proxy refused", "프록시가 거절했습니다")
    if isinstance(error, OSError):
        return not_reached(where, _os_reason(error), "연결이 거절되었습니다")
    return not_reached(where, "it is not a URL", "URL이 아닙니다")


def all_busy(where: str, most: int) -> UpstreamNotReached:
    return UpstreamNotReached(
        f"The provider at {where} could not be reached: all of its {most} connections are busy.",
        f"{where}의 제공자에 연결할 수 없습니다: 연결 {most}개가 모두 사용 중입니다.",
        hint="Nothing was sent and nothing is billed. Try again, or raise upstream_connections in the settings.",
        hint_ko="아무것도 보내지 않았고 비용도 없습니다. 다시 시도하거나 설정에서 upstream_connections를 늘리십시오.",
        code="upstream_busy",
    )


def not_reached(where: str, why: str, why_ko: str) -> UpstreamNotReached:
    return UpstreamNotReached(
        f"The provider at {where} could not be reached: {why}.",
        f"{where}의 제공자에 연결할 수 없습니다: {why_ko}.",
        hint="Nothing was sent and nothing is billed. Check the base URL and that the server runs.",
        hint_ko="아무것도 보내지 않았고 비용도 없습니다. 기본 URL과 서버가 실행 중인지 확인하십시오.",
    )


def _too_slow(where: str, seconds: float) -> UpstreamNotReached:
    failure = not_reached(
        where,
        f"connecting took too long, the limit is {seconds:g} s (time-out: connect)",
        f"연결에 시간이 너무 오래 걸렸습니다. 한도는 {seconds:g}초입니다(제한 시간: 연결)",
    )
    failure.details["phase"] = "connect"
    return failure


def reason_of(error: Exception | None, *, begun: bool) -> str:
    """A few words on how a connection ended; never the text of an unknown error, which might quote the request."""
    if error is None:
        return "it was closed early" if begun else "it was closed"
    if isinstance(error, OSError):
        return _os_reason(error)
    return type(error).__name__


def _certificate(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f" ({error.verify_message})"[:LONGEST_REASON]
    return ""


def _os_reason(error: OSError) -> str:
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno).lower()
    return "it was closed" if isinstance(error, ConnectionError) else type(error).__name__.lower()
