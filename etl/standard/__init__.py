"""What a regulator publishes: tables, data items, code tables, file format; loaded from pack folders as data."""

from etl.standard.definition import CodeTable, CodeValue, DataItem, FileFormat, Reference, Standard, Table
from etl.standard.loader import load_standard, standard_names

__all__ = [
    "CodeTable", "CodeValue", "DataItem", "FileFormat", "Reference", "Standard", "Table", "load_standard", "standard_names",
]
