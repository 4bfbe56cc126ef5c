"""Feature files: extracting, storing, loading."""
