"""The probe report: tables of what a boundary is worth, and pictures that are drawn from those tables alone.

study    seeds, what the target did with them, and margins that no row helped to fit
tables   the tables, one CSV file each
pictures one SVG file for each table; `redraw` makes them again from the files
"""
