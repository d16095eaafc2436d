"""The pages: layout and wiring, one module a page."""
