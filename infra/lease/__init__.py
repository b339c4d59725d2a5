"""The `lease` provider: leased servers accepted against their contract, powered, watched and returned over Redfish."""
