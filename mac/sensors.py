"""How sensors get onto machines: for each standard a script a sensor, and the files that deliver the scripts.

They depend on documents alone: machines come and go without a change. Scripts are rendered first; a Systems
Manager document, a CloudFormation template with its State Manager associations, cloud-init user data and
variables for Ansible carry them as they are.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

from mac import conventions
from mac.model import AppliesTo, Download, LabelSource, Sensor, SensorRun, Standard

Document = dict[str, Any]

SCHEDULE = "rate(1 day)"
URL_PATTERN = "^https://[A-Za-z0-9._~:/?#@!&*+,;=%-]+$"
SHA256_PATTERN = "^[0-9a-f]{64}$"
_EVERY_MACHINE = {"Key": "InstanceIds", "Values": ["*"]}
# Tags that AWS sets, for labels that are no tags of people's.
_AWS_TAGS = {
    "asg": "aws:autoscaling:groupName",
    "emr_cluster": "aws:elasticmapreduce:job-flow-id",
    "emr_role": "aws:elasticmapreduce:instance-group-role",
}
_UPPER = frozenset({"emr_role"})  # EMR writes CORE where the label is core


# --- scripts -----------------------------------------------------------------------------------------


def script(standard: Standard, sensor: Sensor) -> Document:
    """What the script of a sensor is told: name of a shell variable → its value."""
    return {
        "standard": standard.name,
        "sensor": sensor.name,
        "run": str(sensor.run),
        "program": sensor.program,
        "version": sensor.version,
        "port": str(sensor.port),
        "path": sensor.check.path,
        "contains": sensor.check.contains,
        "programs": conventions.SENSOR_PROGRAMS,
        "settings": conventions.SENSOR_SETTINGS,
        "config": sensor.config,
        "unit": _unit(standard, sensor) if sensor.run is SensorRun.SERVICE else "",
    }


def read_script(text: str) -> Document:
    """The variables that a script sets to a constant. Raises ValueError for quotes that do not end."""
    found: Document = {}
    for word in shlex.split(text, comments=True):
        name, equals, value = word.partition("=")
        if equals and name.isidentifier():
            found.setdefault(name, value)
    return found


def _unit(standard: Standard, sensor: Sensor) -> str:
    program = f"{conventions.SENSOR_PROGRAMS}/{sensor.name}-{sensor.version}/{sensor.program}"
    words = [program, *sensor.flags]
    if sensor.config_flag:
        words.append(f"{sensor.config_flag}={conventions.SENSOR_SETTINGS}/{standard.name}/{sensor.name}.yaml")
    lines = (
        "[Unit]",
        f"Description=Sensor {sensor.name} of {standard.name}",
        "Wants=network-online.target",
        "After=network-online.target",
        "",
        "[Service]",
        f"ExecStart={' '.join(map(systemd_word, words))}",
        "User=nobody",
        "Restart=always",
        "RestartSec=5",
        "",
        "[Install]",
        "WantedBy=multi-user.target",
    )
    return "\n".join(lines) + "\n"


def systemd_word(value: str) -> str:
    """One argument in ExecStart= that means exactly `value`, a line of text."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"'


# --- Systems Manager ---------------------------------------------------------------------------------


def document(standard: Standard, scripts: Mapping[str, str]) -> Document:
    """A Systems Manager document of the type Command. `scripts`: sensor → its script."""
    parameters: Document = {}
    steps = []
    for sensor in standard.sensors:
        commands = scripts[sensor.name].rstrip("\n").split("\n")
        if sensor.run is not SensorRun.BUILT_IN:
            url, sha256 = _parameters(sensor)
            parameters[url] = {
                "type": "String",
                "description": f"Where to download {sensor.name} {sensor.version}; see {sensor.release}",
                "allowedPattern": URL_PATTERN,
            }
            parameters[sha256] = {
                "type": "String",
                "description": f"SHA-256 of that file, which {sensor.release} tells",
                "allowedPattern": SHA256_PATTERN,
            }
            # The patterns leave nothing that ends a quoted word.
            commands.insert(0, f"set -- '{{{{ {url} }}}}' '{{{{ {sha256} }}}}'")
        steps.append(
            {
                "action": "aws:runShellScript",
                "name": _camel(sensor.name),
                "precondition": {"StringEquals": ["platformType", "Linux"]},
                "inputs": {"timeoutSeconds": "1800", "runCommand": commands},
            }
        )
    return {
        "schemaVersion": "2.2",
        "description": f"Sensors of the standard {standard.name}, installed and checked.",
        **({"parameters": parameters} if parameters else {}),
        "mainSteps": steps,
    }


