"""Detection while a video goes on: segments as soon as they can no longer change, in bounded memory."""
