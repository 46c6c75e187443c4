"""What operators see of the talks: figures for Prometheus, spans for OpenTelemetry, lines of the log. All three only watch."""
