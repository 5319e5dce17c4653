"""The shared token vectors, when the folder that holds them lies beside the checkout."""

import json
import os
from functools import cache
from pathlib import Path

SHARED = Path(os.environ.get("TALKMETER_SHARED", Path(__file__).resolve().parents[2] / "../shared"))


@cache
def all_vectors() -> list[dict]:
    path = SHARED / "reference/token-vectors.json"
    return json.loads(path.read_text("utf-8"))["vectors"] if path.exists() else []


def vectors(kind: str) -> list[dict]:
    """Vectors of one kind; empty without the folder, so callers add their own in front."""
    return [vector for vector in all_vectors() if vector["kind"] == kind]
