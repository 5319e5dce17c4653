"""What there is under /v1, and how each is metered. One table; a path that is not in it does not exist."""

import re
from typing import Literal

from msgspec import Struct

from talkmeter.metering.billing import CHARACTERS, ELSEWHERE, NOTHING, SECONDS, TOKENS

Body = Literal["json", "form", "any"]
Group = Literal[
    "chat", "responses", "completions", "embeddings", "images", "audio", "moderations", "files", "batches",
    "vector_stores", "other",
]  # fmt: skip
GROUPS: tuple[Group, ...] = (
    "chat", "responses", "completions", "embeddings", "images", "audio", "moderations", "files", "batches",
    "vector_stores", "other",
)  # fmt: skip
IMAGES = "images"  # billing by the picture; its unit is known from the request


class Endpoint(Struct, frozen=True, kw_only=True):
    """name: as it stands on the ledger. group: what switches it. billing: see metering.billing.

    body: `json` and `form` are read for the model; anything else goes on as it comes. needs_model: without one there is
    no call; model: the one that the provider takes where none is named.
    shared: it shows what others may have stored with the provider.
    """

    name: str
    group: Group
    billing: str = NOTHING
    body: Body = "any"
    needs_model: bool = False
    model: str = ""
    shared: bool = False


def _json(name: str, group: Group, billing: str = TOKENS, *, model: str | None = None) -> Endpoint:
    return Endpoint(name=name, group=group, billing=billing, body="json", needs_model=model is None, model=model or "")


_POSTS: dict[str, Endpoint] = {
    one.name: one
    for one in (
        _json("chat/completions", "chat"),
        _json("responses", "responses"),
        _json("responses/input_tokens", "responses", NOTHING),
        _json("responses/compact", "responses"),
        _json("completions", "completions"),
        _json("embeddings", "embeddings"),
        _json("moderations", "moderations", NOTHING, model="omni-moderation-latest"),
        _json("images/generations", "images", IMAGES, model="dall-e-2"),
        Endpoint(name="images/edits", group="images", billing=IMAGES, body="form", model="dall-e-2"),
        Endpoint(name="images/variations", group="images", billing=IMAGES, body="form", model="dall-e-2"),
        _json("audio/speech", "audio", CHARACTERS),
        Endpoint(name="audio/transcriptions", group="audio", billing=SECONDS, body="form", needs_model=True),
        Endpoint(name="audio/translations", group="audio", billing=SECONDS, body="form", needs_model=True),
    )
}
_BATCH = Endpoint(name="batches", group="batches", billing=TOKENS, shared=True)
_STORED = {
    "chat": "chat",
    "responses": "responses",
    "files": "files",
    "uploads": "files",
    "batches": "batches",
    "vector_stores": "vector_stores",
    "fine_tuning": "other",
    "assistants": "other",
    "threads": "other",
    "evals": "other",
    "containers": "other",
    "conversations": "other",
    "videos": "other",
}
# What is posted there makes nobody work and keeps nothing that is paid for. Whatever else is posted may cost money.
_FREE = re.compile(
    r"""files | uploads(/ID(/parts|/complete|/cancel)?)? | batches/ID/cancel
    | chat/completions/ID | responses/ID/cancel | conversations(/ID(/items)?)?
    | assistants(/ID)? | threads(/(?!runs$)ID(/messages(/ID)?)?)? | threads/ID/runs/ID(/cancel)?
    | evals(/ID)? | evals/ID/runs/ID/cancel | containers/ID/files
    | fine_tuning/jobs/ID/(cancel|pause) | fine_tuning/alpha/graders/validate | fine_tuning/checkpoints/ID/permissions
    | vector_stores/ID | vector_stores/ID/files/ID | vector_stores/ID/file_batches/ID/cancel""".replace("ID", "[^/]+"),
    re.VERBOSE,
)
_PATH = re.compile(r"[A-Za-z0-9_:~-][A-Za-z0-9_.:~-]*(?:/[A-Za-z0-9_:~-][A-Za-z0-9_.:~-]*)*")


def find_endpoint(method: str, path: str) -> Endpoint | None:
    """path: below /v1/. None: there is no such thing here."""
    if method == "POST":
        found = _POSTS.get(path)
        if found is not None:
            return found
        if path == "batches":
            return _BATCH
    if method not in ("GET", "POST", "DELETE") or _PATH.fullmatch(path) is None:
        return None
    first, _, rest = path.partition("/")
    group = _STORED.get(first)
    if group is None or (first in ("chat", "responses") and not rest):
        return None
    billing = NOTHING if method != "POST" or _FREE.fullmatch(path) is not None else ELSEWHERE
    return Endpoint(name=f"{first}/…" if rest else first, group=group, billing=billing, shared=True)  # type: ignore[arg-type]


def answer_id(path: str) -> str | None:
    """The id in `responses/ID…` or `batches/ID…`: what an earlier call made."""
    first, _, rest = path.partition("/")
    return rest.partition("/")[0] or None if first in ("responses", "batches") else None
