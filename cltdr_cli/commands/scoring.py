"""Scoring, under the names that `cltdr train` uses until it is a workflow as well."""

from cltdr_cli.workflows.reference import Reference, make_reference
from cltdr_cli.workflows.scores import score_split as score

__all__ = ["Reference", "make_reference", "score"]
