"""Raw HTTP to a server: nothing is normalised, escaped or retried on the way, so odd requests arrive as written."""

import contextlib
import http.client
import json
from urllib.parse import unquote, urlencode, urlsplit

API = "/api/2.0/mlflow/"
AJAX = "/ajax-api/2.0/mlflow/"
PROXY = "/api/2.0/mlflow-artifacts/"
COMPARED_HEADERS = ("Content-Range", "Accept-Ranges", "X-Content-Type-Options")


class Answer:
    def __init__(self, response, data):
        self.status = response.status
        self.headers = response.headers
        self.data = data
        self.media_type = (response.headers.get("Content-Type") or "").split(";")[0].strip()

    @property
    def json(self):
        """The body, None if it is not JSON."""
        return json.loads(self.data) if self.data and self.media_type == "application/json" else None

    def comparable(self, *, with_headers=False):
        """Status and body; of an error only its code, since wording is free."""
        if self.media_type == "application/json" and self.data:
            body = self.json
            if self.status >= 400:
                return {"status": self.status, "error_code": body.get("error_code") if isinstance(body, dict) else body}
            return {"status": self.status, "body": body}
        if self.status >= 400:
            return {"status": self.status, "error_code": None}
        answer = {
            "status": self.status,
            "media_type": self.media_type if self.data else "",
            "text": self.data.decode("utf-8", "replace"),
        }
        if with_headers:
            answer["headers"] = {name: self.headers[name] for name in COMPARED_HEADERS if self.headers.get(name)}
            answer["attached as"] = self._attached_as()
        return answer

    def _attached_as(self):
        """The name to save under; its extended form wins, its plain form is only a fallback."""
        disposition = self.headers.get("Content-Disposition") or ""
        extended = disposition.partition("filename*=")[2].partition("''")[2]
        return unquote(extended) if extended else self.headers.get_filename()


class CutOff:
    """No answer: the server closed the connection twice."""

    status, media_type, data, json, headers = 0, "", b"", None, {}

    def comparable(self, *, with_headers=False):
        return "<connection cut>"


class Http:
    def __init__(self, base_url):
        parts = urlsplit(base_url)
        self._address = (parts.hostname, parts.port)
        self._connection = None

    def call(self, verb, path, *, body=None, query=None, headers=None, raw=None):
        """One request.

        Args:
            path: absolute, sent as it is.
            body: sent as JSON. query: appended in URL encoding (lists repeat the key).
            raw: body bytes instead of `body`; then `headers` says the type, if any.
        """
        headers = dict(headers or {})
        if query:
            path += "?" + urlencode(query, doseq=True)
        data = raw
        if body is not None:
            data = json.dumps(body).encode()
            headers.setdefault("Content-Type", "application/json")
        for attempt in (1, 2):
            answer = self._try(verb, path, data, headers)
            if answer or attempt == 2:
                return answer or CutOff()
        raise AssertionError

    def _try(self, verb, path, data, headers):
        """One attempt; None if the server cut the connection (a kept one may have ended meanwhile)."""
        if self._connection is None:
            self._connection = http.client.HTTPConnection(*self._address, timeout=120)
        connection = self._connection
        try:
            with contextlib.suppress(ConnectionError):  # a refusal may be sent before the body is read
                connection.request(verb, path, body=data, headers=headers)
            response = connection.getresponse()
            answer = Answer(response, response.read())
        except (http.client.HTTPException, ConnectionError):
            connection.close()
            self._connection = None
            return None
        if response.will_close:
            connection.close()
            self._connection = None
        return answer
