"""The regulator's workbooks: tables, code tables and check rules read from .xlsx files, and packs written as workbooks."""
