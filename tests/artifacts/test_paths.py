"""Security 4 and 8: what is refused as an artifact path, and what stays legal."""

from __future__ import annotations

from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream.artifacts import paths
from millstream.errors import InvalidValue

DOT_DOT = ["..", "%2e%2e", "%2E%2e", ".%2e", "%2e.", "%252e%252e", "%25252e%25252E", "%252e.", "%%32%65%%32%65"]
SLASH = ["/", "%2f", "%2F", "%252f", "%25252F"]

REFUSED = [
    "", "/", "/etc/passwd", "//host/share", "a//b", "a/", "./a", "a/./b", ".", "a/.", "..", "../a", "a/..", "a/../b",
    "a\\b", "..\\a", "\\\\host\\share", "C:\\x", "C:/x", "c:x", "C:", "a%5cb", "a%5Cb", "a%255cb",
    "a\0b", "a%00b", "a%2500b", "a\nb", "a\rb", "a\tb", "a\x1bb", "a\x7fb", "a\x85b",
    "a#b", "#", "file:/etc/passwd", "file:///etc/passwd", "FILE:etc", "s3://bucket/key", "http://host/x", "s3:/x",
    "file%3A/etc", "C%3A/x", "c%253a/x",
    "%2e", "a/%2e/b", "a/%2e", "%2f", "a%2fb", "a%252fb", "%2fetc%2fpasswd", "\ud800", "a/\udfff",
    "x" * 256, "a/" + "é" * 128, "日" * 86, "/".join(["a" * 200] * 21),
]  # fmt: skip

LEGAL = [
    "a", "a.txt", "a/b/c.txt", "a..b", "..a", "a..", "...", "a/...", ".hidden", "a b", " a", "a ", "a+b", "100%", "50%off", "%",
    "a%zz", "a,b;c", "a=b&c?d", "ab:c", "12:30.png", "loss:val.png", "日本/ö.txt", "😀", "(1) [x] {y}", "a'b\"c", "~", "~root", "$HOME",
    "a%20b", "a@b", "-rf", "*", "a|b<c>", "x" * 255, "日" * 85, "/".join(["a" * 200] * 20),
    "images/a%step%1%timestamp%1732383822123%g0b2.png", "images/a%step%23%timestamp%1732383822123%g0b2%compressed.webp",
    "%41", "a%2cb", "%C3%A9", "%ff",
]  # fmt: skip


@pytest.mark.parametrize("path", REFUSED)
def test_a_path_that_could_lead_elsewhere_is_refused(path):
    with pytest.raises(InvalidValue):
        paths.check(path)


@pytest.mark.parametrize("path", LEGAL)
def test_an_odd_but_legal_path_stays_as_it_is(path):
    assert paths.check(path) == path


@pytest.mark.parametrize("dots", DOT_DOT)
@pytest.mark.parametrize("slash", SLASH)
def test_dot_dot_is_refused_in_every_encoding(dots, slash):
    for path in (dots, f"{dots}{slash}x", f"a{slash}{dots}", f"a{slash}{dots}{slash}b"):
        with pytest.raises(InvalidValue):
            paths.check(path)


def test_the_message_says_what_to_do_and_shows_no_endless_path():
    with pytest.raises(InvalidValue, match="relative path") as error:
        paths.check("../" * 5000)
    assert len(str(error.value)) < 500


def test_only_a_folder_may_be_the_root():
    assert paths.check_folder(None) == paths.check_folder("") == paths.ROOT
    with pytest.raises(InvalidValue):
        paths.check("")
    with pytest.raises(InvalidValue):
        paths.check_folder(".")


def test_a_folder_may_end_with_one_slash():
    assert paths.check_folder("a/b/") == "a/b"
    for path in ("/", "//", "a//", "a/./", "../", "a/../"):
        with pytest.raises(InvalidValue):
            paths.check_folder(path)


def test_a_name_has_no_slash():
    assert paths.check_name("a b.txt") == "a b.txt"
    for name in ("a/b", "..", "a\\b", ""):
        with pytest.raises(InvalidValue):
            paths.check_name(name)


def test_joined_paths_are_still_not_too_long():
    long = paths.check("/".join(["a" * 200] * 15))
    with pytest.raises(InvalidValue):
        paths.join(long, long)
    assert paths.join(paths.ROOT, long) == long == paths.join(long, paths.ROOT)


def test_parts_of_a_path():
    path = paths.check("a/b/c.txt")
    assert (paths.parent(path), paths.name(path), paths.parent(paths.check("x"))) == ("a/b", "c.txt", "")


@given(st.text(max_size=60))
def test_whatever_passes_stays_below_its_root_however_often_it_is_decoded(text):
    try:
        path = paths.check(text)
    except InvalidValue:
        return
    decoded = str(path)
    for _ in range(5):
        segments = decoded.split("/")
        assert not {"", ".", ".."} & set(segments)
        assert not {"\\", "\0"} & set(decoded)
        decoded = unquote(decoded)


@given(
    st.lists(
        st.sampled_from([".", "..", "/", "%2e", "%2f", "%25", "2e", "2f", "%5c", "\\", "a", "%", "C:", "#"]), max_size=8
    )
)
def test_nothing_made_of_dangerous_pieces_escapes(pieces):
    text = "".join(pieces)
    try:
        path = paths.check(text)
    except InvalidValue:
        return
    for _ in range(6):
        path = unquote(path)
        depth = 0
        for segment in path.replace("\\", "/").split("/"):
            depth += {"..": -1, ".": 0, "": 0}.get(segment, 1)
            assert depth > 0


@given(
    st.text(
        alphabet=st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="/\\#%:"),
        min_size=1,
        max_size=40,
    )
)
def test_any_other_name_is_legal_and_survives_one_transport(name):
    if name in (".", ".."):
        return
    assert unquote(quote(paths.check(name))) == name
