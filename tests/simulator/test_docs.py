"""docs/simulator.md says what there is: it names every fault, field, outcome and route."""

from pathlib import Path

import msgspec
import pytest

from talkmeter.simulator.bill import Row
from talkmeter.simulator.books import KINDS
from talkmeter.simulator.charging import Charge
from talkmeter.simulator.endpoints import ENDPOINTS
from talkmeter.simulator.faults import Fault, fault_names
from talkmeter.simulator.models import offered

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "simulator.md").read_text()
NAMES = [
    *fault_names(),
    *msgspec.structs.asdict(Fault()),
    *Row.__struct_fields__,
    *("running", "finished", "client_left", "cut", "hung", "refused", "error", "cancelled", "stopped"),
    *KINDS,
    *(name for name in offered() if not name.startswith("sim-fault-")),
]


@pytest.mark.parametrize("name", NAMES)
def test_it_is_in_the_documentation(name: str) -> None:
    assert f"`{name}`" in TEXT or f"`{name}," in TEXT


@pytest.mark.parametrize("path", sorted({endpoint.path for endpoint in ENDPOINTS}))
def test_every_endpoint_is_in_the_documentation(path: str) -> None:
    assert path in TEXT


def test_the_totals_are_in_the_documentation() -> None:
    assert all(f'"{name}"' in TEXT for name in Charge._fields)
