"""Another reader of answers, slow and plain, which sees them whole: what the quick one must agree with."""

import re

TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-9]\d\d)(?: ([^\0\r\n]*))?")
HEADER = re.compile(rb"(" + TOKEN + rb"):[ \t]*((?:[^\x00-\x08\x0a-\x1f\x7f])*)")
CHUNK = re.compile(rb"([0-9A-Fa-f]{1,16})([ \t;][^\0\r\n]*)?\r\n")


def read(data):
    """(status, body, whole) of one answer after which the connection ends; None where nothing can be made of it.

    whole: None if the body ends with the connection.
    """
    while True:
        head, end, rest = data.partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        first = STATUS_LINE.fullmatch(lines[0])
        fields = [HEADER.fullmatch(line) for line in lines[1:]]
        if not end or first is None or None in fields:
            return None
        headers = [(field[1].lower(), field[2].strip(b" \t")) for field in fields]
        status = int(first[2])
        if status >= 200 or status == 101:
            break
        data = rest
    lengths = [value for name, value in headers if name == b"content-length"]
    codings = [value.lower() for name, value in headers if name == b"transfer-encoding"]
    if status == 101 or len(lengths) + len(codings) > 1:
        return None
    if codings and (codings != [b"chunked"] or first[1] == b"0"):
        return None
    if lengths and not lengths[0].isdigit():
        return None
    if status in (204, 304):
        return status, b"", True
    if codings:
        return (status, *_chunks(rest))
    if lengths:
        size = int(lengths[0])
        return status, rest[:size], len(rest) >= size
    return status, rest, None


def _chunks(data):
    body = b""
    while head := CHUNK.match(data):
        size, data = int(head[1], 16), data[head.end() :]
        if size == 0:
            return body, data.startswith(b"\r\n") or b"\r\n\r\n" in data
        body += data[:size]
        if data[size : size + 2] != b"\r\n":
            return body, False
        data = data[size + 2 :]
    return body, False
