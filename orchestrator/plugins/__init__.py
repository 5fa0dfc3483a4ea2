"""Names and files of algorithms, environments and other plug-ins."""
