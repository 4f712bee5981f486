"""Commands: templates filled so that values arrive as they are, and scripts that are named as entry points."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from millstream.errors import InvalidProject, InvalidProjectParameter, NotFound
from millstream.projects.commands import command_of
from millstream.projects.submission import EntryPoint, Parameter, Project


def command(template: str, declared: dict[str, str] | None = None, extra: dict[str, str] | None = None) -> str:
    declared = declared or {}
    entry = EntryPoint("main", template, tuple(Parameter(name) for name in declared))
    return command_of(Project(Path("/nowhere"), entry_points=(entry,)), "main", {**declared, **(extra or {})})


def words(*lines: str) -> list[str]:
    """What programs get when bash runs lines that print with `show`."""
    code = "\n".join(["show() { printf '%s\\0' \"$@\"; }", *lines])
    done = subprocess.run(["bash", "-c", code], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode().split("\0")[:-1]


def test_declared_parameters_go_where_the_template_says_and_others_to_the_end() -> None:
    line = command("python fit.py --depth {depth} {table}", {"depth": "4", "table": "my table"}, {"z": "1", "a": "x y"})
    assert line == "python fit.py --depth 4 'my table' --z 1 --a 'x y'"


def test_doubled_braces_are_braces() -> None:
    line = command("for f in {{a,b}}; do show ${{f}} {p} {{{p}}}; done", {"p": "1"})
    assert line == "for f in {a,b}; do show ${f} 1 {1}; done"
    assert words(line) == ["a", "1", "{1}", "b", "1", "{1}"]


def test_a_parameter_may_be_used_twice_or_not_at_all() -> None:
    assert command("show {a} {a}", {"a": "x y", "b": "no"}) == "show 'x y' 'x y'"


@pytest.mark.parametrize("name", ["max-depth", "a.b", "x[0]", "with space", "class", "größe"])
def test_any_name_without_braces_can_be_one_of_a_parameter(name: str) -> None:
    assert command(f"show {{{name}}}", {name: "v"}) == "show v"


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("show {other}", "{other} is no parameter of this entry point (declared: p)"),
        ("show {p.upper}", "{p.upper} is no parameter"),
        ("show {p!r}", "{p!r} is no parameter"),
        ("show {p:>10}", "{p:>10} is no parameter"),
        ("show {}", "{} is no parameter"),
        ("show {0}", "{0} is no parameter"),
        ("show ${HOME}", "{HOME} is no parameter"),
        ("f() { true; }", "written twice"),
        ("show {p", "a '{' at character 6 has no counterpart"),
        ("show p}", "a '}' at character 7 has no counterpart"),
        ("show {{p}", "a '}' at character 9 has no counterpart"),
    ],
)
def test_a_malformed_template_is_told_with_its_key(template: str, reason: str) -> None:
    with pytest.raises(InvalidProject, match=re.escape(reason)) as raised:
        command(template, {"p": "v"})
    assert raised.value.key == "entry_points.main.command"


def test_further_parameters_do_not_count_as_declared() -> None:
    with pytest.raises(InvalidProject, match="is no parameter"):
        command("show {more}", {}, {"more": "x"})


def test_of_several_commands_the_last_gets_the_further_parameters() -> None:
    assert words(command("show a; show b\n", {}, {"p": "1"})) == ["a", "b", "--p", "1"]
    assert words(command("show a | cat; show b   ", {}, {"p": "1"})) == ["a", "b", "--p", "1"]


VALUES = [
    "", "plain", "two words", "a'b", 'a"b', "$HOME", "$(id)", "`id`", "a\nb", "a;b", "a&b", "a|b", "*", "~", "-x", "--", "\\",
    "a\\'b", "{x}", "}}", "{{", "!!", "#no", "<in", ">out", "é✓", "\t", "\x01", "a=b", "'", "''", "'; id; '", "x\r\ny",
]  # fmt: skip


@pytest.mark.parametrize(
    "template",
    [
        "show {p}",
        "show a{p}b",
        "show --x={p}",
        "true && show {p} || false",
        "if true; then show {p}; fi",
        "case x in x) show {p};; esac",
        "(cd / && show {p})",
        'show "it\'s" {p}',
        "show 'say \"' {p}",
        "show $'it\\'s' {p}",
        "show a\\ b {p}",
        "show $(show in) {p}",
        "show \"$(echo 'x)')\" {p}",
        'show "$(printf %s {p})"',
        "show a#b {p}",
        "show $# {p} # comment",
        "show $((1 + (2 * 3))) {p}",
        "[[ -n x ]] && show {p}",
        "show ${{HOME:-x}} {p}",
        "cat > /dev/null <<< {p}; show {p}",
        "show \\\n {p}",
        'for i in {p}; do show "$i"; done',
        "show file[0-9].txt {p} file[{p}].txt",
        "[[ a =~ ^[[:alpha:]]+$ ]] && show {p}",
        "[[ (a == a) ]] && [[(b == b) ]] && show {p}",
        'a=({p} x); show "${{a[@]}}"',
        "s[1]={p}; show {p}",
        'export X={p}; declare Y={p}; readonly -x Z={p}; show "$X" "$Y" "$Z"',
        "let x=1; show read {p}",
        "read x < /dev/null; show let {p}",
        "read x < /dev/null || show -v {p}",
        'printf -v x %s {p}; show "$x"',
        'read -r -d "" x <<< {p}; show {p}',
        "[ -n {p} ] || test x = x && show {p}",
    ],
)
def test_in_code_every_value_arrives_as_it_is(template: str) -> None:
    plain = words(command(template, {"p": "VALUE"}))
    assert any("VALUE" in word for word in plain)
    told = words(*(command(template, {"p": value}) for value in VALUES))
    assert told == [word.replace("VALUE", value) for value in VALUES for word in plain]


PLACES = {
    "double quotes": 'show "a {p}"',
    "single quotes": "show 'a {p}'",
    "$'...' quotes": "show $'it\\'s {p}'",
    "backticks": "show `echo {p}`",
    "backticks in quotes": 'show "`echo {p}`"',
    "${...}": "show ${{HOME:-{p}}}",
    "((...))": "show $(( {p} ))",
    "((...)) as a command": "(( {p} > 1 ))",
    "$[...]": "show $[ {p} ]",
    "[[...]]": "[[ {p} -gt 3 ]]",
    "a comment": "show # {p}",
    "a here-document": "cat <<END\n{p}\nEND",
    "after a here-document": "cat <<-'END'\nit's\nEND\nshow {p}",
    "quotes in a substitution in quotes": 'show "$(show "{p}")"',
    "an unclear case": "show $(case x in x) show {p};; esac)",
    "another shell's line": 'bash -c "show {p}"',
    "Python's text": "python -c \"print('{p}')\"",
    "a quote in an expansion in quotes": "show \"${{x:-it's}}\" {p} 'x'",
}


@pytest.mark.parametrize("template", PLACES.values(), ids=PLACES.keys())
def test_elsewhere_only_values_are_put_in_that_are_the_same_with_and_without_quotes(template: str) -> None:
    assert "a-b_c/d.e,f=1%@+:" in command(template, {"p": "a-b_c/d.e,f=1%@+:"})
    for value in ("two words", "$(id)", "a'b", 'a"b', "a\nb", "x[0]", "é"):
        with pytest.raises(InvalidProjectParameter, match="'p' cannot be put into the command"):
            command(template, {"p": value})


@pytest.mark.parametrize(
    ("template", "place"), [("show \\{p}", "a backslash"), ("show ${p}", "a $"), ('show "${p}"', "a $")]
)
def test_where_a_value_would_change_its_meaning_none_is_put_in(template: str, place: str) -> None:
    with pytest.raises(InvalidProjectParameter, match=re.escape(place)):
        command(template, {"p": "5"})
    assert command("show '\\{p} ${p}'", {"p": "5"}) == "show '\\5 $5'"
    assert words(command("show \\${p}", {"p": "5"})) == ["$5"]


@pytest.mark.parametrize("template", ["show a # no more", "show 'open", "cat <<END\nx\nEND"])
def test_a_command_that_ends_in_no_code_takes_no_further_parameters(template: str) -> None:
    assert command(template) == template
    with pytest.raises(InvalidProjectParameter, match="'more' is not declared"):
        command(template, {}, {"more": "1"})


# ---------------------------------------------------------------- scripts


@pytest.fixture
def scripts(tmp_path: Path) -> Project:
    root = tmp_path / "project"
    for name in ("a.py", "b.sh", "c.R", "sub/d e.py", "-f.py", "it's.R", "data.txt"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    (tmp_path / "outside.py").touch()
    (root / "link.py").symlink_to(tmp_path / "outside.py")
    return Project(root, entry_points=(EntryPoint("train", "true"),))


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("a.py", "python a.py --x 'y z'"),
        ("b.sh", "\"${SHELL:-bash}\" b.sh --x 'y z'"),
        ("c.R", "Rscript -e 'mlflow::mlflow_source('\"'\"'c.R'\"'\"')' --args --x 'y z'"),
        ("it's.R", "Rscript -e 'mlflow::mlflow_source('\"'\"'it\\'\"'\"'s.R'\"'\"')' --args --x 'y z'"),
        ("sub/d e.py", "python 'sub/d e.py' --x 'y z'"),
        ("-f.py", "python ./-f.py --x 'y z'"),
    ],
)
def test_a_script_is_run_by_what_its_ending_says(scripts: Project, name: str, line: str) -> None:
    assert command_of(scripts, name, {"x": "y z"}) == line


@pytest.mark.parametrize(
    "name", ["main", "other", "data.txt", "a.PY", "none.py", "../outside.py", "link.py", "/etc/x.sh", "x\0.py"]
)
def test_what_is_neither_declared_nor_a_script_of_the_project_is_told(scripts: Project, name: str) -> None:
    with pytest.raises(NotFound):
        command_of(scripts, name, {})


def test_the_declared_entry_points_are_named(scripts: Project) -> None:
    with pytest.raises(NotFound, match="declared: 'train'"):
        command_of(scripts, "trian", {})
