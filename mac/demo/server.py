"""The embedded AWS as a process of its own: `python -m mac.demo.server [--port N]`.

Prints one line, `ready http://127.0.0.1:<port>`, when it answers. It ends on SIGTERM, and when its
standard input ends, so that it cannot outlive whoever started it.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable

MISSING_EXTRA = 69
"""Exit status when moto is not installed."""

READY = "ready "


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m mac.demo.server", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0, the default, takes a free one")
    options = parser.parse_args(argv)
    try:
        from moto.moto_server.werkzeug_app import (
            DomainDispatcherApplication,
            MotoRequestHandler,
            create_backend_app,
        )
        from werkzeug.serving import make_server

        from mac.demo import corrections
    except ModuleNotFoundError as error:
        sys.stderr.write(f"{error}\n")
        return MISSING_EXTRA
    corrections.apply()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    # ^C reaches the whole foreground group; whoever started this ends it in order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    server = make_server(
        "127.0.0.1",
        options.port,
        DomainDispatcherApplication(create_backend_app),
        threaded=True,
        request_handler=MotoRequestHandler,
    )
    os.environ["MOTO_PORT"] = str(server.port)  # moto builds some URLs (queues') from it
    threading.Thread(target=_end_with_input, args=(server.shutdown,), daemon=True).start()
    sys.stdout.write(f"{READY}http://127.0.0.1:{server.port}\n")
    sys.stdout.flush()
    server.serve_forever()
    return 0


def _end_with_input(shutdown: Callable[[], None]) -> None:
    while os.read(0, 4096):
        pass
    shutdown()


if __name__ == "__main__":
    sys.exit(main())
