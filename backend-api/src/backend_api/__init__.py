"""Ontime's backend: answers whether a flight will be late, and remembers what it answered."""
