import { planChanges } from '../../../machine/apply.ts';
import type { ProcessChange, ProcessFilter } from '../../../machine/index.ts';
import type { ProcessIdentity } from '../../../machine/process.ts';
import type { KeepAliveSettings } from '../../../options/options.ts';

/** The process, its connections and the options that are asked for. */
export interface Request {
  readonly pid: number;
  readonly settings: KeepAliveSettings;
  readonly filters: readonly ProcessFilter[];
}

/** Plans the changes of the connections, and of the listeners. */
export async function planAll(
  process: ProcessIdentity,
  { filters, settings }: Request,
): Promise<ProcessChange[]> {
  const planned = [];
  for (const filter of filters) planned.push(...(await planChanges(process, filter, settings)));
  return planned;
}
