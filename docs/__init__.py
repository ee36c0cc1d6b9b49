"""The documentation that is made from the program, and the program that makes it."""
