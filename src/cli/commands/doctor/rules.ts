import { reviewKeepAlive } from '../../../predict/review.ts';
import type { CompiledRule } from '../../../rules/rule.ts';
import type { Diagnosis } from './diagnoses.ts';

const SUBJECT = 'rules';

/** Reads the rules of the environment as a program that is started here would, and reviews their options. */
export async function diagnoseRules(): Promise<Diagnosis[]> {
  const { rulesOfEnvironment } = await import('../../../rules/environment.ts');
  const { areInstalled, expectAvailable } = await import('../../../rules/install.ts');
  const { ruleText } = await import('../../../rules/text.ts');
  const variables = ['TCP_KEEPALIVE', 'TCP_KEEPALIVE_CONFIG'].filter((name) => process.env[name]);
  if (variables.length === 0) {
    return [{ subject: SUBJECT, status: 'ok', message: 'none in this environment', values: { rules: [] } }];
  }
  try {
    const { rules, strict } = rulesOfEnvironment(process.env);
    const texts = rules.map((rule) => ruleText(rule, rule.rule.side ?? 'client'));
    const loaded = areInstalled();
    const all: Diagnosis = {
      subject: SUBJECT,
      status: 'ok',
      message:
        `${rules.length} in ${variables.join(' and ')}: ${texts.join('; ')}; ` +
        (loaded ? 'this process has them' : 'programs get them with --require tcp-keepalive/register'),
      values: { rules: texts, strict, loaded },
    };
    const unavailable = problemOf(() => expectAvailable(rules));
    return [
      all,
      ...(unavailable === undefined
        ? []
        : [
            mistake(
              unavailable,
              strict ? 'fail' : 'warning',
              'Leave the option out of the rule, or set the others only.',
            ),
          ]),
      ...rules.flatMap((rule, index) => reviewRule(rule, texts[index] ?? '')),
    ];
  } catch (error) {
    return [
      mistake((error as Error).message, 'fail', 'Every program that loads the rules ends at its start.'),
    ];
  }
}

function reviewRule({ settings }: CompiledRule, text: string): Diagnosis[] {
  const findings = settings === false ? [] : reviewKeepAlive(settings);
  return findings
    .filter(({ severity }) => severity !== 'note')
    .map(({ code, severity, message }) => ({
      subject: `rule ${text}`,
      status: severity === 'error' ? 'fail' : 'warning',
      message,
      values: { code },
    }));
}

function mistake(message: string, status: Diagnosis['status'], advice: string): Diagnosis {
  return { subject: SUBJECT, status, message, advice };
}

function problemOf(check: () => void): string | undefined {
  try {
    check();
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}
