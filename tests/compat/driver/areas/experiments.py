"""Experiments and their search (search-grammar 7.2)."""

import time

from http_calls import API


def experiments(s):
    s.area = "experiments"
    create, get, by_name = "experiments/create", "experiments/get", "experiments/get-by-name"
    first = s.post("create", create, {"name": "first"})["experiment_id"]
    s.get("get", get, {"experiment_id": first})
    s.get("get by name", by_name, {"experiment_name": "first"})
    second = s.post(
        "create with all fields",
        create,
        {
            "name": "second",
            "artifact_location": "s3://bucket/there",
            "tags": [{"key": "team", "value": "red"}, {"key": "b", "value": ""}],
        },
    )["experiment_id"]
    s.get("get with all fields", get, {"experiment_id": second})
    s.post("name taken", create, {"name": "first"})
    s.post("name empty", create, {"name": ""})
    s.post("name missing", create, {"tags": []})
    s.post("name null", create, {"name": None})
    s.post("name of 500", create, {"name": "n" * 500})
    s.post("name of 501", create, {"name": "n" * 501})
    odd = s.post("name with odd characters", create, {"name": "  ünï/cödé #?%&'\" 日本"})["experiment_id"]
    s.get("get odd name", get, {"experiment_id": odd})
    s.get("get odd name by name", by_name, {"experiment_name": "  ünï/cödé #?%&'\" 日本"})
    for label, location in [
        ("runs scheme", "runs:/abc"),
        ("fragment", "s3://b/x#frag"),
        ("dotdot in query", "s3://b/x?a=../b"),
        ("too long", "s3://" + "x" * 2048),
        ("harmless query", "s3://b/x?endpoint=1"),
        ("unknown scheme", "foo://b/x"),
        ("file URI", "file:///tmp/x"),
        ("absolute path", "/tmp/abs"),
        ("trailing slash", "s3://b/x/"),
        ("empty", ""),
        ("params", "s3://b/x;p=1"),
    ]:
        answer = s.post(f"location {label}", create, {"name": f"location {label}", "artifact_location": location})
        if answer and "experiment_id" in answer:
            s.get(f"location {label}, read", get, {"experiment_id": answer["experiment_id"]})
    s.post(
        "duplicate tag keys",
        create,
        {"name": "dup tags", "tags": [{"key": "a", "value": "1"}, {"key": "a", "value": "2"}]},
    )
    s.post("bad tag key", create, {"name": "bad tag", "tags": [{"key": "a//b", "value": "1"}]})
    s.get("nothing was created by the bad tag", by_name, {"experiment_name": "bad tag"})
    s.get("get unknown", get, {"experiment_id": "999999"})
    s.get("get not a number", get, {"experiment_id": "abc"})
    s.get("get without id", get)
    s.get("get by unknown name", by_name, {"experiment_name": "nope"})
    s.get("get by no name", by_name)

    s.post("rename", "experiments/update", {"experiment_id": first, "new_name": "renamed"})
    s.get("rename, read", get, {"experiment_id": first})
    s.post("rename to taken", "experiments/update", {"experiment_id": first, "new_name": "second"})
    s.post("rename to same", "experiments/update", {"experiment_id": first, "new_name": "renamed"})
    s.post("rename to empty", "experiments/update", {"experiment_id": first, "new_name": ""})
    s.post("rename too long", "experiments/update", {"experiment_id": first, "new_name": "n" * 501})
    s.post("rename without name", "experiments/update", {"experiment_id": first})
    s.post("rename unknown", "experiments/update", {"experiment_id": "999999", "new_name": "x"})

    tag, untag = "experiments/set-experiment-tag", "experiments/delete-experiment-tag"
    s.post("tag", tag, {"experiment_id": first, "key": "a", "value": "1"})
    s.post("tag overwrite", tag, {"experiment_id": first, "key": "a", "value": "2"})
    s.post("tag without value", tag, {"experiment_id": first, "key": "empty"})
    s.post("tag without key", tag, {"experiment_id": first, "value": "x"})
    s.post("tag bad key", tag, {"experiment_id": first, "key": "a/../b", "value": "x"})
    s.post("tag value of 20000", tag, {"experiment_id": first, "key": "long", "value": "v" * 20000})
    s.post("tag value of 20001", tag, {"experiment_id": first, "key": "long", "value": "v" * 20001})
    s.post("tag unknown experiment", tag, {"experiment_id": "999999", "key": "a", "value": "x"})
    s.post("untag", untag, {"experiment_id": first, "key": "long"})
    s.post("untag missing", untag, {"experiment_id": first, "key": "long"})
    s.post("untag unknown experiment", untag, {"experiment_id": "999999", "key": "a"})
    s.get("tags, read", get, {"experiment_id": first})

    run = s.run(first, run_name="kept")
    gone = s.run(first, run_name="gone before", start_time=2000)
    s.quiet("POST", "runs/delete", {"run_id": gone})
    s.post("delete", "experiments/delete", {"experiment_id": first})
    s.get("deleted, get", get, {"experiment_id": first})
    s.get("deleted, by name", by_name, {"experiment_name": "renamed"})
    s.read("deleted, its run", run)
    s.post("deleted, its name is reserved", create, {"name": "renamed"})
    s.post("deleted, delete again", "experiments/delete", {"experiment_id": first})
    s.post("deleted, rename", "experiments/update", {"experiment_id": first, "new_name": "again"})
    s.post("deleted, tag", tag, {"experiment_id": first, "key": "a", "value": "3"})
    s.post("deleted, untag", untag, {"experiment_id": first, "key": "a"})
    s.post("deleted, create run", "runs/create", {"experiment_id": first, "start_time": 1})
    s.post("deleted, search its runs", "runs/search", {"experiment_ids": [first]})
    s.post(
        "deleted, search its deleted runs", "runs/search", {"experiment_ids": [first], "run_view_type": "DELETED_ONLY"}
    )
    s.post("restore", "experiments/restore", {"experiment_id": first})
    s.read("restored, its run", run)
    s.read("restored, the run that was deleted before", gone)
    s.post("restore active", "experiments/restore", {"experiment_id": first})
    s.post("restore unknown", "experiments/restore", {"experiment_id": "999999"})
    s.post("delete unknown", "experiments/delete", {"experiment_id": "999999"})
    s.post("delete default", "experiments/delete", {"experiment_id": "0"})
    s.post("restore default", "experiments/restore", {"experiment_id": "0"})


