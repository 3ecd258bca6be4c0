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
];
