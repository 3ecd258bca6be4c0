import type { Io, ParsedArguments } from './command.ts';
import { UsageError } from './usage-error.ts';

/**
 * Makes sure that somebody can say yes, before anything is looked at.
 *
 * @throws {@link UsageError}
 */
export function expectConsent(given: ParsedArguments, io: Io): void {
  if (given.has('yes') || io.ask !== undefined) return;
  throw new UsageError('Expected --yes, because there is no terminal on which to ask');
}

/** Whether somebody has said yes, by `--yes` or now. */
export async function hasConsent(given: ParsedArguments, io: Io, question: string): Promise<boolean> {
  if (given.has('yes')) return true;
  const answer = (await io.ask?.(`${question} [y/N] `)) ?? false;
  if (!answer) io.err('Nothing was changed.\n');
  return answer;
}
