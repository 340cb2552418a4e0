#!/usr/bin/env python3
"""Write a catalogue of metrics by running the real exporter and asking it.

    python3 scripts/catalogue.py node blackbox …        (all: without names)

The exporter comes from Debian's packages, unpacked below .engines/exporters without being installed, or is
the engine that `make engines` has unpacked. It runs on loopback, on a free port, beside what it looks at: a
web server with a certificate of its own for blackbox, a database for redis. What `/metrics` says becomes
mac/metrics/<name>.yaml. Entries of that file which were obtained in another way (`obtained` of their own)
stay: a run shows what this machine has, which is no RAID controller.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import engines
from exporters import databases, monitoring
from exporters.exposition import Run, document, kept
from exporters.programs import PROJECT, CatalogueError, Packages, tell

CATALOGUES = PROJECT / "mac/metrics"
UNPACKED = PROJECT / ".engines/exporters"

EXPORTERS: dict[str, tuple[str, Callable[[Packages], Run]]] = {
    "alertmanager": ("Alertmanager itself", monitoring.alertmanager),
    "blackbox": ("Probes of the blackbox exporter, and the exporter itself", monitoring.blackbox),
    "mac-sync": ("mac sync itself", monitoring.mac_sync),
    "mysql": ("MySQL and MariaDB through mysqld_exporter", databases.mysql),
    "node": ("Machines through the node exporter", monitoring.node),
    "postgres": ("PostgreSQL through postgres_exporter", databases.postgres),
    "prometheus": ("Prometheus itself", monitoring.prometheus),
    "pushgateway": ("The Pushgateway itself", monitoring.pushgateway),
    "redis": ("Redis through redis_exporter", databases.redis),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(EXPORTERS))
    names = parser.parse_args().names or list(EXPORTERS)
    unknown = [name for name in names if name not in EXPORTERS]
    if unknown:
        parser.error(f"{unknown[0]} is none of {', '.join(EXPORTERS)}")
    packages = Packages(UNPACKED)
    try:
        for name in names:
            title, run = EXPORTERS[name]
            path = CATALOGUES / f"{name}.yaml"
            text = document(name, title, run(packages), kept(path))
            path.write_text(text, encoding="utf-8")
            tell(f"{path.relative_to(PROJECT)}: {text.count('{type')} metrics")
    except (CatalogueError, engines.UnpackError, OSError) as error:
        tell(f"error: {error}")
        return 1
    finally:
        packages.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
