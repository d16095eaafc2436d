"""Named endpoints for programs, and files made on demand."""
