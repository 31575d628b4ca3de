"""One module per file format: ``matches(path)`` and a lazy ``read(path)``."""
