"""Finding transients in traces."""
