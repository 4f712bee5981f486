"""SFTP that talks only to hosts it knows."""

from __future__ import annotations

from typing import Any

import paramiko
from fsspec.implementations.sftp import SFTPFileSystem


class KnownHostsSftp(SFTPFileSystem):  # type: ignore[misc]
    """fsspec's SFTP takes any host key; this one wants it in the user's or the system's `known_hosts`."""

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
        self.ftp = client.open_sftp()
