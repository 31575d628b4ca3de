"""Qt dock widgets: they draw the session and forward to it, they compute nothing."""
