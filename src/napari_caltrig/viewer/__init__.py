"""napari glue: reader, samples, layers and the link between a session and a viewer."""
