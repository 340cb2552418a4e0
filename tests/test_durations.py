import pytest
from hypothesis import given
from hypothesis import strategies as st

from mac import durations


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0),
        ("0s", 0),
        ("90s", 90_000),
        ("1h30m", 5_400_000),
        ("1h0m1ms", 3_600_001),
        ("00001d", 86_400_000),
        ("1y2w3d", (365 + 14 + 3) * 86_400_000),
        ("292y", 292 * 365 * 86_400_000),
    ],
)
def test_a_duration_has_its_length_in_milliseconds(text: str, expected: int):
    assert durations.milliseconds(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "5",
        "m",
        "5 m",
        "-5m",
        "1.5h",
        "30m1h",
        "5m5m",
        "5min",
        "1H",
        "5m ",
        "5m\n",
        "٥m",
        "293y",
        "9" * 400 + "s",
    ],
)
def test_what_prometheus_refuses_is_no_duration(text: str):
    assert durations.milliseconds(text) is None
    assert durations.seconds(text) is None


def test_seconds_keep_their_fraction():
    assert durations.seconds("1s500ms") == 1.5


def test_a_negative_length_has_no_spelling():
    with pytest.raises(ValueError, match="negative"):
        durations.spell(-1)


@given(st.integers(min_value=0, max_value=292 * 365 * 86_400_000))
def test_every_length_reads_back_from_its_spelling(length: int):
    assert durations.milliseconds(durations.spell(length)) == length


@pytest.mark.parametrize("text", ["0s", "5m", "1h30m", "1d", "1w", "1y", "1d1h", "15d", "500ms"])
def test_the_shortest_spelling_stays_as_it_is(text: str):
    length = durations.milliseconds(text)
    assert length is not None
    assert durations.spell(length) == text
