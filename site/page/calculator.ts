import type { PresetName } from '../../src/options/presets.ts';
import { found, prose } from './element.ts';
import { type Control, deadlineControl, optionControls, presetButtons, surroundingControls } from './form.ts';
import {
  formatChoices,
  inWords,
  showFigures,
  showFindings,
  showPicture,
  textFor,
  verdictOf,
} from './results.ts';
import {
  type Answer,
  answerOf,
  changed,
  type FieldName,
  type Fields,
  hashOf,
  problemsOf,
  type State,
  stateOf,
  withOptions,
} from './state.ts';

// The page: it holds the state, asks the library, and shows what it answers.

/** The URL is written after a pause: browsers allow few changes a second, and a slider makes many. */
const URL_PAUSE = 200;
/** A screen reader reads the answer once a slider rests. */
const SPEECH_PAUSE = 800;

let state: State = stateOf(location.hash.slice(1));
/** The answer to the last fields that were valid. */
let answer: Answer = answerOf(stateOf('').fields);
let urlTimer: number | undefined;
let speechTimer: number | undefined;

const controls: Control[] = [];
const picture = found('picture');
const text = found('text') as HTMLTextAreaElement;

function place(id: string, ...placed: Control[]): void {
  found(id).append(...placed.map(({ part }) => part));
  controls.push(...placed);
}

function changeField(name: FieldName, value: string): void {
  update({ ...state, fields: changed(state.fields, name, value) });
}

function choosePreset(name: string): void {
  update({ ...state, fields: withOptions(state.fields, name as PresetName) });
}

function chooseFormat(format: string): void {
  update({ ...state, format });
}

function update(next: State): void {
  state = next;
  show(undefined);
  clearTimeout(urlTimer);
  urlTimer = setTimeout(writeUrl, URL_PAUSE);
  clearTimeout(speechTimer);
  speechTimer = setTimeout(speak, SPEECH_PAUSE);
}

/** Shows the state: what it asks in all controls, and its answer, or the last one if a field cannot be read. */
function show(problem: string | undefined): void {
  const current = ask(state.fields);
  const problems = problemsOf(state.fields);
  answer = current ?? answer;
  const settings = current?.report.options;
  const preset = typeof current?.input === 'string' ? current.input : undefined;
  for (const control of controls) control.show({ fields: state.fields, problems, settings, preset });
  const isAlone = Object.keys(problems).length === 0;
  found('problem').replaceChildren(...(problem !== undefined && isAlone ? prose(problem) : []));
  document.body.classList.toggle('stale', current === undefined);
  showAnswer(answer);
}

function ask(fields: Fields): Answer | undefined {
  try {
    return answerOf(fields);
  } catch {
    return undefined;
  }
}

function showAnswer(shown: Answer): void {
  showPicture(picture, shown);
  showFigures(found('figures'), shown);
  showFindings(found('findings'), shown.report.findings);
  found('verdict').textContent =
    shown.deadline === undefined ? '' : verdictOf(shown.report.detection, shown.deadline);
  text.value = textFor(shown, state.format);
  text.rows = text.value.split('\n').length - 1;
  for (const input of document.querySelectorAll<HTMLInputElement>('input[name=format]')) {
    input.checked = input.value === state.format;
  }
}

function writeUrl(): void {
  if (ask(state.fields) !== undefined) history.replaceState(null, '', `#${hashOf(state)}`);
}

function speak(): void {
  const problems = Object.values(problemsOf(state.fields));
  found('status').textContent = [
    ...problems,
    ...(ask(state.fields) === undefined ? [] : [inWords(answer)]),
  ].join(' ');
}

function readUrl(): void {
  const { problem, ...read } = stateOf(location.hash.slice(1));
  state = read;
  show(problem);
}

async function copy(): Promise<void> {
  const status = found('copied');
  try {
    await navigator.clipboard.writeText(text.value);
    status.textContent = 'Copied.';
  } catch {
    text.select();
    status.textContent = 'The browser does not allow it: the text is selected, copy it with the keyboard.';
  }
  setTimeout(() => {
    status.textContent = '';
  }, 3_000);
}

place('start', presetButtons(choosePreset), deadlineControl(changeField));
place('timers', ...optionControls(changeField));
place('surroundings', ...surroundingControls(changeField));
found('formats').append(...formatChoices(chooseFormat));
found('copy').addEventListener('click', () => void copy());
addEventListener('hashchange', readUrl);
readUrl();

let drawnWidth = picture.clientWidth;
new ResizeObserver(() => {
  if (picture.clientWidth === drawnWidth) return;
  drawnWidth = picture.clientWidth;
  showPicture(picture, answer);
}).observe(picture);

performance.mark('interactive');
