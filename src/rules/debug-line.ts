import type net from 'node:net';
import { hostText } from '../options/show.ts';
import { getKeepAlive } from '../sockets/get.ts';
import type { CompiledRule, Connection } from './rule.ts';
import { ruleText } from './text.ts';

/**
 * One line for a connection: its peer, its rule, and its options in the kernel.
 *
 * ```text
 * client db.internal (10.0.0.5):5432, rule 5432=database: enable=true initialDelay=10000 interval=5000 count=3 userTimeout=24500
 * ```
 */
export function debugLine(
  socket: net.Socket,
  connection: Connection,
  rule: CompiledRule | undefined,
): string {
  const { side, host, address, port } = connection;
  const peer = hostText(host, address);
  const ends = side === 'client' ? `client ${peer}:${port}` : `server :${port} from ${peer}`;
  return `${ends}, ${rule === undefined ? 'no rule' : `rule ${ruleText(rule, side)}`}: ${values(socket)}`;
}

/** One line at the end, for a rule: how often it was for something, or that it never was. */
export function countLine(rule: CompiledRule): string {
  const times =
    rule.hits === 0 ? 'was for nothing' : `was for ${rule.hits} attempts, listeners or connections`;
  return `rule ${ruleText(rule, rule.rule.side ?? 'client')} ${times}`;
}

function values(socket: net.Socket): string {
  try {
    return Object.entries(getKeepAlive(socket))
      .map(([name, value]) => `${name}=${value}`)
      .join(' ');
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
}
