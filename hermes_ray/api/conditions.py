"""Conditional requests (RFC 9110, section 13)."""


def names(if_none_match: str | None, etag: str) -> bool:
    """Whether an If-None-Match names a tag, compared weakly (section 13.1.2)."""
    named = [tag.strip().removeprefix("W/") for tag in (if_none_match or "").split(",")]
    return etag in named or "*" in named
