"""The command line: the only place that prints and turns an error into an exit code."""
