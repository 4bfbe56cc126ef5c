"""The drawn demo world: untrimmed videos of a jointed figure, with exact annotations. Ours from end to end."""
