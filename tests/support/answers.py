"""Answers in order and not, with what is to become of them."""

from talkmeter.providers.http.heads import HEAD_BYTES, MOST_HEADERS, MOST_INTERIM

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
INTERIM = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
TWO = OK + b"Content-Length: 2\r\n\r\nok"


def of_size(size):
    """A head of so many bytes."""
    head = OK + b"Content-Length: 0\r\nX: \r\n\r\n"
    return head.replace(b"X: ", b"X: " + b"y" * (size - len(head)))


REFUSED_HEADS = {
    "another protocol": b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
    "another protocol, no line": b"\x15\x03\x01\x00\x02\x02\x46",
    "RTSP": TWO.replace(b"HTTP/1.1", b"RTSP/1.0"),
    "HTTP/2": TWO.replace(b"1.1", b"2.0"),
    "HTTP/0.9": TWO.replace(b"1.1", b"0.9"),
    "an empty line first": b"\r\n" + TWO,
    "two empty lines first": b"\r\n\r\n" + TWO,
    "no status": b"HTTP/1.1 OK\r\n\r\n",
    "status 0": TWO.replace(b"200", b"000"),
    "status 20": TWO.replace(b"200", b"20"),
    "status 2000": TWO.replace(b"200", b"2000"),
    "switching protocols": b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    "length and chunks": OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nok",
    "chunks and length": OK + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n",
    "two lengths": OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nok",
    "one length twice": OK + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nok",
    "a list of lengths": OK + b"Content-Length: 2, 2\r\n\r\nok",
    "a signed length": OK + b"Content-Length: +2\r\n\r\nok",
    "a negative length": OK + b"Content-Length: -2\r\n\r\nok",
    "a hexadecimal length": OK + b"Content-Length: 0x2\r\n\r\nok",
    "an empty length": OK + b"Content-Length:\r\n\r\nok",
    "an enormous length": OK + b"Content-Length: 99999999999999999999\r\n\r\nok",
    "another coding": OK + b"Transfer-Encoding: gzip\r\n\r\nok",
    "a coding before": OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "a coding after": OK + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "chunked twice": OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "almost chunked": OK + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunked and a tab": OK + b"Transfer-Encoding: chunked\t\r\n\r\n0\r\n\r\n",
    "chunks in HTTP/1.0": b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a bare LF": OK + b"A: b\nContent-Length: 2\r\n\r\nok",
    "bare LFs only": TWO.replace(b"\r\n", b"\n"),
    "a bare CR": OK + b"A: b\rC: d\r\nContent-Length: 2\r\n\r\nok",
    "a bare LF in the status line": TWO.replace(b"OK\r\n", b"OK\n"),
    "NUL in a value": OK + b"A: b\0c\r\nContent-Length: 2\r\n\r\nok",
    "NUL in the reason": TWO.replace(b"OK", b"O\0K"),
    "NUL in a name": OK + b"A\0: b\r\nContent-Length: 2\r\n\r\nok",
    "a control character": OK + b"A: b\x01c\r\nContent-Length: 2\r\n\r\nok",
    "a folded line": OK + b"A: b\r\n c\r\nContent-Length: 2\r\n\r\nok",
    "a blank before the colon": OK + b"Content-Length : 2\r\n\r\nok",
    "no name": OK + b": b\r\nContent-Length: 2\r\n\r\nok",
    "no colon": OK + b"Ab\r\nContent-Length: 2\r\n\r\nok",
    "too long": of_size(HEAD_BYTES + 1),
    "too long, without an end": OK + b"X: " + b"y" * (2 * HEAD_BYTES),
    "too many headers": OK + b"X: y\r\n" * MOST_HEADERS + b"Content-Length: 0\r\n\r\n",
    "too many interim answers": INTERIM * (MOST_INTERIM + 1) + TWO,
    "an interim answer with a length": b"HTTP/1.1 100 Continue\r\nContent-Length: 2\r\n\r\nok" + TWO,
    "an interim answer in chunks": b"HTTP/1.1 100 Continue\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + TWO,
}

