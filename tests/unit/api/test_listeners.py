"""Whoever follows events with many clients leaves room for other callers."""

import pytest

from hermes_ray.api.asking.listeners import Listeners
from hermes_ray.api.keys.scopes import ANYBODY, Caller
from hermes_ray.errors import Overloaded, RateLimited

WALL, GUARD, YARD = (Caller(name, name, frozenset(), ("*",)) for name in ("wall", "guard", "yard"))


def test_one_key_has_half_of_the_places_and_gets_them_back() -> None:
    listeners = Listeners(4, shared=True)
    with listeners.listening(WALL), listeners.listening(WALL):
        with pytest.raises(RateLimited):
            listeners.require_room(WALL)
        listeners.require_room(GUARD)
        with listeners.listening(GUARD), listeners.listening(GUARD), pytest.raises(Overloaded):
            listeners.require_room(YARD)
        listeners.require_room(YARD)
    listeners.require_room(WALL)
    assert listeners.count == 0


def test_without_keys_all_places_are_everybodys() -> None:
    listeners = Listeners(2, shared=False)
    with listeners.listening(ANYBODY):
        listeners.require_room(ANYBODY)
