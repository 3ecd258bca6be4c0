import type { KeepAliveSettings } from '../../src/options/options.ts';
import { presets } from '../../src/options/presets.ts';
import { formatTime } from '../../src/options/words.ts';
import { pathIdleLimits } from '../../src/predict/paths.ts';
import { element, prose } from './element.ts';
import { deadline, type NumberField, options, type SwitchField, surroundingFields } from './fields.ts';
import { stopOf } from './scale.ts';
import type { FieldName, Fields, Problems } from './state.ts';

/** What all controls show. */
export interface Shown {
  readonly fields: Fields;
  readonly problems: Problems;
  /** The options as the kernel gets them, if they are valid. */
  readonly settings: KeepAliveSettings | undefined;
  /** The name of the preset that these are, if they are one. */
  readonly preset: string | undefined;
}

/** A part of the form, and what makes it show a state. */
export interface Control {
  readonly part: HTMLElement;
  show(shown: Shown): void;
}

export type Change = (name: FieldName, text: string) => void;

/** The buttons of the presets. */
export function presetButtons(choose: (name: string) => void): Control {
  const buttons = Object.keys(presets).map((name) => {
    const button = element('button', { type: 'button', class: 'chip' }, name);
    button.addEventListener('click', () => choose(name));
    return { name, button };
  });
  return {
    part: element('div', { class: 'chips' }, ...buttons.map(({ button }) => button)),
    show({ preset }) {
      for (const { name, button } of buttons) button.setAttribute('aria-pressed', String(name === preset));
    },
  };
}

export function optionControls(change: Change): Control[] {
  return options.map((field) =>
    'off' in field ? switchControl(field, change) : numberControl(field, change),
  );
}

export function deadlineControl(change: Change): Control {
  return numberControl(deadline, change);
}

export function surroundingControls(change: Change): Control[] {
  return [pathControl(change), ...surroundingFields.map((field) => numberControl(field, change))];
}

function switchControl({ name, label, hint, off }: SwitchField, change: Change): Control {
  const box = element('input', { type: 'checkbox', id: name, 'aria-describedby': `${name}-hint` });
  box.addEventListener('change', () => change(name, box.checked ? 'true' : off));
  return {
    part: element(
      'div',
      { class: 'field' },
      element('div', { class: 'switch' }, box, element('label', { for: name }, label)),
      element('p', { class: 'hint', id: `${name}-hint` }, hint),
    ),
    show({ fields }) {
      box.checked = fields[name] === 'true';
    },
  };
}

function numberControl(field: NumberField, change: Change): Control {
  const { name, label, hint } = field;
  const text = textInput(name, field.empty.text);
  const auto = element('button', { type: 'button', class: 'auto', 'aria-label': `${label}: auto` }, 'auto');
  const slider = element('input', {
    type: 'range',
    'aria-label': label,
    min: '0',
    max: String(field.scale.length - 1),
  });
  const problem = problemOf(name);
  let { value } = field.empty;
  text.addEventListener('input', () => change(name, text.value));
  slider.addEventListener('input', () => change(name, field.write(field.scale[slider.valueAsNumber] ?? 0)));
  auto.addEventListener('click', () => change(name, text.value === 'auto' ? field.write(value) : 'auto'));
  return {
    part: element(
      'div',
      { class: 'field number' },
      element('label', { for: name }, label),
      element('div', { class: 'entry' }, slider, text, ...(field.hasAuto ? [auto] : [])),
      element('p', { class: 'hint', id: `${name}-hint` }, hint),
      problem.part,
    ),
    show(shown) {
      const written = shown.fields[name];
      value = numberOf(field, shown) ?? value;
      if (text.value.trim() !== written) text.value = written;
      auto.setAttribute('aria-pressed', String(written === 'auto'));
      slider.value = String(stopOf(field.scale, value));
      slider.setAttribute('aria-valuetext', written === '' ? field.empty.text : field.say(value));
      problem.show(text, shown.problems[name]);
    },
  };
}

/** The number of a field, which of `auto` is what it comes to; `undefined` if it cannot be read. */
function numberOf(field: NumberField, { fields, settings }: Shown): number | undefined {
  const text = fields[field.name];
  if (text === '') return field.empty.value;
  if (text === 'auto') return settings?.[field.name as 'userTimeout'];
  try {
    return field.parse(text);
  } catch {
    return undefined;
  }
}

const NONE = '';
const OTHER = 'other';

/** A known path is chosen from a list, and the limit of another one is typed. */
function pathControl(change: Change): Control {
  const known = Object.entries(pathIdleLimits);
  const optionsOf = (probesCount: boolean) =>
    known
      .filter(([, path]) => path.probesCount === probesCount)
      .map(([name, { title, limit }]) =>
        element('option', { value: name }, `${title}, ${formatTime(limit)}`),
      );
  const choice = element(
    'select',
    { id: 'path-choice' },
    element('option', { value: NONE }, 'nothing that forgets'),
    element('option', { value: OTHER }, 'another limit'),
    element('optgroup', { label: 'Probes keep it open' }, ...optionsOf(true)),
    element('optgroup', { label: 'Only payload keeps it open' }, ...optionsOf(false)),
  );
  const text = textInput('path', '350s, or payload:60s');
  text.setAttribute('aria-label', 'Limit of the path');
  const problem = problemOf('path');
  choice.addEventListener('change', () => {
    change('path', choice.value === OTHER ? '5m' : choice.value);
    if (choice.value === OTHER) text.focus();
  });
  text.addEventListener('input', () => change('path', text.value));
  return {
    part: element(
      'div',
      { class: 'field' },
      element('label', { for: 'path-choice' }, 'Path between the two ends'),
      choice,
      text,
      element('p', { class: 'hint', id: 'path-hint' }, 'After so much silence it forgets a connection.'),
      problem.part,
    ),
    show({ fields: { path }, problems }) {
      const isOther = path === NONE ? document.activeElement === text : !Object.hasOwn(pathIdleLimits, path);
      choice.value = isOther ? OTHER : path;
      text.hidden = !isOther;
      if (text.value.trim() !== path) text.value = path;
      problem.show(text, problems.path);
    },
  };
}

function textInput(name: string, placeholder: string): HTMLInputElement {
  return element('input', {
    type: 'text',
    id: name,
    placeholder,
    autocomplete: 'off',
    autocapitalize: 'off',
    spellcheck: 'false',
    'aria-describedby': `${name}-hint ${name}-problem`,
  });
}

function problemOf(name: string) {
  const part = element('p', { class: 'problem', id: `${name}-problem` });
  return {
    part,
    show(text: HTMLInputElement, problem: string | undefined) {
      text.setAttribute('aria-invalid', String(problem !== undefined));
      part.replaceChildren(...(problem === undefined ? [] : prose(problem)));
    },
  };
}
