"""Projects and parameters that are out to do harm run nothing, write nothing outside, and read nothing outside.

Each would make the canary if it had its way.
"""

from __future__ import annotations

import os
import stat
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest

from millstream.errors import InvalidProject, InvalidValue, MillstreamError, NotFound
from millstream.projects.commands import command_of
from millstream.projects.parameters import complete, resolve
from millstream.projects.sources import discard, fetch
from millstream.projects.spec import read_project
from millstream.projects.submission import EntryPoint, Parameter, Project
from tests.projects.repositories import commit, git, served, write

VALUES = {
    "a second command": "; touch CANARY",
    "a command after an apostrophe": "'; touch CANARY; '",
    "a command after a quote": '"; touch CANARY; "',
    "a substitution": "$(touch CANARY)",
    "a substitution after a quote": '"$(touch CANARY)"',
    "backticks": "`touch CANARY`",
    "a newline": "x\ntouch CANARY\n",
    "a carriage return": "x\r\ntouch CANARY",
    "a pipe": "| touch CANARY",
    "an and": "&& touch CANARY",
    "an or": "|| touch CANARY",
    "the background": "& touch CANARY",
    "a redirection": "> CANARY",
    "a process substitution": "<(touch CANARY)",
    "an expansion": "${x:=$(touch CANARY)}",
    "arithmetic": "$((a[$(touch CANARY)]))",
    "an escaped apostrophe": "\\'; touch CANARY #",
    "ANSI quotes": "$'\\x27; touch CANARY #'",
    "a backslash at the end": "x\\",
    "an option": "--output=CANARY now",
    "a short option": "-oProxyCommand=touch CANARY",
    "a closing parenthesis": ") touch CANARY (",
    "a closing brace": "} ; touch CANARY; {",
    "a parameter's name": "{p}{other}{{p}}",
    "a comment": "# \ntouch CANARY",
    "a here-document": "<<X\nX\ntouch CANARY",
    "history": "!!; touch CANARY",
    "a tilde and stars": "~root/*/?[a-z]",
    "another alphabet": "＄（touch CANARY）；",
    "control characters": "\x01\x07\x1b[2J\x7f; touch CANARY",
}
"""Values; CANARY stands for the path of a file."""

MLPROJECT = """
entry_points:
  main:
    parameters: {p: string, other: {default: "fine"}}
    command: "printf '%s\\\\0' {p} --name={p} x{p}y {other}"
  last:
    command: "true; printf '%s\\\\0'"
  quoted:
    parameters: {p: string}
    command: 'printf "%s" "{p}"'
  commented:
    parameters: {p: string}
    command: "true # {p}"
  computed:
    parameters: {p: string}
    command: "echo $(( {p} ))"
  script.sh:
    command: "sh script.sh"
"""


@pytest.fixture
def canary(tmp_path: Path) -> Iterator[Path]:
    """A file that must never be; beside it one that must stay as it is."""
    path, beside = tmp_path / "canary", tmp_path / "keep"
    beside.write_text("kept")
    yield path
    assert not path.exists(), "the canary was touched"
    assert beside.read_text() == "kept"
    assert not any(each.name == "canary" for each in tmp_path.rglob("canary"))


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLSTREAM_PROJECT_CACHE", str(tmp_path / "cache"))
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    write(folder, {"MLproject": MLPROJECT, "script.sh": "true"})
    return folder


def run(root: Path, entry_point: str, given: dict[str, str]) -> list[str]:
    """Run a command as the backends do; what it printed, NULs between."""
    project = read_project(root)
    entry = project.entry_point(entry_point)
    values = resolve(entry, complete(entry, given), None, root)
    line = command_of(project, entry_point, values)
    done = subprocess.run(["bash", "-c", line], cwd=root, capture_output=True, check=False, timeout=20)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode().split("\0")[:-1]


