"""The parameters that statements share, and lists cut into pieces that one statement can take."""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import BindParameter, bindparam

THIS: BindParameter[Any] = bindparam("this")  # the id that a statement is about
WHOSE: BindParameter[Any] = bindparam("whose")  # the principal
IDS: BindParameter[Any] = bindparam("ids", expanding=True)

_MOST = 500


def chunks(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for at in range(0, len(ids), _MOST):
        yield ids[at : at + _MOST]