TAKEN = {  # what arrives: the body, and whether the connection may be used again
    "a length": (TWO, b"ok", True),
    "blanks around the length": (TWO.replace(b": 2", b":  2 \t"), b"ok", True),
    "chunks": (CHUNKED + b"2\r\nok\r\n0\r\n\r\n", b"ok", True),
    "chunks in other letters": (
        OK + b"tRANSFER-eNCODING: CHUNKED\r\n\r\nA\r\n0123456789\r\n0\r\n\r\n",
        b"0123456789",
        True,
    ),
    "chunks with extensions and trailers": (CHUNKED + b'2;a="b;c"\r\nok\r\n00;d\r\nT: u\r\n\r\n', b"ok", True),
    "no reason": (TWO.replace(b" OK", b" "), b"ok", True),
    "an empty header": (TWO.replace(b"\r\nC", b"\r\nA:\r\nC"), b"ok", True),
    "letters beyond ASCII": (TWO.replace(b"\r\nC", b"\r\nA: \xec\x95\x88\xff\r\nC"), b"ok", True),
    "interim answers": (INTERIM * MOST_INTERIM + TWO, b"ok", True),
    "a head as long as may be": (of_size(HEAD_BYTES), b"", True),
    "as many headers as may be": (OK + b"X: y\r\n" * (MOST_HEADERS - 1) + b"Content-Length: 0\r\n\r\n", b"", True),
    "a body until the end": (OK + b"\r\nok", b"ok", False),
    "HTTP/1.0": (TWO.replace(b"1.1", b"1.0"), b"ok", False),
    "HTTP/1.0 that would stay": (
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok",
        b"ok",
        False,
    ),
    "close": (TWO.replace(b"\r\nC", b"\r\nConnection: foo, Close\r\nC"), b"ok", False),
    "an offer to upgrade": (TWO.replace(b"\r\nC", b"\r\nUpgrade: h2c\r\nConnection: upgrade\r\nC"), b"ok", True),
    "no content": (b"HTTP/1.1 204 No Content\r\n\r\n", b"", True),
    "not modified, with a length": (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n", b"", True),
    "more than the length": (TWO + b"k", b"ok", False),
    "more than the chunks": (CHUNKED + b"0\r\n\r\nx", b"", False),
    "a second answer": (TWO + TWO, b"ok", False),
    "a body where none is": (b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nok", b"", False),
}

BROKEN_CHUNKS = {  # after the head: what of it is handed out
    "no size": (b"\r\nok", b""),
    "no hexadecimal size": (b"2\r\nok\r\nzz\r\n", b"ok"),
    "a size with 0x": (b"0x2\r\nok\r\n", b""),
    "a signed size": (b"+2\r\nok\r\n0\r\n\r\n", b""),
    "a blank after the size": (b"2 \r\nok\r\n0\r\n\r\n", b""),
    "an enormous size": (b"1ffffffffffffffff\r\nok", b""),
    "LF after the size": (b"2\nok\r\n0\r\n\r\n", b""),
    "LF in an extension": (b"2;a\nb\r\nok\r\n0\r\n\r\n", b""),
    "LF after the data": (b"2\r\nok\n0\r\n\r\n", b"ok"),
    "nothing after the data": (b"2\r\nok0\r\n\r\n", b"ok"),
    "more data than the size": (b"2\r\nokay\r\n0\r\n\r\n", b"ok"),
    "LF at the end": (b"2\r\nok\r\n0\r\n\n", b"ok"),
    "a trailer that is none": (b"2\r\nok\r\n0\r\nx\r\n\r\n", b"ok"),
    "trailers without end": (b"2\r\nok\r\n0\r\n" + b"X: y\r\n" * HEAD_BYTES, b"ok"),
    "an extension without end": (b"2;" + b"x" * (2 * HEAD_BYTES), b""),
    "the end in the size": (b"2\r\nok\r\n2", b"ok"),
    "the end in the data": (b"2\r\nok\r\n5\r\nhal", b"okhal"),
    "the end before the last chunk": (b"2\r\nok\r\n", b"ok"),
    "the end in the last chunk": (b"2\r\nok\r\n0\r\n", b"ok"),
}
