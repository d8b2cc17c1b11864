"""Text on a terminal: colours, tables that fit, bars, and lines that are drawn again."""
