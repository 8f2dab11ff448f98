"""Searches for words, in each database's own language. Whatever a person types is words, never syntax."""

import re

import sqlalchemy as sa

from hermes_ray.events.tables import EVENTS

_MOST_WORDS = 32
_WORD = re.compile(r"\w+")
_COMMON_WORDS = """
a about after all also an and any anyone anything are as at be been before between but by can come came
could day did do does during ever first for from had has have he her him his how i if in into is it its
just last many me much my no not now of off on one or other our out over past she show since so some
someone something tell than that the their them then there these they this those through time to today
under until up was we week were what when where which while who whom whose why will with yesterday you
your happen happened happens seen see
"""
"""Of questions: they say nothing of what one is about."""
_COMMON = frozenset(_COMMON_WORDS.split())


def words_in(text: str) -> list[str]:
    """The words that a search is for."""
    return _WORD.findall(text)[:_MOST_WORDS]


def telling_words(question: str) -> list[str]:
    """The words of a question that say what it is about, each once."""
    return list(dict.fromkeys(word for word in words_in(question.lower()) if word not in _COMMON))


def holds_all(words: list[str], *, sqlite: bool) -> sa.ColumnElement[bool]:
    """The condition that an event holds all of these words, in any form that English has of them."""
    return _match(words, "AND", sqlite=sqlite)


def holds_any(words: list[str], *, sqlite: bool) -> sa.ColumnElement[bool]:
    """The condition that an event holds one of them."""
    return _match(words, "OR", sqlite=sqlite)


def best_first(words: list[str], *, sqlite: bool) -> sa.ColumnElement[float] | sa.TextClause:
    """The order in which those come first that hold these words best."""
    if sqlite:
        return sa.text(
            "(SELECT rank FROM event_words WHERE event_words MATCH :ranked AND rowid = events.sequence)"
        ).bindparams(ranked=_fts5(words, "OR"))  # bm25: the better, the smaller
    return sa.func.ts_rank(sa.column("found"), _tsquery(words, "||")).desc()


def _match(words: list[str], how: str, *, sqlite: bool) -> sa.ColumnElement[bool]:
    if not words:
        return sa.false()
    if sqlite:
        found = sa.text("SELECT rowid FROM event_words WHERE event_words MATCH :words")
        chosen = found.bindparams(words=_fts5(words, how)).columns(rowid=sa.Integer)
        return EVENTS.c.sequence.in_(chosen)
    return sa.column("found").op("@@")(_tsquery(words, "&&" if how == "AND" else "||"))


def _fts5(words: list[str], how: str) -> str:
    # A string in FTS5's sense (section 3.1): whatever stands between the quotes is words.
    return f" {how} ".join(f'"{word}"' for word in words)


def _tsquery(words: list[str], operator: str) -> sa.ColumnElement[bool]:
    # plainto_tsquery takes any text; stop words become an empty query, which && and || leave out.
    query = sa.func.plainto_tsquery("english", words[0])
    for word in words[1:]:
        query = query.op(operator)(sa.func.plainto_tsquery("english", word))
    return query
