"""What an operator writes: one YAML file, read into the program's own plan, with every mistake named by its line."""
