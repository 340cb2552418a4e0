"""Exporters that scripts/catalogue.py runs, and what they say."""
