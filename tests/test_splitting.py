"""What is divided stays within its limit, is all there, and moves little."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mac import splitting

SIZES = st.dictionaries(st.text(max_size=8), st.integers(1, 100), max_size=60)


@given(SIZES, st.integers(1, 300))
def test_each_key_is_in_one_part_and_no_part_of_several_is_too_large(
    sizes: dict[str, int], limit: int
) -> None:
    parts = splitting.parts(sizes, limit)
    assert sorted(key for keys in parts.values() for key in keys) == sorted(sizes)
    assert all(len(keys) == 1 or sum(sizes[k] for k in keys) <= limit for keys in parts.values() if keys)
    turned = splitting.parts(dict(reversed(sizes.items())), limit)
    assert {mark: set(keys) for mark, keys in parts.items()} == {m: set(keys) for m, keys in turned.items()}


def test_what_fits_is_one_part_without_a_mark() -> None:
    assert splitting.parts({"b": 2, "a": 3}, 5) == {"": ("b", "a")}
    assert splitting.parts({}, 5) == {"": ()}


def test_a_key_more_or_less_changes_one_part_or_divides_it() -> None:
    sizes = {f"group {n}": 10 for n in range(100)}
    before = splitting.parts(sizes, 105)
    for n in range(100, 130):
        after = splitting.parts({**sizes, f"group {n}": 10}, 105)
        moved = [mark for mark, keys in before.items() if after.get(mark) != keys]
        assert len(moved) == 1
        assert {key for mark in moved for key in before[mark]} | {f"group {n}"} == {
            key for mark, keys in after.items() if before.get(mark) != keys for key in keys
        }
