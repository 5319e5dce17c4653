"""A server with every door open, on ports that it has again after a restart."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from support.ports import free_port
from support.processes import Server, SimulatorProcess, start_server

MODEL = "sim-fast"


@dataclass
class Ports:
    """main: 0 is any. Each is free at the time."""

    main: int
    sockets: int
    grpc: int

    @classmethod
    def free(cls) -> "Ports":
        return cls(0, free_port(), free_port())


@dataclass
class House:
    """What the doors' clients want to know of a server; see support.sockets and support.asking."""

    server: Server
    ports: Ports

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self.ports.main}"

    @property
    def sockets_port(self) -> int:
        return self.ports.sockets

    @property
    def grpc_target(self) -> str:
        return f"127.0.0.1:{self.ports.grpc}"


async def open_house(data_dir: Path, simulator: SimulatorProcess, ports: Ports, *flags: str) -> House:
    """A server of its own whose provider is the simulator, once all doors are open. Raises NotStarted."""
    named = {"--port": ports.main, "--websocket-port": ports.sockets, "--grpc-port": ports.grpc}
    chosen = [text for name, port in named.items() for text in (name, str(port))]
    server = await asyncio.to_thread(
        start_server, data_dir, simulator.url, flags=(*chosen, *flags), TALKMETER_DEFAULT_MODEL=MODEL
    )
    try:
        assert server.process.stdout is not None
        assert "gRPC" in await asyncio.to_thread(server.process.stdout.readline)
    except BaseException:
        server.stop()
        raise
    return House(server, Ports(server.port, ports.sockets, ports.grpc))
