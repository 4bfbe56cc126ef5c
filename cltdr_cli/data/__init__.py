"""Annotations and predictions as files hold them, the benchmarks, and what is wrong with them."""
