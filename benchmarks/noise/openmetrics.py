"""Writes what a Prometheus has that scraped a list of targets in the world, as OpenMetrics text.

One line a sample, of fixed width within a series: digits are looked up four at a time and whole series are
written at once, since a day of 3,000 hosts has more than a hundred million samples.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from benchmarks.noise import aws_signals, inventory, roles
from benchmarks.noise.clock import START, STEP, Floats
from benchmarks.noise.machines import HOST
from benchmarks.noise.signals import Wanted
from benchmarks.noise.views import NODE, Target, by_address
from mac import kinds
from mac.metrics import catalogue

if TYPE_CHECKING:
    from benchmarks.noise.world import World

PART = 1 << 30
"""Bytes after which `parts` begins another file."""

CLOUDWATCH_JOB = "cloudwatch"
CLOUDWATCH_EXPORTER = "127.0.0.1:5000"

_END = b"# EOF\n"
_DIGITS: NDArray[np.uint8] = np.frombuffer(
    "".join(f"{n:04d}" for n in range(10_000)).encode(), dtype=np.uint8
).reshape(10_000, 4)
_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


def parts(
    world: World,
    targets: Iterable[Target],
    cloudwatch: Mapping[str, Mapping[str, str]],
    folder: Path,
    wanted: Wanted,
    *,
    labels: frozenset[str] | None = None,
    size: int = PART,
) -> Iterator[Path]:
    """Files in `folder` that together hold all samples, each complete by itself and about `size` bytes.

    `cloudwatch`: ARN → labels of a resource's CloudWatch series. `labels`: the labels of targets that some
    rule reads, beside job and instance; the others are left out, for they cost a third of the bytes. The
    caller may remove a file before it asks for the next.
    """
    number, written = 0, 0
    path = folder / f"samples-{number:03d}.om"
    file = path.open("wb")
    try:
        for chunk in chunks(world, targets, cloudwatch, wanted, labels):
            file.write(chunk)
            written += len(chunk)
            if written >= size:
                file.write(_END)
                file.close()
                yield path
                number, written = number + 1, 0
                path = folder / f"samples-{number:03d}.om"
                file = path.open("wb")
        file.write(_END)
    finally:
        file.close()
    yield path


def chunks(
    world: World,
    targets: Iterable[Target],
    cloudwatch: Mapping[str, Mapping[str, str]],
    wanted: Wanted,
    labels: frozenset[str] | None = None,
) -> Iterator[bytes]:
    """The lines of all series, each series whole and in the order of time; without the end mark."""
    text = _Text(world)
    machines = by_address(world)
    for target in targets:
        machine = machines[target.address.rpartition(":")[0]]
        job = HOST if target.job == NODE else target.job
        window = world.window(machine)
        # A stale list goes on scraping what is gone: its steps may lie behind the machine's.
        first, last = _step(target.start, world), _step(target.end, world)
        own = {name: value for name, value in target.labels if labels is None or name in labels}
        own |= {"instance": target.address, "job": target.job}
        steps = np.arange(first, last)
        answers = np.zeros(world.count, dtype=np.bool_)
        answers[window.slice] = world.answers(machine, job, window)
        scraped = steps[answers[first:last]]
        if "up" in wanted:
            yield text.lines("up", own, answers.astype(np.float64), steps)
        if not len(scraped):
            continue
        for series in world.series(machine, job, window, wanted):
            values = np.full(world.count, np.nan)
            values[window.slice] = series.values
            told = scraped[~np.isnan(values[scraped])]
            yield text.lines(series.name, {**series.labels, **own}, values, told, series.decimals)
    if cloudwatch:
        yield from _cloudwatch(world, cloudwatch, wanted, text)


def _step(at: float, world: World) -> int:
    """The first step at or after a time in Unix seconds."""
    return int(min(world.count, max(0, -((START - at) // STEP))))


def _cloudwatch(
    world: World, watched: Mapping[str, Mapping[str, str]], wanted: Wanted, text: _Text
) -> Iterator[bytes]:
    """What the CloudWatch exporter has; where CloudWatch has no sample it says NaN, as the real one does."""
    every = np.arange(world.count)
    target = {"instance": CLOUDWATCH_EXPORTER, "job": CLOUDWATCH_JOB}
    if "up" in wanted:
        yield text.lines("up", target, np.ones(world.count), every)
    resources = {r.arn: r for r in inventory.everything(world).resources}
    for arn in sorted(watched):
        resource = resources.get(arn)
        if resource is None:
            continue
        own = dict(kinds.all_kinds()[resource.kind].dimensions(resource))
        for metric in aws_signals.METRICS.get(resource.kind, ()):
            if metric.exported not in wanted:
                continue
            dimensions = {**own, **metric.further}
            values = aws_signals.statistic(world, metric.namespace, metric.name, dimensions)
            if values is None:
                continue
            labels = {
                **target,
                "name": arn,
                "account_id": roles.ACCOUNT,
                "region": roles.REGION,
                **{catalogue.dimension_label(name): value for name, value in dimensions.items()},
                **watched[arn],
            }
            yield text.sparse(metric.exported, labels, values)


class _Text:
    """Formats series; the timestamps of all steps are made once."""

    def __init__(self, world: World) -> None:
        times = (START + np.arange(world.count) * STEP).astype(np.int64)
        self._ends = [f" {at}\n" for at in times.tolist()]
        self._stamps = np.frombuffer("".join(self._ends).encode(), dtype=np.uint8).reshape(world.count, -1)

    def lines(
        self, name: str, labels: Mapping[str, str], values: Floats, at: NDArray[np.intp], decimals: int = 0
    ) -> bytes:
        """The samples of a series at these steps, none of which is NaN or negative."""
        if not len(at):
            return b""
        head = np.frombuffer(_head(name, labels), dtype=np.uint8)
        written = digits(values[at], decimals)
        stamps = self._stamps[at]
        rows = np.empty((len(at), len(head) + written.shape[1] + stamps.shape[1]), dtype=np.uint8)
        rows[:, : len(head)] = head
        rows[:, len(head) : len(head) + written.shape[1]] = written
        rows[:, len(head) + written.shape[1] :] = stamps
        return rows.tobytes()

    def sparse(self, name: str, labels: Mapping[str, str], values: Floats) -> bytes:
        """The samples of a series at all steps, NaN written as such."""
        head = _head(name, labels).decode()
        texts = (
            f"{head}{'NaN' if math.isnan(v) else repr(v)}{end}"
            for v, end in zip(values.tolist(), self._ends, strict=True)
        )
        return "".join(texts).encode()


def _head(name: str, labels: Mapping[str, str]) -> bytes:
    pairs = ",".join(f'{n}="{v.translate(_ESCAPES)}"' for n, v in sorted(labels.items()) if v)
    return f"{name}{{{pairs}}} ".encode()


def digits(values: Floats, decimals: int) -> NDArray[np.uint8]:
    """Each value as a row of digits, all rows equally wide: leading zeros are numbers all the same."""
    whole = np.rint(values * 10**decimals).astype(np.int64)
    width = max(decimals + 1, len(str(int(whole.max()))))
    groups = -(-width // 4)
    rows = np.empty((len(whole), groups * 4), dtype=np.uint8)
    rest = whole
    for group in range(groups - 1, -1, -1):
        rest, low = np.divmod(rest, 10_000)
        rows[:, group * 4 : group * 4 + 4] = _DIGITS[low]
    rows = rows[:, groups * 4 - width :]
    if not decimals:
        return rows
    point = np.full((len(whole), 1), ord("."), dtype=np.uint8)
    return np.hstack([rows[:, :-decimals], point, rows[:, -decimals:]])
