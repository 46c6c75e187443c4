"""The tool bridge: what a user's utterance asks for, whether it may be done, who does it, and how the answer is spoken."""
