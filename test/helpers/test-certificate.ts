import { readFileSync } from 'node:fs';

/** A self-signed certificate for `localhost`, `127.0.0.1` and `::1`, valid until 2120: trust it as `ca`. */
export const certificate: string = readFileSync(new URL('./tls/cert.pem', import.meta.url), 'utf8');

/** Its key. It protects nothing: whoever has the tests has it. */
export const certificateKey: string = readFileSync(new URL('./tls/key.pem', import.meta.url), 'utf8');
