"""The demo world: untrimmed videos of a drawn jointed figure, with exact annotations."""
