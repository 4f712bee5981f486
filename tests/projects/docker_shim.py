"""A command `docker` for tests: it writes down how it was called, and runs containers' commands as processes of this machine.

Mounts are imitated by putting the paths of this machine in the place of the container's, in the command and its variables.
"""

from __future__ import annotations

import csv
import json
import os
import sys
import tarfile
from pathlib import Path

STATE = Path(os.environ.get("DOCKER_SHIM", "/nowhere"))
ID = "sha256:" + "4" * 64


def main(arguments: list[str]) -> int:
    action = arguments[0]
    config = Path(os.environ.get("DOCKER_CONFIG", "/nowhere"), "config.json")
    call = {
        "arguments": arguments,
        "environment": {name: value for name, value in os.environ.items() if name not in ("PATH", "DOCKER_SHIM")},
        "config": json.loads(config.read_text()) if config.is_file() else None,
    }
    if action == "build":
        call["context"] = context(Path(arguments[-1]))
    with open(STATE / "calls", "a") as file:
        file.write(json.dumps(call) + "\n")
    fails = json.loads((STATE / "fails").read_text()) if (STATE / "fails").exists() else {}
    if action in fails:
        print(f"{action} fails as it shall", file=sys.stderr)
        return int(fails[action])
    return {"run": run, "image": inspect, "pull": keep, "build": keep}.get(action, lambda _: 0)(arguments)


def context(folder: Path) -> dict[str, object]:
    """What docker would build from."""
    with tarfile.open(folder / "project.tar.gz") as archive:
        names = archive.getnames()
    return {"files": sorted(os.listdir(folder)), "Dockerfile": (folder / "Dockerfile").read_text(), "project": names}


def keep(arguments: list[str]) -> int:
    name = arguments[-1] if arguments[0] == "pull" else arguments[arguments.index("-t") + 1]
    (STATE / name.replace("/", "%")).touch()
    return 0


def inspect(arguments: list[str]) -> int:
    name = arguments[-1]
    if not (STATE / name.replace("/", "%")).exists():
        print(f"Error response from daemon: No such image: {name}", file=sys.stderr)
        return 1
    repository = name.rpartition(":")[0]
    print(json.dumps([f"{repository}@sha256:{'d' * 64}"]) if "RepoDigests" in arguments[2] else ID)
    return 0


def run(arguments: list[str]) -> int:
    mounts, variables = {}, {}
    options = arguments[1:-4]
    for option in options:
        name, _, value = option.partition("=")
        if name == "--mount":
            fields = dict(field.partition("=")[::2] for field in next(csv.reader([value])))
            mounts[fields["target"]] = fields["source"]
        elif name == "--env":
            key, given, text = value.partition("=")
            variables[key] = text if given else os.environ[key]
    line = here(arguments[-1], mounts)
    environment = {name: here(value, mounts) for name, value in variables.items()}
    os.execvpe(
        "bash",
        ["bash", "-c", line],
        {"PATH": os.environ["PATH"], "MILLSTREAM_JOURNAL_DIR": str(STATE / "journal")} | environment,
    )


def here(text: str, mounts: dict[str, str]) -> str:
    for target, source in mounts.items():
        text = text.replace(target, source)
    return text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
