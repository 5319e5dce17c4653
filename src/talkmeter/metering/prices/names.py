"""Which names a model's price may stand under. Exact rules only: no name is ever matched by how it begins.

A dated snapshot (`gpt-4o-2024-08-06`, `gpt-4-0613`) has the price of the undated name unless it has its own. A new
model never has an older one's price: `gpt-5.2` is not `gpt-5`. A fine-tuned model (`ft:…`) never has its base model's.
"""

import re

_MONTH, _DAY = r"(?:0[1-9]|1[0-2])", r"(?:0[1-9]|[12]\d|3[01])"
_DATED = re.compile(rf"(.+)-(?:20\d\d-{_MONTH}-{_DAY}|(?:20\d\d)?{_MONTH}{_DAY})", re.ASCII)


def plain_name(provider: str, model: str) -> str:
    """Lower case, without the provider (`openai/gpt-4o`) or `models/` in front."""
    name = model.lower()
    for prefix in (f"{provider}/", "models/"):
        name = name.removeprefix(prefix)
    return name


def without_date(name: str) -> str | None:
    """`gpt-4o-2024-08-06` → `gpt-4o`, `gpt-4-0613` → `gpt-4`, `claude-3-opus-20240229` → `claude-3-opus`; else None."""
    match = _DATED.fullmatch(name)
    return match[1] if match else None


def candidates(provider: str, model: str) -> tuple[str, ...]:
    """The names to look under, the most specific first. A fine-tuned model's keep their `ft:`."""
    given = model.lower()
    name = plain_name(provider, model)
    names = [given, name]
    if name.startswith("ft:"):
        name = ":".join(name.split(":", 2)[:2])
        names.append(name)
    undated = without_date(name)
    if undated is not None:
        names.append(undated)
    return tuple(dict.fromkeys(names))
