import net from 'node:net';
import type tls from 'node:tls';
import { getKeepAlive, type KeepAliveOptions, keepAlive, presets, setKeepAlive } from 'tcp-keepalive';
import { heartbeat } from 'tcp-keepalive/heartbeat';
import { keepAlivePg } from 'tcp-keepalive/pg';
import { predictDetection } from 'tcp-keepalive/predict';
import { vanish } from 'tcp-keepalive/testing';

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
// What could not be resolved would be `any`, and these no errors.
// @ts-expect-error: a number is no pool.
keepAlivePg(1, 'database');
// @ts-expect-error: a prediction has no such field.
predictDetection('database').idel;
// @ts-expect-error: a heartbeat needs its options.
heartbeat();
// @ts-expect-error: a port is no socket.
vanish(5432);
console.log(skipped, interval, same);
