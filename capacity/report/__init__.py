"""The lease-sizing report (Laporan Kebutuhan Sewa): one view model, three formats, two languages."""
