import net from 'node:net';
import type tls from 'node:tls';
import { getKeepAlive, type KeepAliveOptions, keepAlive, presets, setKeepAlive } from 'tcp-keepalive';

const socket: net.Socket = keepAlive(net.connect(5432), 'database');
const options: KeepAliveOptions = { ...presets.database, count: 5, userTimeout: 'auto' };
const skipped: readonly string[] | undefined = setKeepAlive(socket, options, { strict: false }).skipped;
const interval: number | undefined = getKeepAlive(socket).interval;
declare const secure: tls.TLSSocket;
const same: tls.TLSSocket = keepAlive(secure, false, { onError: (error) => console.error(error.message) });
// @ts-expect-error: a mistyped preset is an error at compile time.
keepAlive(socket, 'databse');
// @ts-expect-error: and so is an unknown option.
keepAlive(socket, { initalDelay: 1000 });
console.log(skipped, interval, same);
