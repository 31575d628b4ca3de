"""Numbers and figures of a curated recording."""
