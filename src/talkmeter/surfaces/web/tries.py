"""Wrong passwords from everywhere together. One address alone is slowed down by `accounts.passwords`."""

import ipaddress
import time
from collections import deque
from collections.abc import Callable

from starlette.requests import Request

from talkmeter.errors import TooManyTries


class WrongTries:
    """At most `most` wrong tries within `seconds`, whoever makes them. monotonic: seconds."""

    def __init__(self, most: int = 60, seconds: float = 600, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._seconds = seconds
        self._monotonic = monotonic
        self._wrong: deque[float] = deque(maxlen=most)

    def check(self) -> None:
        """Raises TooManyTries with `details["retry_after"]` in seconds."""
        wait = self._wrong[0] + self._seconds - self._monotonic() if len(self._wrong) == self._most else 0
        if wait > 0:
            seconds = int(wait) + 1
            raise TooManyTries(
                f"Too many wrong passwords were tried. Try again in {seconds} s.",
                f"틀린 비밀번호가 너무 많이 입력되었습니다. {seconds}초 뒤에 다시 시도하십시오.",
                hint="`talkmeter link` on the machine itself prints a sign-in link at any time.",
                hint_ko="서버에서 `talkmeter link`를 실행하면 언제든 로그인 링크를 얻을 수 있습니다.",
                details={"retry_after": seconds},
            )

    def note_wrong(self) -> None:
        self._wrong.append(self._monotonic())


def source_of(request: Request) -> str:
    """Who tries: an IPv4 address, or an IPv6 network of 64 bits, which is what one customer has."""
    host = request.client.host if request.client else ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)
