"""Tags that a request carries: budgets and the ledger go by them, beside the key and its user."""

import re

from talkmeter.errors import BadInput

MOST_TAGS, LONGEST_TAG = 16, 64


def check_tag(tag: str) -> str:
    """One tag, for whatever goes by it. Raises BadInput if no call can carry it."""
    if not _is_tag(tag):
        raise BadInput(
            f"“{tag:.80}” is no tag that a call can carry: a tag has up to {LONGEST_TAG} letters, digits and ._:@/+-.",
            f"“{tag:.80}”은(는) 호출에 붙일 수 없습니다. 태그는 글자·숫자와 ._:@/+-로 {LONGEST_TAG}자까지입니다.",
            code="invalid_tags",
            param="tag",
        )
    return tag


def tags_of(header: bytes | None) -> tuple[str, ...]:
    """`x-talkmeter-tags: team-a, batch-7`. Raises BadInput."""
    if header is None:
        return ()
    tags = tuple(dict.fromkeys(tag.strip() for tag in header.decode("utf-8", "replace").split(",") if tag.strip()))
    if len(tags) > MOST_TAGS or not all(_is_tag(tag) for tag in tags):
        raise BadInput(
            f"x-talkmeter-tags takes up to {MOST_TAGS} tags of up to {LONGEST_TAG} letters, digits and ._:@/+-, "
            "separated by commas.",
            f"x-talkmeter-tags에는 쉼표로 구분한 태그를 {MOST_TAGS}개까지, 각각 글자·숫자와 ._:@/+-로 "
            f"{LONGEST_TAG}자까지 쓸 수 있습니다.",
            code="invalid_tags",
            param="x-talkmeter-tags",
        )
    return tags


def _is_tag(text: str) -> bool:
    return len(text) <= LONGEST_TAG and re.fullmatch(r"[\w.:@/+-]+", text) is not None
