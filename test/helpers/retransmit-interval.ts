import { capabilities } from 'tcp-keepalive';
import { expect } from 'vitest';
import type { AppliedKeepAlive } from '../../src/kernel/calls.ts';
import { withSkipped } from '../../src/kernel/calls.ts';
import type { KeepAliveSettings } from '../../src/options/options.ts';

/** Whether this kernel has `TCP_RTO_MAX_MS`, as Linux since 6.15. */
export const hasRetransmitInterval: boolean = capabilities().options.maxRetransmitInterval.set;

/** The result of writing settings on this kernel. */
export function asApplied(settings: KeepAliveSettings): AppliedKeepAlive {
  return hasRetransmitInterval || settings.maxRetransmitInterval === undefined
    ? settings
    : withSkipped(settings, ['maxRetransmitInterval']);
}

/** What Linux reads back for settings: the interval may be up to a tick longer, and is there if it was not set. */
export function asRead({ maxRetransmitInterval, ...given }: KeepAliveSettings): KeepAliveSettings {
  const others = { failOnUnreachable: false, ...given };
  if (!hasRetransmitInterval) return others;
  const withinATick = (interval: number): number => expect.closeTo(interval + 4.5, -1);
  const read = maxRetransmitInterval === undefined ? expect.any(Number) : withinATick(maxRetransmitInterval);
  return { ...others, maxRetransmitInterval: read };
}
