"""The workbench as a Space of the Hugging Face Hub: the folder that is one, its upload, and its start."""
