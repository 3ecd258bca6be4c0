import {
  heartbeat,
  heartbeatHttp2,
  heartbeatMysql2,
  heartbeatPg,
  heartbeatRedis,
  heartbeatWs,
} from 'tcp-keepalive/heartbeat';
import { describe, expect, test } from 'vitest';

test.each<[string, object]>([
  [
    'Expected `every` to be from 1000 to 2147483647 milliseconds, got `30` (number); did you mean 30000?',
    { every: 30 },
  ],
  ['Expected `timeout` to be from 1000', { timeout: Number.NaN }],
  ['got `2147483648` (number)', { timeout: 2 ** 31 }],
  ['got `5s` (string)', { every: '5s' }],
  ['Expected `ping` to be a function, got undefined', { ping: undefined }],
  ['Expected `onDead` to be a function, got `7` (number)', { onDead: 7 }],
  ['Expected `signal` to be an AbortSignal', { signal: {} }],
])('heartbeat refuses: %s', (message, wrong) => {
  const options = { ping: async () => {}, every: 1_000, timeout: 1_000, onDead: () => {}, ...wrong };
  expect(() => heartbeat(options)).toThrow(
    expect.objectContaining({
      code: 'ERR_KEEPALIVE_INVALID_OPTION',
      message: expect.stringContaining(message),
    }),
  );
});

const revoked = () => {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
};

describe.each<[string, (target: never, options?: never) => unknown]>([
  ['heartbeat', heartbeat],
  ['heartbeatWs', heartbeatWs],
  ['heartbeatHttp2', heartbeatHttp2],
  ['heartbeatPg', heartbeatPg],
  ['heartbeatMysql2', heartbeatMysql2],
  ['heartbeatRedis', heartbeatRedis],
])('%s', (_name, start) => {
  test.each([
    ['undefined', undefined],
    ['null', null],
    ['{}', {}],
    ['a number', 7],
    ['a revoked proxy', revoked()],
  ])('refuses %s', (_what, target) => {
    expect(() => start(target as never)).toThrow(
      expect.objectContaining({ code: 'ERR_KEEPALIVE_INVALID_OPTION' }),
    );
  });
});

test.each<[string, unknown]>([
  ['null', null],
  ['a wrong onDead', { onDead: 7 }],
  ['a revoked proxy', revoked()],
])('a heartbeat that is ready for use refuses %s as its options', (_what, options) => {
  const pool = { idleCount: 0, connect: async () => ({}) };
  expect(() => heartbeatPg(pool as never, options as never)).toThrow(
    expect.objectContaining({ code: 'ERR_KEEPALIVE_INVALID_OPTION' }),
  );
});
