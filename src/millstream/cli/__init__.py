"""The command line: thin, each command calls a public function and prints what it gives."""
