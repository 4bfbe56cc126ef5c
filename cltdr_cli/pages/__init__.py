"""Web pages of results that need no network: one page per video, an index of many, a view for notebooks."""
