"""The programs on machines that answer Prometheus, as standards declare them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from mac.problems import NOWHERE, Location


class SensorRun(StrEnum):
    """How a sensor runs: as a service of its own, inside a Java program, or as a part of what it watches."""

    SERVICE = "service"
    JAVA_AGENT = "java-agent"
    BUILT_IN = "built-in"


@dataclass(frozen=True, slots=True)
class SensorCheck:
    """A sensor works when this path answers, with this text in the answer ("" for any)."""

    path: str = "/metrics"
    contains: str = ""


@dataclass(frozen=True, slots=True)
class Sensor:
    """One program that exports metrics of a machine.

    `program`: the name of the executable or jar; "" when it is built in. `config`: the text of
    its configuration file, "" when it has none. `config_flag`: the flag that takes the file's path.
    """

    name: str
    run: SensorRun
    port: int
    program: str = ""
    version: str = ""
    release: str = ""  # the page from which people download it
    flags: tuple[str, ...] = ()
    config: str = ""
    config_flag: str = ""
    check: SensorCheck = SensorCheck()
    location: Location = NOWHERE


@dataclass(frozen=True, slots=True)
class Download:
    """Where machines get a sensor from, and the SHA-256 of what they get, in hexadecimal digits."""

    url: str
    sha256: str
    location: Location = NOWHERE
