"""Synthetic traces, movies and recordings with known truth."""
