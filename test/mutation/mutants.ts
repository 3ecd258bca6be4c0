import ts from 'typescript';

/** One change to one source file. */
export interface Mutant {
  readonly file: string;
  readonly line: number;
  readonly operator: string;
  /** The lines that are changed, as they are and with the change, each on one line. */
  readonly before: string;
  readonly after: string;
  readonly start: number;
  readonly end: number;
  readonly replacement: string;
}

type Change = Pick<Mutant, 'operator' | 'start' | 'end' | 'replacement'>;

/** What the compiler knows. */
interface Types {
  isNumber(node: ts.Node): boolean;
  /** Whether a number may stand in place of another one: a type such as `1 | 2 | 3` allows few. */
  allows(node: ts.Expression, value: number): boolean;
}

const swaps = {
  boundary: { '<': '<=', '<=': '<', '>': '>=', '>=': '>' },
  equality: { '===': '!==', '!==': '===' },
  logic: { '&&': '||', '||': '&&' },
  arithmetic: { '+': '-', '-': '+', '*': '/', '/': '*', '+=': '-=', '-=': '+=', '%': '*' },
  call: { min: 'max', max: 'min', ceil: 'floor', floor: 'ceil', some: 'every', every: 'some' },
} as const satisfies Record<string, Record<string, string>>;

/** Every mutant of some files, in the order of their lines. The compiler tells a sum from joined texts, and what it would refuse. */
export function mutantsOf(root: string, files: readonly string[]): Mutant[] {
  const { config } = ts.readConfigFile(`${root}/tsconfig.json`, ts.sys.readFile);
  const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, root);
  const program = ts.createProgram(
    files.map((file) => `${root}/${file}`),
    options,
  );
  const checker = program.getTypeChecker();
  const types: Types = {
    isNumber: (node) => (checker.getTypeAtLocation(node).flags & ts.TypeFlags.NumberLike) !== 0,
    allows: (node, value) => {
      const expected = checker.getContextualType(node);
      const allowed = expected?.isUnion() ? expected.types.filter((type) => type.isNumberLiteral()) : [];
      return allowed.length === 0 || allowed.some((type) => type.value === value);
    },
  };

  return files.flatMap((file) => {
    const source = program.getSourceFile(`${root}/${file}`);
    if (source === undefined) throw new Error(`Cannot read ${file}`);
    const changes: Change[] = [];
    const visit = (node: ts.Node): void => {
      if (ts.isTypeNode(node) || ts.isInterfaceDeclaration(node)) return;
      changes.push(...changesOf(node, source, types));
      ts.forEachChild(node, visit);
    };
    ts.forEachChild(source, visit);
    return changes.map((change) => asMutant(file, source, change)).sort((a, b) => a.start - b.start);
  });
}

/** A file's text with a mutant in it. */
export function mutated(text: string, { start, end, replacement }: Change): string {
  return text.slice(0, start) + replacement + text.slice(end);
}

function changesOf(node: ts.Node, source: ts.SourceFile, { isNumber, allows }: Types): Change[] {
  const change = (operator: string, at: ts.Node, replacement: string): Change[] => [
    { operator, start: at.getStart(source), end: at.end, replacement },
  ];
  if (ts.isBinaryExpression(node)) {
    const { left, operatorToken, right } = node;
    const text = operatorToken.getText(source);
    if (text === '??') return change('default', node, `(${right.getText(source)})`);
    for (const operator of ['boundary', 'equality', 'logic', 'arithmetic'] as const) {
      const other = (swaps[operator] as Record<string, string>)[text];
      if (other === undefined) continue;
      if (operator === 'arithmetic' && !(isNumber(left) && isNumber(right))) continue;
      return change(operator, operatorToken, other);
    }
  }
  if (ts.isPrefixUnaryExpression(node) && node.operator === ts.SyntaxKind.ExclamationToken)
    return change('negation', node, node.operand.getText(source));
  if (isCompared(node) || isFallback(node) || isSize(node)) return [];
  if (node.kind === ts.SyntaxKind.TrueKeyword) return change('boolean', node, 'false');
  if (node.kind === ts.SyntaxKind.FalseKeyword) return change('boolean', node, 'true');
  if (ts.isNumericLiteral(node)) {
    const next = Number(node.text) + 1;
    return allows(node, next) ? change('constant', node, String(next)) : [];
  }
  if (ts.isCallExpression(node) && ts.isPropertyAccessExpression(node.expression)) {
    const { name } = node.expression;
    const other = (swaps.call as Record<string, string>)[name.text];
    return other === undefined ? [] : change('call', name, other);
  }
  if (ts.isExpressionStatement(node) && ts.isCallExpression(node.expression))
    return change('statement', node, ';');
  if ((ts.isIfStatement(node) || ts.isConditionalExpression(node)) && isBare(conditionOf(node)))
    return change('condition', conditionOf(node), `!(${conditionOf(node).getText(source)})`);
  return [];
}

/** Whether the operator of a comparison is changed already, which says as much as changing its operand. */
function isCompared({ parent }: ts.Node): boolean {
  if (!ts.isBinaryExpression(parent)) return false;
  const operator = parent.operatorToken.getText(parent.getSourceFile());
  return operator in swaps.boundary || operator in swaps.equality;
}

/** Whether a value stands in for one that is missing: often it never is, and only the compiler asks for it. */
function isFallback({ parent }: ts.Node): boolean {
  return ts.isBinaryExpression(parent) && parent.operatorToken.kind === ts.SyntaxKind.QuestionQuestionToken;
}

/** Whether a value is the size of a new buffer: nobody notices a greater one. */
function isSize({ parent }: ts.Node): boolean {
  return ts.isNewExpression(parent);
}

function conditionOf(node: ts.IfStatement | ts.ConditionalExpression): ts.Expression {
  return ts.isIfStatement(node) ? node.expression : node.condition;
}

/** Whether no other operator reaches a condition. */
function isBare(condition: ts.Expression): boolean {
  return (
    ts.isIdentifier(condition) || ts.isCallExpression(condition) || ts.isPropertyAccessExpression(condition)
  );
}

function asMutant(file: string, source: ts.SourceFile, change: Change): Mutant {
  const { text } = source;
  const from = text.lastIndexOf('\n', change.start - 1) + 1;
  const newline = text.indexOf('\n', change.end);
  const to = newline === -1 ? text.length : newline;
  const onOneLine = (lines: string) => lines.trim().replace(/\s+/g, ' ');
  return {
    file,
    line: source.getLineAndCharacterOfPosition(change.start).line + 1,
    before: onOneLine(text.slice(from, to)),
    after: onOneLine(text.slice(from, change.start) + change.replacement + text.slice(change.end, to)),
    ...change,
  };
}
