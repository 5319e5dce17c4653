"""Security headers. Everything comes from this very origin, and no string ever becomes script."""

from collections.abc import Iterable

RawHeaders = list[tuple[bytes, bytes]]

# `trusted-types 'none'`: the page builds its DOM with createElement only, so it needs no policy.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)

# For files that people have uploaded: even opened by themselves they may do nothing.
SANDBOX_POLICY = "sandbox; default-src 'none'"

# What browsers offer and a chat never asks for.
PERMISSIONS_POLICY = (
    "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), hid=(), magnetometer=(), "
    "microphone=(), midi=(), payment=(), publickey-credentials-get=(), screen-wake-lock=(), serial=(), usb=(), "
    "xr-spatial-tracking=()"
)

SECURITY_HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
    (b"permissions-policy", PERMISSIONS_POLICY.encode()),
)


def secured(headers: Iterable[tuple[bytes, bytes]], request_id: str) -> RawHeaders:
    """The headers with those of security added where the answer has none of its own."""
    given = list(headers)
    names = {name.lower() for name, _ in given}
    given += [(name, value) for name, value in SECURITY_HEADERS if name not in names]
    given.append((b"x-request-id", request_id.encode()))
    return given
