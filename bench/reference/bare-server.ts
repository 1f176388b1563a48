/**
 * The reference: what Bun does by itself. Parses no message, checks nothing, numbers nothing; a WebSocket
 * connection with `?role=subscriber` joins the native topic in `?topic=`, and whatever a connection sends
 * goes to its topic with one `server.publish`, the way Bun's manual shows it. Bun itself gathers what a
 * topic gets in one event-loop tick and writes it once per subscriber.
 */
interface Connection {
  readonly topic: string;
  readonly isSubscriber: boolean;
}

const server = Bun.serve<Connection>({
  hostname: "127.0.0.1",
  port: 0,
  fetch(request, self) {
    const query = new URL(request.url).searchParams;
    const topic = query.get("topic") ?? "";
    const isSubscriber = query.get("role") === "subscriber";
    if (topic !== "" && self.upgrade(request, { data: { topic, isSubscriber } })) return undefined;
    return new Response("a WebSocket and ?topic= are needed\n", { status: 426 });
  },
  websocket: {
    perMessageDeflate: false,
    open(ws) {
      if (ws.data.isSubscriber) ws.subscribe(ws.data.topic);
    },
    message(ws, message) {
      server.publish(ws.data.topic, message);
    },
  },
});

for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => process.exit(0));
console.log(JSON.stringify({ event: "listening", port: server.port }));
