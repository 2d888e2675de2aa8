"""Recording some steps with nsys or torch.profiler."""
