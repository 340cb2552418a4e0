"""The systemd unit of the pull agent."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mac.deploy_model import DestinationSettings, FilesSettings


def unit(
    program: Path, arguments: Sequence[str], root: Path, destinations: Sequence[DestinationSettings]
) -> str:
    """A unit that runs `program` with `arguments` and may write where these destinations are only.

    The user `mac` is to own these folders, and to read secrets that mac.yaml names.
    """
    files = [d for d in destinations if isinstance(d, FilesSettings)]
    writes = sorted({str(root), *(d.folder for d in files)})
    signals = any(d.pid_file for d in files)
    tolerated = " ".join(_quoted(f"-{path}") for path in writes)
    lines = [
        "[Unit]",
        "Description=Monitoring as Code: deploy what is committed",
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
        "# A deployment that is under way is brought to its end.",
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
