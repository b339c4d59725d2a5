"""Management controllers of a rack: a Redfish service (sushy-tools) over servers that are containers, or on paper."""
