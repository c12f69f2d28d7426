"""The packages of distributions: they are built, and those of Debian are installed in trees of their release."""
