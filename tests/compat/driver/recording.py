"""Answers of a server, made comparable: what is random in them is replaced by names in the order of appearance.

Runs inside the official environments as well, so it needs nothing but the standard library.
"""

import json
import re
import time
import traceback
from pathlib import Path

RUN_OR_MODEL_ID = re.compile(r"[0-9a-f]{32}")
PROXIED = re.compile(r"(mlflow-artifacts:/)(\d+)(?=/|$)")
UUID = re.compile(r"[0-9a-z]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
RANDOM_NAME = re.compile(r"[a-z]+-[a-z]+-\d{1,4}")
TIME_IN_TEXT = re.compile(r"(?<!\d)1[6-9]\d{11}(?!\d)")
ISO_TIME = re.compile(r"20\d\d-\d\d-\d\d[ T]\d\d:\d\d:\d\d[.\d]*(?:\+00:00|Z)?")
LONGEST_TEXT = 100
DAY_MS = 86_400_000


class Recorder:
    """Collects `name -> normalised answer`; the same script on two servers gives two documents that can be compared."""

    def __init__(self, replace=()):
        self.steps = {}
        self._ids = {}
        self._experiments = {}
        self._replace = [(old, new) for old, new in replace if old]
        self._now_ms = int(time.time() * 1000)

    def record(self, name, answer):
        if name in self.steps:
            raise ValueError(f"two steps are named {name!r}")
        self.steps[name] = self.normalise(answer)

    def drive(self, area, script):
        """Run one area of a script; what it raises ends the area, not the script. Names of ids start anew."""
        self._ids, self._experiments = {}, {}
        try:
            area(script)
        except Exception as error:
            traceback.print_exc()
            self.record(f"{area.__module__}.{area.__name__}: cut short", f"{type(error).__name__}: {error}")

    def write(self, path):
        lines = [f"{json.dumps(name, ensure_ascii=False)}: {_line(answer)}" for name, answer in self.steps.items()]
        Path(path).write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")

    def normalise(self, value, key=""):
        if isinstance(value, dict):
            return {name: self.normalise(item, name) for name, item in value.items()}
        if isinstance(value, (list, tuple)):
            return self._listed([self.normalise(item) for item in _in_order(value)])
        if isinstance(value, bool) or value is None:
            return value
        if isinstance(value, int):
            return "<time>" if abs(value - self._now_ms) < DAY_MS else value
        if isinstance(value, float):
            return self._number(value)
        text = str(value)
        if key == "experiment_id" and text.isdigit():
            return self._experiment(text)
        if key in ("next_page_token", "page_token", "token") and text:
            return "<token>"
        return self._text(text)

    def _number(self, value):
        if value != value:
            return "<nan>"
        return "<time>" if abs(value - self._now_ms) < DAY_MS else value

    def _listed(self, items):
        """The order of keys inside one object is unspecified; points of one key keep theirs."""
        if items and all(isinstance(item, dict) and isinstance(item.get("key"), str) for item in items):
            return sorted(items, key=lambda item: item["key"])
        return items

    def _text(self, text):
        for old, new in self._replace:
            text = text.replace(old, new)
        if len(text) > LONGEST_TEXT and len(set(text)) <= 2:
            return f"<{len(text)} characters>"
        text = UUID.sub("<uuid>", text)
        text = PROXIED.sub(lambda match: match.group(1) + self._experiment(match.group(2)), text)
        text = RUN_OR_MODEL_ID.sub(lambda match: self._id(match.group()), text)
        if RANDOM_NAME.fullmatch(text):
            return "<random name>"
        return ISO_TIME.sub("<time>", TIME_IN_TEXT.sub("<time>", text))

    def _experiment(self, text):
        """Experiment ids count up over the whole script; one more or less must not change all later answers."""
        return text if text == "0" else self._experiments.setdefault(text, f"<experiment {len(self._experiments) + 1}>")

    def _id(self, text):
        return self._ids.setdefault(text, f"<id {len(self._ids) + 1}>")


def _line(answer):
    return json.dumps(answer, ensure_ascii=False, sort_keys=True)


def _in_order(items):
    """The order of a run's outputs is unspecified."""
    if items and all(isinstance(item, dict) and set(item) == {"model_id", "step"} for item in items):
        return sorted(items, key=lambda item: (item["step"], item["model_id"]))
    return items
