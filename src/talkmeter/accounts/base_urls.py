"""What may be a provider's base URL. Pure."""

import ipaddress
from urllib.parse import urlsplit

from talkmeter.errors import BadInput

OPENAI = "https://api.openai.com/v1"
LONGEST = 2000


def normalise(text: str) -> str:
    """A base URL without trailing slashes, scheme and host in lower case, the host in ASCII.

    Only http and https; no user name, query or fragment: a key belongs into the key field, where it is encrypted.
    Raises BadInput.
    """
    url = text.strip()
    if not url or len(url) > LONGEST or any(letter <= " " or letter in '\\\x7f"<>^`{|}' for letter in url):
        raise _refuse(url, "it holds blanks or characters that no URL has", "URL에 쓸 수 없는 글자가 있습니다")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _refuse(url, "it is not a URL", "URL이 아닙니다") from None
    if parts.scheme.lower() not in ("http", "https"):
        raise _refuse(url, "it must begin with http:// or https://", "http:// 또는 https://로 시작해야 합니다")
    if parts.username is not None or parts.password is not None or "@" in parts.netloc:
        raise _refuse("…", "a user name or password cannot be in it", "사용자 이름이나 비밀번호를 넣을 수 없습니다")
    if parts.query or parts.fragment or "?" in url or "#" in url:
        raise _refuse("…", "it cannot have ? or #", "?나 #를 넣을 수 없습니다")
    host = _host(parts.hostname or "", url)
    default_port = 443 if parts.scheme.lower() == "https" else 80
    where = host if port is None or port == default_port else f"{host}:{port}"
    return f"{parts.scheme.lower()}://{where}{parts.path.rstrip('/')}"


def _host(name: str, url: str) -> str:
    try:
        return f"[{ipaddress.IPv6Address(name)}]"
    except ValueError:
        pass
    try:
        ascii_name = name.encode("idna").decode("ascii").lower()
    except UnicodeError:
        ascii_name = ""
    labels = ascii_name.removesuffix(".").split(".")
    if ascii_name and all(label and label.replace("-", "").replace("_", "").isalnum() for label in labels):
        return ascii_name
    raise _refuse(url, "the name of the host is missing or wrong", "호스트 이름이 없거나 잘못되었습니다")


def _refuse(url: str, why: str, why_ko: str) -> BadInput:
    shown = "…" if "@" in url else url[:200]  # it may hold a password
    return BadInput(
        f"The base URL {shown!r} cannot be used: {why}.",
        f"기본 URL {shown!r}을(를) 쓸 수 없습니다: {why_ko}.",
        hint=f"It looks like {OPENAI}, or http://localhost:11434/v1 for Ollama.",
        hint_ko=f"{OPENAI} 또는 Ollama의 http://localhost:11434/v1 같은 모양입니다.",
        code="bad_base_url",
        param="base_url",
    )
