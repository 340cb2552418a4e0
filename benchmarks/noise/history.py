"""A day of samples as a Prometheus has it that scraped them: blocks from OpenMetrics, queries on loopback.

The server scrapes nothing. OpenMetrics carries no stale markers; a look-back just under the scrape interval
stands in for them, so a series ends with its last sample.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

from mac import engines, process
from mac.forecast.states import Series

LOOKBACK = "20s"  # of a scrape interval of 30 s
TIMEOUT = 3600.0  # seconds; for a query or an import of the largest fleet
IMPORTS = 2  # at once
_LISTENING = r'msg="Listening on".* address=127\.0\.0\.1:(\d+)\s*$'
_MAX_SAMPLES = 2_000_000_000


class History:
    """Blocks in `folder`. Nothing else may write there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def load(self, openmetrics: Path) -> None:
        """Adds the samples of a file. Raises SystemExit when promtool refuses it."""
        promtool = engines.require("promtool")
        done = process.run(
            [
                promtool.path,
                *("tsdb", "create-blocks-from", "openmetrics", "--max-block-duration=24h", "--quiet"),
                *(openmetrics, self.folder),
            ],
            timeout=TIMEOUT,
        )
        if done.returncode:
            raise SystemExit(f"promtool cannot read {openmetrics.name}: {done.stderr[-2000:]}")

    def load_all(self, parts: Iterable[Path], progress: Callable[[str], None]) -> None:
        """Adds the samples of files that are still being written, two at once, and removes each."""

        def load(part: Path) -> None:
            self.load(part)
            part.unlink()

        pending: set[Future[None]] = set()
        with ThreadPoolExecutor(IMPORTS) as pool:
            for part in parts:
                progress(f"importing {part.stat().st_size / 2**20:,.0f} MiB")
                pending.add(pool.submit(load, part))
                # No more than that lie about: together they are far larger than what comes of them.
                while len(pending) >= IMPORTS:
                    done, pending = wait(pending, return_when=FIRST_COMPLETED)
                    for one in done:
                        one.result()
            for one in pending:
                one.result()

    def add(self, recorded: Mapping[str, Iterable[Series]], scratch: Path) -> None:
        """Adds series by name, as recording rules make them. `scratch`: a file to write them to."""
        with scratch.open("w", encoding="utf-8") as file:
            for name, series in recorded.items():
                file.writelines(_lines(name, series))
            file.write("# EOF\n")
        self.load(scratch)
        scratch.unlink()

    @contextlib.contextmanager
    def server(self) -> Iterator[Server]:
        """A Prometheus on these blocks, ready."""
        config = self.folder.parent / f"{self.folder.name}.yml"
        config.write_text("global: {}\n", encoding="utf-8")
        argv = [
            str(engines.require("prometheus").path),
            f"--config.file={config}",
            f"--storage.tsdb.path={self.folder}",
            "--storage.tsdb.retention.time=100y",
            "--no-storage.tsdb.allow-overlapping-compaction",
            "--web.listen-address=127.0.0.1:0",
            f"--query.lookback-delta={LOOKBACK}",
            f"--query.max-samples={_MAX_SAMPLES}",
            f"--query.timeout={TIMEOUT:.0f}s",
        ]
        with process.start(argv, cwd=self.folder) as running:
            port = running.wait_for_line(_LISTENING, TIMEOUT)[1]
            server = Server(f"http://127.0.0.1:{port}")
            running.wait_until(server.ready, TIMEOUT)
            yield server
        # What it wrote beside the blocks would be read at its next start.
        for name in ("wal", "chunks_head"):
            shutil.rmtree(self.folder / name, ignore_errors=True)


class Server:
    """The query API of one Prometheus."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        self.queries = 0

    def ready(self) -> bool:
        try:
            with self._opener.open(f"{self._url}/-/ready", timeout=10) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def range(self, expr: str, start: float, end: float, step: float) -> tuple[Series, ...]:
        """A range query, both ends included; no names in the series. Raises SystemExit when it is refused."""
        self.queries += 1
        values = {"query": expr, "start": f"{start:.3f}", "end": f"{end:.3f}", "step": f"{step:.3f}"}
        request = urllib.request.Request(  # noqa: S310 - always http on loopback
            f"{self._url}/api/v1/query_range", urllib.parse.urlencode(values).encode(), method="POST"
        )
        try:
            with self._opener.open(request, timeout=TIMEOUT) as answer:
                body = json.load(answer)
        except urllib.error.HTTPError as error:
            raise SystemExit(f"Prometheus refuses {expr!r}: {error.read()[:2000]!r}") from error
        return tuple(_series(found) for found in body["data"]["result"])


def _series(found: Mapping[str, Any]) -> Series:
    metric, values = found["metric"], found["values"]
    labels = tuple(sorted((n, v) for n, v in metric.items() if n != "__name__"))
    return Series(labels, tuple((float(at), float(value)) for at, value in values))


_ESCAPED = re.compile(r'[\\"\n]')
_ESCAPES = {"\\": r"\\", '"': r"\"", "\n": r"\n"}


def _lines(name: str, series: Iterable[Series]) -> Iterator[str]:
    yield f"# TYPE {name} unknown\n"
    for one in series:
        labels = ",".join(f'{n}="{_ESCAPED.sub(lambda m: _ESCAPES[m[0]], v)}"' for n, v in one.labels)
        for at, value in one.points:
            yield f"{name}{{{labels}}} {value!r} {at:.3f}\n"
