"""The workload of `bench.turns` for other makers' engines, each in an environment of its own."""
