import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from talkmeter.metering.tokens import encodings, rankfile

TOOL = Path(__file__).resolve().parents[2] / "tools/make_ranks.py"


@pytest.fixture
def tool(monkeypatch, tmp_path):
    spec = importlib.util.spec_from_file_location("make_ranks", TOOL)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setattr(sys, "path", sys.path[:])
    spec.loader.exec_module(module)
    out = tmp_path / "out"
    out.mkdir()
    monkeypatch.setattr(module, "OUT", out)
    return module


@pytest.fixture
def published(tmp_path):
    for name in encodings.PACKED_SHA256:
        ranks = rankfile.unpack(encodings.rank_bytes(name))
        (tmp_path / f"{name}.tiktoken").write_bytes(rankfile.format_tiktoken(ranks.items()))
    return tmp_path


def test_published_files_are_packed_into_what_we_carry(tool, published, capsys):
    tool.make(published)
    for name in encodings.PACKED_SHA256:
        packed = (tool.OUT / f"{name}.bin").read_bytes()
        assert rankfile.unpack(packed) == rankfile.unpack(encodings.rank_bytes(name))
    assert capsys.readouterr().out.count("bytes") == 3


def test_a_file_that_openai_did_not_publish_is_refused(tool, published):
    path = published / "p50k_base.tiktoken"
    path.write_bytes(path.read_bytes().replace(b" 7\n", b" 8\n"))
    with pytest.raises(SystemExit, match=r"p50k_base\.tiktoken has sha256 .*, OpenAI publishes 94b5ca7d"):
        tool.make(published)
    assert not (tool.OUT / "p50k_base.bin").exists()


def test_it_runs_from_a_copied_checkout(published, tmp_path):
    checkout = tmp_path / "checkout"
    shutil.copytree(TOOL.parents[1] / "src", checkout / "src", ignore=shutil.ignore_patterns("*.bin", "__pycache__"))
    (checkout / "tools").mkdir()
    shutil.copy(TOOL, checkout / "tools")
    done = subprocess.run(
        [sys.executable, "-P", checkout / "tools/make_ranks.py", published], capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    assert len(list((checkout / "src/talkmeter/metering/tokens/ranks").glob("*.bin"))) == 3
