"""What the server does for the pages: their files, live changes, zip files, pages in a sandbox."""

from __future__ import annotations

import http.client
import io
import json
import zipfile

import pytest

from docs import schema
from millstream.server import ui_files
from millstream.server.live import MAX_NAMED, Changes

needs_node = pytest.mark.skipif(
    not (schema.hatch_build.SOURCE / "node_modules").is_dir(), reason="The packages of the pages are not there: make ui"
)
needs_build = pytest.mark.skipif(not ui_files.is_built(), reason="The pages are not built: make ui")


@needs_build
@pytest.mark.parametrize(
    "path", ["/", "/experiments/1", "/runs", "/runs/abc", "/models/a/2", "/compare", "/trash", "/settings"]
)
def test_every_address_of_the_application_answers_its_page_with_a_strict_policy(world, path):
    reply = world.server.get(path)
    assert reply.status == 200
    assert b'<div id="root">' in reply.body
    policy = reply.headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "'unsafe-eval'" not in policy


@needs_build
def test_files_of_the_build_are_kept_for_ever_and_come_compressed(world):
    page = world.server.get("/").body.decode()
    script = page.split('src="')[1].split('"')[0]
    plain = world.server.get(script)
    packed = world.server.get(script, **{"Accept-Encoding": "gzip"})
    assert "immutable" in plain.headers["cache-control"]
    assert packed.headers["content-encoding"] == "gzip"
    assert len(packed.body) < len(plain.body) / 2
    for outside in ("../ui_files.py", "..%2fui_files.py", "assets/../../ui_files.py", "nothing.js"):
        assert world.server.get(f"/static-files/ui/{outside}").status in (400, 404)


@needs_build
def test_the_script_of_the_first_page_is_small(world):
    """At most 350 KB packed, counted over everything that the first page asks for at once."""
    page = world.server.get("/").body.decode()
    links = [part.split('"')[0] for part in page.replace('href="', 'src="').split('src="')[1:]]
    scripts = [link for link in links if link.endswith((".js", ".css"))]
    sizes = [len(world.server.get(link, **{"Accept-Encoding": "gzip"}).body) for link in scripts]
    assert 10_000 < sum(sizes) < 350_000


@needs_node
def test_the_types_of_the_pages_are_those_of_the_server():
    """`make ui-types` brings them up to date."""
    assert schema.TARGET.read_text(encoding="utf-8") == schema.generated()


def test_without_a_build_addresses_lead_to_the_plain_pages(world, monkeypatch):
    monkeypatch.setattr(ui_files, "is_built", lambda: False)
    assert world.server.get("/").headers["location"] == "/plain/"
    assert world.server.get(f"/runs/{world.run}").headers["location"] == f"/plain/runs/{world.run}"


def test_a_write_is_told_to_those_who_listen(world):
    connection = http.client.HTTPConnection("127.0.0.1", world.server.port, timeout=10)
    connection.request("GET", "/api/2.0/millstream/live")
    answer = connection.getresponse()
    assert answer.headers["content-type"].startswith("text/event-stream")
    world.server.post("runs/set-tag", {"run_id": world.run, "key": "live", "value": "1"})
    for line in answer:
        if line.startswith(b"data: "):
            break
    assert world.run in json.loads(line.removeprefix(b"data: "))["changed"]
    connection.close()


def test_changes_are_known_up_to_a_bound_and_beyond_it_anything_may_have_changed():
    changes = Changes()
    changes.note("first")
    seen = changes.number
    changes.note("second")
    changes.note("first")
    assert changes.since(seen) == ["first", "second"]
    assert changes.since(changes.number) == []
    for number in range(MAX_NAMED):
        changes.note(str(number))
    assert changes.since(seen) is None


def test_a_folder_comes_as_a_zip_file(world):
    reply = world.server.get(f"/api/2.0/millstream/artifacts/zip?run_id={world.run}")
    assert reply.headers["content-disposition"] == f"attachment; filename*=UTF-8''{world.run}.zip"
    archive = zipfile.ZipFile(io.BytesIO(reply.body))
    assert archive.testzip() is None
    assert archive.read("a/b.txt") == b"hello"
    below = zipfile.ZipFile(
        io.BytesIO(world.server.get(f"/api/2.0/millstream/artifacts/zip?run_id={world.run}&path=a").body)
    )
    assert below.namelist() == ["b.txt"]


@pytest.mark.parametrize(
    "query", ["", "run_id=nope", "run_id={run}&model_id=x", "run_id={run}&path=..", "run_id={run}&path=%2e%2e%2fx"]
)
def test_a_wrong_zip_is_refused(world, query):
    status, _ = world.server.get(f"/api/2.0/millstream/artifacts/zip?{query.format(run=world.run)}").error()
    assert 400 <= status < 500


def test_only_html_is_shown_with_its_scripts_and_in_a_sandbox(world):
    status, _ = world.server.get(f"/api/2.0/millstream/artifacts/page?run_id={world.run}&path=a/b.txt").error()
    assert status == 400
