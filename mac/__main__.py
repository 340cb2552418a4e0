"""`mac` and `python -m mac`."""

from mac.cli import main

if __name__ == "__main__":
    main()
