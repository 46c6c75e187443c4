// The page's own line to the server: what happens in the talk comes in, typed words go out. Comes back by itself when it breaks.

const RETRY_MS = [500, 1000, 2000, 4000];

export class Link extends EventTarget {
  constructor(visitor) {
    super();
    this.url = `${location.origin.replace(/^http/, "ws")}/api/page/${visitor}`;
    this.tries = 0;
    this.open();
    window.addEventListener("focus", () => this.send({ type: "look" }));
  }

  open() {
    this.socket = new WebSocket(this.url);
    this.socket.addEventListener("open", () => {
      this.tries = 0;
      this.dispatchEvent(new Event("up"));
    });
    this.socket.addEventListener("message", ({ data }) => {
      const message = JSON.parse(data);
      this.dispatchEvent(new CustomEvent(message.type, { detail: message }));
    });
    this.socket.addEventListener("close", () => {
      this.dispatchEvent(new Event("down"));
      setTimeout(() => this.open(), RETRY_MS[Math.min(this.tries++, RETRY_MS.length - 1)]);
    });
  }

  /** False when the line is down. */
  send(message) {
    if (this.socket.readyState !== WebSocket.OPEN) return false;
    this.socket.send(JSON.stringify(message));
    return true;
  }
}
