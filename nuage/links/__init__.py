"""Veth pairs in the kernel: made, removed, listed."""
