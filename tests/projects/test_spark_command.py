"""What `spark-submit` is called with, exactly: told by a program of that name that writes it down."""

from __future__ import annotations

import json
import re
import shutil
import stat
import subprocess
import sys
import tarfile
import time
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

import millstream
from millstream import projects
from millstream.client.client import MillstreamClient
from millstream.errors import InvalidValue, MissingLibrary
from millstream.projects.backends import spark_archives, spark_command, spark_driver, spark_properties
from millstream.projects.backends.spark_application import Application, NoApplication, application_of
from millstream.projects.backends.spark_options import SparkOptions, read_options
from millstream.projects.running import RunFailed
from tests.client.conftest import ServerProcess

RECORDER = f"""#!{sys.executable}
import json, os, shutil, sys, time
from pathlib import Path
here = Path(os.environ["RECORDED"])
arguments = sys.argv[1:]
if "--status" in arguments:
    sys.stderr.write(os.environ.get("SPARK_TELLS", ""))
    sys.exit(0)
if "--kill" in arguments:
    (here / "killed.json").write_text(json.dumps(arguments))
    sys.exit(0)
settings = Path(arguments[arguments.index("--properties-file") + 1])
for option in ("--py-files", "--archives"):
    if option in arguments:
        for name in arguments[arguments.index(option) + 1].split(","):
            if name.startswith("/"):
                shutil.copy(name.partition("#")[0], here)
(here / "call.json").write_text(json.dumps({{
    "arguments": arguments, "folder": os.getcwd(), "environment": dict(os.environ),
    "properties": settings.read_text(), "mode": settings.stat().st_mode, "folder_mode": settings.parent.stat().st_mode,
}}))
print(os.environ.get("SPARK_PRINTS", ""), flush=True)
time.sleep(float(os.environ.get("SPARK_SLEEPS", "0")))
sys.exit(int(os.environ.get("SPARK_EXITS", "0")))
"""

MLPROJECT = """
name: churn
entry_points:
  main:
    parameters: {depth: {type: float, default: 4}, note: {default: none}}
    command: "python jobs/train.py --depth {depth} {note}"
  typed:
    parameters: {table: path}
    command: "python jobs/train.py {table}"
"""


KUBERNETES = {
    "master": "k8s://https://127.0.0.1:6443",
    "deploy_mode": "cluster",
    "python": "/opt/python",
    "conf": {"spark.kubernetes.namespace": "ml"},
}


class Call(msgspec.Struct):
    """A call of `spark-submit`, as it was recorded."""

    arguments: list[str]
    folder: str
    environment: dict[str, str]
    properties: str
    mode: int
    folder_mode: int

    @property
    def options(self) -> list[str]:
        """Without the properties file, which has another name each time."""
        return self.arguments[2:]

    def property(self, name: str) -> str | None:
        found = [line for line in self.properties.splitlines() if line.partition(" ")[0] == name]
        return found[-1].partition(" ")[2] if found else None


