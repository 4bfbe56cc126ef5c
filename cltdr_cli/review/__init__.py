"""Correcting segments in the browser: what is saved, and the server of this machine that the page saves to."""
