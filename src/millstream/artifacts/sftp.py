"""SFTP that talks only to hosts it knows, over one channel for each thread."""

from __future__ import annotations

import threading
from typing import Any

import paramiko
from fsspec.implementations.sftp import SFTPFileSystem


class KnownHostsSftp(SFTPFileSystem):  # type: ignore[misc]
    """fsspec's SFTP with two differences.

    It wants the host's key in the user's or the system's `known_hosts`, where fsspec's takes any. And threads do not share an
    SFTP channel: several that wait for answers on one channel of paramiko's were seen to wait for ever (5.1, 2026-11-23).
    """

    protocol = "sftp"
    cachable = False

    def _connect(self) -> None:
        client: Any = paramiko.SSHClient()
        client.load_system_host_keys()
        client.set_missing_host_key_policy(paramiko.RejectPolicy())
        try:
            client.connect(self.host, **self.ssh_kwargs)
        except paramiko.SSHException as error:
            client.close()
            raise ConnectionError(
                f"{error}. Add the host's key to ~/.ssh/known_hosts and check the credentials"
            ) from error
        self.client = client
        self._channels = threading.local()

    @property
    def ftp(self) -> Any:
        channel = getattr(self._channels, "ftp", None)
        if channel is None:
            channel = self._channels.ftp = self.client.open_sftp()
        return channel
