"""`mac` and `python -m mac`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run `mac`; never returns."""
    try:
        from mac.cli import main as run

        run()
    except KeyboardInterrupt:
        # Before the command line is there to tell of it, or after it has.
        sys.exit(130)


if __name__ == "__main__":
    main()
