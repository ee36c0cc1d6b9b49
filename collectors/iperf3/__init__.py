"""Throughput by the iperf3 program, one child process per test."""
