"""The systemd units of what goes on running: the pull agent, and the loop that keeps all in sync."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mac.deploy_model import FilesSettings
from mac.model import Project

DEPLOYS = "deploy what is committed"
SYNCS = "keep what runs in sync with what is there"


def unit(program: Path, arguments: Sequence[str], root: Path, project: Project, does: str) -> str:
    """A unit that runs `program` with `arguments` and may write only where mac.yaml says.

    The user `mac` is to own these folders, and to read secrets that mac.yaml names.
    """
    files = [d for d in project.destinations if isinstance(d, FilesSettings)]
    kept = [project.targets.folder] if project.targets.folder else []
    writes = sorted({str(root), *kept, *(d.folder for d in files)})
    signals = any(d.pid_file for d in files)
    tolerated = " ".join(_quoted(f"-{path}") for path in writes)
    lines = [
        "[Unit]",
        f"Description=Monitoring as Code: {does}",
        "Wants=network-online.target",
        "After=network-online.target",
        "",
        "[Service]",
        "Type=exec",
        "User=mac",
        f"WorkingDirectory={_escaped(str(root))}",
        f"ExecStart={' '.join(_quoted(word) for word in [str(program), *arguments])}",
        "Restart=on-failure",
        "RestartSec=30",
        "# What has begun to write is brought to its end.",
        "KillMode=mixed",
        "TimeoutStopSec=180",
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
        "PrivateTmp=yes",
        "PrivateDevices=yes",
        "ProtectKernelTunables=yes",
        "ProtectKernelModules=yes",
        "ProtectControlGroups=yes",
        "RestrictSUIDSGID=yes",
        "LockPersonality=yes",
        f"ReadWritePaths={tolerated}",
    ]
    if signals:
        lines += ["# To send SIGHUP to a server of another user.", "AmbientCapabilities=CAP_KILL"]
    lines += ["", "[Install]", "WantedBy=multi-user.target", ""]
    return "\n".join(lines)


def _escaped(text: str) -> str:
    return text.replace("%", "%%")


def _quoted(word: str) -> str:
    """A word of a command line, as systemd.syntax(7) reads it; $ would begin a variable."""
    escaped = _escaped(word).replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$")
    return f'"{escaped}"' if not escaped or any(c.isspace() or c in "'\";#" for c in escaped) else escaped
