import * as tcpKeepAlive from 'tcp-keepalive';
import * as machine from 'tcp-keepalive/machine';
import * as pure from 'tcp-keepalive/predict';
import { expect, test } from 'vitest';

test('the package exports these names and no others', () => {
  expect(Object.keys(tcpKeepAlive).sort()).toEqual([
    'capabilities',
    'getKeepAlive',
    'getTcpInfo',
    'inspectKeepAlive',
    'installKeepAlive',
    'isKeepAliveError',
    'keepAlive',
    'keepAliveFor',
    'keepAliveServer',
    'keepAliveStats',
    'keepAliveStream',
    'optionsFromLibpq',
    'pathIdleLimits',
    'planKeepAlive',
    'predictDetection',
    'presets',
    'reapLostSockets',
    'reviewKeepAlive',
    'setKeepAlive',
  ]);
});

test('all but the tables are functions', () => {
  const { presets, pathIdleLimits, ...functions } = tcpKeepAlive;
  expect([presets, pathIdleLimits].map((table) => typeof table)).toEqual(['object', 'object']);
  for (const exported of Object.values(functions)) expect(exported).toBeTypeOf('function');
});

test('what is pure is the same through its own entry', () => {
  const { isKeepAliveError, planKeepAlive, predictDetection, presets, reviewKeepAlive } = tcpKeepAlive;
  expect(pure).toMatchObject({ isKeepAliveError, planKeepAlive, predictDetection, presets, reviewKeepAlive });
});

test('what reaches other processes is an entry of its own', () => {
  expect(Object.keys(machine).sort()).toEqual(['applyToProcess', 'drillProcess', 'listConnections']);
});
