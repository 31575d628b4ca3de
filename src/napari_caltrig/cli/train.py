"""Commands that train models."""

from __future__ import annotations

import click


@click.group()
def train() -> None:
    """Train a model on simulated data; the shipped weights were made this way."""