def template(
    standard: Standard, content: Document, labels: tuple[LabelSource, ...], downloads: Mapping[str, Download]
) -> Document:
    """A CloudFormation template: the document, and an association for each way to tell such a machine."""
    parameters: Document = {}
    for sensor in standard.sensors:
        if sensor.run is SensorRun.BUILT_IN:
            continue
        download = downloads.get(sensor.name)
        values = (download.url, download.sha256) if download else ("", "")
        for name, value in zip(_parameters(sensor), values, strict=True):
            given = content["parameters"][name]
            parameters[name] = {
                "Type": "String",
                "Description": given["description"],
                "AllowedPattern": given["allowedPattern"],
                **({"Default": value} if value else {}),
            }
    associations = {
        f"Association{number}": {
            "Type": "AWS::SSM::Association",
            "Properties": {
                "AssociationName": f"mac-sensors-{standard.name}-{number}",
                "Name": {"Ref": "Document"},
                "DocumentVersion": "$LATEST",
                "Targets": targets,
                **({"Parameters": {name: [{"Ref": name}] for name in parameters}} if parameters else {}),
                "ScheduleExpression": SCHEDULE,
                "ComplianceSeverity": "MEDIUM",
                "MaxConcurrency": "10%",
                "MaxErrors": "25%",
            },
        }
        for number, targets in enumerate(_targets(standard.applies_to, labels), start=1)
    }
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"Sensors of the standard {standard.name} on the machines of a region",
        **({"Parameters": parameters} if parameters else {}),
        "Resources": {
            "Document": {
                "Type": "AWS::SSM::Document",
                "Properties": {
                    "Name": f"mac-sensors-{standard.name}",
                    "DocumentType": "Command",
                    "DocumentFormat": "JSON",
                    "TargetType": "/AWS::EC2::Instance",
                    "UpdateMethod": "NewVersion",
                    "Content": content,
                },
            },
            **associations,
        },
    }


def _targets(applies_to: AppliesTo, labels: tuple[LabelSource, ...]) -> Iterator[list[Document]]:
    """The machines of a standard, in State Manager's words: one list of targets for each association.

    Labels of a clause that no tag tells make a clause that State Manager cannot express; it is left out.
    """
    if not applies_to.any_of:
        yield [_EVERY_MACHINE]
        return
    sources = {source.label: source for source in labels}
    for clause in applies_to.any_of:
        if all(_tags(label, sources) for label in clause):
            for tags in product(*(_tags(label, sources) for label in clause)):
                yield [
                    {"Key": f"tag:{tag}", "Values": _values(label, clause[label], sources)}
                    for label, tag in zip(clause, tags, strict=True)
                ]


def untold(applies_to: AppliesTo, labels: tuple[LabelSource, ...]) -> tuple[str, ...]:
    """Labels that a standard asks for and that no tag of a machine tells."""
    sources = {source.label: source for source in labels}
    asked = {label for clause in applies_to.any_of for label in clause}
    return tuple(sorted(label for label in asked if not _tags(label, sources)))


def _tags(label: str, sources: Mapping[str, LabelSource]) -> tuple[str, ...]:
    source = sources.get(label)
    if source is not None:
        return source.tags
    return (_AWS_TAGS[label],) if label in _AWS_TAGS else ()


def _values(label: str, accepted: tuple[str, ...], sources: Mapping[str, LabelSource]) -> list[str]:
    """As the tag spells them: those that `mac.yaml` translates into an accepted one are among them."""
    if label in _UPPER:
        return sorted(value.upper() for value in accepted)
    source = sources.get(label)
    aliases = [given for given, meant in (source.aliases if source else {}).items() if meant in accepted]
    return sorted({*accepted, *aliases})


def _parameters(sensor: Sensor) -> tuple[str, str]:
    return f"{_camel(sensor.name)}Url", f"{_camel(sensor.name)}Sha256"


def _camel(name: str) -> str:
    """Letters and digits alone, which is what CloudFormation takes for a name."""
    return "".join(part.capitalize() for part in re.split(r"[^A-Za-z0-9]+", name))


# --- cloud-init and Ansible --------------------------------------------------------------------------


def cloud_init(standard: Standard, scripts: Mapping[str, str], downloads: Mapping[str, Download]) -> Document:
    """User data that installs the sensors when a machine first starts.

    A Java agent is not asked whether it works: the program that loads it has not been started yet. A sensor
    without a download reads it from the machine's own file.
    """
    files, commands = [], []
    for sensor in standard.sensors:
        path = f"{conventions.SENSOR_PROGRAMS}/{standard.name}/{sensor.name}.sh"
        content = scripts[sensor.name]
        files.append({"path": path, "owner": "root:root", "permissions": "0755", "content": content})
        if sensor.run is SensorRun.BUILT_IN:
            continue  # what it is a part of has not been started yet
        download = downloads.get(sensor.name)
        given = [download.url, download.sha256] if download else []
        later = ["env", "SENSOR_CHECK=no"] if sensor.run is SensorRun.JAVA_AGENT else []
        commands.append([*later, path, *given])
    return {"write_files": files, **({"runcmd": commands} if commands else {})}


def ansible(standard: Standard, scripts: Mapping[str, str], downloads: Mapping[str, Download]) -> Document:
    """Variables of the group of machines that have these sensors."""
    return {
        "mac_sensors_" + standard.name.replace("-", "_"): [
            {
                "name": sensor.name,
                "run": str(sensor.run),
                "port": sensor.port,
                "path": f"{conventions.SENSOR_PROGRAMS}/{standard.name}/{sensor.name}.sh",
                "arguments": [download.url, download.sha256]
                if (download := downloads.get(sensor.name)) and sensor.run is not SensorRun.BUILT_IN
                else [],
                "script": scripts[sensor.name],
            }
            for sensor in standard.sensors
        ]
    }
