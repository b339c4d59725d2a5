module example.org/oss/tools/loadserver

go 1.26.0
