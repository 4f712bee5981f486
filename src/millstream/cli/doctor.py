"""`millstream doctor`: what one needs to know to help somebody."""

from __future__ import annotations

import click

from millstream.cli.output import json_option, print_json, print_table
from millstream.errors import MillstreamError


@click.command()
@click.option("--mask-envs", is_flag=True, help="Show which variables are set, not what they say.")
@json_option
def doctor(mask_envs: bool, as_json: bool) -> None:
    """Show versions, settings, the tracking server's answer and journals that wait for delivery."""
    from millstream.tracking import diagnosis

    facts = {**diagnosis.facts(mask_envs), "Server answers": _answer(), **_journals()}
    if as_json:
        print_json(facts)
    else:
        print_table(["What", "Value"], list(facts.items()))


def _answer() -> str:
    from millstream.api import experiments
    from millstream.client.transport import open_transport
    from millstream.client.uris import default_uri, is_http

    uri = default_uri()
    if not is_http(uri):
        return "no server: logs go to the store itself"
    try:
        # one try: it is asked whether the server answers, not to wait until it does
        found = open_transport(uri).call(experiments.search, experiments.SearchExperiments(1000), retry=False)
        return f"yes, {len(found.experiments)} experiments"
    except MillstreamError as error:
        return f"no: {error.message}"


def _journals() -> dict[str, str]:
    from millstream.client.adoption import count_waiting, left_aside
    from millstream.client.journal_files import journal_root

    facts = {"Journals": str(journal_root()), "Waiting for `millstream sync`": str(count_waiting())}
    aside = left_aside()
    return {**facts, "Not to be delivered from here": " ".join(aside)} if aside else facts
