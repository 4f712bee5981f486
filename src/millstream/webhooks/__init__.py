"""Telling other machines of what happens in the registry.

`addresses` says where a webhook may lead, `payloads` what is sent, `sending` sends it once, `dispatcher` works through the
outbox, `secrets` keeps the secrets. The outbox itself is a table (`store.outbox`).
"""
