"""Ports that a test has to know beforehand, or has again after a restart."""

import errno
import random
import socket

# Below those that a system gives to whoever asks for any one: no client's connection takes it meanwhile.
LOWEST, BEYOND = 20_000, 32_000


def free_port() -> int:
    """Free on both of localhost's addresses, a moment ago."""
    while True:
        port = random.randrange(LOWEST, BEYOND)
        if _is_free(socket.AF_INET, "127.0.0.1", port) and _is_free(socket.AF_INET6, "::1", port):
            return port


def _is_free(family: socket.AddressFamily, host: str, port: int) -> bool:
    """Also where there is no such address."""
    try:
        with socket.socket(family) as probe:
            probe.bind((host, port))
    except OSError as error:
        return error.errno != errno.EADDRINUSE
    return True
