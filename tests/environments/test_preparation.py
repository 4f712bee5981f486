"""Environments that are made again: with real installers, once, whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from millstream.environments import EnvironmentSpec, cache, environment_key, prepare
from millstream.environments.interpreters import find_interpreter
from millstream.environments.lines import parse
from millstream.environments.own_package import own_wheel
from millstream.environments.tools import find_uv
from millstream.errors import EnvironmentFailed, InvalidValue
from millstream.version import VERSION

Wheels = Callable[..., list[str]]
HERE = "{}.{}".format(*sys.version_info[:2])


def spec_of(lines: list[str], python: str = "", folder: Path = Path(), **fields: object) -> EnvironmentSpec:
    return EnvironmentSpec(python, parse(lines, folder=folder).lines, folder=folder, **fields)


def says(python: Path, code: str, **options: object) -> str:
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, timeout=60, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_uv_makes_it_once_and_then_it_is_there(wheels: Wheels, env_root: Path) -> None:
    spec = spec_of(wheels("alpha==1.0", "beta==2.5"))
    made = prepare(spec, "uv")
    assert not made.was_cached
    assert says(made.python, "import alpha, beta; print(alpha.__version__, beta.__version__)") == "1.0 2.5"
    began = time.perf_counter()
    again = prepare(spec, "uv")
    assert time.perf_counter() - began < 0.5
    assert (again.was_cached, again.python) == (True, made.python)
    assert environment_key(spec, "uv") == made.key
    assert [entry.key for entry in cache.entries()] == [made.key]
    for folder in (env_root, made.prefix.parent):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_packages_come_from_the_index_too() -> None:
    made = prepare(spec_of(["six==1.17.0", "packaging"]), "uv")
    assert says(made.python, "import six, packaging; print(six.__version__)") == "1.17.0"


def test_constraints_hold_what_only_others_need(wheels: Wheels) -> None:
    lines = [*wheels("alpha==1.0"), *wheels("alpha==2.0")]
    unpinned = [*dict.fromkeys(line for line in lines if not line.startswith("alpha")), "alpha"]
    made = prepare(spec_of(unpinned, constraints=parse(["alpha<2"]).lines), "uv")
    assert says(made.python, "import alpha; print(alpha.__version__)") == "1.0"


def test_overrides_take_the_place_of_a_models_own_lines(wheels: Wheels) -> None:
    lines = wheels("alpha==1.0")
    wheels("alpha==2.0")
    made = prepare(spec_of(lines), "uv", overrides=["alpha==2.0"])
    assert says(made.python, "import alpha; print(alpha.__version__)") == "2.0"


def test_another_python_that_is_installed_is_found(wheels: Wheels) -> None:
    other = next((minor for minor in ("3.12", "3.10", "3.13") if minor != HERE and find_interpreter(minor)), None)
    if other is None:
        pytest.skip("no second Python is installed here")
    made = prepare(spec_of(wheels("alpha==1.0"), python=other), "uv")
    assert says(made.python, "import sys; print('{}.{}'.format(*sys.version_info[:2]))") == other


def test_the_exact_python_comes_first_then_one_of_the_same_minor_version() -> None:
    exact = "{}.{}.{}".format(*sys.version_info[:3])
    base = Path(sys._base_executable)
    assert find_interpreter(exact) == find_interpreter(HERE) == find_interpreter("") == base
    assert find_interpreter(f"{HERE}.999") is not None
    assert find_interpreter("3.99") is None


@pytest.mark.parametrize("manager", ["uv", "virtualenv"])
def test_a_python_that_nobody_has_is_said_and_leaves_nothing(
    manager: str, wheels: Wheels, env_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_PYTHON_DOWNLOADS", "never")
    with pytest.raises(EnvironmentFailed, match=r"Python 3\.99 is not installed here"):
        prepare(spec_of(wheels("alpha==1.0"), python="3.99"), manager)
    assert not list(env_root.glob("ms-*/"))


def test_what_cannot_be_installed_is_said_in_the_installers_words_and_leaves_nothing(
    wheels: Wheels, env_root: Path
) -> None:
    with pytest.raises(EnvironmentFailed, match="no version of alpha==9"):
        prepare(spec_of([*wheels("alpha==1.0")[:2], "alpha==9"]), "uv")
    assert not list(env_root.glob("ms-*/"))


def test_local_is_the_running_environment_as_it_is() -> None:
    made = prepare(spec_of(["no-such-package-at-all==1"]), "local")
    assert (made.python, made.key) == (Path(sys.executable), "")
    assert made.variables({"A": "1"}) == {"A": "1"}


def test_an_unknown_manager_is_refused() -> None:
    with pytest.raises(InvalidValue, match="uv, virtualenv, conda, local"):
        prepare(spec_of([]), "poetry")


def test_processes_run_in_it_by_its_variables(wheels: Wheels) -> None:
    made = prepare(spec_of(wheels("alpha==1.0")), "uv")
    variables = made.variables({"PATH": "/usr/bin:/bin", "PYTHONHOME": "/wrong", "VIRTUAL_ENV": "/other"})
    done = subprocess.run(
        ["sh", "-c", "python -c 'import alpha, sys; print(sys.prefix)'"], env=variables, capture_output=True, text=True
    )
    assert done.stdout.strip() == str(made.prefix) == variables["VIRTUAL_ENV"]
    assert "PYTHONHOME" not in variables


# ---------------------------------------------------------------- Millstream itself


def test_millstream_itself_comes_along_from_the_running_code(wheels: Wheels) -> None:
    lines = [line for line in wheels("alpha==1.0") if line != "--no-index"]
    made = prepare(
        spec_of([*lines, "mlflow==0.0.1", 'millstream==99; extra == "millstream"']), "uv", install_millstream=True
    )
    out = says(made.python, "import millstream, alpha; print(millstream.__version__, millstream.__file__)", cwd="/")
    version, file = out.split()
    assert version == VERSION
    assert Path(file).is_relative_to(made.prefix)
    listed = says(made.python, "import importlib.metadata as m; print(sorted(d.name for d in m.distributions()))")
    assert "mlflow" not in listed
    assert (made.prefix / "bin" / "millstream").exists()


def test_our_wheel_holds_the_package_and_installs_without_building(tmp_path: Path) -> None:
    import zipfile

    import millstream

    wheel = own_wheel(tmp_path)
    with zipfile.ZipFile(wheel) as archive:
        assert archive.testzip() is None
        names = set(archive.namelist())
        source = Path(millstream.__file__).parent
        assert archive.read("millstream/version.py") == (source / "version.py").read_bytes()
        assert f"Version: {VERSION}" in archive.read(f"millstream-{VERSION}.dist-info/METADATA").decode()
    assert {"millstream/py.typed", f"millstream-{VERSION}.dist-info/RECORD"} <= names
    assert not any("__pycache__" in name for name in names)


def test_the_wheel_is_the_same_when_it_is_made_from_an_installed_wheel(tmp_path: Path) -> None:
    """What is installed from our wheel makes a wheel that installs again."""
    first = own_wheel(tmp_path / "a")
    site = tmp_path / "site"
    subprocess.run([find_uv(), "pip", "install", "--quiet", "--no-deps", "--target", site, first], check=True)
    code = f"import sys; sys.path.insert(0, {str(site)!r}); from millstream.environments.own_package import own_wheel; "
    code += f"import millstream; from pathlib import Path; print(millstream.__file__, own_wheel(Path({str(tmp_path / 'b')!r})))"
    file, second = says(Path(sys.executable), code, cwd=tmp_path).split()
    assert Path(file).is_relative_to(site)
    assert {path.name for path in (tmp_path / "b").rglob("*.whl")} == {first.name}
    assert Path(second).stat().st_size > 100_000


def test_millstream_does_not_go_into_a_python_that_it_does_not_run_on(wheels: Wheels) -> None:
    with pytest.raises(InvalidValue, match=r"needs 3\.11 or later"):
        prepare(spec_of(wheels("alpha==1.0"), python="3.8"), "uv", install_millstream=True)


# ---------------------------------------------------------------- a stranger's folder means nothing to the installers


def strange(folder: Path) -> Path:
    """A model's folder full of what installers would read if they worked in it."""
    folder.mkdir()
    evil = "https://evil.invalid/simple"
    (folder / "uv.toml").write_text(f'index-url = "{evil}"\nno-index = true\n')
    (folder / "pyproject.toml").write_text(f'[tool.uv]\nindex-url = "{evil}"\n')
    (folder / "pip.py").write_text("open('canary', 'w')\n")
    (folder / ".python-version").write_text("2.7\n")
    return folder