# ---------------------------------------------------------------- values of parameters


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES.keys())
def test_a_value_arrives_as_it_is_and_is_never_run(root: Path, canary: Path, value: str) -> None:
    value = value.replace("CANARY", str(canary))
    assert run(root, "main", {"p": value}) == [value, f"--name={value}", f"x{value}y", "fine"]
    assert run(root, "last", {"more": value}) == ["--more", value]
    for entry_point in ("quoted", "commented", "computed"):
        with pytest.raises(InvalidValue, match="'p' cannot be put into the command"):
            run(root, entry_point, {"p": value})


@pytest.mark.parametrize("name", [name for name in VALUES.values() if name.isprintable()])
def test_a_name_arrives_as_it_is_and_is_never_run(root: Path, canary: Path, name: str) -> None:
    name = name.replace("CANARY", str(canary))
    assert run(root, "last", {name: "v"}) == [f"--{name}", "v"]


@pytest.mark.parametrize("given", [{"p": "a\0; touch CANARY"}, {"p": "x", "a\0b": "y"}, {"p": "x", "a\nb": "y"}])
def test_what_no_program_can_be_given_is_refused(root: Path, canary: Path, given: dict[str, str]) -> None:
    with pytest.raises(InvalidValue):
        run(root, "main", given)


PIECES = [
    '"', "'", "$(", ")", "`", "${{x:-", "}}", "#", " #", "\n", " ", "a", "\\", "<<E\n", "\nE\n", "((", "))", "$((", "[[ ", " ]]",
    "case x in x) ", " esac", ";;", ";", "$'", '$"', "{p}", " {p} ", "(", "$[", "]", "<", ">/dev/null", "=", "echo ", "<<<", "$",
    "&& ", "| ", "@(", "! ", "f() ",
]  # fmt: skip
WAYS_OUT = [
    "x'\"\n: >canary; $(: >canary) `: >canary` '", "$(: >canary)", "'; : >canary; '", "\n: >canary\n", "`: >canary`",
    '"; : >canary; "', ")\n: >canary\n(", "}; : >canary; {", "a[$(: >canary)]", "\\'; : >canary #",
]  # fmt: skip


def test_no_command_of_any_shape_lets_a_value_out(root: Path) -> None:
    """Random shell lines, most of them nonsense: what is not refused is run."""
    random = Random(2026)
    ran = 0
    for _ in range(1500):
        line = "echo " + "".join(random.choices(PIECES, k=random.randint(1, 9))) + random.choice(["", " {p}"])
        project = Project(root, entry_points=(EntryPoint("main", line, (Parameter("p"),)),))
        try:
            command = command_of(project, "main", {"p": random.choice(WAYS_OUT)})
        except InvalidValue:
            continue
        if "{p}" in line:
            subprocess.run(
                ["bash", "-c", command], cwd=root, stdin=subprocess.DEVNULL, capture_output=True, check=False
            )
            assert not (root / "canary").exists(), command
            ran += 1
    assert ran > 100


COMPUTING = [
    "[[ 1 =~ ^[[:alpha:]]+$ || {n} -gt 5 ]]", "[[(5 -gt {n})]]", "[[\\\n 5 -gt {n} ]]", "[\\\n[ 5 -gt {n} ]]", "(\\\n( {n} > 5 ))",
    "$\\\n(( {n} > 5 ))", "[[ x =~ (a)]] || {n} -gt 5 ]]", "[[ x == @(a)]] || {n} -gt 5 ]]", "[[ x =~ (a ]] b) || {n} -gt 5 ]]",
    "[[ x == y # ]]\n|| {n} -gt 5 ]]", "s[{n}]=1", "s[ {n} ]=1", "s[0]=1 s[{n}]+=1", "if s[{n}]=1; then :; fi", ">x s[{n}]=1",
    "a=([{n}]=3)", "a=(1 # '\n[{n}]=3)", "let {n}", "let x={n}", "let 2>&1 {n}", "let &>/dev/null {n}", "true && let {n}",
    "declare {n}=1", "declare -i x={n}", "typeset -i x={n}", "f() {{ local -i x={n}; }}; f", "declare x[{n}]=1", "declare -ai x=({n})",
    "command declare {n}=1", "test -v {n}", "[ -v {n} ]", "printf -v {n} x", "read {n} <<< x", "a=(1); unset {n}",
]  # fmt: skip


