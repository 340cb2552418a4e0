"""Every rate and duration of the simulated fleet, with where it is from.

Seconds and days are simulated. What has no public source is an assumption and says so; the documentation
prints the table.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Assumption:
    """A number of the simulation. `source`: where it was measured; "" when it is assumed."""

    value: float
    unit: str
    why: str
    source: str = ""


_CLUSTER = "J. Dean, Google I/O 2008: 1,000 machine failures in the first year of a cluster of 1,800"
_SPOT_TRACE = "skypilot-org/spot-traces, availability/16-node: 910 nodes lost in 136 events"
_BUSY = "Numenta Anomaly Benchmark, realAWSCloudwatch: eight EC2 hosts, five without bursts, 0.60 on average"

TABLE = {
    "machine_failures": Assumption(0.0015, "per host and day", "a machine dies", _CLUSTER),
    "spot_common": Assumption(
        0.0017, "per spot host and day", "AWS takes one back", "Spot Instance Advisor: under 5 % a month"
    ),
    "spot_scarce": Assumption(1.4, "per spot host and day", "AWS takes one back", _SPOT_TRACE),
    "spot_share": Assumption(0.42, "share of the group in one event", "they go together", _SPOT_TRACE),
    "spot_notice": Assumption(120, "seconds", "from notice to the end", "EC2's documentation"),
    "busy_quiet": Assumption(5 / 8, "share of hosts", "no CPU burst at all", _BUSY),
    "busy_rare": Assumption(2 / 8, "share of hosts", "a burst now and then", _BUSY),
    "busy_some": Assumption(0.2, "per host and day", "bursts of those", _BUSY),
    "busy_much": Assumption(4.4, "per host and day", "bursts of the other hosts", _BUSY),
    "busy_length": Assumption(1500, "seconds, mean", "CPU over 80 %, at least eleven minutes"),
    "exporter_crashes": Assumption(0.02, "per exporter and day", "systemd starts it again at once"),
    "exporter_restart": Assumption(45, "seconds, mean", "until it answers again"),
    "exporter_hangs": Assumption(0.001, "per node exporter and day", "it hangs until somebody looks"),
    "exporter_hang": Assumption(5400, "seconds, mean", "until somebody restarts it by hand"),
    "daemon_restart": Assumption(75, "seconds", "a Java daemon in a rolling deployment"),
    "boot_running": Assumption(25, "seconds", "EC2 shows pending, then running"),
    "boot_exporter": Assumption(110, "seconds, mean", "from launch to the node exporter's first answer"),
    "boot_daemon": Assumption(80, "seconds more, mean", "until the daemons answer too"),
    "boot_emr": Assumption(260, "seconds", "bootstrap actions, until EMR calls a machine RUNNING"),
    "shutdown": Assumption(60, "seconds, mean", "from Terminating to the last answer"),
    "replaced_by_group": Assumption(300, "seconds", "status checks and the group's health check"),
    "replaced_by_hand": Assumption(5400, "seconds, mean", "until somebody replaces a dead machine"),
    "rack_share": Assumption(0.17, "share of the DataNodes", "what loses power together"),
    "scale_tick": Assumption(300, "seconds", "how often a scaling policy acts"),
    "cloudwatch_lag": Assumption(180, "seconds", "until a minute's sample is there and was read"),
    "session_length": Assumption(9000, "seconds, mean", "a transient EMR cluster"),
    "session_gap": Assumption(750, "seconds, mean", "until the next one is launched in its place"),
    "scratch_period": Assumption(11_000, "seconds, mean", "shuffle space fills and is emptied"),
}


def value(name: str) -> float:
    return TABLE[name].value
