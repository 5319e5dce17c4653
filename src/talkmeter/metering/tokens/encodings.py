"""The seven OpenAI encodings from three rank files, loaded lazily and never from the network.

Encodings that differ only in special tokens share one loaded table, because text is always counted
as ordinary text here: a user who types ``<|endoftext|>`` has typed thirteen characters.
"""

import hashlib
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import msgspec

from talkmeter.metering.tokens import rankfile

if TYPE_CHECKING:
    import tiktoken

EncodingName = Literal["gpt2", "r50k_base", "p50k_base", "p50k_edit", "cl100k_base", "o200k_base", "o200k_harmony"]
ENCODING_NAMES: tuple[str, ...] = get_args(EncodingName)

RANKS = Path(__file__).parent / "ranks"

# sha256 of OpenAI's published `.tiktoken` files (openai/tiktoken, tiktoken_ext/openai_public.py).
PUBLISHED_SHA256 = {
    "r50k_base": "306cd27f03c1a714eca7108e03d66b7dc042abe8c258b44c199a7ed9838dd930",
    "p50k_base": "94b5ca7dff4d00767bc256fdd1b27e5b17361d7b8a5f968547f9f23eb70d2069",
    "cl100k_base": "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
    "o200k_base": "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
}

# sha256 of the packed files beside this module, printed by tools/make_ranks.py.
PACKED_SHA256 = {
    "p50k_base": "28b947134d386305b629eed8a91ee70759a4279e3edba7b260b77072f8f1e8f3",
    "cl100k_base": "361486d95ef56257109fcf28e783a73e6bc9943c2a44296fb6cea1b386e2739a",
    "o200k_base": "8c866d8a9169a585a00b0b43e116668ae8636bd4ebe25be6b7ec9ab977c1dbff",
}

# Where one pre-token ends and the next begins; the patterns of tiktoken 0.14.
_SPLIT_50K = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"
_SPLIT_100K = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+"
    r"|\s++$|\s*[\r\n]|\s+(?!\S)|\s"
)
_WORD_END = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
_UPPER = r"\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}"
_LOWER = r"\p{Ll}\p{Lm}\p{Lo}\p{M}"
_SPLIT_200K = "|".join(
    [
        rf"[^\r\n\p{{L}}\p{{N}}]?[{_UPPER}]*[{_LOWER}]+{_WORD_END}",
        rf"[^\r\n\p{{L}}\p{{N}}]?[{_UPPER}]+[{_LOWER}]*{_WORD_END}",
        r"\p{N}{1,3}",
        r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
        r"\s*[\r\n]+",
        r"\s+(?!\S)",
        r"\s+",
    ]
)


class Table(msgspec.Struct, frozen=True):
    """One loadable rank table: its file, how many of its ranks it takes (None: all), how it splits."""

    name: str
    file: str
    ranks: int | None
    split: str


# p50k_base is r50k_base plus 24 runs of spaces from rank 50257 on, so one file serves both.
_R50K = Table(name="r50k_base", file="p50k_base", ranks=50256, split=_SPLIT_50K)
_P50K = Table(name="p50k_base", file="p50k_base", ranks=None, split=_SPLIT_50K)
_CL100K = Table(name="cl100k_base", file="cl100k_base", ranks=None, split=_SPLIT_100K)
_O200K = Table(name="o200k_base", file="o200k_base", ranks=None, split=_SPLIT_200K)

TABLES: dict[str, Table] = {
    "gpt2": _R50K,
    "r50k_base": _R50K,
    "p50k_base": _P50K,
    "p50k_edit": _P50K,
    "cl100k_base": _CL100K,
    "o200k_base": _O200K,
    "o200k_harmony": _O200K,
}


class RankDataError(Exception):
    """A packed rank file is missing or not the one this version was built with."""


class UnknownEncoding(ValueError):
    """The name is none of ENCODING_NAMES."""


def rank_bytes(file: str) -> bytes:
    """Return the packed rank file `file`, checked against its sha256. Raises RankDataError."""
    try:
        packed = (RANKS / f"{file}.bin").read_bytes()
    except OSError as error:
        raise RankDataError(f"The rank file {file}.bin cannot be read ({error}). Reinstall Talkmeter.") from error
    found = hashlib.sha256(packed).hexdigest()
    if found != PACKED_SHA256[file]:
        raise RankDataError(
            f"The rank file {file}.bin is damaged: its sha256 is {found}, expected {PACKED_SHA256[file]}. "
            "Reinstall Talkmeter, or run tools/make_ranks.py in a checkout."
        )
    return packed


_loaded: dict[str, "tiktoken.Encoding"] = {}
_locks: dict[str, threading.Lock] = {table.name: threading.Lock() for table in TABLES.values()}


def table_for(encoding: str) -> Table:
    """Return the table behind an encoding's name. Raises UnknownEncoding."""
    try:
        return TABLES[encoding]
    except KeyError:
        raise UnknownEncoding(
            f"There is no encoding called {encoding!r}; choose one of {', '.join(ENCODING_NAMES)}."
        ) from None


def load(encoding: str) -> "tiktoken.Encoding":
    """Return the loaded encoding; the first call takes 0.1–0.3 s and 10–50 MB, later ones nothing.

    Safe from any thread. Raises UnknownEncoding or RankDataError.
    """
    table = table_for(encoding)
    found = _loaded.get(table.name)
    if found is None:
        with _locks[table.name]:
            found = _loaded.get(table.name)
            if found is None:
                found = _loaded[table.name] = _build(table)
    return found


def _build(table: Table) -> "tiktoken.Encoding":
    import tiktoken

    ranks = rankfile.unpack(rank_bytes(table.file), table.ranks)
    built = tiktoken.Encoding(table.name, pat_str=table.split, mergeable_ranks=ranks, special_tokens={})
    # tiktoken has copied the table into its own memory but also keeps this dict: 28 MB for o200k_base.
    ranks.clear()
    return built


def is_loaded(encoding: str) -> bool:
    """Tell whether a count in this encoding would start at once. Raises UnknownEncoding."""
    return table_for(encoding).name in _loaded


def preload(encoding: str) -> threading.Thread:
    """Load in a background thread (daemon, already started, returned so that a caller can join it).

    Raises UnknownEncoding at once; damaged rank data is left to the first count, which reports it.
    """
    table_for(encoding)
    thread = threading.Thread(target=_load_quietly, args=(encoding,), name=f"load-{encoding}", daemon=True)
    thread.start()
    return thread


def _load_quietly(encoding: str) -> None:
    try:
        load(encoding)
    except RankDataError:
        return
