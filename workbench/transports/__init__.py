"""How sound gets in and out of a conversation: WebRTC, WebSocket, WAV file."""
