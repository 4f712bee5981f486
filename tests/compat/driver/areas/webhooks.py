"""Webhooks: making, reading, changing and removing them, and what may not be one (rest-registry 5). Nothing is delivered here."""

ADDRESS = "https://192.0.1.1/hook"
"""A public address by number: neither server has to ask a name server."""

CREATED = [{"entity": "MODEL_VERSION", "action": "CREATED"}]
UNKNOWN = "webhooks/00000000-0000-4000-8000-000000000000"


def webhooks(s):
    s.area = "webhooks"

    def create(step, **fields):
        made = s.post(step, "webhooks", {"name": "hook", "url": ADDRESS, "events": CREATED, **fields})
        return made["webhook"]["webhook_id"] if made and "webhook" in made else None

    first = create("create", description="to the build server", secret="s3cret", status="ACTIVE")
    create("create disabled", status="DISABLED")
    s.get("list", "webhooks", {"max_results": 0})
    s.get("list, first page", "webhooks", {"max_results": 1})
    for bad in (-1, 1001, "many"):
        s.get(f"list, {bad}", "webhooks", {"max_results": bad})
    s.get("list, broken token", "webhooks", {"page_token": "nonsense"})
    s.get("list, ajax", "/ajax-api/2.0/mlflow/webhooks", {"max_results": 1})
    create("create with number status", status=2)
    create("create with unknown status", status="SLEEPING")
    create("create with a name twice")
    create("create with an empty secret", secret="")
    for name in ("a", "a.b_c-d", "-a", "a-", "a b", "a/b", "ü", "n" * 63, "n" * 64, "", ".a", "1"):
        create(f"create named {name if len(name) < 20 else f'n x {len(name)}'!r}", name=name)
    for field in ("name", "url", "events"):
        body = {"name": "hook", "url": ADDRESS, "events": CREATED}
        del body[field]
        s.post(f"create without {field}", "webhooks", body)
    for url in (
        "http://192.0.1.1/hook",
        "ftp://192.0.1.1/hook",
        "192.0.1.1/hook",
        "https://",
        "https:///hook",
        "https://user:word@192.0.1.1/",
        "https://user@192.0.1.1/",
        "https://127.0.0.1/hook",
        "https://localhost/hook",
        "https://10.1.2.3/hook",
        "https://192.168.1.1:8443/hook",
        "https://172.16.0.1/",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/hook",
        "https://[fd00::1]/hook",
        "https://0.0.0.0/",
        "https://2130706433/",
        "https://192.0.1.1:8443/hook?key=value",
        "HTTPS://192.0.1.1/hook",
        "https://no-such-host.invalid/hook",
        "",
        " https://192.0.1.1/hook",
        "https://192.0.1.1/hook#part",
    ):
        create(f"create to {url!r}", url=url)
    for entity, action in (
        ("REGISTERED_MODEL", "CREATED"), ("REGISTERED_MODEL", "DELETED"), ("REGISTERED_MODEL", "SET"), ("MODEL_VERSION", "UPDATED"),
        ("MODEL_VERSION_TAG", "SET"), ("MODEL_VERSION_TAG", "DELETED"), ("MODEL_VERSION_TAG", "CREATED"), ("MODEL_VERSION_ALIAS", "CREATED"),
        ("MODEL_VERSION_ALIAS", "DELETED"), ("PROMPT", "CREATED"), ("PROMPT_VERSION", "CREATED"), ("PROMPT_TAG", "SET"),
        ("PROMPT_VERSION_TAG", "DELETED"), ("PROMPT_ALIAS", "CREATED"), ("BUDGET_POLICY", "EXCEEDED"), ("BUDGET_POLICY", "CREATED"),
        ("RUN", "CREATED"), ("MODEL_VERSION", "RENAMED"), (2, 1),
    ):  # fmt: skip
        create(f"create for {entity} {action}", events=[{"entity": entity, "action": action}])
    create("create for two events", events=[{"entity": "MODEL_VERSION_TAG", "action": "SET"}, *CREATED])
    create("create for an event twice", events=[*CREATED, *CREATED])
    create("create for no events", events=[])
    create("create for an event without action", events=[{"entity": "MODEL_VERSION"}])
    create("create for an event in lower case", events=[{"entity": "model_version", "action": "created"}])

    one = f"webhooks/{first}"
    s.get("get", one)
    s.get("get unknown", UNKNOWN)
    s.get("get no id at all", "webhooks/nonsense")
    patch = lambda step, **fields: s.call(step, "PATCH", one, fields)  # noqa: E731
    patch("touch")
    patch("rename", name="other")
    patch("rename badly", name="-")
    patch("rename to nothing", name="")
    patch("describe", description="new")
    patch("describe with nothing", description="")
    patch("move", url="https://192.0.1.2/")
    patch("move to a private address", url="https://10.0.0.1/")
    patch("subscribe", events=[{"entity": "REGISTERED_MODEL", "action": "CREATED"}, *CREATED])
    patch("subscribe to nothing", events=[])
    patch("subscribe to no event", events=[{"entity": "REGISTERED_MODEL", "action": "SET"}])
    patch("new secret", secret="another")
    patch("no secret", secret="")
    patch("disable", status="DISABLED")
    patch("enable", status="ACTIVE")
    s.get("get after changes", one)
    s.call("change unknown", "PATCH", UNKNOWN, {"name": "x"})
    s.call("change without body", "PATCH", one)

    s.get("list with a slash", "webhooks/")
    s.post("test without media type", f"{one}/test", raw=b"", headers={})
    s.post("test unknown", f"{UNKNOWN}/test", {})
    s.post("test with an event that is none", f"{one}/test", {"event": {"entity": "REGISTERED_MODEL", "action": "SET"}})
    s.call("test by GET", "GET", f"{one}/test")

    s.call("delete", "DELETE", one)
    s.call("delete again", "DELETE", one)
    s.get("get deleted", one)
    s.call("change deleted", "PATCH", one, {"name": "x"})
    s.post("test deleted", f"{one}/test", {})
    s.call("delete unknown", "DELETE", UNKNOWN)
