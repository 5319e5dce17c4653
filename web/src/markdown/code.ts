import { copyText } from './copy'
import type { MarkdownLabels } from './labels'
import type { VCode } from './nodes'

/** Lines in one box of a code block: layout work stays within the box that changes. */
const LINES_PER_BOX = 32

/** A run of code in one colour; `kind` is empty for plain text. */
export interface Run {
  kind: string
  text: string
}

/** A code block's DOM, which grows by appending to its last text node. */
export class CodeView {
  readonly element = document.createElement('div')
  readonly #language = document.createElement('span')
  readonly #scroller = document.createElement('pre')
  readonly #code = document.createElement('code')
  readonly #labels: MarkdownLabels
  #shown: VCode = { kind: 'code', language: '', text: '', closed: false }
  #box: Text | null = null
  #linesInBox = 0
  #coloured = false

  constructor(vnode: VCode, labels: MarkdownLabels) {
    this.#labels = labels
    this.element.className = 'code-block'
    const head = document.createElement('div')
    head.className = 'code-head'
    this.#language.className = 'code-language'
    const copy = document.createElement('button')
    copy.type = 'button'
    copy.className = 'code-copy'
    copy.textContent = labels.copy
    copy.setAttribute('aria-live', 'polite')
    copy.addEventListener('click', () => void this.#copy(copy))
    head.append(this.#language, copy)
    this.#scroller.tabIndex = 0
    this.#scroller.setAttribute('role', 'group')
    this.#scroller.append(this.#code)
    this.element.append(head, this.#scroller)
    this.#name(vnode.language)
    this.#append(vnode.text)
    this.#shown = vnode
  }

  get shown(): VCode {
    return this.#shown
  }

  update(next: VCode): void {
    const previous = this.#shown
    if (next.language !== previous.language) this.#name(next.language)
    if (next.text !== previous.text) {
      if (!this.#coloured && next.text.startsWith(previous.text)) {
        this.#append(next.text.slice(previous.text.length))
      } else {
        this.#clear()
        this.#append(next.text)
      }
    }
    this.#shown = next
  }

  /** Colours the code box by box, and pauses after each; gives up when the text changes meanwhile. */
  *colour(runs: Iterable<Run>): Generator<void> {
    const text = this.#shown.text
    let index = 0
    for (const box of boxes(runs)) {
      if (this.#shown.text !== text) return
      this.#coloured = true
      this.#code.children[index++]?.replaceChildren(...box.map(coloured))
      yield
    }
  }

  async #copy(button: HTMLButtonElement): Promise<void> {
    if (!(await copyText(this.#shown.text.replace(/\n$/, ''), button))) return
    button.textContent = this.#labels.copied
    setTimeout(() => (button.textContent = this.#labels.copy), 2000)
  }

  #name(language: string): void {
    this.#language.textContent = language
    this.#scroller.setAttribute('aria-label', this.#labels.code(language))
  }

  #clear(): void {
    this.#code.replaceChildren()
    this.#box = null
    this.#coloured = false
  }

  #append(added: string): void {
    let from = 0
    while (from < added.length) {
      const box = this.#openBox()
      let to = from
      while (this.#linesInBox < LINES_PER_BOX && to < added.length) {
        const end = added.indexOf('\n', to)
        if (end < 0) {
          to = added.length
        } else {
          to = end + 1
          this.#linesInBox++
        }
      }
      box.appendData(added.slice(from, to))
      from = to
    }
  }

  #openBox(): Text {
    if (this.#box === null || this.#linesInBox === LINES_PER_BOX) {
      const span = document.createElement('span')
      span.className = 'code-lines'
      this.#box = document.createTextNode('')
      this.#linesInBox = 0
      span.append(this.#box)
      this.#code.append(span)
    }
    return this.#box
  }
}

function coloured({ kind, text }: Run): Node | string {
  if (kind === '') return text
  const span = document.createElement('span')
  span.className = `tok-${kind}`
  span.textContent = text
  return span
}

/** Cuts runs where a code block's boxes end. */
function* boxes(runs: Iterable<Run>): Generator<Run[]> {
  let box: Run[] = []
  let lines = 0
  for (const { kind, text } of runs) {
    let from = 0
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', end + 1)) {
      if (++lines < LINES_PER_BOX) continue
      box.push({ kind, text: text.slice(from, end + 1) })
      yield box
      box = []
      lines = 0
      from = end + 1
    }
    if (from < text.length) box.push({ kind, text: text.slice(from) })
  }
  if (box.length > 0) yield box
}