@pytest.mark.parametrize("line", COMPUTING)
def test_what_bash_computes_gets_no_expression(tmp_path: Path, line: str) -> None:
    value = "a[$(touch canary)]"
    subprocess.run(["bash", "-c", line.replace("{n}", f"'{value}'").replace("{{", "{").replace("}}", "}")],
                   cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, check=False)  # fmt: skip
    assert (tmp_path / "canary").exists(), "bash does not compute here: the line tests nothing"
    project = Project(tmp_path, entry_points=(EntryPoint("main", line, (Parameter("n"),)),))
    with pytest.raises(InvalidValue, match="'n' cannot be put into the command"):
        command_of(project, "main", {"n": value})
    assert "5" in command_of(project, "main", {"n": "5"})


# ---------------------------------------------------------------- paths


@pytest.mark.parametrize(
    "name",
    ["../evil.sh", "sub/../../evil.sh", "link.sh", "folder/evil.sh", "{tmp}/evil.sh", "loop.sh", "x" * 5000 + ".sh"],
    ids=lambda name: name[:20],
)
def test_no_script_outside_of_the_project_is_run(root: Path, canary: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "evil.sh").write_text(f"touch {canary}")
    (root / "link.sh").symlink_to(tmp_path / "evil.sh")
    (root / "loop.sh").symlink_to("loop.sh")
    (root / "folder").symlink_to(tmp_path)
    with pytest.raises(NotFound):
        run(root, name.format(tmp=tmp_path), {})


@pytest.mark.parametrize(
    "name", ["$(touch CANARY).sh", "a;touch CANARY;.py", "--eval=x.py", "`touch CANARY`.R", "'.sh"]
)
def test_the_name_of_a_script_is_no_code(root: Path, canary: Path, name: str) -> None:
    (root / name).write_text("#!/bin/sh\n")
    line = command_of(read_project(root), name, {})
    program = line.partition(" ")[0].strip('"')
    called = line.replace(program, "true", 1).replace('"true"', "true")
    subprocess.run(["bash", "-c", called], cwd=root, check=True)
    assert not (root / "CANARY").exists()


@pytest.mark.parametrize("key", ["python_env", "conda_env"])
@pytest.mark.parametrize(
    "name",
    ["../keep", "/etc/passwd", "sub/../../keep", "link", "folder/keep", "~/x", "$HOME/x", "-x", "loop", "x" * 5000],
    ids=lambda name: name[:20],
)
def test_no_file_outside_of_the_project_is_read(root: Path, canary: Path, tmp_path: Path, key: str, name: str) -> None:
    (root / "link").symlink_to(tmp_path / "keep")
    (root / "folder").symlink_to(tmp_path)
    (root / "loop").symlink_to("loop")
    (root / "MLproject").write_text(f"{key}: '{name}'")
    with pytest.raises(InvalidProject):
        read_project(root)


@pytest.mark.parametrize(
    "folder",
    ["..", "../project", "sub/../..", "/etc", "./x", "a//b", "a\\b", "out", "out/temporary", "loop", "x" * 5000],
    ids=lambda name: name[:20],
)
def test_no_folder_outside_of_what_was_fetched_is_the_project(root: Path, tmp_path: Path, folder: str) -> None:
    (root / "out").symlink_to(tmp_path)
    (root / "loop").symlink_to("loop")
    commit(root, {})
    for uri in (str(root), f"git+file://{root}"):
        with pytest.raises((InvalidValue, NotFound)):
            fetch(f"{uri}#{folder}")
    assert list((tmp_path / "temporary").iterdir()) == []


