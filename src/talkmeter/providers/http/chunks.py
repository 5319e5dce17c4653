"""Chunks of the plainest form, read without the parser: whole ones, without extensions. Pure.

An event of a stream mostly is one chunk, and comes by itself. What is in any way different (a chunk of which a part is
still to come, an extension, the last chunk and what follows it) is the parser's, which judges it strictly; the parser
never sees the chunks that were read here, and stands before the next one.
"""

import re

_SIZE = re.compile(rb"([0-9a-fA-F]{1,8})\r\n")


def read_chunks(data: bytes) -> tuple[bytes, int]:
    """The content of the whole chunks with which `data` begins, and of how many bytes these chunks are.

    data: from the beginning of a chunk.
    """
    content: list[bytes] = []
    at = 0
    while size := _SIZE.match(data, at):
        start = size.end()
        stop = start + int(size[1], 16)
        if stop == start or data[stop : stop + 2] != b"\r\n":
            break
        at = stop + 2
        content.append(data[start:stop])
        if at == len(data):
            break
    return content[0] if len(content) == 1 else b"".join(content), at