def experiment_search(s):
    """search-grammar.md 7.2, on names that no other area uses."""
    s.area = "experiment search"
    ids = {}
    for name, tags in [
        ("Plan", {"team": "a"}),
        ("quest", {"team": "b", "stage": "dev"}),
        ("Rest", {}),
        ("solo", {"team": "a"}),
    ]:
        ids[name] = s.experiment(name, tags=[{"key": key, "value": value} for key, value in tags.items()])
        time.sleep(0.005)
    s.quiet("POST", "experiments/delete", {"experiment_id": ids["solo"]})
    among = list(ids.values())

    def search(step, filter="", **fields):
        body = {"max_results": 1000, "filter": filter, **fields}
        answer = s.http.call("POST", API + "experiments/search", body=body)
        shown = answer.comparable()
        if answer.status == 200:
            found = [e["name"] for e in answer.json.get("experiments", []) if e["experiment_id"] in among]
            shown = {"names": found, "has_token": "next_page_token" in answer.json}
        s.recorder.record(f"experiment search: {step}", shown)
        return answer.json

    search("empty filter")
    search("all", view_type="ALL")
    search("deleted", view_type="DELETED_ONLY")
    for filter in [
        "tags.team = 'a'", "tag.team != 'a'", "tags.team IS NULL", "tags.team IS NOT NULL", "attribute.name LIKE '%est'",
        "attributes.name LIKE '%est'", "attr.name = 'Plan'", "name ILIKE '%plan'", "name like '%Plan'", "name = 'Plan'", "name != 'Plan'",
        "name = 'Plan' AND tags.team = 'a'", "name = 'Plan' and tags.team = 'b'", "name = 'Plan' OR name = 'Rest'", "tags.team LIKE 'a%'",
        f"experiment_id IN ('{ids['Plan']}', '{ids['quest']}')", f"experiment_id = '{ids['Plan']}'", f"experiment_id NOT IN ('{ids['Plan']}')",
        "experiment_id > '1'", "creation_time > '0'", "creation_time > 0", "creation_time > 0.5", "last_update_time >= 1", "creation_time = 0",
        "   ", "name", "name =", "bogus = 'x'", "name == 'Plan'", "name <> 'Plan'", "(name = 'Plan')", "name = Plan",
        'name = "Plan"', "name IN ('Plan')", "tags.team IN ('a')", "lifecycle_stage = 'active'", "name NOT LIKE 'P%'",
    ]:  # fmt: skip
        search(
            f"filter {filter!r}".replace(ids["Plan"] + "'", "<Plan>'").replace(ids["quest"] + "'", "<quest>'"), filter
        )
    for order in [["name ASC"], ["name DESC"], ["name"], ["name asc"], ["tags.team"], ["creation_time ASC"], ["experiment_id DESC"],
                  ["last_update_time DESC"], ["name ASC", "name DESC"], ["name FOO"], [""], ["bogus ASC"], ["attribute.name DESC"]]:  # fmt: skip
        search(f"order {order}", order_by=order)
    for number in (0, -1, 50000, 50001):
        search(f"max_results {number}", max_results=number)
    s.post("no max_results", "experiments/search", {})
    page = search("first page", max_results=2)
    search("second page", max_results=2, page_token=page["next_page_token"])
    search("broken token", page_token="nonsense")
