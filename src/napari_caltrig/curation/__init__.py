"""Everything the user decided: invertible edits, history and the ``.caltrig`` file."""
