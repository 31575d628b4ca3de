"""Finding cells in movies."""
