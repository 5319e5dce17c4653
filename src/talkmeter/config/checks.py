"""What a value must be beyond its kind. Each check gives None, or in English and Korean what is allowed. Pure."""

import re
from collections.abc import Callable, Sequence
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

Wanted = tuple[str, str]

_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,252})")
_PATHS = ("./", "../", ".\\", "..\\")
_DATABASES = ("postgresql://", "postgresql+psycopg://", "postgres://")


def names_among(known: Sequence[str]) -> Callable[[Sequence[str]], Wanted | None]:
    listed = ", ".join(known)

    def check(names: Sequence[str]) -> Wanted | None:
        return None if set(names) <= set(known) else (f"one or more of {listed}", f"{listed} 중에서")

    return check


def currency(code: str) -> Wanted | None:
    good = len(code) == 3 and code.isascii() and code.isalpha() and code.isupper()
    return None if good else ("three capital letters, such as USD, KRW or EUR", "USD, KRW, EUR 같은 대문자 세 글자")


def time_zone(name: str) -> Wanted | None:
    from zoneinfo import ZoneInfo

    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return "a name of the IANA list, such as UTC or Asia/Seoul", "UTC, Asia/Seoul 같은 IANA 시간대 이름"
    return None


def http_url(url: str) -> Wanted | None:
    good = url.startswith(("http://", "https://"))
    return None if good else ("a URL that begins with http:// or https://", "http:// 또는 https://로 시작하는 URL")


def host_names(names: Sequence[str]) -> Wanted | None:
    good = all(map(_is_host, names))
    return (
        None
        if good
        else (
            "names or addresses without http://, port and *, such as chat.example.org,192.168.0.7",
            "http://, 포트, *가 없는 이름이나 주소. 예: chat.example.org,192.168.0.7",
        )
    )


def proxy(url: str) -> Wanted | None:
    """http://[user:password@]host[:port], or host:port."""
    wanted = (
        "http://HOST:PORT, or http://USER:PASSWORD@HOST:PORT",
        "http://호스트:포트 또는 http://사용자:비밀번호@호스트:포트",
    )
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        port = parts.port  # raises if it is no number
        named = port is not None or "://" in url
    except ValueError:
        return wanted
    good = named and parts.scheme == "http" and parts.hostname and parts.path in ("", "/")
    return None if good and not (parts.query or parts.fragment) else wanted


def database(url: str) -> Wanted | None:
    """A path has to look like one: a word may be meant for anything."""
    file = url.removeprefix("sqlite:///")
    in_a_file = file not in ("", ":memory:") and (file != url or Path(url).is_absolute() or url.startswith(_PATHS))
    good = url.startswith(_DATABASES) or in_a_file
    return (
        None
        if good
        else (
            "a database URL: postgresql://USER:PASSWORD@HOST/NAME, or sqlite:///FILE, or a path (/FOLDER/FILE, ./FILE)",
            "데이터베이스 URL: postgresql://사용자:비밀번호@호스트/이름, sqlite:///파일, 또는 경로(/폴더/파일, ./파일)",
        )
    )


def _is_host(name: str) -> bool:
    try:
        ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return _NAME.fullmatch(name) is not None
    return True
