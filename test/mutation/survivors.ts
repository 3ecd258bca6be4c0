/** A mutant that no test notices. */
export interface Survivor {
  readonly file: string;
  readonly before: string;
  readonly after: string;
  readonly because: string;
}

/** At most five. Whoever wants a sixth writes a test, or removes the code that nobody would miss. */
export const survivors: readonly Survivor[] = [
  {
    file: 'src/options/parse.ts',
    before: 'if (userTimeout > max) {',
    after: 'if (userTimeout >= max) {',
    because:
      "'auto' comes to whole seconds less half a second, and the greatest user timeout is not such a time.",
  },
  {
    file: 'src/predict/in-flight.ts',
    before: 'steps.push({ wait: left, times: 1 });',
    after: 'steps.push({ wait: left, times: 2 });',
    because:
      'Once the limit has passed nothing is waited for any longer, so that a second such wait changes nothing.',
  },
  {
    file: 'src/predict/plan.ts',
    before: 'const middle = Math.floor((fit + over) / 2);',
    after: 'const middle = Math.ceil((fit + over) / 2);',
    because: 'A search by halves ends at the same second, whichever of two it tries first.',
  },
  {
    file: 'src/predict/plan.ts',
    before: 'userTimeout <= optionRanges.userTimeout.max &&',
    after: 'userTimeout < optionRanges.userTimeout.max &&',
    because:
      'A user timeout of the greatest value is dropped after it, and so meets no deadline that there is.',
  },
  {
    file: 'src/sockets/hold.ts',
    before: 'if (isWaiting(socket)) return false;',
    after: 'if (isWaiting(socket)) return true;',
    because:
      'A socket that waits has no handle, so that the second look which would follow finds nothing to do.',
  },
];
