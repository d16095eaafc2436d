"""What people take away: one writer per format, each with the facts of the piece inside."""
