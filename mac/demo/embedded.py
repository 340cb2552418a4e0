"""The embedded AWS as seen from outside its process: started, asked, ended."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mac import process
from mac.demo.server import READY
from mac.problems import MacError

_NOT_INHERITED = re.compile(r"AWS_.*|BOTO_.*|MOTO_.*|(HTTPS?|ALL)_PROXY", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class EmbeddedAws:
    """A running embedded AWS. `pid` is its process, `endpoint_url` where every service of it answers."""

    endpoint_url: str
    pid: int

    def environment(self, base: Mapping[str, str] | None = None) -> dict[str, str]:
        """`base` (this process's environment) for a program that shall see this AWS and no other.

        Nothing of the user's own AWS configuration is left in it.
        """
        kept = {k: v for k, v in (os.environ if base is None else base).items() if not _foreign(k)}
        return kept | {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",  # the one that AWS's documentation uses
            "AWS_SECRET_ACCESS_KEY": "demo",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            # MWAA's calls would go to api.<host>, for which a name server would be asked.
            "AWS_DISABLE_HOST_PREFIX_INJECTION": "true",
            "NO_PROXY": "127.0.0.1",
        }

    def seed(self, number: int) -> None:
        """Makes the identifiers that it gives out from now on depend on `number` alone."""
        request = urllib.request.Request(f"{self.endpoint_url}/moto-api/seed?a={number}", method="POST")  # noqa: S310
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            answer.read()


def _foreign(variable: str) -> bool:
    return bool(_NOT_INHERITED.fullmatch(variable))


@contextlib.contextmanager
def embedded_aws() -> Iterator[EmbeddedAws]:
    """An empty AWS on a free loopback port, for as long as the `with` block runs.

    Raises MacError when moto is not installed, EngineError when the process does not come up.
    """
    if importlib.util.find_spec("moto") is None or importlib.util.find_spec("flask") is None:
        raise MacError("the embedded AWS needs moto", hint='install it with: pip install "mac[demo]"')
    command = [sys.executable, "-m", "mac.demo.server"]
    # Sets of strings keep their order from run to run.
    environment = {k: v for k, v in os.environ.items() if not _foreign(k)} | {"PYTHONHASHSEED": "0"}
    with process.start(command, env=environment, tether=True) as server:
        line = server.wait_for_line(rf"^{READY}(\S+)$")
        yield EmbeddedAws(endpoint_url=line.group(1), pid=server.pid)
