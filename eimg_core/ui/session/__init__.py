"""What happens between a click and what the page shows: pieces composed, compared and saved, as plain values."""