@pytest.mark.parametrize("manager", ["uv", "virtualenv"])
def test_settings_and_modules_beside_a_model_mean_nothing(
    manager: str, tmp_path: Path, wheels: Wheels, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = strange(tmp_path / "model")
    monkeypatch.chdir(model)
    spec = spec_of(wheels("alpha==1.0"), folder=model)
    made = prepare(spec, manager)
    assert says(made.python, "import alpha; print(alpha.__version__)", cwd="/") == "1.0"
    assert not (model / "canary").exists()
    assert (made.manager, prepare(spec, manager).was_cached) == (manager, True)


def test_a_wheel_inside_of_the_model_is_installed_from_there(tmp_path: Path, wheels: Wheels) -> None:
    lines = wheels("alpha==1.0")
    model = tmp_path / "a model"
    (model / "wheels").mkdir(parents=True)
    shutil.copy(tmp_path / "wheels" / "alpha-1.0-py3-none-any.whl", model / "wheels")
    lines = [*lines[:1], "wheels/alpha-1.0-py3-none-any.whl"]
    made = prepare(spec_of(lines, folder=model), "uv")
    assert says(made.python, "import alpha; print(alpha.__version__)") == "1.0"
    shutil.copytree(model, tmp_path / "fetched elsewhere")
    assert prepare(spec_of(lines, folder=tmp_path / "fetched elsewhere"), "uv").key == made.key
    (tmp_path / "fetched elsewhere" / lines[1]).write_bytes(b"another wheel")
    assert environment_key(spec_of(lines, folder=tmp_path / "fetched elsewhere"), "uv") != made.key


# ---------------------------------------------------------------- conda, by a recording stand-in for the program


@pytest.fixture
def conda(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program named conda that writes down its arguments and makes a virtual environment; the real one is not here."""
    record = tmp_path / "conda.json"
    folder = tmp_path / "conda" / "bin"
    folder.mkdir(parents=True)
    program = folder / "conda"
    program.write_text(
        f"#!{sys.executable}\n"
        + textwrap.dedent(f"""
        import json, sys, subprocess
        file = open(sys.argv[sys.argv.index("--file") + 1]).read()
        json.dump([sys.argv[1:], file], open({str(record)!r}, "w"))
        prefix = sys.argv[sys.argv.index("--prefix") + 1]
        subprocess.run([{sys._base_executable!r}, "-m", "venv", "--without-pip", prefix], check=True)
        """)
    )
    program.chmod(0o755)
    monkeypatch.setenv("MLFLOW_CONDA_HOME", str(tmp_path / "conda"))
    return record


def test_conda_gets_its_file_and_nothing_that_it_would_act_on_besides(conda: Path, tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "conda.yaml").write_text(
        "name: x\nprefix: /usr\nvariables: {LD_PRELOAD: evil.so}\nchannels: [conda-forge]\n"
        "dependencies: [python=3.11, libpq=16, pip, {pip: [six==1.17.0]}]\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("logging.Logger.warning", lambda *_: None)
        spec = EnvironmentSpec.read(tmp_path / "m")
    made = prepare(spec, "conda")
    import yaml

    arguments, file = json.loads(conda.read_text())
    assert arguments[:2] == ["env", "create"]
    assert yaml.safe_load(file) == {
        "channels": ["conda-forge"],
        "dependencies": ["python=3.11", "libpq=16", "pip", {"pip": ["six==1.17.0"]}],
    }
    assert made.variables({})["CONDA_PREFIX"] == str(made.prefix)


@pytest.mark.parametrize(
    "content", [{"dependencies": ["--file=/etc/passwd"]}, {"channels": ["-c evil"]}, {"channels": "x"}]
)
def test_a_conda_environment_with_options_for_names_is_refused(content: dict[str, object], conda: Path) -> None:
    with pytest.raises(InvalidValue):
        prepare(spec_of([], conda=content), "conda")
    assert not conda.exists()


def test_without_conda_that_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MLFLOW_CONDA_HOME", str(tmp_path))
    with pytest.raises(EnvironmentFailed, match="None of conda, mamba and micromamba is installed"):
        prepare(spec_of([]), "conda")


# ---------------------------------------------------------------- many at once, killed, full


PREPARE = """
import json, sys
from millstream.environments import EnvironmentSpec, prepare
from millstream.environments.lines import parse
made = prepare(EnvironmentSpec("", parse(json.loads(sys.argv[1])).lines), "uv")
print(made.was_cached, made.python)
"""


def start(lines: list[str], **variables: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PREPARE, json.dumps(lines)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **variables},
    )  # fmt: skip


def test_two_processes_at_once_make_it_once(wheels: Wheels) -> None:
    lines = wheels("alpha==1.0", "beta==1.0")
    processes = [start(lines) for _ in range(4)]
    answers = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, answers
    assert sorted(out.split()[0] for out, _ in answers) == ["False", "True", "True", "True"]
    assert len({out.split()[1] for out, _ in answers}) == 1


@pytest.fixture
def slow_uv(tmp_path: Path) -> Iterator[tuple[dict[str, str], Path]]:
    """A `uv` that stops in the middle of an installation, and goes on as the real one when the file `go` is there."""
    folder = tmp_path / "slow"
    folder.mkdir()
    (folder / "uv").write_text(
        f"#!/bin/sh\nif [ $1 = pip ]; then touch {folder}/reached; while [ ! -e {folder}/go ]; do sleep 0.05; done; fi\n"
        f'exec {find_uv()} "$@"\n'
    )
    (folder / "uv").chmod(0o755)
    python = folder / "python"  # uv is looked for beside the interpreter first
    python.symlink_to(sys.executable)
    yield {"PATH": f"{folder}:{os.environ['PATH']}", "SLOW": str(folder)}, folder
    (folder / "go").touch()


SLOW = "import sys; sys.executable = __import__('os').environ['SLOW'] + '/python'\n" + PREPARE


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_build_that_was_killed_in_the_middle_is_not_used_and_made_again(
    wheels: Wheels, slow_uv: tuple[dict[str, str], Path]
) -> None:
    variables, folder = slow_uv
    lines = wheels("alpha==1.0")
    first = subprocess.Popen([sys.executable, "-c", SLOW, json.dumps(lines)], env={**os.environ, **variables})
    wait_for(folder / "reached")
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert cache.entries() == []
    assert (cache.cache_root() / environment_key(spec_of(lines), "uv") / "env").exists()  # half of it is there
    second = start(lines)  # waits: the orphaned installer still writes
    time.sleep(0.5)
    assert second.poll() is None
    (folder / "go").touch()
    out, err = second.communicate(timeout=60)
    assert second.returncode == 0, err
    assert out.split()[0] == "False"
    assert says(Path(out.split()[1]), "import alpha; print(alpha.__version__)") == "1.0"


def test_an_interrupt_ends_the_installer_and_leaves_nothing(
    wheels: Wheels, slow_uv: tuple[dict[str, str], Path], env_root: Path
) -> None:
    variables, folder = slow_uv
    first = subprocess.Popen(
        [sys.executable, "-c", SLOW, json.dumps(wheels("alpha==1.0"))],
        env={**os.environ, **variables},
        stderr=subprocess.DEVNULL,
    )
    wait_for(folder / "reached")
    first.send_signal(signal.SIGINT)
    assert first.wait(timeout=30) != 0
    assert not list(env_root.glob("ms-*/"))


def test_an_installer_that_takes_too_long_is_ended(
    wheels: Wheels, slow_uv: tuple[dict[str, str], Path], env_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MILLSTREAM_ENV_TIMEOUT", "2")
    monkeypatch.setattr(sys, "executable", str(slow_uv[1] / "python"))
    with pytest.raises(EnvironmentFailed, match="took longer than 2 s"):
        prepare(spec_of(wheels("alpha==1.0")), "uv")
    assert not list(env_root.glob("ms-*/"))


def test_a_full_disk_is_said_and_leaves_nothing(
    wheels: Wheels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs", str(disk)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("mounting is not permitted here")
    try:
        monkeypatch.setenv("MILLSTREAM_ENV_ROOT", str(disk / "environments"))
        monkeypatch.setenv("UV_LINK_MODE", "copy")
        with pytest.raises(EnvironmentFailed, match="No space left on device"):
            prepare(spec_of(wheels("alpha==1.0", code=f"x = {'1' * 2_000_000!r}\n")), "uv")
        assert cache.entries() == []
        assert not list((disk / "environments").glob("ms-*/"))
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_an_environment_whose_interpreter_is_gone_is_made_again(wheels: Wheels) -> None:
    spec = spec_of(wheels("alpha==1.0"))
    made = prepare(spec, "uv")
    made.python.unlink()
    again = prepare(spec, "uv")
    assert not again.was_cached
    assert says(again.python, "import alpha; print(alpha.__version__)") == "1.0"


def test_a_cache_that_others_can_write_to_is_refused(env_root: Path, wheels: Wheels) -> None:
    env_root.mkdir()
    env_root.chmod(0o777)
    with pytest.raises(EnvironmentFailed, match="can be written by other users"):
        prepare(spec_of(wheels("alpha==1.0")), "uv")


# ---------------------------------------------------------------- cleaning up


def test_gc_removes_what_nobody_used_for_long_and_what_was_left_over(wheels: Wheels, env_root: Path) -> None:
    lines = wheels("alpha==1.0", "beta==1.0")
    old = prepare(spec_of(lines[:3]), "uv")
    new = prepare(spec_of(lines), "uv")
    long_ago = time.time() - 40 * 86_400
    os.utime(old.prefix.parent / cache.READY, (long_ago, long_ago))
    leftover = env_root / f"ms-{'0' * 24}"
    (leftover / "env").mkdir(parents=True)
    foreign = env_root / "mlflow-0123"
    foreign.mkdir()
    assert [entry.key for entry in cache.gc(30, dry_run=True)] == [old.key]
    assert old.prefix.exists()
    assert [entry.key for entry in cache.gc(30)] == [old.key]
    assert [entry.key for entry in cache.entries()] == [new.key]
    assert not leftover.exists()
    assert foreign.exists()
    assert not (env_root / f"{old.key}.lock").exists()
    assert not prepare(spec_of(lines[:3]), "uv").was_cached


def test_gc_leaves_an_environment_that_a_process_runs_in(wheels: Wheels) -> None:
    made = prepare(spec_of(wheels("alpha==1.0")), "uv")
    with subprocess.Popen([made.python, "-c", "input()"], stdin=subprocess.PIPE) as process:
        time.sleep(0.1)
        assert cache.gc(0) == []
        process.communicate(b"\n")
    assert [entry.key for entry in cache.gc(0)] == [made.key]


def test_an_environment_that_is_being_made_is_not_removed(wheels: Wheels, env_root: Path) -> None:
    key = environment_key(spec_of(wheels("alpha==1.0")), "uv")
    (cache.cache_root() / key / "env").mkdir(parents=True)
    with cache.locked(key):
        assert cache.gc(0) == []
        assert (env_root / key / "env").exists()


def test_the_size_of_an_environment_is_told(wheels: Wheels) -> None:
    prepare(spec_of(wheels("alpha==1.0", code="x = 1\n" * 50_000)), "uv")
    assert cache.entries()[0].size_bytes() > 300_000
