"""Every rate and duration of the simulated fleet, with where it is from.

Seconds and days are simulated. What has no public source is an assumption and says so; docs print the table.
"""

from __future__ import annotations

from dataclasses import dataclass

MEASURED, ASSUMED = "source", "assumption"


@dataclass(frozen=True, slots=True)
class Assumption:
    """A number of the simulation. `basis` is MEASURED when `why` names a source, else ASSUMED."""

    value: float
    unit: str
    basis: str
    why: str


TABLE = {
    "machine_failures": Assumption(
        0.0015, "per host and day", MEASURED,
        "hardware of large clusters: about one failure in two host-years (Google and cloud studies)",
    ),
    "spot_common": Assumption(
        0.0017, "per spot host and day", MEASURED,
        "AWS Spot Instance Advisor: under 5 % a month on common types",
    ),
    "spot_scarce": Assumption(
        1.4, "per spot host and day", MEASURED,
        "a published trace of a 16-node group of a scarce type: 910 drops",
    ),
    "spot_share": Assumption(
        0.42, "share of the group in one event", MEASURED, "the same trace: 910 drops in 136 events of 16 nodes"
    ),
    "spot_notice": Assumption(120, "seconds", MEASURED, "EC2's notice before it takes a spot instance back"),
    "busy_quiet_share": Assumption(
        5 / 8, "share of hosts", MEASURED, "Numenta Anomaly Benchmark, realAWSCloudwatch: 5 of 8 hosts never"
    ),
    "busy_some": Assumption(
        0.2, "CPU bursts per host and day", MEASURED, "the same: two of eight hosts now and then"
    ),
    "busy_much": Assumption(
        4.4, "CPU bursts per host and day", MEASURED, "the same: one of eight hosts; 0.60 on average"
    ),
    "busy_length": Assumption(1500, "seconds, mean", ASSUMED, "bursts over 80 % that last over ten minutes"),
    "exporter_crashes": Assumption(
        0.02, "per exporter and day", ASSUMED, "systemd starts it again within a scrape or two"
    ),
    "exporter_restart": Assumption(45, "seconds, mean", ASSUMED, "RestartSec and the first answer"),
    "exporter_hangs": Assumption(0.001, "per exporter and day", ASSUMED, "it hangs until somebody looks"),
    "exporter_hang": Assumption(5400, "seconds, mean", ASSUMED, "until somebody restarts it by hand"),
    "daemon_restart": Assumption(75, "seconds", ASSUMED, "a Java daemon in a rolling deployment"),
    "boot_exporter": Assumption(110, "seconds, mean", ASSUMED, "from launch to the node exporter's first answer"),
    "boot_daemon": Assumption(80, "seconds more, mean", ASSUMED, "until the daemons answer too"),
    "boot_running": Assumption(25, "seconds", ASSUMED, "EC2 shows pending, then running"),
    "boot_emr": Assumption(260, "seconds", ASSUMED, "bootstrap actions before EMR calls a machine RUNNING"),
    "shutdown": Assumption(60, "seconds, mean", ASSUMED, "from Terminating to the last answer"),
    "replaced_by_group": Assumption(
        300, "seconds", ASSUMED, "EC2's status checks and the group's health check"
    ),
    "replaced_by_hand": Assumption(5400, "seconds, mean", ASSUMED, "somebody sees it and replaces the machine"),
    "rack_share": Assumption(0.17, "share of the DataNodes", ASSUMED, "a rack or power domain; 40 to 80 machines at scale"),
    "scale_tick": Assumption(300, "seconds", ASSUMED, "how often a scaling policy acts"),
    "cloudwatch_lag": Assumption(180, "seconds", ASSUMED, "until CloudWatch has a minute and the exporter reads it"),
    "session_length": Assumption(9000, "seconds, mean", ASSUMED, "a transient EMR cluster with its steps"),
    "scratch_period": Assumption(11000, "seconds, mean", ASSUMED, "shuffle and spill space fills and is emptied"),
}  # fmt: skip


def value(name: str) -> float:
    return TABLE[name].value
