"""Decide what leaves an operator's hand, and what the operator is told about the link."""
