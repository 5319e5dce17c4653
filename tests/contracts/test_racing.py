"""A hundred at once against a budget for ten overspend by nothing: SQLite and PostgreSQL, one process and four workers.

TALKMETER_GATEWAY_RACES=400 python -m pytest tests/contracts/test_racing.py     # 40 without
python tests/contracts/racing.py --rounds 1000                                  # by command
"""

import os

import pytest

from support.postgres import Postgres
from support.racing import PLACES, race_again_and_again

RACES = int(os.environ.get("TALKMETER_GATEWAY_RACES", "40"))


@pytest.fixture
def postgres():
    server = Postgres()
    server.start()
    yield server
    server.stop()


@pytest.mark.slow
async def test_a_budget_for_ten(tmp_path, postgres):
    courses = await race_again_and_again(tmp_path, RACES, postgres)
    assert sum(course.races for course in courses) == RACES
    for course in courses:
        assert course.admitted > PLACES * course.races, "nothing of what came back was spent"
        assert course.refused > 0
