import { type PresetName, presets as table } from '../../options/presets.ts';
import { formatTime } from '../../options/words.ts';
import { predictDetection } from '../../predict/predict.ts';
import { type Command, parseArguments } from '../command.ts';
import { json, paint } from '../text.ts';
import { UsageError } from '../usage-error.ts';

const help = `tcp-keepalive presets: the named sets of options

Usage: tcp-keepalive presets [--json]

An idle peer that vanished is noticed after the time in the last column, by
exact timers; tcp-keepalive explain <preset> shows how much later it may be.
Each has maxRetransmitInterval beside these: an eighth of its user timeout, and
2s in bulk.

Examples:
  tcp-keepalive presets
  tcp-keepalive presets --json
`;

const purposes: { readonly [name in PresetName]: string } = {
  database: 'SQL, Redis and queue connection pools',
  fastFailover: 'the same within one datacentre',
  websocket: 'long-lived sessions through NAT',
  bulk: 'bulk loads and streams to a slow peer',
  tunnel: 'SSH, VPN and proxy tunnels',
  loadBalancer: 'keeps NAT and load balancers warm',
};

/** `tcp-keepalive presets` */
export const presets: Command = {
  help,
  run(args, io) {
    const given = parseArguments(args, { json: 'boolean' });
    if (given.positionals[0] !== undefined) {
      throw new UsageError(
        `Expected no argument, got \`${given.positionals[0]}\`; did you mean explain ${given.positionals[0]}?`,
      );
    }
    if (given.has('json')) {
      io.out(json(table));
      return 0;
    }
    const [head, ...rows] = [
      ['preset', 'initialDelay', 'interval', 'count', 'userTimeout', 'idle drop'],
      ...rowsOf(),
    ];
    const lines = rows.map((cells) => line(cells));
    io.out(`${[paint(io, 'bold', line(head ?? [])), ...lines].join('\n')}\n\n${legend()}`);
    return 0;
  },
};

function rowsOf(): string[][] {
  return Object.entries(table).map(([name, preset]) => [
    name,
    formatTime(preset.initialDelay),
    formatTime(preset.interval),
    String(preset.count),
    preset.userTimeout === 0 ? 'none' : formatTime(preset.userTimeout),
    formatTime(predictDetection(preset).idle.nominal),
  ]);
}

const widths = [14, 12, 10, 7, 13, 11];

function line(cells: readonly string[]): string {
  return cells
    .map((cell, index) => (index === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[index] ?? 0)))
    .join('');
}

function legend(): string {
  return Object.entries(purposes)
    .map(([name, purpose]) => `${name.padEnd(14)}${purpose}\n`)
    .join('');
}
