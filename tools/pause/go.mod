module example.org/oss/tools/pause

go 1.26.0