@pytest.fixture
def home(tracking: MillstreamClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of Spark whose `spark-submit` writes down its call."""
    program = tmp_path / "spark" / "bin" / "spark-submit"
    program.parent.mkdir(parents=True)
    program.write_text(RECORDER)
    program.chmod(0o755)
    (tmp_path / "recorded").mkdir()
    monkeypatch.setenv("RECORDED", str(tmp_path / "recorded"))
    for name in ("SPARK_HOME", "SPARK_CONF_DIR", "SPARK_LOCAL_IP", "HADOOP_HOME"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "spark"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    (root / "jobs" / "tools").mkdir(parents=True)
    (root / "MLproject").write_text(MLPROJECT)
    (root / "notes.txt").write_text("seen by a driver on the cluster")
    (root / "jobs" / "train.py").write_text("import tools.cleaning\n")
    (root / "jobs" / "tools" / "cleaning.py").write_text("")
    return root


@pytest.fixture
def served(home: Path, tmp_path: Path) -> Iterator[MillstreamClient]:
    """The client of a server, which a driver on a cluster can log to."""
    folder = tmp_path / "server"
    folder.mkdir()
    server = ServerProcess(f"sqlite:///{folder / 'runs.db'}", folder)
    millstream.set_tracking_uri(server.uri)
    yield MillstreamClient(server.uri)
    server.stop()


def recorded(home: Path) -> Call:
    return msgspec.json.decode((home.parent / "recorded" / "call.json").read_bytes(), type=Call)


def submit(project: Path, home: Path, config: dict[str, Any] | None = None, **arguments: Any) -> projects.SubmittedRun:
    return projects.run(
        str(project),
        backend="spark",
        backend_config={"spark_home": str(home), **(config or {})},
        **{"env_manager": "local", **arguments},
    )


def test_a_client_call_names_master_modules_script_and_arguments(project: Path, home: Path) -> None:
    run = submit(project, home, {"master": "local[2]"}, parameters={"note": "it's $(here)", "extra": "-x"})
    call = recorded(home)
    modules = home.parent / "recorded" / "modules.zip"
    name = f"churn-main-{run.run_id[:8]}"
    py_files = call.options[call.options.index("--py-files") + 1]
    assert call.options == [
        "--master", "local[2]", "--deploy-mode", "client", "--name", name, "--py-files", py_files,
        "jobs/train.py", "--depth", "4", "it's $(here)", "--extra", "-x",
    ]  # fmt: skip
    assert zipfile.ZipFile(modules).namelist() == ["tools/cleaning.py", "train.py"]
    assert call.folder == str(project)


def test_all_options_of_the_configuration_are_passed_on(project: Path, home: Path) -> None:
    (project / "lookup.csv").write_text("a")
    config = {
        "master": "yarn", "deploy-mode": "client", "name": "nightly", "files": ["lookup.csv"], "archives": ["s3a://b/data.zip#data"],
        "py_files": ["hdfs:///lib.zip"], "driver_memory": "2g", "driver_cores": 2, "executor_memory": "4g", "executor_cores": 3,
        "num_executors": 5, "total_executor_cores": 15, "queue": "ml",
    }  # fmt: skip
    submit(project, home, config)
    options = recorded(home).options
    assert options[: options.index("jobs/train.py")] == [
        "--master", "yarn", "--deploy-mode", "client", "--name", "nightly",
        "--py-files", f"hdfs:///lib.zip,{options[options.index('--py-files') + 1].partition(',')[2]}",
        "--files", "lookup.csv", "--archives", "s3a://b/data.zip#data", "--driver-memory", "2g", "--driver-cores", "2",
        "--executor-memory", "4g", "--executor-cores", "3", "--num-executors", "5", "--total-executor-cores", "15",
        "--queue", "ml",
    ]  # fmt: skip


def test_driver_and_executors_are_told_their_run(project: Path, home: Path, tracking: MillstreamClient) -> None:
    run = submit(project, home, {"master": "local[2]"}, parameters={"note": "a b"})
    call = recorded(home)
    experiment = tracking.get_run(run.run_id).info.experiment_id
    expected = {"RUN_ID": run.run_id, "EXPERIMENT_ID": experiment, "TRACKING_URI": f"sqlite:///{home.parent}/runs.db"}
    for prefix in ("MLFLOW", "MILLSTREAM"):
        for name, value in expected.items():
            assert call.environment[f"{prefix}_{name}"] == value
            assert call.property(f"spark.executorEnv.{prefix}_{name}") == value
    assert json.loads(call.environment["MILLSTREAM_RUN_PARAMETERS"]) == {"depth": "4", "note": "a b"}
    assert call.property("spark.executorEnv.MILLSTREAM_RUN_PARAMETERS") == r'{"depth":"4","note":"a\u0020b"}'
    assert call.property("spark.pyspark.driver.python") == call.property("spark.pyspark.python") == sys.executable


def test_secrets_are_in_a_file_for_the_owner_and_never_on_the_command_line(
    project: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAKE_LOGIN", "hunter2")
    submit(project, home, {"master": "spark://h:7077", "env": ["LAKE_LOGIN"], "conf": {"spark.hadoop.key": "hunter3"}})
    call = recorded(home)
    assert not [word for word in call.arguments if "hunter" in word]
    assert call.property("spark.executorEnv.LAKE_LOGIN") == "hunter2"
    assert call.property("spark.hadoop.key") == "hunter3"
    assert str(call.property("spark.redaction.regex")).endswith("|(executor|appMaster|driver)Env[.](LAKE_LOGIN)")
    assert stat.S_IMODE(call.mode) == 0o600
    assert stat.S_IMODE(call.folder_mode) == 0o700
    assert not Path(call.arguments[1]).exists()  # gone with the run


def test_sparks_own_defaults_still_count_and_the_users_properties_before_them(project: Path, home: Path) -> None:
    (home / "conf").mkdir()
    (home / "conf" / "spark-defaults.conf").write_text("spark.eventLog.enabled true\nspark.cores.max 2")
    submit(project, home, {"conf": {"spark.cores.max2": 3, "spark.speculation": True}})
    call = recorded(home)
    assert call.property("spark.eventLog.enabled") == "true"
    assert call.property("spark.cores.max") == "2"
    assert call.property("spark.speculation") == "true"
    assert "--master" not in call.options  # theirs


# ---------------------------------------------------------------- drivers on the cluster


def test_a_driver_on_kubernetes_gets_the_project_unpacked_and_its_variables(
    project: Path, home: Path, served: MillstreamClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPARK_TELLS", "phase: Succeeded")
    run = submit(project, home, KUBERNETES)
    call = recorded(home)
    option = {name: call.options[call.options.index(name) + 1] for name in ("--master", "--deploy-mode", "--archives")}
    assert option["--master"] == "k8s://https://127.0.0.1:6443"
    assert option["--deploy-mode"] == "cluster"
    archive, name = option["--archives"].split("#")
    assert name == "project"
    with tarfile.open(home.parent / "recorded" / Path(archive).name) as packed:
        assert packed.getnames() == ["MLproject", "jobs/tools/cleaning.py", "jobs/train.py", "notes.txt"]
    driver, *rest = call.options[call.options.index("--archives") + 2 :]
    assert Path(driver).name == "spark_driver.py"
    assert rest == ["project", "jobs/train.py", "--depth", "4", "none"]
    for kind in ("executorEnv", "kubernetes.driverEnv"):
        assert call.property(f"spark.{kind}.MLFLOW_RUN_ID") == run.run_id
    assert call.property("spark.kubernetes.submission.waitAppCompletion") == "true"
    assert call.property("spark.kubernetes.driver.pod.name") == f"millstream-{run.run_id}"
    assert call.property("spark.pyspark.python") == call.property("spark.pyspark.driver.python") == "/opt/python"


def test_the_script_on_the_cluster_runs_as_it_would_in_the_projects_folder(project: Path, tmp_path: Path) -> None:
    (project / "jobs" / "train.py").write_text(
        "import json, os, sys, tools.cleaning\n"
        "print(json.dumps([sys.argv, os.path.basename(os.getcwd()), __name__, open('notes.txt').read()]))\n"
    )
    done = subprocess.run(
        [sys.executable, spark_driver.__file__, "project", "jobs/train.py", "-x", "a b"],
        cwd=project.parent, capture_output=True, text=True, check=True,
    )  # fmt: skip
    said = json.loads(done.stdout)
    assert said == [["jobs/train.py", "-x", "a b"], "project", "__main__", "seen by a driver on the cluster"]


@pytest.mark.parametrize(
    ("told", "printed", "reason"),
    [
        ("phase: Succeeded", "phase: Running", ""),
        ("phase: Failed\n exit code: 1", "phase: Running", "is Failed"),
        ("No applications found.", "phase: Pending\nphase: Failed", "is Failed"),
        ("No applications found.", "", "how it ended is not known"),
    ],
)
def test_of_a_driver_on_kubernetes_its_pod_says_how_it_ended(
    told: str,
    printed: str,
    reason: str,
    project: Path,
    home: Path,
    served: MillstreamClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SPARK_TELLS", told)
    monkeypatch.setenv("SPARK_PRINTS", printed)  # it exits with 0 in any case
    if not reason:
        run = submit(project, home, KUBERNETES)
        assert served.get_run(run.run_id).info.status == "FINISHED"
        return
    with pytest.raises(RunFailed, match=reason) as caught:
        submit(project, home, KUBERNETES)
    assert served.get_run(caught.value.run_id).info.status == "FAILED"


def test_cancel_kills_the_application_on_the_cluster(
    project: Path, home: Path, served: MillstreamClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPARK_SLEEPS", "60")
    run = submit(project, home, KUBERNETES, synchronous=False)
    wait_for(home.parent / "recorded" / "call.json")
    run.cancel()
    assert served.get_run(run.run_id).info.status == "KILLED"
    killed = json.loads((home.parent / "recorded" / "killed.json").read_text())
    assert killed[2:] == ["--master", "k8s://https://127.0.0.1:6443", "--kill", f"ml:millstream-{run.run_id}"]


def test_an_application_of_yarn_is_killed_by_the_name_that_it_was_given(
    project: Path, home: Path, served: MillstreamClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    yarn = home.parent / "hadoop" / "bin" / "yarn"
    yarn.parent.mkdir(parents=True)
    yarn.write_text(f'#!/bin/sh\necho "$@" > {home.parent}/recorded/yarn\n')
    yarn.chmod(0o755)
    monkeypatch.setenv("HADOOP_HOME", str(home.parent / "hadoop"))
    monkeypatch.setenv("SPARK_SLEEPS", "60")
    monkeypatch.setenv("SPARK_PRINTS", "INFO Client: Submitted application application_1700000000000_0042")
    run = submit(project, home, {**KUBERNETES, "master": "yarn"}, synchronous=False)
    wait_for(home.parent / "recorded" / "call.json")
    time.sleep(0.5)  # until it has printed, too
    run.cancel()
    assert (home.parent / "recorded" / "yarn").read_text() == "application -kill application_1700000000000_0042\n"


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)


# ---------------------------------------------------------------- how it ends


def test_the_exit_status_is_the_runs_status_and_the_output_is_kept(
    project: Path, home: Path, tracking: MillstreamClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPARK_PRINTS", "executor lost")
    monkeypatch.setenv("SPARK_EXITS", "3")
    with pytest.raises(RunFailed, match="exit status 3") as caught:
        submit(project, home)
    run = tracking.get_run(caught.value.run_id)
    assert run.info.status == "FAILED"
    assert run.data.tags["mlflow.project.backend"] == "spark"
    output = tracking.download_artifacts(run.info.run_id, "project/output.log", str(home.parent))
    assert "executor lost" in Path(output).read_text()


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"jars": ["a.jar"]}, "unknown field `jars`"),
        ({"deploy_mode": "remote"}, "deploy_mode"),
        ({"driver_cores": "two"}, "driver_cores"),
        ({"master": "-x"}, "'master'"),
        ({"files": ["missing.csv"]}, "'missing.csv', which is not there"),
        ({"py_files": ["a,b.zip"]}, "comma"),
        ({"conf": {"spark.master": "yarn"}}, "give 'master'"),
        ({"conf": {"spark.driver.memory": "2g"}, "driver_memory": "1g"}, "give 'driver_memory'"),
        ({"conf": {"driver.memory": "2g"}}, "begin with 'spark.'"),
        ({"conf": {"spark.a\nspark.b": "c"}}, "begin with 'spark.'"),
        ({"env": ["A=B"]}, "names of variables"),
        ({"env": ["SURELY_NOT_SET_HERE"]}, "not set here"),
        ({"environment": "packed"}, "'packed' with the environment manager 'local'"),
        ({"master": "local[2]", "python": "/opt/python"}, "environment 'cluster' alone"),
        ({"master": "spark://h:7077", "deploy_mode": "cluster"}, "on YARN and Kubernetes alone"),
        ({"deploy_mode": "cluster"}, "needs the cluster's address"),
        ({"master": "yarn", "deploy_mode": "cluster"}, "is a file of this machine"),
        ({"spark_home": "/nowhere"}, "there is no /nowhere/bin/spark-submit"),
    ],
)
def test_a_configuration_that_cannot_work_is_refused_before_there_is_a_run(
    config: dict[str, Any], said: str, project: Path, home: Path, tracking: MillstreamClient
) -> None:
    with pytest.raises(InvalidValue, match=re.escape(said)):
        submit(project, home, config)
    assert tracking.search_runs(["0"]) == []
    assert list((home.parent / "recorded").iterdir()) == []


def test_a_file_of_this_machine_is_no_parameter_of_a_driver_elsewhere(
    project: Path, home: Path, served: MillstreamClient
) -> None:
    (project / "t.csv").write_text("")
    with pytest.raises(InvalidValue, match="table is of type 'path'"):
        submit(project, home, KUBERNETES, entry_point="typed", parameters={"table": str(project / "t.csv")})


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        ("python train.py", ()),
        ("  python3.11 -u train.py --x 1\n", ("--x", "1")),
        ("spark-submit train.py a", ("a",)),
        ("""python train.py 'a b' "c d" e\\ f ''""", ("a b", "c d", "e f", "")),
        ("""python train.py 'it'"'"'s' '$(touch x)' '`x`' 'a\nb'""", ("it's", "$(touch x)", "`x`", "a\nb")),
        ("python train.py a#b x~y k=v \\\n -z", ("a#b", "x~y", "k=v", "-z")),
        ("python train.py é 'ü;'", ("é", "ü;")),
    ],
)
def test_a_command_is_read_as_a_shell_reads_it(command: str, arguments: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("")
    assert application_of(command, tmp_path) == Application("train.py", arguments)
    printed = f"set -- {command.strip().partition('train.py')[2]}; printf '%s\\0' \"$@\""
    shown = subprocess.run(["bash", "-c", printed], capture_output=True, text=True, check=True).stdout
    assert tuple(shown.split("\0")[:-1]) == (arguments or ("",))


@pytest.mark.parametrize(
    "command",
    [
        "", "bash run.sh", "python", "python -m train", "python -c 'print()'", "spark-submit --master yarn train.py",
        "python train.py; rm -rf x", "python train.py && true", "python train.py | tee log", "python train.py > log",
        "python train.py $HOME", "python train.py $(id)", "python train.py `id`", 'python train.py "$HOME"', "python train.py *",
        "python train.py ~/x", "python train.py {a,b}", "python train.py # note", "python train.py\ntrue", "X=1 python train.py",
        "python train.py 'open", "python train.py (a)", "python ../train.py", "python /etc/train.py", "python notes.txt",
        "python missing.py", "python link.py", "/usr/bin/python train.py",
    ],
)  # fmt: skip
def test_what_only_a_shell_could_run_is_refused(command: str, tmp_path: Path) -> None:
    root = tmp_path / "project"
    root.mkdir()
    for name in (root / "train.py", root / "notes.txt", tmp_path / "train.py"):
        name.write_text("")
    (root / "link.py").symlink_to(tmp_path / "train.py")
    with pytest.raises(NoApplication, match="cannot be sent to Spark"):
        application_of(command, root)


# ---------------------------------------------------------------- parts


def test_spark_is_found_in_the_configuration_then_the_variable_then_the_environment_then_the_path(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def install(folder: Path) -> Path:
        (folder / "bin").mkdir(parents=True)
        shutil.copy(home / "bin" / "spark-submit", folder / "bin")
        return folder

    prefix = tmp_path / "environment"
    packaged = install(prefix / "lib" / "python3.11" / "site-packages" / "pyspark")
    on_path, by_variable = install(tmp_path / "on-path"), install(tmp_path / "by-variable")
    monkeypatch.setenv("PATH", str(on_path / "bin"))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setenv("SPARK_HOME", str(by_variable))
    assert spark_command.find_spark(SparkOptions(spark_home=str(home)), prefix).home == home
    assert spark_command.find_spark(SparkOptions(), prefix).home == by_variable
    monkeypatch.delenv("SPARK_HOME")
    assert spark_command.find_spark(SparkOptions(), prefix).home == packaged
    assert spark_command.find_spark(SparkOptions(), None) == spark_command.Spark(str(on_path / "bin" / "spark-submit"))
    (on_path / "jars").mkdir()
    assert spark_command.find_spark(SparkOptions(), None).home == on_path
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingLibrary, match="SPARK_HOME"):
        spark_command.find_spark(SparkOptions(), None)


def test_an_environment_is_packed_without_pyspark_and_its_python_runs_where_it_is_unpacked(tmp_path: Path) -> None:
    venv.create(tmp_path / "env", symlinks=True)
    site = next((tmp_path / "env" / "lib").glob("python3*/site-packages"))
    for package in ("pyspark", "churn"):
        (site / package).mkdir()
        (site / package / "__init__.py").write_text("")
    packed = spark_archives.pack_environment(tmp_path / "env", tmp_path / "env.tar.gz")
    with tarfile.open(packed) as archive:
        archive.extractall(tmp_path / "elsewhere", filter="fully_trusted")  # our own, a moment ago
    shutil.rmtree(tmp_path / "env")
    code = "import sys, churn, importlib.util; print(sys.prefix, importlib.util.find_spec('pyspark'))"
    python = tmp_path / "elsewhere" / "bin" / "python"
    done = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(tmp_path / "elsewhere"), "None"]


@pytest.mark.parametrize("value", ["plain", " led", "a\\b", "line\nbreak", "é 日 😀", "k=v:#!", '{"a": 1}'])
def test_properties_are_written_as_java_reads_them(value: str, tmp_path: Path) -> None:
    path = spark_properties.write(tmp_path / "p", None, {"spark.x": value})
    _, _, text = path.read_text().rstrip("\n").partition(" ")
    assert text.isascii()
    units = re.sub(r"\\u([0-9a-f]{4})", lambda found: chr(int(found[1], 16)), text)
    assert units.encode("utf-16", "surrogatepass").decode("utf-16") == value


def test_keys_may_have_dashes(tmp_path: Path) -> None:
    assert read_options({"num-executors": 2, "deploy-mode": "client"}, tmp_path).num_executors == 2


def test_every_key_of_the_configuration_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "projects.md").read_text()
    section = page.partition("## On Spark")[2].partition("\n## ")[0]
    assert [key for key in SparkOptions.__struct_fields__ if f"`{key}`" not in section] == []
