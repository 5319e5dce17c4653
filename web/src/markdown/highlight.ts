import hljs from 'highlight.js/lib/common'
import type { Run } from './code'

/** Characters highlighted in one go; a longer text is cut where a new top-level statement starts. */
const PIECE = 6_000
const LONGEST_PIECE = 30_000

/** The highlighter's many scopes, gathered into the few colours of the theme. */
const KINDS: Readonly<Record<string, string>> = {
  addition: 'added',
  attr: 'name',
  attribute: 'name',
  built_in: 'type',
  bullet: 'symbol',
  char: 'symbol',
  class: 'type',
  code: 'string',
  comment: 'comment',
  deletion: 'removed',
  doctag: 'keyword',
  keyword: 'keyword',
  link: 'string',
  literal: 'number',
  meta: 'meta',
  name: 'keyword',
  number: 'number',
  property: 'name',
  quote: 'comment',
  regexp: 'string',
  section: 'title',
  selector: 'keyword',
  'selector-attr': 'name',
  'selector-class': 'title',
  'selector-id': 'title',
  'selector-pseudo': 'name',
  'selector-tag': 'keyword',
  string: 'string',
  subst: '',
  symbol: 'symbol',
  tag: 'meta',
  'template-tag': 'meta',
  'template-variable': 'name',
  title: 'title',
  type: 'type',
  variable: 'name',
}

/** Collects what the highlighter emits as runs, where it would otherwise write HTML. */
class RunEmitter {
  readonly runs: Run[] = []
  readonly #scopes: string[] = []

  addText(text: string): void {
    if (text === '') return
    const kind = this.#scopes.findLast((scope) => scope !== '?') ?? ''
    const last = this.runs.at(-1)
    if (last?.kind === kind) last.text += text
    else this.runs.push({ kind, text })
  }

  startScope(scope: string): void {
    this.#scopes.push(KINDS[scope.split('.')[0] ?? ''] ?? '?')
  }

  endScope(): void {
    this.#scopes.pop()
  }

  openNode(scope: string): void {
    this.startScope(scope)
  }

  closeNode(): void {
    this.endScope()
  }

  __addSublanguage(emitter: RunEmitter): void {
    this.runs.push(...emitter.runs)
  }

  finalize(): void {
    this.#scopes.length = 0
  }

  toHTML(): string {
    return ''
  }
}

hljs.configure({ __emitter: RunEmitter } as unknown as Parameters<typeof hljs.configure>[0])

/** `text` in coloured runs that add up to it; nothing for an unknown language. */
export function* highlightRuns(language: string, text: string): Generator<Run> {
  if (hljs.getLanguage(language) === undefined) return
  for (const piece of pieces(text)) {
    if (piece.length > LONGEST_PIECE) {
      yield { kind: '', text: piece }
      continue
    }
    const result = hljs.highlight(piece, { language, ignoreIllegals: true })
    yield* (result as unknown as { _emitter: RunEmitter })._emitter.runs
  }
}

function* pieces(text: string): Generator<string> {
  let from = 0
  while (text.length - from > PIECE) {
    const start = /\n\n(?=\S)/g
    start.lastIndex = from + PIECE
    const at = start.exec(text)
    if (at === null) break
    yield text.slice(from, at.index + 2)
    from = at.index + 2
  }
  yield text.slice(from)
}
