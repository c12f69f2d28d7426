"""The daemon as a process: put together, started, watched, logged, ended."""
