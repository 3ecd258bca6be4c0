import type { Drill } from '../../../machine/drill.ts';
import { endText } from '../../../machine/endpoint.ts';
import type { Connection, ConnectionInDrill, DetectionWindow } from '../../../machine/index.ts';
import { wrap } from '../../../options/show.ts';
import { formatTime } from '../../../options/words.ts';
import type { Io } from '../../command.ts';
import { labelled, paint, width } from '../../text.ts';
import { optionsText } from '../apply/drawing.ts';
import { cutInMiddle } from '../sockets/columns.ts';
import { counted } from '../sockets/drawing.ts';

const widths = { from: 6, peer: 21, options: 24 } as const;

/** More lines at once than these would hide each other. */
const MANY = 8;

const WARNING =
  'What the process sends still arrives: a query runs, and its result is lost. The peer keeps locks and backends of ' +
  'these connections until its own timers end them. New connections are not touched. Ctrl-C ends it and undoes it.';

/** Says what will happen, and to which connections. */
export function drawNotice(io: Io, drill: Drill, most: number): string {
  const { name, pid } = drill.process;
  const title = `The peer of ${counted(drill.connections.length)} of ${name} ${pid} will seem to have vanished, for at most ${formatTime(most)}.`;
  const head = paint(io, 'dim', row(['from', 'peer', 'options', 'noticed after']));
  const lines = drill.connections.map((connection) => {
    const predicted = drill.expect(connection);
    return row([...cellsOf(connection), optionsText(connection.options), windowText(predicted)]);
  });
  const texts = [title, WARNING].map((text) => wrap(text, width(io)).join('\n'));
  return `${texts[0]}\n\n${head}\n${lines.join('\n')}\n\n${texts[1]}\n`;
}

function row([from = '', peer = '', options = '', noticed = '']: readonly string[]): string {
  const cells = [from.padEnd(widths.from), peer.padEnd(widths.peer), options.padEnd(widths.options), noticed];
  return cells.join(' ').trimEnd();
}

/** Two connections to one peer differ by their own ports. */
function cellsOf({ local, remote }: Connection): [from: string, peer: string] {
  return [`:${local.port}`, cutInMiddle(endText(remote), widths.peer)];
}

function windowText(window: DetectionWindow | undefined): string {
  if (window === undefined) return 'unknown';
  const { earliest, latest } = window;
  if (latest === Infinity) return 'never';
  const [from, to] = [formatTime(earliest), formatTime(latest)];
  return from === to ? from : `${from} to ${to}`;
}

/** Tells in lines with the time what has happened on each connection since the last look. */
export class DrillLog {
  readonly #io: Io;
  readonly #last = new Map<number, string>();

  constructor(io: Io) {
    this.#io = io;
  }

  /** The lines for what is new. */
  look(connections: readonly ConnectionInDrill[]): string {
    const news = connections.flatMap((each) => {
      const { cookie } = each.connection;
      const [text, last] = [stateOf(each), this.#last.get(cookie) ?? ''];
      this.#last.set(cookie, text);
      return text === last || text === '' ? [] : [{ ...each, text }];
    });
    const time = paint(this.#io, 'dim', clock(connections[0]?.elapsed ?? 0));
    const byText = new Map<string, typeof news>();
    for (const each of news) byText.set(each.text, [...(byText.get(each.text) ?? []), each]);
    return [...byText]
      .flatMap(([text, alike]) =>
        alike.length > MANY
          ? [`${time}  ${counted(alike.length).padEnd(widths.from + 1 + widths.peer)} ${text}\n`]
          : alike.map(({ connection }) => `${time}  ${row(cellsOf(connection)).padEnd(28)} ${text}\n`),
      )
      .join('');
  }
}

/** A time in a column, to a tenth of a second. */
function clock(ms: number): string {
  return `${(ms / 1_000).toFixed(1)}s`.padStart(7);
}

function stateOf({ verdict, unansweredProbes, retransmissions }: ConnectionInDrill): string {
  if (verdict === 'noticed') return 'closed by the process';
  if (verdict === 'processEnded') return 'the process has ended';
  if (verdict === 'notReading') return 'given up by the kernel, open in the process';
  if (retransmissions > 0) return `data sent again: ${retransmissions}`;
  return unansweredProbes > 0 ? `unanswered probes: ${unansweredProbes}` : '';
}

/** The verdict on each connection. */
export function drawVerdicts(
  io: Io,
  connections: readonly ConnectionInDrill[],
  { lasted, isInTime }: { lasted: number; isInTime: (connection: ConnectionInDrill) => boolean },
): string {
  return connections
    .map((each) => {
      const label = `${row(cellsOf(each.connection)).padEnd(28)} `;
      const style = isInTime(each) ? 'green' : 'red';
      const text = verdictOf(each, lasted, isInTime(each));
      return `${labelled(paint(io, style, label), text, label.length, width(io))}\n`;
    })
    .join('');
}

function verdictOf(connection: ConnectionInDrill, lasted: number, isInTime: boolean): string {
  const { verdict, noticedAfter = 0, gaveUpAfter = 0, predicted } = connection;
  const window = `predicted ${windowText(predicted)}`;
  if (verdict === 'notReading') {
    return `the kernel gave up after ${formatTime(gaveUpAfter)} (${window}), but the process has not closed it: it is not reading`;
  }
  if (verdict === 'processEnded') return `the process ended (${window})`;
  if (verdict === 'notNoticed') {
    const { nominal } = predicted;
    const later = nominal === Infinity ? 'it never would be' : `it would be after ${windowText(predicted)}`;
    return `not noticed in ${formatTime(lasted)}; ${later}`;
  }
  const early = noticedAfter < predicted.earliest - 100 ? ', before the kernel: by the program itself' : '';
  return `noticed after ${formatTime(noticedAfter)} (${window})${early}${isInTime ? '' : ', too late'}`;
}
