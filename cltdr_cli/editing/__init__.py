"""Makes videos from videos: clips, copies with chapters, copies with labels burnt in, contact sheets."""