# ---------------------------------------------------------------- YAML

YAML = {
    "a call": "name: !!python/object/apply:os.system ['touch CANARY']",
    "an object": "name: !!python/object/new:os.system ['touch CANARY']",
    "a module": "name: !!python/module:os",
    "a name": "name: !!python/name:os.system",
    "a tag of one's own": "name: !run touch CANARY",
    "laughs": "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
    + "\n".join(f"{b}: &{b} [{','.join([f'*{a}'] * 10)}]" for a, b in zip("abcdefgh", "bcdefghi", strict=True))
    + "\nname: *i",
    "merges": "a: &a {x: 1}\n" + "\n".join(f"k{i}: &k{i} {{<<: [{','.join(['*a'] * 1000)}]}}" for i in range(1100)),
    "itself": "entry_points: &a {main: *a}",
    "depth": "name: " + "[" * 5000 + "]" * 5000,
    "size": "name: " + "x" * (1 << 20),
    "two documents": "name: a\n---\nname: b",
    "a NUL": "name: a\0b",
}


@pytest.mark.parametrize("text", YAML.values(), ids=YAML.keys())
def test_a_file_that_is_more_than_plain_yaml_is_refused(root: Path, canary: Path, text: str) -> None:
    (root / "MLproject").write_text(text.replace("CANARY", str(canary)))
    with pytest.raises(InvalidProject):
        read_project(root)


# ---------------------------------------------------------------- addresses and versions

ADDRESSES = [
    "ext::sh -c touch% CANARY",
    "git+ext::sh -c touch% CANARY",
    "EXT::sh -c touch% CANARY",
    "fd::17",
    "transport::https://example.org/x",
    "--upload-pack=touch CANARY",
    "-u touch CANARY",
    "git+--upload-pack=touch CANARY",
    "ssh://-oProxyCommand=touch%20CANARY/x",
    "ssh://-oProxyCommand=touch%20CANARY@example.org/x",
    "ssh://a@-oProxyCommand=touch%20CANARY/x",
    "git+ssh://-oProxyCommand=touch%20CANARY/x",
    "-oProxyCommand=touch CANARY@example.org:x",
    "a@-oProxyCommand=touch:x",
    "example.org:-oProxyCommand=touch CANARY",
    "a@example.org:--upload-pack=touch",
    "git+file://host/x",
    "git+file:///",
    "ftp://example.org/x.git",
    "javascript:touch",
    "https:///x",
    "https://example.org/x\n--upload-pack=touch",
    "git+https://-x/y",
    "git+../project",
]


@pytest.mark.parametrize("address", ADDRESSES)
def test_no_address_is_a_command(canary: Path, tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ssh = tmp_path / "ssh"
    ssh.write_text(f"#!/bin/sh\ntouch {canary}\n")  # whatever is asked of it
    ssh.chmod(0o700)
    monkeypatch.setenv("GIT_SSH", str(ssh))
    with pytest.raises((InvalidValue, NotFound)):
        fetch(address.replace("CANARY", str(canary)))
    assert list((tmp_path / "temporary").iterdir()) == []


@pytest.mark.parametrize(
    "version",
    [
        "--upload-pack=touch CANARY", "-f", "--orphan", "../../x", "main:refs/heads/x", "HEAD@{0}", "@{-1}", "main^{/x}", "a..b",
        "a b", "a\nb", ":/x", "", "x\0y", "/main", "refs/heads/*", "main.lock", "main~1", "main\\x",
    ],
)  # fmt: skip
def test_no_version_is_an_option_or_an_expression(root: Path, canary: Path, version: str) -> None:
    commit(root, {})
    for uri in (str(root), f"git+file://{root}", "https://example.invalid/x"):
        with pytest.raises(InvalidValue, match="cannot be a version"):
            fetch(uri, version)


# ---------------------------------------------------------------- repositories


def _hook(root: Path, code: str) -> None:
    for name in ("post-checkout", "post-merge", "reference-transaction", "fsmonitor-watchman", "post-index-change"):
        hook = root / ".git" / "hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\n{code}\n")
        hook.chmod(0o700)


