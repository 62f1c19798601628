"""Labelled data: data sets, archives, and people's own scans."""
