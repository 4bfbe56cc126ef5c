"""Features of videos: extract, store, load, arrange and inspect them."""
