// Makes the server under test reachable where the Node.js SDK looks for it, without touching the SDK.
//
// It connects to {org}.localhost and {org}.messaging.localhost. Browsers and systemd take every name below
// `localhost` for this machine; the resolver that Node.js asks need not. And it takes the ports of Watson IoT Platform
// for granted, which a test must not occupy. Both are put right here, where a socket is opened; the host name that
// certificates are checked against stays what it was.

'use strict';

const net = require('node:net');

const { ports } = JSON.parse(process.env.ROLLCALL_SDK);
const connect = net.Socket.prototype.connect;

net.Socket.prototype.connect = function connectHere(...args) {
  // Within Node.js the arguments come as one array: options and callback.
  const isNormalized = Array.isArray(args[0]);
  const options = isNormalized ? args[0][0] : args[0];
  if (/\.localhost$/.test(options?.host ?? '')) {
    const here = { ...options, host: '127.0.0.1', port: ports[options.port] ?? options.port };
    if (isNormalized) args[0][0] = here;
    else args[0] = here;
  }
  return connect.apply(this, args);
};
