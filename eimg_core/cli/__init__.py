"""The command line: one module for each group of commands, and the parser that knows them all."""
