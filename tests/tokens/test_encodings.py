import hashlib
import json
import subprocess
import sys
import threading

import pytest
import tiktoken
import tiktoken_ext.openai_public
from hypothesis import given, settings
from hypothesis import strategies as st

from talkmeter.metering.tokens import ENCODING_NAMES, count_text, encode_text, encodings, is_loaded, preload, rankfile

# sha256 of the files GPT-2 was published with (openai/tiktoken, tiktoken_ext/openai_public.py).
VOCAB_BPE = "1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5"
ENCODER_JSON = "196139668be63f3b5d6574427317ae82f612a97c5d1cdaf36ed2256dbf636783"


def ranks_of(name: str) -> dict[bytes, int]:
    table = encodings.TABLES[name]
    return rankfile.unpack(encodings.rank_bytes(table.file), table.ranks)


@pytest.mark.parametrize("name", encodings.PUBLISHED_SHA256)
def test_packed_ranks_expand_to_the_published_file(name):
    published = rankfile.format_tiktoken(ranks_of(name).items())
    assert hashlib.sha256(published).hexdigest() == encodings.PUBLISHED_SHA256[name]
    assert rankfile.parse_tiktoken(published) == ranks_of(name)


def test_gpt2_files_can_be_rebuilt_byte_for_byte():
    ranks = ranks_of("gpt2")
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    written = {byte: chr(byte) for byte in printable} | {byte: chr(256 + n) for n, byte in enumerate(others)}

    def word(token: bytes) -> str:
        return "".join(written[byte] for byte in token)

    def merged_from(token: bytes) -> list[bytes]:
        parts = [token[i : i + 1] for i in range(len(token))]
        while len(parts) > 2:
            best = min(range(len(parts) - 1), key=lambda i: ranks.get(parts[i] + parts[i + 1], 1 << 30))
            parts[best : best + 2] = [parts[best] + parts[best + 1]]
        return parts

    merges = [" ".join(map(word, merged_from(token))) for token, rank in ranks.items() if rank >= 256]
    vocab_bpe = "\n".join(["#version: 0.2", *merges]) + "\n"
    encoder = {word(token): rank for token, rank in ranks.items()} | {"<|endoftext|>": 50256}
    assert hashlib.sha256(vocab_bpe.encode()).hexdigest() == VOCAB_BPE
    assert hashlib.sha256(json.dumps(encoder).encode()).hexdigest() == ENCODER_JSON


@pytest.mark.parametrize("name", ENCODING_NAMES)
def test_each_encoding_is_what_tiktoken_would_build(name, monkeypatch):
    public = tiktoken_ext.openai_public
    monkeypatch.setattr(public, "load_tiktoken_bpe", lambda url, **_: ranks_of(url.rpartition("/")[2][:-9]))
    monkeypatch.setattr(public, "data_gym_to_mergeable_bpe_ranks", lambda **_: ranks_of("gpt2"))
    theirs = tiktoken.Encoding(**public.ENCODING_CONSTRUCTORS[name]())
    assert encodings.TABLES[name].split == public.ENCODING_CONSTRUCTORS[name]()["pat_str"]

    @settings(deadline=None, max_examples=100)
    @given(st.text())
    def same(text):
        assert encode_text(text, name) == theirs.encode_ordinary(text)

    same()
    for text in ("def f():\n        return 1\n", "안녕하세요, 세계!", "don't I'LL ſ'ſ", "  \n\n \t x", "'S'ſ 12345"):
        assert encode_text(text, name) == theirs.encode_ordinary(text)


@pytest.mark.parametrize("name", ENCODING_NAMES)
def test_special_tokens_typed_by_a_user_are_ordinary_text(name):
    ids = encode_text("<|endoftext|>", name)
    assert len(ids) > 1
    assert encodings.load(name).decode(ids) == "<|endoftext|>"


@settings(deadline=None)
@given(st.sets(st.binary(min_size=1, max_size=255), min_size=1), st.data())
def test_packing_keeps_every_rank(tokens, data):
    numbers = st.lists(st.integers(0, 400), min_size=len(tokens), max_size=len(tokens), unique=True)
    ranks = dict(zip(sorted(tokens), sorted(data.draw(numbers)), strict=True))
    assert rankfile.unpack(rankfile.pack(ranks)) == ranks
    limit = data.draw(st.integers(0, 401))
    assert rankfile.unpack(rankfile.pack(ranks), limit) == {t: r for t, r in ranks.items() if r < limit}


def test_a_damaged_rank_file_is_refused(tmp_path, monkeypatch):
    packed = bytearray(encodings.rank_bytes("p50k_base"))
    packed[1000] ^= 1
    (tmp_path / "p50k_base.bin").write_bytes(packed)
    monkeypatch.setattr(encodings, "RANKS", tmp_path)
    with pytest.raises(encodings.RankDataError, match=r"p50k_base\.bin is damaged"):
        encodings.rank_bytes("p50k_base")
    with pytest.raises(encodings.RankDataError, match="cannot be read"):
        encodings.rank_bytes("o200k_base")


def test_an_unknown_encoding_is_named_with_the_choices():
    with pytest.raises(encodings.UnknownEncoding, match="'p51k_base'; choose one of gpt2, r50k_base"):
        count_text("x", "p51k_base")
    with pytest.raises(encodings.UnknownEncoding):
        preload("p51k_base")


def test_many_threads_load_a_table_once(monkeypatch):
    built = []
    started = threading.Barrier(8)

    def build(table):
        built.append(table.name)
        return object()

    monkeypatch.setattr(encodings, "_build", build)
    monkeypatch.setattr(encodings, "_loaded", {})
    found = []

    def use():
        started.wait()
        found.append(encodings.load("cl100k_base"))

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert built == ["cl100k_base"]
    assert len(set(map(id, found))) == 1


def test_the_lock_is_checked_again_inside(monkeypatch):
    """A thread that waited for the lock finds the table loaded by the one before."""
    entered = []

    class Lock:
        def __enter__(self):
            encodings._loaded["r50k_base"] = "loaded meanwhile"
            entered.append(True)

        def __exit__(self, *exception):
            return None

    monkeypatch.setattr(encodings, "_loaded", {})
    monkeypatch.setattr(encodings, "_locks", {"r50k_base": Lock()})
    assert encodings.load("gpt2") == "loaded meanwhile"
    assert entered


def test_preloading_makes_later_counts_instant(monkeypatch):
    monkeypatch.setattr(encodings, "_loaded", {})
    assert not is_loaded("gpt2")
    preload("gpt2").join()
    assert is_loaded("gpt2")
    assert is_loaded("r50k_base")
    assert not is_loaded("p50k_base")


def test_preloading_leaves_damaged_data_to_the_first_count(tmp_path, monkeypatch):
    monkeypatch.setattr(encodings, "_loaded", {})
    monkeypatch.setattr(encodings, "RANKS", tmp_path)
    preload("cl100k_base").join()
    assert not is_loaded("cl100k_base")
    with pytest.raises(encodings.RankDataError):
        count_text("x", "cl100k_base")


def test_importing_loads_nothing_and_counting_never_touches_the_network():
    code = """
import socket, sys
import talkmeter.metering.tokens as tokens
assert "tiktoken" not in sys.modules
def refuse(*a, **k): raise AssertionError("network")
socket.socket = socket.create_connection = socket.getaddrinfo = refuse
print([tokens.count_text("Hello, 세계", name) for name in tokens.ENCODING_NAMES])
assert "requests" not in sys.modules and "tiktoken.load" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert json.loads(done.stdout) == [count_text("Hello, 세계", name) for name in ENCODING_NAMES]
