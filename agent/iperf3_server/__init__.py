"""The far side of tests of throughput: iperf3's own server, kept running, for allowed peers alone."""
