"""Monitoring as Code: from service standards and a live AWS inventory to monitoring that is in sync."""

__version__ = "0.1.0"
