"""Tools for language models (Model Context Protocol). Needs the package ``mcp``."""
