"""Videos that lie in tar, tar.gz and zip files, read from there one by one: nothing is unpacked."""
