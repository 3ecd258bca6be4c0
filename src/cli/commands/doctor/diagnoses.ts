import { type OptionName, onlyTunes, optionNames } from '../../../options/options.ts';
import type { Capabilities } from '../../../sockets/capabilities.ts';
import { predictable, readSystem } from '../../system.ts';
import { diagnoseRules } from './rules.ts';
import { diagnoseSockets } from './sockets.ts';
import { diagnoseSystem } from './system.ts';

/** The result of one examination. Facts are `ok`, whatever they are: what a program leaves alone is its own choice. */
export interface Diagnosis {
  readonly subject: string;
  readonly status: 'ok' | 'warning' | 'fail';
  readonly message: string;
  /** The action that helps. */
  readonly advice?: string;
  /** The numbers and names of the message, for programs. Times are in milliseconds. */
  readonly values?: Readonly<Record<string, unknown>>;
}

/** Examines the machine, the runtime, the options of sockets, and the rules of the environment. */
export async function examine(): Promise<Diagnosis[]> {
  // Imported here, because these load koffi, which the other commands do not need.
  const { capabilities } = await import('../../../sockets/capabilities.ts');
  const { loadLibc } = await import('../../../../native-bindings/libc.ts');
  const can = capabilities();
  const system = await readSystem();
  return [
    diagnoseRuntime(),
    diagnoseCalls(can, () => loadLibc().library),
    diagnoseOptions(can),
    ...diagnoseSystem(system),
    ...(can.through === 'setsockopt' ? await diagnoseSockets(predictable(system)) : []),
    ...(await diagnoseRules()),
  ];
}

function diagnoseRuntime(): Diagnosis {
  const { versions, platform, arch } = process;
  const [name, version] = versions.bun === undefined ? ['Node', versions.node] : ['Bun', versions.bun];
  const fact = {
    subject: 'runtime',
    message: `${name} ${version} on ${platform} ${arch}`,
    values: { runtime: name, version, platform, arch },
  };
  if (Number(versions.node.split('.')[0]) >= 20) return { ...fact, status: 'ok' };
  return { ...fact, status: 'fail', advice: 'Use Node 20 or later.' };
}

function diagnoseCalls({ through, reason }: Capabilities, library: () => string): Diagnosis {
  const fact = { subject: 'system calls', values: { through } };
  if (through === 'setsockopt') {
    return { ...fact, status: 'ok', message: `${library()} is loaded: setsockopt and getsockopt` };
  }
  const message = "only Node's own socket.setKeepAlive() can be called here";
  const isLost = reason?.startsWith('Cannot load koffi') ?? false;
  return { ...fact, status: isLost ? 'fail' : 'warning', message, advice: `${reason}.` };
}

function diagnoseOptions({ options, platform, through }: Capabilities): Diagnosis {
  const can = optionNames.filter((name) => options[name].set);
  const cannot = optionNames.filter((name) => !options[name].set);
  const title = (name: OptionName) =>
    options[name].constant === undefined ? name : `${name} (${options[name].constant})`;
  const message = `can be set: ${can.map(title).join(', ') || 'none'}`;
  const fact = { subject: 'options', status: 'ok', values: { can, cannot } } as const;
  if (cannot.length === 0) return { ...fact, message };
  // Without system calls the reason is theirs, and was shown already.
  const reason = through === 'setsockopt' ? `; ${platform} does not have` : '; without system calls not';
  const lacking = `${message}${reason}: ${cannot.join(', ')}`;
  if (cannot.every(onlyTunes)) return { ...fact, message: lacking };
  return {
    ...fact,
    message: lacking,
    advice: 'Expect these in `skipped`; `{ strict: true }` makes them an error.',
  };
}
