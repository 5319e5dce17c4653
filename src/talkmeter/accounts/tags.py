"""Tags that a request carries: budgets and the ledger go by them, beside the key and its user."""

import re

from talkmeter.errors import BadInput

MOST_TAGS, LONGEST_TAG = 16, 64


def tags_of(header: bytes | None) -> tuple[str, ...]:
    """`x-talkmeter-tags: team-a, batch-7`. Raises BadInput."""
    if header is None:
        return ()
    tags = tuple(dict.fromkeys(tag.strip() for tag in header.decode("utf-8", "replace").split(",") if tag.strip()))
    if len(tags) > MOST_TAGS or not all(len(tag) <= LONGEST_TAG and re.fullmatch(r"[\w.:@/+-]+", tag) for tag in tags):
        raise BadInput(
            f"x-talkmeter-tags takes up to {MOST_TAGS} tags of up to {LONGEST_TAG} letters, digits and ._:@/+-, "
            "separated by commas.",
            f"x-talkmeter-tags에는 쉼표로 구분한 태그를 {MOST_TAGS}개까지, 각각 글자·숫자와 ._:@/+-로 "
            f"{LONGEST_TAG}자까지 쓸 수 있습니다.",
            code="invalid_tags",
            param="x-talkmeter-tags",
        )
    return tags
