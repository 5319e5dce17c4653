"""gRPC without generated code: protobuf's bytes written and read by hand, as any client puts them on the wire."""

import contextlib

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


def _varint_at(data, at):
    number = shift = 0
    while True:
        byte = data[at]
        number |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return number, at
