"""A Prometheus on loopback with a past: blocks that promtool makes of samples in OpenMetrics."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from mac import engines, process, servers

START = 1_700_006_400.0
"""A midnight in UTC: 15 November 2023."""

Samples = Mapping[str, Iterable[tuple[float, float]]]
"""A series as it is written, `up{job="a"}`, and its samples: (Unix seconds, value)."""


def write_blocks(folder: Path, samples: Samples) -> Path:
    """The data folder of a Prometheus with these samples, below `folder`."""
    named: dict[str, list[str]] = {}
    for series, points in samples.items():
        lines = named.setdefault(series.partition("{")[0], [])
        lines += [f"{series} {value} {moment:.3f}" for moment, value in points]
    text = "".join(f"# TYPE {name} gauge\n" + "\n".join(lines) + "\n" for name, lines in named.items())
    source, data = folder / "samples.txt", folder / "data"
    source.write_text(f"{text}# EOF\n", encoding="utf-8")
    data.mkdir()
    promtool = engines.require("promtool").path
    done = process.run(
        [promtool, "tsdb", "create-blocks-from", "openmetrics", "-q", source, data], timeout=300
    )
    assert done.returncode == 0, done.stderr
    return data


@contextmanager
def prometheus(folder: Path, samples: Samples, *arguments: str) -> Iterator[servers.Prometheus]:
    """It scrapes nothing, keeps everything, and sees no sample that is older than 45 seconds."""
    config = folder / "prometheus.yml"
    config.write_text("global: {}\n", encoding="utf-8")
    data = write_blocks(folder, samples)
    kept = ["--storage.tsdb.retention.time=100y", "--query.lookback-delta=45s", *arguments]
    with servers.prometheus(config, arguments=kept, data=data) as running:
        yield running


def steady(
    value: float, hours: float, *, start: float = START, every: float = 30.0
) -> list[tuple[float, float]]:
    """A sample every 30 seconds."""
    return [(start + n * every, value) for n in range(round(hours * 3600 / every))]
