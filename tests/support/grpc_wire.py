"""gRPC without generated code: protobuf's bytes written and read by hand, as any client puts them on the wire."""

import contextlib
import socket

import grpc

ASK = "/chat.Chat/Ask"


def varint(number):
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def text_field(number, text):
    """A string; proto3 leaves empty ones out."""
    data = text.encode()
    return varint(number << 3 | 2) + varint(len(data)) + data if data else b""


def asked(prompt, conversation_id=None, parent_id=None):
    """An `askrequest` of the first clients."""
    return text_field(1, prompt) + text_field(2, conversation_id or "") + text_field(3, parent_id or "")


def fields(data):
    """(number, value) of a message: bytes of what has a length, ints of varints, bytes of fixed ones."""
    at = 0
    while at < len(data):
        tag, at = _varint_at(data, at)
        number, kind = tag >> 3, tag & 7
        if kind == 0:
            value, at = _varint_at(data, at)
        elif kind == 2:
            size, at = _varint_at(data, at)
            value, at = data[at : at + size], at + size
        else:
            size = {1: 8, 5: 4}[kind]
            value, at = data[at : at + size], at + size
        yield number, value


def response_of(data):
    """The text of an `askresponse`, as the first clients read it: they know no other field."""
    return b"".join(value for number, value in fields(data) if number == 1).decode()


def raw_ask(channel):
    """`chat.Chat/Ask` on a channel, bytes in and out."""
    return channel.unary_stream(ASK, request_serializer=None, response_deserializer=None)


@contextlib.contextmanager
def plain_channel(target):
    with grpc.insecure_channel(target) as channel:
        yield channel


def free_port():
    """Free on both of localhost's addresses, a moment ago."""
    while True:
        with socket.socket() as four:
            four.bind(("127.0.0.1", 0))
            port = four.getsockname()[1]
            try:
                with socket.socket(socket.AF_INET6) as six:
                    six.bind(("::1", port))
            except OSError as error:
                if error.errno != 98:
                    return port  # no IPv6 here
                continue
            return port


def _varint_at(data, at):
    number = shift = 0
    while True:
        byte = data[at]
        number |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return number, at
