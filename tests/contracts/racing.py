"""A hundred requests at once against a budget for ten, as often as one likes; see support/racing.py.

python tests/contracts/racing.py --rounds 1000        # 47 minutes on two busy cores
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]


def main() -> None:
    sys.path[:0] = [str(TESTS), str(TESTS.parent / "src")]
    import uvloop

    from support.postgres import Postgres
    from support.racing import race_again_and_again

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=1000)
    given = parser.parse_args()
    postgres = Postgres()
    postgres.start()
    began = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="talkmeter-racing-") as folder:
            courses = uvloop.run(race_again_and_again(Path(folder), given.rounds, postgres))
    finally:
        postgres.stop()
    print(
        f"{given.rounds} races in {time.monotonic() - began:.0f} s, overspent by nothing. {'; '.join(map(str, courses))}."
    )


if __name__ == "__main__":
    main()
