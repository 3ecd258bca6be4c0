import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { drawPicture, type Row } from '../src/predict/drawing.ts';
import { type Detection, predictDetection } from '../src/predict/predict.ts';
import { windowText } from '../src/predict/timeline.ts';

// Writes the pictures of the README: docs/images/time-line*.svg.

const IMAGES = new URL('../docs/images/', import.meta.url);
const MINUTE = 60_000;

/** The files of the README's picture, by name: GitHub's width and a telephone's, light and dark. */
export function timeLines(): Record<string, string> {
  const widths = { '': 830, '-narrow': 400 };
  const files = Object.entries(widths).flatMap(([size, width]) =>
    (['light', 'dark'] as const).map((theme) => [`time-line${size}-${theme}.svg`, timeLine(width, theme)]),
  );
  return Object.fromEntries(files);
}

/** A pool as it comes, which hangs, above one that is held. */
function timeLine(width: number, theme: 'light' | 'dark'): string {
  const rows = [...hung(predictDetection({ enable: false })), ...held(predictDetection('database'))];
  return drawPicture({
    title:
      'What becomes of a connection pool on Linux when its server vanishes, without and with tcp-keepalive',
    description: rows
      .map(({ heading, label, note }) => `${heading === undefined ? '' : `${heading}. `}${label}: ${note}.`)
      .join(' '),
    rows,
    end: 18 * MINUTE,
    width,
    theme,
  });
}

function hung({ idle, unacknowledged }: Detection): Row[] {
  return [
    {
      heading: 'The server vanishes: a pool as it comes',
      label: 'idle',
      note: 'never noticed: the pool hands out the dead connection',
      probes: [],
      drop: idle,
    },
    {
      label: 'data in flight',
      note: `the query hangs for ${windowText(unacknowledged)}`,
      probes: [],
      drop: unacknowledged,
      isReplaced: true,
    },
  ];
}

function held({ idle, unacknowledged }: Detection): Row[] {
  return [
    {
      heading: 'The same pool, held with the preset database',
      label: 'idle',
      note: `noticed after ${windowText(idle)} · the pool connects again`,
      probes: [],
      drop: idle,
      isReplaced: true,
    },
    {
      label: 'data in flight',
      note: `the query fails after ${windowText(unacknowledged)} · the next one is answered`,
      probes: [],
      drop: unacknowledged,
      isReplaced: true,
    },
  ];
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  mkdirSync(IMAGES, { recursive: true });
  for (const [name, svg] of Object.entries(timeLines())) writeFileSync(new URL(name, IMAGES), svg);
}
