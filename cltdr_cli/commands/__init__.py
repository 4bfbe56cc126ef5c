"""One file per subcommand: parse, load, call, print. No tensors, no arithmetic."""
