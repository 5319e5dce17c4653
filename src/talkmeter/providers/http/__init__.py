"""HTTP/1.1 towards providers: small, strict and quick. See docs/decisions/0010-an-upstream-connection-of-our-own.md."""
