// A proxy in front of a server, as the ingress of a company is one: it can answer in the server's place, take its time, want a
// password of its own, and keep the feed out or cut it.

import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';

/** Starts it in front of `server`. What it is to do wrong is set on what this returns, and can be changed at any time. */
export async function startProxy(server) {
  const target = { host: '127.0.0.1', port: Number(new URL(server.url).port) };
  const feeds = new Set();
  const proxy = {
    /** The paths that were asked for, those of the feed too. */
    asked: [],
    /** When each feed was let through, in milliseconds. */
    fedAt: [],
    /** Tells by the path which status is answered in the server's place, if one is. */
    answer: () => undefined,
    /** How long each question waits before it is passed on. */
    delayMs: 0,
    /** The header `Authorization` without which nothing is passed on, and which the server does not see. */
    password: undefined,
    refusesFeeds: false,
    /** After so long each feed is cut. */
    feedLivesMs: undefined,
    /** Cuts the feeds that there are. */
    cut: () => feeds.forEach((feed) => feed.destroy()),
    signInLink() {
      const link = new URL(server.signInLink());
      link.port = gate.address().port;
      return link.href;
    },
  };

  const gate = http.createServer(async (request, response) => {
    proxy.asked.push(request.url);
    if (proxy.delayMs > 0) await new Promise((resolve) => setTimeout(resolve, proxy.delayMs));
    const status = proxy.answer(request.url);
    if (status) return response.writeHead(status, { 'content-type': 'text/plain' }).end(`${status} by the proxy`);
    const { url: path, method, headers } = request;
    if (proxy.password !== undefined) {
      const challenge = { 'www-authenticate': 'Basic realm="proxy"' };
      if (headers.authorization !== proxy.password) return response.writeHead(401, challenge).end();
      delete headers.authorization;
    }
    const passed = http.request({ ...target, path, method, headers, agent: false }, (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    });
    passed.on('error', () => (response.headersSent ? response.destroy() : response.writeHead(502).end()));
    return request.pipe(passed);
  });

  gate.on('upgrade', (request, client, head) => {
    proxy.asked.push(request.url);
    const status = proxy.answer(request.url) ?? (proxy.refusesFeeds ? 400 : undefined);
    if (status) return client.end(`HTTP/1.1 ${status} ${http.STATUS_CODES[status]}\r\n\r\n`);
    const upstream = net.connect(target);
    const end = () => [client, upstream].forEach((socket) => socket.destroy());
    for (const socket of [client, upstream]) socket.on('error', end).on('close', end);
    feeds.add(client);
    client.on('close', () => feeds.delete(client));
    const headers = Object.entries(request.headers).map(([name, value]) => `${name}: ${value}\r\n`);
    upstream.write(`${request.method} ${request.url} HTTP/1.1\r\n${headers.join('')}\r\n`);
    upstream.write(head);
    client.pipe(upstream).pipe(client);
    proxy.fedAt.push(Date.now());
    if (proxy.feedLivesMs !== undefined) setTimeout(end, proxy.feedLivesMs);
    return undefined;
  });

  // It does not keep the test process from ending.
  gate.listen(0, '127.0.0.1').unref();
  await once(gate, 'listening');
  return proxy;
}
