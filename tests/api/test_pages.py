import re

import pytest


@pytest.fixture(scope="module")
def links(world):
    """All links of the pages, followed from `/` on."""
    seen, todo = {}, ["/plain/"]
    while todo and len(seen) < 60:
        path = todo.pop(0)
        if path in seen:
            continue
        reply = world.server.get(path)
        seen[path] = reply
        if reply.headers["content-type"].startswith("text/html"):
            todo += [found.replace("&amp;", "&") for found in re.findall(r'(?:href)="([^"]+)"', reply.body.decode())]
    return seen


def test_every_link_of_every_page_leads_somewhere(links):
    assert len(links) > 5
    for path, reply in links.items():
        assert reply.status == 200, path


def test_a_run_is_found_from_the_first_page_with_its_data(links, world):
    page = links[f"/plain/runs/{world.run}"].body.decode()
    for text in ("loss", "0.25", "<svg", "a/", "team", "blue"):
        assert text in page, text
    assert f"/plain/experiments/{world.experiment}" in links


def test_artifacts_are_opened_folder_by_folder(world):
    page = world.server.get(f"/plain/runs/{world.run}?path=a").body.decode()
    assert f"/get-artifact?run_id={world.run}&amp;path=a%2Fb.txt" in page
    assert world.server.get(f"/get-artifact?run_id={world.run}&path=a%2Fb.txt").body == b"hello"


def test_runs_are_filtered_and_ordered_by_the_address(world):
    here = f"/plain/experiments/{world.experiment}"
    assert world.run in world.server.get(f"{here}?filter=metrics.loss%20%3C%201").body.decode()
    assert world.run not in world.server.get(f"{here}?filter=metrics.loss%20%3E%201").body.decode()
    broken = world.server.get(f"{here}?filter=metrics.loss%20%3C")
    assert broken.status == 200
    assert 'role="alert"' in broken.body.decode()
    assert world.run in world.server.get(f"{here}?order_by=metrics.loss%20DESC").body.decode()


def test_what_is_not_there_is_a_page_too(world):
    for path in ("/plain/runs/nope", "/plain/experiments/99999", "/plain/experiments/abc"):
        reply = world.server.get(path)
        assert reply.status in (400, 404)
        assert reply.headers["content-type"].startswith("text/html")


def test_a_fresh_server_shows_how_to_begin(start):
    server = start()
    page = server.get("/plain/").body.decode()
    assert f"http://127.0.0.1:{server.port}" in page
    assert "start_run" in page


def test_under_a_static_prefix_everything_is_at_both_places(start):
    server = start(static_prefix="/tracking/")
    for root in ("", "/tracking"):
        assert server.get(f"{root}/health").body == b"OK"
        assert server.get(f"{root}/version").status == 200
        assert server.get(f"{root}/api/2.0/mlflow/experiments/get?experiment_id=0").status == 200
        page = server.get(f"{root}/plain/")
        assert page.status == 200
        assert f'href="{root}/plain/experiments/0"' in page.body.decode()
    assert server.get("/trackingx/health").status == 404
    assert server.get("/tracking/tracking/health").status == 404


def test_addresses_that_mlflow_clients_print_are_followed_by_a_script_of_our_own(world):
    page = world.server.get("/plain/").body.decode()
    address = re.search(r'<script src="([^"]+)" data-root="">', page)
    reply = world.server.get(address[1])
    assert reply.headers["content-type"] == "text/javascript; charset=utf-8"
    assert b"location.hash" in reply.body


def test_the_style_sheet_is_served_as_such(world):
    page = world.server.get("/plain/").body.decode()
    sheet = re.search(r'href="([^"]+\.css)"', page)
    reply = world.server.get(sheet[1])
    assert reply.headers["content-type"] == "text/css; charset=utf-8"
    assert b"prefers-color-scheme:dark" in reply.body
