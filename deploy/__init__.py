"""Images, the compose file and what is made for them; no part of the installed package."""
