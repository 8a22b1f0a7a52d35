"""Reports: one HTML file each, that needs no network and no script, in light and dark, and reads as text.

A report is a module that makes a `frame.Page` of JSON files: what was found comes first, figures later.
"""
