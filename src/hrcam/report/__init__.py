"""What people look at: figures of maps and scores, and one self-contained HTML page."""
