"""The tool bridge: intent, policy, registry, providers, delivery."""
