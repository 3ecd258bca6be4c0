import { differs } from '../../../machine/apply.ts';
import type { ProcessChange } from '../../../machine/index.ts';
import type { ProcessIdentity } from '../../../machine/process.ts';
import type { KeepAliveSettings, OptionName } from '../../../options/options.ts';
import { formatTime } from '../../../options/words.ts';
import type { Io } from '../../command.ts';
import { labelled, paint, width } from '../../text.ts';
import { cutInMiddle, endOf, stateNames, timersText } from '../sockets/columns.ts';
import { counted } from '../sockets/drawing.ts';

/** The system's own value of `maxRetransmitInterval`, in milliseconds. */
const USUAL_RETRANSMIT = 120_000;

/** The options of a connection: `10s/5s/3 24.5s max 3.1s icmp`. */
export function optionsText(options: KeepAliveSettings): string {
  const { maxRetransmitInterval = USUAL_RETRANSMIT, failOnUnreachable } = options;
  const longest =
    maxRetransmitInterval === USUAL_RETRANSMIT ? '' : ` max ${formatTime(maxRetransmitInterval)}`;
  return `${timersText(options)}${longest}${failOnUnreachable ? ' icmp' : ''}`;
}

export const widths = { end: 21, state: 6, options: 24 } as const;

/** Each connection with its options now and then. */
export function drawChanges(
  io: Io,
  { name, pid }: ProcessIdentity,
  changes: readonly ProcessChange[],
): string {
  const head = paint(io, 'dim', row(['peer', 'state', 'now', 'then']));
  const lines = changes.map(({ connection, before, ...change }) => {
    const then = differs({ connection, before, ...change }) ? optionsText(change.after) : 'the same';
    return row([endOf(connection), stateNames[connection.state] ?? '', optionsText(before), then]);
  });
  return `${[paint(io, 'bold', `${name} ${pid}`), head, ...lines].join('\n')}\n\n`;
}

function row([end = '', state = '', now = '', then = '']: readonly string[]): string {
  const cells = [
    cutInMiddle(end, widths.end).padEnd(widths.end),
    state.padEnd(widths.state),
    now.padEnd(widths.options),
    then,
  ];
  return cells.join(' ').trimEnd();
}

/** Says beforehand what is lacking, and what that process may write back. */
export function drawNotes(io: Io, changes: readonly ProcessChange[]): string {
  const held = changes.filter((change) => change.mayBeWrittenBack && differs(change));
  const lacking = new Set(changes.flatMap(({ skipped }) => skipped));
  const notes = [
    ...[...lacking].map((name) => `${counted(withSkipped(changes, name))}: there is no ${name} here.`),
    ...(held.length === 0
      ? []
      : [
          `${counted(held.length)} may be held in that process by tcp-keepalive, which writes its own options back ` +
            'when the program sets them again: change them there, or in its rules.',
        ]),
  ];
  return notes.map((text) => note(io, text)).join('');
}

const withSkipped = (changes: readonly ProcessChange[], name: OptionName) =>
  changes.filter(({ skipped }) => skipped.includes(name)).length;

export function note(io: Io, text: string): string {
  return `${labelled(paint(io, 'yellow', 'note'.padEnd(6)), text, 6, width(io))}\n`;
}

/** A connection that was opened later. */
export function drawLater(io: Io, { connection, before, after, error }: ProcessChange): string {
  const label = `${cutInMiddle(endOf(connection), widths.end).padEnd(widths.end)} `;
  const text = error === undefined ? `${optionsText(before)} -> ${optionsText(after)}` : error.message;
  return `${labelled(label, text, label.length, width(io))}\n`;
}

/** Says what was done, with a line for each connection on which it was not. */
export function drawResult(io: Io, changes: readonly ProcessChange[]): string {
  const failures = changes.filter(({ error }) => error !== undefined);
  const done = changes.filter((change) => change.error === undefined && differs(change)).length;
  const result =
    done + failures.length === 0 ? 'Nothing differs, and nothing was changed.' : `${counted(done)} changed.`;
  return `${failures.map((change) => drawLater(io, change)).join('')}${result}\n`;
}
