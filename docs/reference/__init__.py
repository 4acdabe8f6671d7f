"""The parts of the references that are made from the program."""
