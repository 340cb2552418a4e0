"""What a large reading changes of the process, and what it leaves."""

from __future__ import annotations

import gc

import pytest

from mac.memory import many_answers


def test_cycles_are_looked_for_more_rarely_and_as_before_afterwards() -> None:
    before = gc.get_threshold()
    with many_answers():
        assert gc.get_threshold() > before
    assert gc.get_threshold() == before


def test_a_reading_that_fails_leaves_the_thresholds_as_they_were() -> None:
    before = gc.get_threshold()
    with pytest.raises(LookupError), many_answers():
        raise LookupError
    assert gc.get_threshold() == before


def test_who_has_turned_the_collection_off_keeps_it_off() -> None:
    before = gc.get_threshold()
    gc.disable()
    try:
        with many_answers():
            assert gc.get_threshold() == before
            assert not gc.isenabled()
    finally:
        gc.enable()