def _set(root: Path, **options: str) -> None:
    for name, value in options.items():
        git(root, "config", name.replace("__", "."), value)


def _filter(root: Path, name: str, code: str) -> None:
    commit(root, {".gitattributes": f"* filter={name} diff=d\n"})
    for key in ("clean", "smudge", "process"):
        git(root, "config", f"filter.{name}.{key}", code)
    _set(root, diff__d__textconv=code, diff__d__command=code)
    write(root, {"script.sh": "changed"})


def _missing_object(root: Path, code: str) -> None:
    """A repository that says its missing objects are to be fetched, by a command."""
    _set(
        root, remote__origin__url="ext::sh -c " + code.replace(" ", "% "), remote__origin__promisor="true",
        remote__origin__uploadpack=code, extensions__partialClone="origin", core__repositoryformatversion="1",
        protocol__ext__allow="always", core__sshCommand=code,
    )  # fmt: skip
    blob = git(root, "rev-parse", "HEAD:script.sh")
    write(root, {"script.sh": "changed"})
    (root / ".git" / "objects" / blob[:2] / blob[2:]).unlink()


def _inner_repository(root: Path, code: str) -> None:
    """A folder of a project that is a bare repository with settings of its own."""
    inner = root / "inner"
    subprocess.run(["git", "init", "--quiet", "--bare", str(inner)], check=True)
    _filter_in(inner, code)
    commit(root, {"inner/MLproject": "name: x"})


def _filter_in(bare: Path, code: str) -> None:
    with open(bare / "config", "a") as file:
        file.write(f"[core]\nbare = false\nworktree = {bare}\nfsmonitor = {code}\n[alias]\ndiff = !{code}\n")


REPOSITORIES: dict[str, Callable[[Path, str], None]] = {
    "hooks": _hook,
    "hooks elsewhere": lambda root, code: (_hook(root, code), _set(root, core__hooksPath=str(root / ".git" / "hooks")))[0],
    "a file-system monitor": lambda root, code: _set(root, core__fsmonitor=code),
    "a filter": lambda root, code: _filter(root, "evil", code),
    "a filter whose name hides it": lambda root, code: _filter(root, "a=b", code),
    "an external differ": lambda root, code: (_set(root, diff__external=code), write(root, {"script.sh": "new"}))[0],
    "a pager and an editor": lambda root, code: _set(
        root, core__pager=code, pager__diff=code, core__editor=code, core__askPass=code, credential__helper="!" + code
    ),
    "commands instead of an address": lambda root, code: _set(
        root, **{"url.ext::sh -c touch .insteadOf": "file://", "protocol.ext.allow": "always"}
    ),
    "its own packer": lambda root, code: _set(root, uploadpack__packObjectsHook=code),
    "missing objects": _missing_object,
    "a repository within": _inner_repository,
    "aliases": lambda root, code: _set(root, alias__diff="!" + code, alias__status="!" + code, alias__fetch="!" + code),
}  # fmt: skip


@pytest.mark.parametrize("prepare", REPOSITORIES.values(), ids=REPOSITORIES.keys())
def test_a_repository_runs_nothing_when_it_is_fetched_or_looked_at(
    root: Path, canary: Path, tmp_path: Path, prepare: Callable[[Path, str], None]
) -> None:
    commit(root, {})
    trap = tmp_path / "trap"
    trap.write_text(f"#!/bin/sh\ntouch {canary}\n")
    trap.chmod(0o700)
    prepare(root, str(trap))
    uris = [str(root), *([f"{root}/inner"] if (root / "inner").exists() else [])]
    for uri, version in [*((uri, None) for uri in uris), (str(root), "main"), (f"git+file://{root}", None)]:
        try:
            discard(fetch(uri, version))
        except MillstreamError:
            assert prepare is _missing_object or uri != str(root)


