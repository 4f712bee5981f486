"""Deliver what journals still hold: of offline runs, and of processes that died before they could."""

from __future__ import annotations

import logging
import time
from pathlib import Path

from msgspec import Struct, field

from millstream.client import uris
from millstream.client.adoption import count_in_use, dead_journals, left_aside
from millstream.client.delivery import Report, is_blocking, is_transient, run_ids_of
from millstream.client.journal_files import journal_root
from millstream.client.recorder import flush_all
from millstream.client.shipper import deliver_dead
from millstream.client.transport import Transport, open_transport
from millstream.errors import MillstreamError

log = logging.getLogger("millstream")


class JournalReport(Struct):
    """What became of one journal."""

    journal_id: str
    tracking_uri: str
    records: int  # not delivered before
    delivered: bool
    sent: Report
    error: str | None = None  # why it could not be delivered


class SyncReport(Struct):
    """What became of all of them; `left` counts those that could not be delivered and stay."""

    journals: list[JournalReport] = field(default_factory=list)
    left: int = 0
    in_use: int = 0  # of processes that still run and deliver their own
    aside: list[str] = field(default_factory=list)  # why journals without an owner cannot be delivered from here at all
    rejected_files: list[str] = field(default_factory=list)  # what servers refused, here or earlier

    @property
    def points(self) -> int:
        return sum(journal.sent.points for journal in self.journals)

    @property
    def runs(self) -> int:
        return sum(journal.sent.runs for journal in self.journals)

    @property
    def rejected(self) -> int:
        return sum(journal.sent.rejected for journal in self.journals)


def sync(
    tracking_uri: str | None = None, timeout: float = 300.0, root: Path | None = None, only_uri: str | None = None
) -> SyncReport:
    """Deliver every journal on this machine whose process is gone, each to the store that it names.

    Journals whose runs are not known yet (their parent's journal creates them) are tried again after the others. Those that
    cannot be delivered within `timeout` seconds stay as they are.

    Args:
        tracking_uri: deliver here instead, whatever the journals name.
        timeout: in seconds, for all of them together.
        root: folder of the journals; None is the setting's.
        only_uri: leave journals of other tracking URIs alone.
    """
    folder = root if root is not None else journal_root()
    deadline = time.monotonic() + timeout
    flush_all(timeout)
    reports: dict[str, JournalReport] = {}
    wanted = None if only_uri is None else uris.redact(uris.normalize(only_uri))
    pause = 0.1
    while True:
        failed = False
        before = sum(report.delivered for report in reports.values())
        for journal in dead_journals(folder, wanted):
            target = tracking_uri if tracking_uri is not None else journal.uri
            report = JournalReport(journal.journal_id, uris.redact(target), journal.pending, False, Report())
            old = reports.get(journal.journal_id)
            if old is not None:
                report.records = max(old.records, report.records)
            reports[journal.journal_id] = report
            try:
                transport: Transport = open_transport(target)
            except MillstreamError as error:
                journal.close(delete=False)
                report.error = error.message
                continue
            try:
                report.sent = deliver_dead(journal, transport, run_ids_of(transport.uri), folder).report
                report.delivered = True
            except Exception as error:
                report.error = (
                    error.message if isinstance(error, MillstreamError) else f"{type(error).__name__}: {error}"
                )
                failed = failed or is_transient(error) or not is_blocking(error)
        progressed = sum(report.delivered for report in reports.values()) > before
        if not failed or time.monotonic() + pause >= deadline:
            break
        if not progressed:
            time.sleep(pause)
            pause = min(pause * 2, 5.0)
    aside = left_aside(folder)
    for sentence in aside:
        log.warning("The journal in %s", sentence)
    return SyncReport(
        list(reports.values()),
        sum(not report.delivered for report in reports.values()),
        count_in_use(folder),
        aside,
        sorted(str(path) for path in (folder / "rejected").glob("*.jsonl")),
    )
