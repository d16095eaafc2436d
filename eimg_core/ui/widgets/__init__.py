"""The widgets: a folder each, with its Python, script, template and style."""