def test_the_traps_are_real(root: Path, tmp_path: Path) -> None:
    """What plain git does in such repositories."""
    trap, sprung = tmp_path / "trap", tmp_path / "sprung"
    trap.write_text(f"#!/bin/sh\ntouch {sprung}\n")
    trap.chmod(0o700)
    for name in ("a file-system monitor", "a filter", "a filter whose name hides it", "an external differ"):
        folder = tmp_path / name
        commit(folder, {"script.sh": "true"})
        REPOSITORIES[name](folder, str(trap))
        subprocess.run(["git", "-C", str(folder), "diff", "HEAD"], check=False, capture_output=True)
        assert sprung.exists(), name
        sprung.unlink()


SUBMODULES = {
    "a command": "[submodule \"a\"]\npath = a\nurl = ext::sh -c touch% CANARY\n",
    "an option": "[submodule \"a\"]\npath = a\nurl = --upload-pack=touch CANARY\n",
    "an option of ssh": "[submodule \"a\"]\npath = a\nurl = ssh://-oProxyCommand=touch%20CANARY/x\n",
    "a command to update": "[submodule \"a\"]\npath = a\nurl = ./other\nupdate = !touch CANARY\n",
    "a path outside": "[submodule \"a\"]\npath = ../a\nurl = ./other\n",
    "a path that is an option": "[submodule \"a\"]\npath = --upload-pack=touch\nurl = ./other\n",
    "a name outside": "[submodule \"../../../a\"]\npath = a\nurl = ./other\n",
    "a file of this machine": "[submodule \"a\"]\npath = a\nurl = file://SECRET\n",
    "a folder of this machine": "[submodule \"a\"]\npath = a\nurl = SECRET\n",
}  # fmt: skip


@pytest.mark.parametrize("modules", SUBMODULES.values(), ids=SUBMODULES.keys())
def test_submodules_of_a_remote_repository_run_nothing_and_reach_nothing_here(
    tmp_path: Path, canary: Path, modules: str
) -> None:
    secret = tmp_path / "secret"
    head = commit(secret, {"secret.txt": "of this machine"})
    remote = tmp_path / "served" / "repo"
    text = modules.replace("CANARY", str(canary)).replace("SECRET", str(secret))
    commit(remote, {".gitmodules": text, "MLproject": "name: x"})
    git(remote, "update-index", "--add", "--cacheinfo", f"160000,{head},a")
    git(remote, "commit", "--quiet", "--message", "submodule")
    with served(tmp_path / "served") as server, pytest.raises(MillstreamError):
        fetch(f"{server.url}/repo")
    assert list((tmp_path / "temporary").iterdir()) == []


# ---------------------------------------------------------------- zip files


def _entry(name: str, mode: int = stat.S_IFREG | 0o644) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    info.compress_type = zipfile.ZIP_DEFLATED
    return info


LINK = stat.S_IFLNK | 0o777
Members = list[tuple[zipfile.ZipInfo, str | bytes]]

