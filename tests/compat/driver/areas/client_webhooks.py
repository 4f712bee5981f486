"""MlflowClient: webhooks, and what the server sends to them. The receiver is in this process and checks signatures itself."""

import base64
import hashlib
import hmac
import http.server
import json
import threading
import time

SECRET = "the receiver knows it too"
UNKNOWN = "00000000-0000-4000-8000-000000000000"
EVENTS = (
    "registered_model.created", "model_version.created", "model_version_tag.set", "model_version_tag.deleted",
    "model_version_alias.created", "model_version_alias.deleted",
)  # fmt: skip
SENT = ("content-type", "x-mlflow-delivery-id", "x-mlflow-timestamp", "x-mlflow-signature")


class Receiver:
    """Keeps what it gets, in comparable form."""

    def __init__(self):
        self.got = []
        self.status = 200
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                raw = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.got.append(comparable(self.headers, raw))
                self.send_response(receiver.status)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, format, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def take(self, count):
        """What came, by event, once there are `count`; there may be no more a moment later."""
        deadline = time.monotonic() + 20
        while len(self.got) < count and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(1)
        taken, self.got = self.got, []
        return sorted(taken, key=_by_event)


def _by_event(received):
    """Deliveries may overtake each other."""
    body = received["body"]
    return body["entity"], body["action"], json.dumps(body["data"], sort_keys=True)


def comparable(headers, raw):
    signed = f"{headers['X-MLflow-Delivery-Id']}.{headers['X-MLflow-Timestamp']}.".encode() + raw
    digest = base64.b64encode(hmac.new(SECRET.encode(), signed, hashlib.sha256).digest()).decode()
    given = headers.get("X-MLflow-Signature")
    return {
        "body": json.loads(raw),
        "headers": [name for name in SENT if headers.get(name)],
        "content type": headers["Content-Type"],
        "age below 60 s": abs(time.time() - int(headers["X-MLflow-Timestamp"])) < 60,
        "signature": "none" if given is None else "right" if given == f"v1,{digest}" else given,
    }


def webhooks(s):
    s.area = "client webhooks"
    c = s.client
    if not s.has("create", c, "create_webhook"):
        return
    receiver = Receiver()
    s.recorder._replace.append((receiver.url, "<receiver>"))
    hook = s.do(
        "create", c.create_webhook, "hook", receiver.url, list(EVENTS), description="d", secret=SECRET
    ).webhook_id
    s.do("create with wrong event", c.create_webhook, "hook", receiver.url, ["model_version.updated"])
    s.do("create with wrong name", c.create_webhook, "-", receiver.url, ["model_version.created"])
    s.do("create without events", c.create_webhook, "hook", receiver.url, [])
    plain_hook = c.create_webhook("plain", receiver.url, ["registered_model.created"], status="DISABLED").webhook_id
    s.do("get", c.get_webhook, hook)
    s.do("get unknown", c.get_webhook, UNKNOWN)
    s.do("list", c.list_webhooks)
    s.do("list one", c.list_webhooks, max_results=1)
    s.do("test", c.test_webhook, hook)
    s.do("test of an event", c.test_webhook, hook, "model_version_alias.deleted")
    s.do("test unknown", c.test_webhook, UNKNOWN)
    s.recorder.record("client webhooks: test, received", receiver.take(2))
    receiver.status = 404
    s.do("test that is refused", c.test_webhook, plain_hook, show=lambda r: [r.success, r.response_status])
    s.recorder.record("client webhooks: test that is refused, received", receiver.take(1))
    receiver.status = 200

    c.create_registered_model("told", tags={"a": "b"}, description="d")
    c.create_registered_model("told little")
    c.create_model_version("told", "s3://bucket/m", run_id="r1", tags={"k": "v"}, description="e")
    c.create_model_version("told little", "s3://bucket/n")
    c.set_model_version_tag("told", "1", "t", "u")
    c.delete_model_version_tag("told", "1", "t")
    c.set_registered_model_alias("told", "champion", "1")
    c.delete_registered_model_alias("told", "champion")
    c.set_registered_model_tag("told", "x", "y")
    c.update_registered_model("told", "new")
    c.transition_model_version_stage("told", "1", "Staging")
    c.rename_registered_model("told little", "told less")
    c.delete_registered_model("told less")
    s.recorder.record("client webhooks: received", receiver.take(8))

    s.do("update", c.update_webhook, hook, name="other", events=["model_version.created"], status="DISABLED")
    s.do("update nothing", c.update_webhook, hook)
    s.do("update unknown", c.update_webhook, UNKNOWN, name="x")
    c.create_registered_model("told no more")
    s.recorder.record("client webhooks: received while disabled", receiver.take(0))
    s.do("delete", c.delete_webhook, hook)
    s.do("delete again", c.delete_webhook, hook)
    c.delete_webhook(plain_hook)
    for name in ("told", "told no more"):
        c.delete_registered_model(name)
    receiver.server.shutdown()
    receiver.server.server_close()
