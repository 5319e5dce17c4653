"""Makes the messages of the gRPC door from `proto/`: src/talkmeter/surfaces/grpc/messages/.

    .venv/bin/python tools/make_protos.py [--baseline]

--baseline also renews proto/baseline.binpb, against which `buf breaking` compares: what is in it has been released, and
clients hold on to it. Needs the packages of requirements/dev.txt; tests/grpc/test_protos.py says when this is due.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PROTOS = ROOT / "proto"
SOURCES = ("chat.proto", "talkmeter/v1/conversations.proto")
MESSAGES = ROOT / "src/talkmeter/surfaces/grpc/messages"
BASELINE = PROTOS / "baseline.binpb"


def make_messages(folder: Path) -> None:
    """`…_pb2.py` and `…_pb2.pyi` for each source, into an existing folder. Raises CalledProcessError."""
    with tempfile.TemporaryDirectory() as made:
        _run([sys.executable, "-m", "grpc_tools.protoc", "-I.", f"--python_out={made}", f"--pyi_out={made}", *SOURCES])
        for file in sorted(Path(made).rglob("*_pb2.py*")):
            shutil.copyfile(file, folder / file.name)  # side by side: none imports another


def make_baseline(file: Path) -> None:
    """All sources with what they import, as buf compares them. Raises CalledProcessError."""
    buf(["build", "--exclude-source-info", "-o", str(file)])


def buf(arguments: Sequence[str]) -> None:
    """The command beside this interpreter, in proto/. Raises CalledProcessError."""
    _run([str(Path(sys.executable).with_name("buf")), *arguments])


def _run(command: Sequence[str]) -> None:
    subprocess.run(command, cwd=PROTOS, check=True, capture_output=True, text=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--baseline", action="store_true", help="renew proto/baseline.binpb, too")
    try:
        make_messages(MESSAGES)
        if parser.parse_args().baseline:
            make_baseline(BASELINE)
    except subprocess.CalledProcessError as error:
        sys.exit(f"{error}\n{error.stdout}{error.stderr}")
