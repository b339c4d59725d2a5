"""The what-if page of `oss serve`: a local web application over `capacity.whatif`. Loopback only, no account."""
