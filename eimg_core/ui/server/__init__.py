"""What serves the page: limits, files of a visit, memory, compression, faults."""
