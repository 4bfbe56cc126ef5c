"""WRITERS: format -> function that writes the results of one or more videos."""
