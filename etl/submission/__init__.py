"""What is sent: serial numbers, the text writer, the independent reader, and sealed packages."""