ARCHIVES: dict[str, Members] = {
    "a path above": [(_entry("../canary"), "")],
    "a path above within": [(_entry("a/../../canary"), "")],
    "an absolute path": [(_entry("/tmp/canary"), "")],
    "a drive": [(_entry("C:/canary"), "")],
    "backslashes": [(_entry("..\\canary"), "")],
    "a link outside": [(_entry("a", LINK), "../..")],
    "an absolute link": [(_entry("a", LINK), "/etc/passwd")],
    "a link and a file through it": [(_entry("a", LINK), "../.."), (_entry("a/canary"), "")],
    "a file and a link through it": [(_entry("a/canary"), ""), (_entry("a", LINK), "../..")],
    "links in a chain": [(_entry("b", LINK), "."), (_entry("b/c", LINK), "..")],
    "links in a long chain": [
        (_entry("d/e/x"), ""), (_entry("l", LINK), "d/e"), (_entry("m", LINK), "l/../../.."), (_entry("z"), "")
    ],
    "a loop and a way through it": [(_entry("a", LINK), "a"), (_entry("a/b", LINK), "x")],
    "a link with a long target": [(_entry("a", LINK), "x/" * 5000)],
    "a device": [(_entry("a", stat.S_IFBLK | 0o600), "")],
    "a pipe": [(_entry("a", stat.S_IFIFO | 0o600), "")],
    "a program with its owner's rights": [(_entry("a", stat.S_IFREG | 0o4755), "")],
    "a bomb": [(_entry("a"), b"\0" * (20 << 20))],
    "a bomb of many": [(_entry(f"a{index}"), b"\0" * (1 << 20)) for index in range(15)],
    "too many members": [(_entry(f"a{index}"), "") for index in range(10_001)],
    "the same name twice": [(_entry("a"), "1"), (_entry("a"), "2")],
    "the same name in two cases": [(_entry("a"), "1"), (_entry("A"), "2")],
    "a file where a folder is": [(_entry("a"), ""), (_entry("a/b"), "")],
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("members", ARCHIVES.values(), ids=ARCHIVES.keys())
def test_an_archive_writes_nothing_outside_and_nothing_of_it_stays(
    tmp_path: Path, canary: Path, members: Members
) -> None:
    file = tmp_path / "evil.zip"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("MLproject", "name: evil")
        for info, content in members:
            archive.writestr(info, content)
    with pytest.raises(MillstreamError):
        fetch(file)
    assert list((tmp_path / "temporary").iterdir()) == []


def test_an_archive_that_lies_about_a_size_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "evil.zip"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(_entry("a"), b"\0" * (10 << 20))
    content = bytearray(file.read_bytes())
    directory = content.rindex(b"PK\x01\x02")
    content[directory + 24 : directory + 28] = (1000).to_bytes(4, "little")
    file.write_bytes(content)
    with pytest.raises(MillstreamError, match="no zip file that can be unpacked"):
        fetch(file)
    assert list((tmp_path / "temporary").iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x05\x06" + b"\0" * 10, b"PK\x03\x04" + b"\xff" * 100])
def test_what_is_no_archive_is_told(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "evil.zip"
    file.write_bytes(content)
    with pytest.raises(MillstreamError, match="no zip file"):
        fetch(file)
    assert list((tmp_path / "temporary").iterdir()) == []


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, zipfile.ZIP_STORED])
def test_a_broken_archive_is_told_and_nothing_of_it_stays(tmp_path: Path, method: int) -> None:
    file = tmp_path / "broken.zip"
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.writestr("MLproject", "".join(f"# line {number * 7919 % 1009}\n" for number in range(500)))
    content = bytearray(file.read_bytes())
    content[100:400] = bytes(300)
    file.write_bytes(content)
    with pytest.raises(MillstreamError):
        fetch(file)
    assert list((tmp_path / "temporary").iterdir()) == []


def test_a_repository_in_an_archive_is_not_asked_anything(tmp_path: Path, canary: Path) -> None:
    trap = f"[core]\nfsmonitor = touch {canary}\nrepositoryformatversion = 0\n[diff]\nexternal = touch {canary}\n"
    file = tmp_path / "evil.zip"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("MLproject", "name: evil")
        for name, text in {"HEAD": "ref: refs/heads/main", "config": trap, "objects/x": "", "refs/x": ""}.items():
            archive.writestr(f".git/{name}", text)
    source = fetch(file)
    assert (source.commit, source.diff) == (None, b"")
    discard(source)
