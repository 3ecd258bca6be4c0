import { planChanges } from '../../../machine/apply.ts';
import type { ProcessChange, ProcessFilter } from '../../../machine/index.ts';
import type { ProcessIdentity } from '../../../machine/process.ts';
import type { KeepAliveSettings } from '../../../options/options.ts';

/** What is asked for. */
export interface Request {
  readonly pid: number;
  readonly settings: KeepAliveSettings;
  readonly filters: readonly ProcessFilter[];
}

/** What is planned for the connections, and for the listeners. */
export async function planAll(
  process: ProcessIdentity,
  { filters, settings }: Request,
): Promise<ProcessChange[]> {
  const planned = [];
  for (const filter of filters) planned.push(...(await planChanges(process, filter, settings)));
  return planned;
}
