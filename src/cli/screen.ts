import { emitKeypressEvents, type Key } from 'node:readline';

/** The whole of a terminal, until it is closed. */
export interface Screen {
  readonly columns: number;
  readonly rows: number;
  show(lines: readonly string[]): void;
  /** Gives the terminal back as it was. */
  close(): void;
}

/** Other programs' names for these sequences: the alternate screen, and the cursor. */
const ENTER = '\x1b[?1049h\x1b[?25l';
const LEAVE = '\x1b[?25h\x1b[?1049l';
const HOME = '\x1b[H';
const CLEAR_LINE = '\x1b[K';
const CLEAR_BELOW = '\x1b[J';

const endings = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const;

/**
 * Takes the terminal over. It is given back when the process ends, however it ends but by SIGKILL, and while it is
 * stopped by Ctrl-Z.
 *
 * @param onKey - called with the name of each key that is pressed: `q`, `up`, `ctrl-c`
 * @param onResize - called when the size has changed, or when all must be drawn again
 */
export function openScreen(onKey: (name: string) => void, onResize: () => void): Screen {
  const { stdin, stdout } = process;
  const setRaw = (isRaw: boolean) => void (stdin.isTTY && stdin.setRawMode(isRaw));
  const enter = () => {
    setRaw(true);
    stdout.write(ENTER);
  };
  const leave = () => {
    stdout.write(LEAVE);
    setRaw(false);
  };
  const again = () => {
    enter();
    onResize();
  };
  const stop = () => {
    leave();
    // Programs that started this one, such as npx, stop too.
    process.kill(0, 'SIGTSTP');
    again();
  };
  const pressed = (text: string | undefined, key: Key) => {
    const name = nameOf(text, key);
    if (name === 'ctrl-z') stop();
    else onKey(name);
  };
  const close = () => {
    leave();
    stdin.off('keypress', pressed).pause();
    stdout.off('resize', onResize);
    process.off('exit', close).off('SIGCONT', again);
    for (const signal of endings) process.off(signal, end);
  };
  const end = (signal: NodeJS.Signals) => {
    close();
    process.kill(process.pid, signal);
  };
  emitKeypressEvents(stdin);
  stdin.on('keypress', pressed).resume();
  stdout.on('resize', onResize);
  process.on('exit', close).on('SIGCONT', again);
  for (const signal of endings) process.on(signal, end);
  enter();
  return {
    get columns() {
      return stdout.columns || 80;
    },
    get rows() {
      return stdout.rows || 24;
    },
    show: (lines) =>
      void stdout.write(`${HOME}${lines.join(`${CLEAR_LINE}\r\n`)}${CLEAR_LINE}${CLEAR_BELOW}`),
    close,
  };
}

function nameOf(text: string | undefined, { name, ctrl }: Key): string {
  if (ctrl === true) return `ctrl-${name}`;
  return name ?? text ?? '';
}
