"""What a journal's control file holds: one msgpack value a frame, told apart by its tag.

The format is versioned by `FORMAT` in the header. To change it: add fields at the end with defaults (old journals then still
read), or raise FORMAT and keep reading the old one for as long as journals of it may lie around.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct

FORMAT = 1


class Header(Struct, tag="header", array_like=True, frozen=True):
    """The first frame: whose journal this is."""

    format: int
    journal_id: str
    parent_id: str  # the journal of the process that forked this one; "" if none
    uri: str  # where it is to be delivered, without credentials
    host: str  # locks of other machines cannot be trusted, so only this one adopts it
    pid: int
    created: int  # ms
    records: int  # of 32 bytes in one file of points


class Slot(Struct, tag="slot", array_like=True, frozen=True):
    """A series: what the number `slot` in a record of a point stands for."""

    slot: int
    run_id: str
    key: str
    model_id: str | None = None
    dataset_name: str | None = None
    dataset_digest: str | None = None


class Entries(Struct, tag="entries", array_like=True, frozen=True):
    """Params and tags of a run, in text, cut to their greatest lengths."""

    run_id: str
    params: dict[str, str] = {}
    tags: dict[str, str] = {}


class NewRun(Struct, tag="run", array_like=True, frozen=True):
    """A run that was started while the server could not be reached."""

    run_id: str
    experiment_id: str
    experiment_name: str  # "" if the id is a real one
    run_name: str
    user_id: str
    start_time: int
    tags: dict[str, str] = {}


class Call(Struct, tag="call", array_like=True, frozen=True):
    """Any other request about a run, by the name of its endpoint."""

    endpoint: str
    run_id: str
    request: bytes  # msgpack of the endpoint's request


class File(Struct, tag="file", array_like=True, frozen=True):
    """A file or folder of artifacts, copied into the journal's `files/` while the server could not be reached."""

    run_id: str
    name: str  # in `files/`
    artifact_path: str  # folder of the run's artifacts, "" for their root


Record = Header | Slot | Entries | NewRun | Call | File

encode = msgspec.msgpack.Encoder().encode
_decoder: msgspec.msgpack.Decoder[Record] = msgspec.msgpack.Decoder(Record)


def decode(data: bytes) -> Record:
    """Raises msgspec.MsgspecError if `data` is not a record."""
    return _decoder.decode(data)
